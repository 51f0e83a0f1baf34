"""Which file, which of its streams, and the exact numbers that go with them."""

from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.rational import AVRational
from av.stream import Disposition
from av.video.stream import VideoStream

from alanet_core.errors import MediaError, RefusedError, must

TEXT_ART = {"tty", "bin", "xbin", "adf", "idf"}
"""Formats of FFmpeg that paint any text file as a video."""


def open_video(path: Path) -> InputContainer:
    """Open a file for reading. Raises RefusedError for one that is no video."""
    try:
        container = av.open(f"file:{path}")
    except (av.FFmpegError, OSError) as error:
        raise RefusedError(
            must("IN", "a video that FFmpeg can read", f"{path} ({error.strerror})", "see that it plays elsewhere")
        ) from error
    if container.format.name in TEXT_ART:
        container.close()
        raise RefusedError(must("IN", "a video", f"{path} (a text file)", "give a file that plays in a video player"))
    return container


def main_video(container: InputContainer, path: Path) -> VideoStream:
    """The stream to enhance: no cover picture; the one marked as default, or the largest."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise RefusedError(must("IN", "a file with a video stream", f"{path} ({kinds})", "give another file"))
    contexts: list[CodecContext | None] = [stream.codec_context for stream in streams]  # the stubs know no None
    decodable = [stream for stream, context in zip(streams, contexts, strict=True) if context is not None]
    if not decodable:
        raise RefusedError(must("IN", "coded in a way that FFmpeg decodes", str(path), "convert it first"))
    return max(decodable, key=lambda s: (s.disposition & Disposition.default, s.width * s.height, -s.index))


def rate_of(stream: VideoStream) -> Fraction | None:
    """Mean frames a second, by the container; None where it does not know."""
    rate = stream.average_rate
    return fraction(rate) if rate else None


def fraction(value: AVRational | None) -> Fraction:
    """PyAV's rational as Python's."""
    if value is None:
        raise MediaError(must("time base", "stated by the container", None, "convert the file first"))
    return Fraction(value.numerator, value.denominator)
