"""The file that is read: its frames decoded, in order and in time, and the packets of its other streams."""

from __future__ import annotations  # Packet is generic in PyAV's stubs alone

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from alanet_core.errors import RefusedError, must
from alanet_core.media.faults import Faults
from alanet_core.media.formats import ColorTags
from alanet_core.media.opening import fraction, main_video, open_video, rate_of
from alanet_core.media.timing import last_length, monotonic

MICROSECOND = Fraction(1, 1_000_000)  # the unit of a container's own start and duration
EARLY = Fraction(1, 2)  # seconds: how much sooner than stated a whole file may end, by rounding and priming
JUMP = 10  # seconds: a step back in time beyond this is another recording, not a badly stamped frame


@dataclass(frozen=True)
class SourceFrame:
    """A decoded frame.

    pts: when it is shown, in ticks of `Source.time_base`; stated: how long, by the container, 0 if it does not say.
    """

    picture: av.VideoFrame
    pts: int
    stated: int


class Source:
    """A video file, open for one pass. Use as a context manager; belongs to one thread at a time.

    Opening decodes the first frame, so that a file that cannot be enhanced is refused before anything is written.
    start, duration: the part to read, in seconds from the file's beginning; None reads to its end. What is read from a
    later start on is shifted so that its first frame comes at 0; from the beginning on, times are kept as they are.

    Raises RefusedError where there is no such file, no video in it, or no frame that can be decoded.
    """

    def __init__(self, path: str | Path, *, start: Fraction = Fraction(0), duration: Fraction | None = None) -> None:
        self.path = Path(path)
        self.container = open_video(self.path)
        try:
            self.video = main_video(self.container, self.path)
            self.video.thread_type = "AUTO"
            self.time_base = fraction(self.video.time_base)
            self.rate = rate_of(self.video)
            self.others = [stream for stream in self.container.streams if stream.index != self.video.index]
            self._faults = Faults()
            self._count = 0
            self._last: int | None = None
            self._beyond: int | None = None  # when the first frame after the wanted part is shown
            self._reached = Fraction(0)
            begin = (self.container.start_time or 0) * MICROSECOND
            self._begin = begin + start if start else None
            self._end = None if duration is None else begin + start + duration
            self._look = ""
            if start:
                self._seek(begin + start)
            self._items = self._read()
            self._ahead: deque[SourceFrame | Packet[Any]] = deque()
            self.first = self._first_frame()
            self.origin = self.first.pts * self.time_base if start else Fraction(0)
        except BaseException:
            self.container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; frames already handed out stay valid."""
        self._items.close()
        self.container.close()

    @property
    def tags(self) -> ColorTags:
        """What the file says of its colours."""
        return ColorTags.of(self.first.picture, self.video)

    @property
    def expected_frames(self) -> int | None:
        """About how many frames will come, for a progress bar; None where nothing is known."""
        seconds = self.container.duration * MICROSECOND if self.container.duration else None
        if seconds is not None and self._begin is not None:
            seconds -= self._begin - (self.container.start_time or 0) * MICROSECOND
        if self._end is not None:
            wanted = self._end - (self._begin or (self.container.start_time or 0) * MICROSECOND)
            seconds = wanted if seconds is None else min(seconds, wanted)
        elif self._begin is None and self.video.frames:
            return self.video.frames
        return max(1, round(seconds * self.rate)) if seconds is not None and self.rate else None

    @property
    def damage(self) -> str | None:
        """What of the file could not be read, in words, once all items have been read; None for a sound file."""
        return self._faults.words()

    def items(self) -> Iterator[SourceFrame | Packet[Any]]:
        """Frames of the video in the order in which they are shown, and packets of the other streams as they lie."""
        while self._ahead:
            if self._wanted(item := self._ahead.popleft()):
                yield self._shifted(item)
        for item in self._items:
            if self._wanted(item):
                yield self._shifted(item)

    def cover(self, stream: Stream) -> bytes | None:
        """The picture that `stream` holds beside the video, as it lies in the file; None where it has not come yet."""
        packets = [item for item in self._ahead if isinstance(item, Packet) and item.stream.index == stream.index]
        return bytes(packets[0]) if packets else None

    def end_of(self, pts: list[int], stated: int) -> int:
        """When the last frame ends (ticks). pts: its time and before it that of the frame before, if there is one."""
        if self._beyond is not None:
            return self._beyond - (self.first.pts if self.origin else 0)
        stop = None
        if self.video.duration is not None and self._begin is None and self._end is None:
            stop = (self.video.start_time or 0) + self.video.duration
        return pts[-1] + last_length(pts, stated=stated, stream_end=stop, rate=self.rate, tick=self.time_base)

    def _seek(self, time: Fraction) -> None:
        try:
            self.container.seek(int(time / MICROSECOND), backward=True)
        except av.FFmpegError:
            return  # a file without an index is read from its beginning, and what comes before is left out

    def _first_frame(self) -> SourceFrame:
        for item in self._items:
            self._ahead.append(item)
            if isinstance(item, SourceFrame):
                return item
        place = " after --start" if self._begin is not None else ""
        raise RefusedError(
            must(
                "IN", f"a video with at least one frame{place} that can be decoded", str(self.path), "see that it plays"
            )
        )

    def _read(self) -> Generator[SourceFrame | Packet[Any], None, None]:
        enough = False
        for packet in self._packets():
            if packet.stream.index != self.video.index:
                yield packet
            elif not enough:
                frames, enough = self._in_part(self._decode(packet))
                yield from frames
            if enough and self._all_past_end(packet):
                return
        if not enough:
            yield from self._in_part(self._decode(None))[0]
        stated = self._stated_end()
        if self._end is None and stated is not None and self._reached < stated - EARLY:
            self._faults.note(f"it ends at {float(self._reached):.2f} s of {float(stated):.2f} s")

    def _stated_end(self) -> Fraction | None:
        """When the video ends by what the file's head says; by the whole file's length where it says no more."""
        if self.video.duration is not None:
            return ((self.video.start_time or 0) + self.video.duration) * self.time_base
        if self.container.duration is not None:
            return ((self.container.start_time or 0) + self.container.duration) * MICROSECOND
        return None

    def _packets(self) -> Iterator[Packet[Any]]:
        try:
            for packet in self.container.demux():
                if not packet.size and packet.pts is None:
                    continue  # PyAV's own marks at the end of each stream
                if packet.pts is not None and self._counts(packet):
                    ends = (packet.pts + (packet.duration or 0)) * fraction(packet.time_base)
                    self._reached = max(self._reached, ends)
                if packet.is_corrupt:
                    self._faults.note("a packet is cut off")
                yield packet
        except av.FFmpegError as error:
            self._faults.note(f"reading stopped ({error.strerror})")

    def _counts(self, packet: Packet[Any]) -> bool:
        """Whether this packet tells how far the file goes: one of data may claim to last for all of it."""
        if self.video.duration is not None:
            return bool(packet.stream.index == self.video.index)
        return bool(packet.stream.type != "data")

    def _decode(self, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
        try:
            return self.video.decode(packet)
        except av.FFmpegError:
            self._faults.packets += 1
            return []

    def _in_part(self, pictures: list[av.VideoFrame]) -> tuple[list[SourceFrame], bool]:
        """Those of the pictures that lie in the part to read, stamped; and whether its end has been reached."""
        frames: list[SourceFrame] = []
        for picture in pictures:
            pts = picture.pts if picture.pts is not None else picture.dts
            if self._begin is not None and pts is not None and pts * self.time_base < self._begin:
                continue
            if self._end is not None and pts is not None and pts * self.time_base >= self._end:
                self._beyond = pts
                return frames, True
            if self._unlike_first(picture, pts):
                return frames, True
            if picture.is_corrupt:
                self._faults.frames += 1
            self._last = monotonic(pts, self._last, picture.duration or 1)
            self._count += 1
            frames.append(SourceFrame(picture, self._last, picture.duration))
        return frames, False

    def _unlike_first(self, picture: av.VideoFrame, pts: int | None) -> bool:
        """Whether another recording begins here, which one output stream cannot hold; says so once."""
        look = f"{picture.width}x{picture.height} {picture.format.name}"
        if not self._count:
            self._look = look
        if look != self._look:
            change = f"the picture changes from {self._look} to {look} after {self._count} frames"
            self._faults.note(f"{change}, and the rest is left out")
            return True
        if pts is not None and self._last is not None and (self._last - pts) * self.time_base > JUMP:
            self._faults.note(f"time jumps back after {self._count} frames, and the rest is left out")
            return True
        return False

    def _all_past_end(self, packet: Packet[Any]) -> bool:
        """Whether the file has been read so far that no packet of the wanted part can still come."""
        if self._end is None:
            return True
        stamp = packet.dts if packet.dts is not None else packet.pts
        return stamp is not None and stamp * fraction(packet.time_base) > self._end + 1

    def _wanted(self, item: SourceFrame | Packet[Any]) -> bool:
        if isinstance(item, SourceFrame):
            return True
        stamp = item.pts if item.pts is not None else item.dts
        if stamp is None:
            return True
        time = stamp * fraction(item.time_base)
        return (self._begin is None or time >= self.origin) and (self._end is None or time < self._end)

    def _shifted(self, item: SourceFrame | Packet[Any]) -> SourceFrame | Packet[Any]:
        if not self.origin:
            return item
        if isinstance(item, SourceFrame):
            return SourceFrame(item.picture, item.pts - self.first.pts, item.stated)
        ticks = round(self.origin / fraction(item.time_base))
        item.pts = None if item.pts is None else item.pts - ticks
        item.dts = None if item.dts is None else item.dts - ticks
        return item
