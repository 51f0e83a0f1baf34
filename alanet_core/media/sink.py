"""The file that is written: under a temporary name beside OUT, and under its own name once it is whole."""

from __future__ import annotations  # Packet is generic in PyAV's stubs alone

import contextlib
import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType
from av.video.stream import VideoStream

from alanet_core.errors import MediaError, RefusedError, must
from alanet_core.media.codecs import OutputPlan
from alanet_core.media.remux import add_copy, chapters_of, muxer_options, own_metadata
from alanet_core.media.sidedata import StreamExtras
from alanet_core.media.source import Source
from alanet_core.media.timing import Span, doubled_timecode, exact_on


class Sink:
    """OUT while it is written. One thread at a time; `finish` or `discard` ends it.

    time_base: the unit in which the container keeps times, in seconds. exact: whether it holds every time as it is
    meant; else it rounds to the nearest of its units.

    Raises RefusedError from the constructor where nothing can be written there.
    """

    def __init__(
        self,
        target: Path,
        source: Source,
        plan: OutputPlan,
        copied: list[Stream],
        extras: StreamExtras,
        *,
        doubled: bool,
    ) -> None:
        self.target = target
        self._part = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
        self._clock = plan.time_base
        self._lengths: dict[int, int] = {}
        self._by_steps = plan.container in ("mp4", "mov")
        self._shown = (2**62, -(2**62))  # when the first frame begins and the last one ends
        self._first_dts = 0
        self._last: Packet[Any] | None = None
        _create(self._part, target)
        try:
            self._output = av.open(
                f"file:{self._part}", "w", format=plan.container, options=muxer_options(source, plan.container)
            )
            self._output.metadata.update(own_metadata(source.container.metadata))
            self._output.set_chapters(chapters_of(source))
            self._copies: dict[int, Stream | None] = {}
            for stream in sorted([*copied, source.video], key=lambda stream: stream.index):
                if stream.index == source.video.index:
                    self._video = _add_video(self._output, source, plan, extras, doubled=doubled)
                else:
                    self._copies[stream.index] = add_copy(self._output, stream, source)
            self._output.start_encoding()
            self.time_base = Fraction(self._video.time_base.numerator, self._video.time_base.denominator)
            self.exact = exact_on(self._clock, self.time_base)
        except (av.FFmpegError, OSError, ValueError) as error:
            self.discard()
            raise RefusedError(
                must("OUT", f"writable as {plan.container}", f"{target} ({error})", "choose another suffix")
            ) from error
        except BaseException:
            self.discard()
            raise

    def write(self, picture: av.VideoFrame, span: Span) -> None:
        """Encode one picture. Its time, length and type are set here."""
        picture.pts, picture.time_base, picture.duration = span.start, self._clock, span.length
        picture.pict_type = PictureType.NONE  # the decoder's choice of I, P or B is none of the encoder's business
        self._lengths[span.start] = span.length
        self._shown = (min(self._shown[0], span.start), max(self._shown[1], span.start + span.length))
        self._encode(picture)

    def copy(self, packet: Packet[Any]) -> None:
        """Write a packet of another stream as it is; ignored where its stream is left out."""
        stream = self._copies.get(packet.stream.index)
        if stream is not None:
            packet.stream = stream
            with self._told():
                self._output.mux_one(packet)

    def finish(self) -> None:
        """Write what the encoder still holds, close the file, and give it its name."""
        self._encode(None)
        with self._told():
            self._write_last()
            self._output.close()
            with self._part.open("rb+") as whole:
                os.fsync(whole.fileno())
            self._part.replace(self.target)

    def discard(self) -> None:
        """Leave nothing behind. Does nothing after `finish`."""
        if hasattr(self, "_output"):
            with contextlib.suppress(av.FFmpegError, OSError, ValueError, RuntimeError, AssertionError):
                self._output.close()
        self._part.unlink(missing_ok=True)

    def _encode(self, picture: av.VideoFrame | None) -> None:
        with self._told():
            for packet in self._video.encode(picture):
                if packet.pts is not None:
                    packet.duration = self._lengths.pop(packet.pts, packet.duration)
                if self._last is not None:
                    self._output.mux_one(self._last)
                elif packet.dts is not None:
                    self._first_dts = packet.dts
                self._last = packet

    def _write_last(self) -> None:
        """Write the packet that comes last in decoding order.

        MP4 keeps no length of a frame but the steps between decoding times, and this packet's length closes the sum: it
        is made to end where the last shown frame ends.
        """
        packet = self._last
        if packet is None:
            return
        if self._by_steps and packet.dts is not None:
            packet.duration = max(1, (self._shown[1] - self._shown[0]) - (packet.dts - self._first_dts))
        self._output.mux_one(packet)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            full = error.errno == errno.ENOSPC
            remedy = "free some space or choose another disk" if full else "nothing was kept"
            why = error.strerror or type(error).__name__
            raise MediaError(must("OUT", "written whole", f"{self.target} ({why})", remedy)) from error


def _create(part: Path, target: Path) -> None:
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise RefusedError(
            must("OUT", "in a folder that can be written", str(target), f"{error.strerror}: choose another")
        ) from error


def _add_video(
    output: OutputContainer, source: Source, plan: OutputPlan, extras: StreamExtras, *, doubled: bool
) -> VideoStream:
    stream = output.add_stream(plan.codec, rate=plan.rate, time_base=plan.time_base)
    assert isinstance(stream, VideoStream)
    plan.configure(stream.codec_context)
    stream.metadata.update(own_metadata(source.video.metadata))
    if timecode := stream.metadata.get("timecode"):
        if plan.rate is None:
            del stream.metadata["timecode"]  # a count of frames means nothing without a rate
        elif doubled:
            stream.metadata["timecode"] = doubled_timecode(timecode)
    stream.disposition = source.video.disposition
    if extras.matrix:
        stream.set_display_matrix(extras.matrix)
    return stream
