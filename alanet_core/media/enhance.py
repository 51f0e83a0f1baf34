"""`enhance`: a video file in, a sharp one at twice the rate out; decoding, network and encoding run side by side."""

from __future__ import annotations  # Packet is generic in PyAV's stubs alone

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.packet import Packet
from torch import Tensor

from alanet_core.latent import FramePair
from alanet_core.media.channel import Channel, Stopped
from alanet_core.media.door import open_files
from alanet_core.media.report import EnhanceReport
from alanet_core.media.settings import EnhanceSettings
from alanet_core.media.source import SourceFrame
from alanet_core.media.timing import Span
from alanet_core.model import Alanet
from alanet_core.presets import load
from alanet_core.streaming import AlanetStream

ROOM = 3  # frames that wait between two threads: enough to even out, and little memory

Progress = Callable[[int, int | None], None]
"""Called with the number of input frames done and about how many there are (None if unknown), from another thread."""


@dataclass(frozen=True)
class _Made:
    """A pair and the input frame it belongs to, with the times of its pictures, and those that are painted already."""

    frame: SourceFrame
    pair: FramePair
    sharp: Span
    middle: Span | None
    painted: dict[str, av.VideoFrame]


class Enhancement:
    """One file to enhance. Making it does every check and opens both files; `run` does the work, once.

    Use as a context manager: on leaving it OUT is there whole or not at all.

    Raises RefusedError or ConfigError from the constructor, and then nothing has been written.
    """

    def __init__(self, source: str | Path, target: str | Path, settings: EnhanceSettings | None = None) -> None:
        self.settings = settings or EnhanceSettings()
        self._files = open_files(Path(source), Path(target), self.settings)
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._pictures = 0
        self._cuts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before the work begins, a line each."""
        return self._files.notes

    @property
    def dropped(self) -> tuple[str, ...]:
        """The streams of IN that OUT will not hold."""
        return self._files.dropped

    def run(self, model: Alanet, progress: Progress | None = None) -> EnhanceReport:
        """Enhance the file with `model`, which may be in use elsewhere at the same time.

        Raises MediaError where OUT cannot be written to its end, and whatever the network raises; OUT is then left out.
        """
        begun = time.perf_counter()
        inbox: Channel[SourceFrame | Packet[Any]] = Channel(ROOM, self._stop)
        outbox: Channel[_Made | Packet[Any]] = Channel(ROOM, self._stop)
        threads = [
            threading.Thread(target=self._guarded, args=(lambda: self._read(inbox),), name="alanet-read"),
            threading.Thread(target=self._guarded, args=(lambda: self._write(outbox, progress),), name="alanet-write"),
        ]
        for thread in threads:
            thread.start()
        try:
            self._compute(AlanetStream(model, self.settings.stream), model, inbox, outbox)
        except Stopped:
            pass
        except BaseException:
            self._stop.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        if self._errors:
            raise self._errors[0]
        return EnhanceReport.of(
            self._files, self.settings, model, pictures=self._pictures, cuts=self._cuts,
            seconds=time.perf_counter() - begun,
        )  # fmt: skip

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread's whole life: its failure stops the others and is raised by `run`."""
        try:
            work()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the thread that called run
            self._errors.append(error)
            self._stop.set()

    def _read(self, inbox: Channel[SourceFrame | Packet[Any]]) -> None:
        for item in self._files.source.items():
            inbox.put(item, heavy=isinstance(item, SourceFrame))
        inbox.end()

    def _compute(
        self,
        stream: AlanetStream,
        model: Alanet,
        inbox: Channel[SourceFrame | Packet[Any]],
        outbox: Channel[_Made | Packet[Any]],
    ) -> None:
        waiting: deque[SourceFrame] = deque()  # frames whose pair has not been handed on
        pairs: deque[FramePair] = deque()
        painted: defaultdict[int, dict[str, av.VideoFrame]] = defaultdict(dict)  # of pairs by number
        times: list[int] = []
        handed = 0

        def paint(n: int, kind: str, picture: Tensor) -> None:
            carrier = waiting[n - handed].picture if kind == "sharp" else None
            painted[n][kind] = self._files.pictures.painted(picture, carrier)

        def hand_on(end: int) -> None:
            nonlocal handed
            outbox.put(self._timed(waiting.popleft(), pairs.popleft(), end, painted.pop(handed, {})), heavy=True)
            handed += 1

        each = paint if model.device.type == "cpu" else None  # elsewhere pictures come while the network goes on
        for item in inbox:
            if not isinstance(item, SourceFrame):
                outbox.put(item)
                continue
            waiting.append(item)
            times = [*times[-1:], item.pts]
            pairs.extend(stream.push(self._files.pictures.rgb(item.picture, model.device), each=each))
            while pairs and len(waiting) > 1:  # the frame after n says how long n is shown
                hand_on(waiting[1].pts)
        pairs.extend(stream.drain(each))
        while pairs:
            hand_on(waiting[1].pts if len(waiting) > 1 else self._files.source.end_of(times, waiting[0].stated))
        outbox.end()

    def _timed(self, frame: SourceFrame, pair: FramePair, following: int, painted: dict[str, av.VideoFrame]) -> _Made:
        self._cuts += pair.middle_source not in ("made", "none")
        if self.settings.stream.mode == "deblur":
            return _Made(frame, pair, self._files.clock.alone(frame.pts, following), None, painted)
        sharp, middle = self._files.clock.pair(frame.pts, following)
        return _Made(frame, pair, sharp, middle, painted)

    def _write(self, outbox: Channel[_Made | Packet[Any]], progress: Progress | None) -> None:
        sink, pictures, expected = self._files.sink, self._files.pictures, self._files.source.expected_frames
        for item in outbox:
            if not isinstance(item, _Made):
                sink.copy(item)
                continue
            sharp, middle = item.painted.get("sharp"), item.painted.get("middle")
            if self.settings.stream.mode == "interpolate":
                sharp = pictures.untouched(item.frame.picture)
            sink.write(sharp or pictures.painted(item.pair.sharp, item.frame.picture), item.sharp)
            if item.pair.middle is not None and item.middle is not None:
                sink.write(middle or pictures.painted(item.pair.middle), item.middle)
            self._pictures += 1
            if progress is not None:
                progress(self._pictures, expected)
        sink.finish()


def enhance_file(
    source: str | Path,
    target: str | Path,
    model: Alanet | str | Path = "default",
    *,
    settings: EnhanceSettings | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> EnhanceReport:
    """Enhance a video file: what `alanet enhance IN OUT` does.

    model: a loaded network, or what `alanet.load` takes, together with device and precision. Files are checked before
    weights are loaded. Raises AlanetError; OUT is there whole or not at all.
    """
    with Enhancement(source, target, settings) as work:
        network = model if isinstance(model, Alanet) else load(model, device=device, precision=precision)
        return work.run(network, progress)
