"""What has been seen, told back: passes that bring a picture nearer to the one which, smeared anew, gives the frame.

The blur of a frame is the mean of the scene along its motion while the shutter was open (eq. 7), and that motion is
known. So a picture can be checked: smeared along it, it must give what was seen, and where it does not, the rest says
what is still missing. Each pass smears the picture, takes the rest, and looks at both along every pixel's path; small
convolutions then say how much of what is seen there is to be added. It is the descent of Landweber (1951), whose step
is the rest smeared once more, unrolled, with steps that are learnt (Adler & Oektem, "Solving ill-posed inverse problems
using iterative deep neural networks", 2017). Places are counted in parts of the motion, so one rule serves all speeds.

`alanet_core.native.restore` does in C what is done here around the convolutions.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from alanet_core import native
from alanet_core.config import ModelConfig
from alanet_core.model.blocks import SLOPE, Row, Step, conv, zero
from alanet_core.model.cells import as_channels, cells, joined
from alanet_core.model.fine import CHANGE_SCALE, Scene, grown
from alanet_core.model.light import brightness, pyramid
from alanet_core.model.motion import numbers, places, sample, unit, warp
from alanet_core.model.strips import Strip, by_strips, near
from alanet_core.native.conv import SQUARE
from alanet_core.native.restore import Numbers
from alanet_core.native.restore import Trail as InC

EXPOSURE = tuple((k - 5) / 8 for k in range(11))
"""When the frames were taken of which a blurred one is the mean (eq. 7), in intervals from frame to frame."""

_AHEAD = (0.1, 0.25, 0.4, 0.55, 0.7, 0.9, 1.2, 1.5)
PLACES = (*(-t for t in reversed(_AHEAD)), *_AHEAD)
"""Where on its path a pixel is looked at, in intervals: densest within half an exposure and around its end."""

_LEAST = 0.05  # a share of blur below this is none
_VELOCITY_SCALE = 4.0  # brings velocities of a few pixels to the size of features
_MOST_BEND = 4.0  # pixels per interval squared; a path that bends more is a flow that is wrong
_FILTERED = 2 * len(PLACES) + 2  # what is weighed: the picture and the rest at all places, the rest smeared, the rest
_SEEN = _FILTERED + 9  # and what else a pass sees
_NUMBERS = Numbers(times=PLACES, moments=EXPOSURE, scale=CHANGE_SCALE, velocity=_VELOCITY_SCALE, bend=_MOST_BEND)
_STRIP = 1 << 16  # pixels that a CPU makes at a time: what a pass sees is then still near for its convolutions


@dataclass(frozen=True)
class Trail:
    """The path of every pixel: at time t, in intervals from the picture's own, it is at p + velocity t + bend t^2.

    velocity, bend: [B, cells, h, w, 2], in the units of `sample`. begin: p itself, [1, cells, h, w, 2].
    pixels: the velocity in pixels, [B, cells, 2, h, w]. All of them in cells of `side` x `side` pixels.
    """

    begin: Tensor
    velocity: Tensor
    bend: Tensor
    pixels: Tensor
    side: int

    def at(self, times: tuple[float, ...], strip: Strip) -> Tensor:
        """Where the pixels of a strip are at those times, as `sample` reads it: [B, cells, times, h, w, 2]."""
        rows = strip.at(self.side)
        begin, velocity, bend = (x[:, :, None, rows] for x in (self.begin, self.velocity, self.bend))
        t = numbers(times, begin.device)[:, None, None, None]
        return begin + velocity * t + bend * (t * t)

    def along(self, planes: Tensor, times: tuple[float, ...], strip: Strip) -> Tensor:
        """Planes [B, C, H, W] at those times: [B, cells, C, times, h, w] float32."""
        where = self.at(times, strip)
        found = sample(planes, where.flatten(1, 3))
        return found.view(*found.shape[:2], *where.shape[1:5]).transpose(1, 2)

    def smeared(self, plane: Tensor, strip: Strip) -> Tensor:
        """A plane's mean along the exposure, as cells: [B * cells, 1, h, w]."""
        return self.along(plane, EXPOSURE, strip).mean(3).flatten(0, 1)


def trail(flow: Tensor, pace: float, side: int) -> Trail:
    """flow: [B, 4, H, W] float32, pixels: to where things are 1 / pace of an interval before and after."""
    batch, _, height, width = flow.shape
    earlier, later = flow[:, :2], flow[:, 2:]
    velocity = pace / 2 * (later - earlier)
    bend = (pace**2 / 2 * (later + earlier)).clamp(-_MOST_BEND, _MOST_BEND)
    here = flow.new_zeros(1, 2, height, width)
    scale = numbers((unit(width), unit(height)), flow.device)

    def as_units(x: Tensor) -> Tensor:
        return torch.unflatten(cells(x, side), 0, (batch, -1)).permute(0, 1, 3, 4, 2) * scale

    return Trail(
        begin=places(cells(here, side), flow, side=side)[None],
        velocity=as_units(velocity),
        bend=as_units(bend),
        pixels=torch.unflatten(cells(velocity, side), 0, (batch, -1)),
        side=side,
    )


class Pass(nn.Module):
    """What is seen along the paths [B, cells * _SEEN, h, w] -> weights of what is filtered, and a correction."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.first = conv(side**2 * _SEEN, width, 1)
        self.second, self.third = conv(width, width), conv(width, width)
        self.last = conv(width, side**2 * (_FILTERED + 3), 1)
        zero(self.last)
        before = (self.first, self.second, self.third)
        self.row = Row(*(Step(layer, SLOPE) for layer in before), Step(self.last, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first.active(x)
        x = x + self.second.active(x)
        x = x + self.third.active(x)
        out: Tensor = self.last(x)
        return out

    def grid(self, x: Tensor) -> int:
        """Rows of cells that are made at once of what is like x: strips of a multiple of these change no bit."""
        return SQUARE if self.second.in_c(x) else 1

    def reach(self, x: Tensor) -> int:
        """Cells on either side that a place depends on.

        In squares two layers reach no further than one: a result beside a square's edge owes no bit to what lies beyond
        the opposite one.
        """
        return max(2, self.grid(x))


class Restore(nn.Module):
    """The passes of a network, for both of its pictures the same ones."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.passes = nn.ModuleList(Pass(width, config.fold) for width in config.restore)

    def __call__(self, picture: Tensor, scene: Scene, tile: int = 0) -> list[Tensor]:
        """As `forward`, typed."""
        passes: list[Tensor] = super().__call__(picture, scene, tile)
        return passes

    def forward(self, picture: Tensor, scene: Scene, tile: int = 0) -> list[Tensor]:
        """The picture [B, 3, H, W] float32 after each pass, the last one last.

        scene: what it was made of. tile: rows at a time, 0 for all; changes no pixel. A picture of a scene that is not
        blurred comes back as it is, to the bit; on a CPU it costs nothing.
        """
        share = _share(scene)
        wanted = share[:, 0] > 0
        if share.device.type != "cpu" or wanted.all():  # a GPU would have to be waited for
            return self._restored(picture, self._form(picture, scene, share, slice(None)), tile)
        if not wanted.any():
            return [picture.detach()] * len(self.passes)
        made = []
        for part in self._restored(picture[wanted], self._form(picture, scene, share, wanted), tile):
            made.append(picture.detach().clone())
            made[-1][wanted] = part
        return made

    def _form(self, picture: Tensor, scene: Scene, share: Tensor, wanted: Tensor | slice) -> "_Form":
        """The fastest form that can do it."""
        if native.serves(picture, scene.flow, learnt=self.parameters()):
            return _Native(scene, share)
        learns = native.available() and native.reaches(picture) and scene.a.light[0].dtype == torch.float32
        return (_Learning if learns else _Plain)(scene, share, wanted)

    def _restored(self, picture: Tensor, form: "_Form", tile: int) -> list[Tensor]:
        made = []
        for each in self.passes:
            assert isinstance(each, Pass)
            picture = _passed(each, picture.detach(), form, tile or form.tile)
            made.append(picture)
        return made


def _share(scene: Scene) -> Tensor:
    """How far a picture is blurred, [B, 1]: the middle one as far as both of its neighbours are."""
    share = scene.gates.detach().float().prod(1, keepdim=True)
    return torch.where(share < _LEAST, 0, share)


def _missing(scene: Scene) -> int | None:
    """0 or 1 where a frame stands in for its earlier or its later neighbour: then the other one counts for both."""
    own = None if scene.own is None else scene.own.pixels
    return next((k for k, frame in enumerate((scene.a, scene.b)) if frame.pixels is own), None)


def _pace(scene: Scene) -> float:
    """The neighbours are a whole interval away; of the middle frame half of one."""
    return 2.0 if scene.own is None else 1.0


class _Form(Protocol):
    """Either of the forms in which all is computed but the convolutions. tile: rows at a time at which it does best."""

    side: int
    tile: int

    def both(self, picture: Tensor, tile: int) -> Tensor:
        """The picture's brightness and the rest: what was seen, less the picture smeared; [B, 2, H, W] float32."""

    def look(self, picture: Tensor, both: Tensor, strip: Strip, dtype: torch.dtype) -> Tensor:
        """What a pass sees of a strip, [B, cells * _SEEN, h, w], channels innermost; what it filters comes first."""

    def add(self, picture: Tensor, inputs: Tensor, out: Tensor, strip: Strip) -> Tensor:
        """Rows of the picture after the pass; out: what it makes of its inputs, [B, cells * (_FILTERED + 3), h, w]."""


def _passed(judge: Pass, picture: Tensor, form: _Form, tile: int) -> Tensor:
    """The picture after one more pass."""
    both = form.both(picture, tile)
    if isinstance(form, _Native) and (layers := judge.row.packed(picture)):
        return form.path.whole(picture, both, layers)

    def step(strip: Strip) -> Tensor:
        inputs = form.look(picture, both, strip, judge.first.weight.dtype)
        return form.add(picture, inputs, judge(inputs), strip)

    grid, margin = form.side * judge.grid(picture), form.side * judge.reach(picture)
    return by_strips(step, picture.shape[2], tile=tile, margin=margin, grid=grid)


class _Plain:
    """In PyTorch."""

    tile = 0

    @torch.no_grad()
    def __init__(self, scene: Scene, share: Tensor, wanted: Tensor | slice = slice(None)) -> None:
        """wanted: which pictures of the batch."""
        flow = grown(scene.flow[wanted].detach(), scene.a.pixels.shape[3])
        sides = (scene.a.light[0], flow[:, :2]), (scene.b.light[0], flow[:, 2:])
        self.side = scene.side
        self._moved = torch.cat([warp(light[wanted], to) for light, to in sides], 1)
        if (side := _missing(scene)) is not None:
            self._moved[:, side] = self._moved[:, 1 - side]
        self._seen = scene.own.light[0][wanted] if scene.own else self._moved.mean(1, keepdim=True)
        self._path = trail(flow, _pace(scene), scene.side)
        self._gate = share[wanted]

    @torch.no_grad()
    def both(self, picture: Tensor, tile: int) -> Tensor:
        light = brightness(picture)

        def rest(strip: Strip) -> Tensor:
            return self._seen[:, :, strip.at(1)] - joined(self._path.smeared(light, strip), self.side)

        return torch.cat((light, by_strips(rest, picture.shape[2], tile=tile, margin=0, grid=self.side)), 1)

    @torch.no_grad()
    def look(self, picture: Tensor, both: Tensor, strip: Strip, dtype: torch.dtype) -> Tensor:
        path, side, rows = self._path, self.side, strip.at(1)
        here, left = cells(both[:, :1, rows], side), cells(both[:, 1:, rows], side)
        along = path.along(both, PLACES, strip).flatten(0, 1)
        along = torch.cat((along[:, :1] - here[:, :, None], along[:, 1:]), 1).transpose(1, 2).flatten(1, 2)
        differ = cells(torch.cat((self._seen, self._moved), 1)[:, :, rows], side) - here
        changes = CHANGE_SCALE * torch.cat((along, path.smeared(both[:, 1:], strip), left, differ), 1)
        velocity = path.pixels[:, :, :, strip.at(side)].flatten(0, 1)
        speed = torch.log1p(velocity.square().sum(1, keepdim=True).sqrt())
        seen = (changes, cells(picture[:, :, rows], side), torch.asinh(velocity / _VELOCITY_SCALE), speed)
        return as_channels(torch.cat(seen, 1), side, dtype)

    def add(self, picture: Tensor, inputs: Tensor, out: Tensor, strip: Strip) -> Tensor:
        return _added(picture[:, :, strip.at(1)], inputs, out, self._gate, self.side)


def _added(picture: Tensor, inputs: Tensor, out: Tensor, gate: Tensor, side: int) -> Tensor:
    """The one step that is learnt through. gate: [B, 1]."""
    filtered, made = (torch.unflatten(x.permute(0, 2, 3, 1), -1, (side**2, -1)).float() for x in (inputs, out))
    weights, correction = torch.split(made, [_FILTERED, 3], -1)
    more = (weights * filtered[..., :_FILTERED]).sum(-1, keepdim=True) + correction  # [B, h, w, cells, 3]
    more = gate[..., None, None, None] * (more / CHANGE_SCALE).clamp(-1, 1)  # no more than from black to white
    return picture + joined(more.permute(0, 3, 4, 1, 2).flatten(0, 1), side)


class _Native:
    """In C, one picture."""

    def __init__(self, scene: Scene, share: Tensor) -> None:
        height, width = scene.a.pixels.shape[2:]
        self.side, self.tile = scene.side, near(height, width, _STRIP)
        (self.path,) = _in_c(scene, share, range(1))

    def both(self, picture: Tensor, tile: int) -> Tensor:  # noqa: ARG002  # nothing is held beside what it gives
        return self.path.both(pyramid(picture, 0)[0])

    def look(self, picture: Tensor, both: Tensor, strip: Strip, dtype: torch.dtype) -> Tensor:
        return self.path.look(picture, both, _rows(strip, self.side), dtype)

    def add(self, picture: Tensor, inputs: Tensor, out: Tensor, strip: Strip) -> Tensor:
        return self.path.add(picture, inputs, out, _rows(strip, self.side))


class _Learning:
    """In C up to the convolutions, one picture after the other; what is learnt through is in PyTorch."""

    tile = 0

    @torch.no_grad()
    def __init__(self, scene: Scene, share: Tensor, wanted: Tensor | slice) -> None:
        """wanted: which pictures of the batch."""
        self.side = scene.side
        self._paths = _in_c(scene, share, torch.arange(len(share))[wanted].tolist())
        self._gate = share[wanted]

    @torch.no_grad()
    def both(self, picture: Tensor, tile: int) -> Tensor:  # noqa: ARG002  # as above
        each = zip(self._paths, brightness(picture).split(1), strict=True)  # type: ignore[no-untyped-call]
        return torch.cat([path.both(light) for path, light in each])

    @torch.no_grad()
    def look(self, picture: Tensor, both: Tensor, strip: Strip, dtype: torch.dtype) -> Tensor:
        rows = _rows(strip, self.side)
        each = zip(self._paths, picture.split(1), both.split(1), strict=True)  # type: ignore[no-untyped-call]
        return torch.cat([path.look(own, planes, rows, dtype) for path, own, planes in each])

    def add(self, picture: Tensor, inputs: Tensor, out: Tensor, strip: Strip) -> Tensor:
        return _added(picture[:, :, strip.at(1)], inputs, out, self._gate, self.side)


def _rows(strip: Strip, side: int) -> range:
    """Rows of cells."""
    return range(strip.top // side, strip.bottom // side)


def _in_c(scene: Scene, share: Tensor, numbers: Iterable[int]) -> list[InC]:
    """For pictures of a batch, by their numbers."""
    own, a, b = (None if frame is None else frame.light[0] for frame in (scene.own, scene.a, scene.b))
    assert a is not None
    assert b is not None
    one = [slice(n, n + 1) for n in numbers]
    return [
        InC(
            (None if own is None else own[k], a[k], b[k]),
            scene.flow[k],
            share[k],
            pace=_pace(scene),
            missing=_missing(scene),
            numbers=_NUMBERS,
        )
        for k in one
    ]
