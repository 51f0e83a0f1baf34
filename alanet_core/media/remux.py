"""What goes from IN to OUT as it is: the other streams, covers, chapters and metadata."""

import io
import re
from fractions import Fraction
from typing import Any

import av
from av.codec.context import CodecContext
from av.container import OutputContainer
from av.stream import Disposition, Stream

from alanet_core.errors import ConfigError, must
from alanet_core.media.encoders import CONTAINERS
from alanet_core.media.source import Source

OWN_KEYS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
"""Metadata that a muxer or encoder says of itself; the input's would be untrue."""

PLAIN_KEYS = {
    "title", "artist", "album_artist", "album", "composer", "date", "comment", "genre", "copyright", "description",
    "synopsis", "show", "episode_id", "network", "lyrics", "keywords", "grouping", "track", "disc", "compilation",
    "creation_time", "location", "timecode",
}  # fmt: skip
"""Metadata that MP4 has a box of its own for; other keys need the `mdta` form, which fewer players read."""


def route(source: Source, container: str, *, drop_unsupported: bool) -> tuple[list[Stream], list[str]]:
    """Which of the other streams are copied into `container`, and in words those that are left out.

    Streams of data that FFmpeg has no name for, or that the container cannot hold, are left out. Raises ConfigError for
    audio, subtitles or pictures that it cannot hold, unless drop_unsupported says to leave out those too.
    """
    copied, dropped = [], []
    for stream in source.others:
        context: CodecContext | None = stream.codec_context  # the stubs know no None
        name = stream.name if context is None else context.name
        label = f"stream {stream.index} ({stream.type}, {name or 'of an unknown kind'})"
        if (name or stream.type == "attachment") and _holds(container, stream, source):
            copied.append(stream)
        elif drop_unsupported or stream.type not in ("audio", "subtitle", "video"):
            dropped.append(label)
        else:
            fitting = [suffix for suffix, other in CONTAINERS.items() if _holds(other, stream, source)]
            remedy = f"choose {' or '.join(fitting)}, or give" if fitting else "give"
            raise ConfigError(
                must("OUT", f"a file that can hold {label}", container, f"{remedy} --drop-unsupported to leave it out")
            )
    return copied, dropped


def _holds(container: str, stream: Stream, source: Source) -> bool:
    """Tried on a file in memory, as only the muxer knows."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            add_copy(trial, stream, source)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def add_copy(output: OutputContainer, stream: Stream, source: Source) -> Stream | None:
    """A stream of `output` for the packets of `stream`; None where all of it goes into the file's head (a cover).

    Raises FFmpegError or ValueError, here or when the head is written, where the container cannot hold it.
    """
    cover = source.cover(stream) if stream.disposition & Disposition.attached_pic else None
    if cover is not None and output.format.name == "matroska":  # which keeps covers as attached files
        name = stream.metadata.get("filename", f"cover.{stream.codec_context.name}")
        kind = stream.metadata.get("mimetype", f"image/{stream.codec_context.name}")
        output.add_attachment(name, kind.replace("mjpeg", "jpeg"), cover)
        return None
    copy = output.add_stream_from_template(stream, opaque=True)
    copy.metadata.update({key: value for key, value in stream.metadata.items() if key.lower() != "duration"})
    copy.disposition = stream.disposition
    return copy


def muxer_options(source: Source, container: str) -> dict[str, str]:
    """How the container must be told to keep IN's metadata."""
    keys = {re.sub("-[a-z]{3}$", "", key) for key in own_metadata(source.container.metadata)}  # title-eng is a title
    return {"movflags": "use_metadata_tags"} if container in ("mp4", "mov") and not keys <= PLAIN_KEYS else {}


def own_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata that is the clip's own, not its muxer's."""
    return {key: value for key, value in metadata.items() if key.lower() not in OWN_KEYS}


def chapters_of(source: Source) -> list[Any]:
    """IN's chapters, moved as the frames are where only a part is enhanced."""
    chapters = []
    for chapter in source.container.chapters():
        shift = round(source.origin / Fraction(chapter["time_base"].numerator, chapter["time_base"].denominator))
        start, end = chapter["start"] - shift, chapter["end"] - shift
        if end > 0:
            chapters.append({**chapter, "start": max(0, start), "end": end})
    return chapters
