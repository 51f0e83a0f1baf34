"""The three stages put together over one ring: encode, attend, generate. The only file with CUDA streams and events.

The stages themselves are passive (`alanet_core.model`). On a CPU they run one after the other; on CUDA each has its
own stream, and this file joins them. The code is the same: a lane without a stream does nothing.

Note [lifetime on streams]. A tensor is used on another stream than the one it was made on in four places:
1. the frame that the caller hands in: the encode stream waits for the caller's stream, and the caching allocator is
   told (record_stream) that the encode stream uses it;
2. a ring slot read by attention or generation: their stream waits for the event that the frame's `put` left;
3. a ring slot taken by a new frame: `put` waits for the events of all renders that read the frame in it;
4. z, and the pictures handed out: the reader's stream waits for the writer's event, and record_stream tells the
   allocator not to reuse them before the reader is through.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Literal, ParamSpec

import torch
from torch import Tensor

from alanet_core import native
from alanet_core.config import StreamConfig
from alanet_core.frames import Canvas
from alanet_core.latent import Attended, FramePair, Latent, MiddleSource, Window
from alanet_core.model import Alanet
from alanet_core.streaming import heap
from alanet_core.streaming.beside import both
from alanet_core.streaming.plan import Task
from alanet_core.streaming.recorded import Recorder, plainly
from alanet_core.streaming.ring import LatentRing
from alanet_core.transfer import sent

Work = Callable[[], Tensor]
Early = Callable[[int, Tensor], None]
Each = Callable[[int, Literal["sharp", "middle"], Tensor], None]
P = ParamSpec("P")

IN_FLIGHT = 2  # frames that may be under way at once when the stages overlap
_MATCHES = 2  # pairs of frames whose motion is remembered beside those of the lookahead: before a frame, and one more


class Lane:
    """Where one stage runs: a CUDA stream, or (stream None) the caller's own thread of work."""

    def __init__(self, stream: torch.cuda.Stream | None) -> None:
        self._stream = stream

    @contextmanager
    def after(self, marks: Iterable[torch.cuda.Event | None]) -> Iterator[None]:
        """Run what follows on this lane, once all marks are reached."""
        if self._stream is None:
            yield
            return
        for mark in marks:
            if mark is not None:
                self._stream.wait_event(mark)
        with torch.cuda.stream(self._stream):
            yield

    def mark(self) -> torch.cuda.Event | None:
        """A point that is reached when all that was put on this lane so far is done."""
        return None if self._stream is None else self._stream.record_event()

    def uses(self, *tensors: Tensor | None) -> None:
        """Tell the allocator that tensors of another stream are read here; see Note [lifetime on streams]."""
        for tensor in tensors:
            if self._stream is not None and tensor is not None and tensor.is_cuda:
                tensor.record_stream(self._stream)


def _stream(device: torch.device) -> torch.cuda.Stream:
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return stream


class Stages:
    """One picture size on its way through one network: remembers latents by frame number, makes pairs of them."""

    def __init__(self, model: Alanet, config: StreamConfig, slack: int = 0) -> None:
        self._model = model
        self._config = config
        if model.device.type == "cpu":
            heap.keep()
        streams = config.overlap and model.device.type == "cuda"
        self._encode, self._attend, self._generate = (
            Lane(_stream(model.device) if streams else None) for _ in range(3)
        )
        self._run = Recorder() if config.graphs and model.device.type == "cuda" else plainly  # for every size
        self._host = Lane(torch.cuda.current_stream(model.device) if streams else None)
        self.ring = LatentRing(model.config, slack + (IN_FLIGHT if streams else 0))
        self._canvas: Canvas | None = None
        self._matches: OrderedDict[tuple[int, int], Tensor] = OrderedDict()  # made and read on one lane
        self._matches_kept = slack + model.config.lookahead + _MATCHES
        self._encoded: dict[int, torch.cuda.Event | None] = {}
        self._readers: dict[int, torch.cuda.Event | None] = {}
        self.encodes = 0

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the frames, None before the first."""
        return self._canvas.area if self._canvas else None

    def clear(self) -> None:
        """Forget every frame; the next one may have another size."""
        self.ring.clear()
        self._encoded.clear()
        self._readers.clear()
        self._matches.clear()
        self._canvas = None

    @torch.no_grad()
    def encode(self, n: int, frame: Tensor, goes_on: Callable[[], bool] = lambda: False) -> None:
        """Stage 1: frame [3, H, W] float32 on any device -> its latent, kept as number n.

        goes_on: whether the motion from frame n-1 will be wanted, so that it may be measured meanwhile; asked, if at
        all, while the frame is encoded.
        """
        if self._canvas is None:
            self._canvas = Canvas(frame.shape[1], frame.shape[2], self._model.config.multiple)
        displaced = self.ring.displaced_by(n)
        with self._encode.after((self._host.mark(),)):
            self._encode.uses(frame)
            room = self.ring.room(n) if self._model.device.type == "cpu" else None
            pixels = self._canvas.pad(sent(frame[None], self._model.device))
            pixels = native.innermost(pixels, room.pixels if room else None)
            if n > 0 and self._beside and self.ring.has_latent(n - 1):
                latent = self._encode_and_match(n, pixels, room.light if room else (), goes_on)
            else:
                latent = self._run(self._model.encode, pixels, self._canvas.area)
        with self._encode.after([self._readers.pop(k, None) for k in displaced]):
            self.ring.put(n, latent)
        for k in displaced:
            self._encoded.pop(k, None)
        self._encoded[n] = self._encode.mark()
        self.encodes += 1

    def _encode_and_match(
        self, n: int, pixels: Tensor, room: tuple[Tensor, ...], goes_on: Callable[[], bool]
    ) -> Latent:
        """room: for the frame's brightness."""
        model, before = self._model, self.ring.latent(n - 1).light
        assert self._canvas is not None
        area = self._canvas.area

        def look() -> tuple[tuple[Tensor, ...], Tensor | None]:
            light, middle = model.brightness(pixels, room), self._config.mode != "deblur"
            return light, model.measure(before, light, middle=middle) if goes_on() else None

        latent, (light, motion) = both(partial(model.encode, pixels, area, ()), look)
        if motion is not None:
            self._remember((n - 1, n), motion)
        return replace(latent, light=light)

    @torch.no_grad()
    def render(
        self, task: Task, *, sharp: bool = True, early: Early | None = None, each: Each | None = None
    ) -> FramePair:
        """Stages 2 and 3: all frames that the task reads are held -> its pair; without `sharp`, the input stands in.

        early: is given the sharp frame before the middle is begun, where the network makes both. each: is given every
        picture that the network makes; on a CPU where it was made, beside the other one.
        """
        z = self._attended(task, sharp=sharp and self._config.mode != "interpolate")
        made: Tensor | None = None
        try:
            with self._generate.after((self._attend.mark(),)):
                self._generate.uses(z.sharp, z.middle)
                sharp_one, middle_one = self._works(task, z)
                if each is not None and self._model.device.type == "cpu":
                    sharp_one = _followed(sharp_one, partial(each, task.n, "sharp"))
                    middle_one = _followed(middle_one, partial(each, task.n, "middle"))
                if sharp_one and middle_one and self._beside and early is None:
                    picture, made = both(sharp_one, middle_one)
                else:
                    picture = sharp_one() if sharp_one else self._input(task.n)
                    if sharp_one and middle_one and early is not None:
                        with self._handed_over(picture):
                            early(task.n, picture)
                    made = middle_one() if middle_one else None
                middle, source = self._middle(task, picture, made)
        finally:
            self._readers.update(dict.fromkeys(task.reads, self._generate.mark()))
        with self._handed_over(picture, middle):
            if each is not None and self._model.device.type != "cpu":
                if sharp_one:
                    each(task.n, "sharp", picture)
                if made is not None:
                    each(task.n, "middle", made)
            return FramePair(task.n, picture, middle, source)

    @contextmanager
    def _handed_over(self, *pictures: Tensor | None) -> Iterator[None]:
        """On the caller's stream, once all that has been generated so far is there."""
        with self._host.after((self._generate.mark(),)):
            self._host.uses(*pictures)
            yield

    def _attended(self, task: Task, *, sharp: bool) -> Attended:
        between = task.middle == "between" and self._config.mode != "deblur"
        with self._attend.after([self._encoded.get(k) for k in task.reads]):
            cores = tuple(self.ring.core(k) for k in task.window)
            window = Window(cores, self.ring.core(task.following) if between else None)
            return self._run(self._model.attend, window, sharp=sharp, middle=between)

    def _works(self, task: Task, z: Attended) -> tuple[Work | None, Work | None]:
        """What makes the sharp frame and the middle, where the network is to make them."""
        model, tile = self._model, self._config.tile
        own = self.ring.latent(task.n)
        sharp: Work | None = None
        middle: Work | None = None
        if z.sharp is not None:
            nearest = (task.previous, task.following) if model.config.reach_back else (task.n, task.n)
            frames = self.ring.latent(nearest[0]), own, self.ring.latent(nearest[1])
            motions = self._match(nearest[0], task.n), self._match(task.n, nearest[1])
            sharp = partial(self._made, model.generate_sharp, z.sharp, frames, motions, tile)
        if z.middle is not None:
            pair = own, self.ring.latent(task.following)
            motion = self._match(task.n, task.following)
            middle = partial(self._made, model.generate_middle, z.middle, pair, motion, tile)
        return sharp, middle

    @property
    def _beside(self) -> bool:
        """Side by side two pictures need the memory of both: not where that is short, nor for wide layers."""
        return self._model.device.type == "cpu" and self._model.config.fusion == "guided" and not self._config.tile

    def _made(self, generate: Callable[P, Tensor], *args: P.args, **kwargs: P.kwargs) -> Tensor:
        return self._cropped(self._run(generate, *args, **kwargs))

    def _input(self, n: int) -> Tensor:
        return self._cropped(self.ring.latent(n).pixels).clone()

    def _middle(self, task: Task, sharp: Tensor, made: Tensor | None) -> tuple[Tensor | None, MiddleSource]:
        if self._config.mode == "deblur":
            return None, "none"
        if made is not None:
            return made, "made"
        if task.middle == "end" or self._config.scene_mode == "repeat":
            return sharp, "repeat"
        ahead = self._cropped(self.ring.latent(task.n + 1).pixels)
        if self._config.scene_mode == "next":
            return ahead.clone(), "next"
        return (sharp + ahead) / 2, "blend"

    def _match(self, earlier: int, later: int) -> Tensor:
        """The motion between two frames that are held; of the last pairs it is remembered."""
        key = earlier, later
        if key not in self._matches:
            frames, middle = map(self.ring.latent, key), self._config.mode != "deblur"
            self._remember(key, self._run(self._model.match, *frames, middle=middle))
        return self._matches[key]

    def _remember(self, key: tuple[int, int], motion: Tensor) -> None:
        self._matches[key] = motion
        if len(self._matches) > self._matches_kept:
            self._matches.popitem(last=False)

    def _cropped(self, picture: Tensor) -> Tensor:
        assert self._canvas is not None
        return self._canvas.crop(picture)[0]


def _followed(work: Work | None, then: Callable[[Tensor], None]) -> Work | None:
    """The work, and then what is done with its picture."""
    if work is None:
        return None

    def gone_on_with() -> Tensor:
        picture = work()
        then(picture)
        return picture

    return gone_on_with
