"""What a guided generator does for every pixel: look, before its last convolutions, and compose, after them.

To look is to warp the neighbours by the finest flow, and to sample brightness along the motion; to compose, to turn
what the convolutions give (weights, shares, a correction) into the picture. Pixels are kept as `cells` throughout.
Each form does both for a strip. `Fine` in `alanet_core.native.fine` does the same in C.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from alanet_core import native
from alanet_core.latent import Latent
from alanet_core.model.blocks import bounded, upsample
from alanet_core.model.cells import as_cells, as_channels, cells, for_cells, joined
from alanet_core.model.light import brightness
from alanet_core.model.motion import places, sample, sample_along, unfold
from alanet_core.model.strips import Strip, near
from alanet_core.native.conv import Layers
from alanet_core.native.fine import MOST_TAPS
from alanet_core.native.fine import Fine as InC

CHANGE_SCALE = 10.0  # brings differences of brightness to the size of features
STRIP = 1 << 18  # pixels that a CPU makes at a time: what `look` writes is then still in its cache for the convolutions


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a picture is made of.

    own, a, b: the own frame (None for the middle frame), and the neighbours. flow: [B, 4, h, w] where the last
    convolutions work. folded: [B, C, h, w] features that become detail, `detail` channels of each cell. gates: [B, 1]
    or, for the middle frame, [B, 2] float32: how much of its filter each frame is given. side: pixels along one side of
    a cell, unfolds: cells along one side of a place in `folded`.
    """

    own: Latent | None
    a: Latent
    b: Latent
    flow: Tensor
    folded: Tensor
    gates: Tensor
    taps: tuple[float, ...]
    detail: int
    side: int
    unfolds: int

    @property
    def shared(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Both neighbours of a middle frame lie on the same path: each is sampled at every other place."""
        return self.taps[::2], self.taps[1::2]


Compose = Callable[[Tensor], Tensor]


class Form(Protocol):
    """Any of the forms in which the two are computed.

    tile: rows of the picture at a time at which it does best, 0 for all. grid: strips begin and end on multiples of so
    many. margin: rows at either end of a strip, not of the picture, that it may spoil, beside what convolutions do.
    """

    tile: int
    grid: int
    margin: int

    def look(self, strip: Strip) -> tuple[Tensor, Compose]:
        """What the last convolutions are given, [B, C, h, w]; and what turns that which they make of it, of the same
        size, into rows of the picture, [B, 3, H, W] float32.
        """


def form(scene: Scene, weights: Iterable[Tensor]) -> Form:
    """The fastest form that can do it. weights: of the convolutions between the two."""
    learnt = scene.flow, scene.gates, *weights
    if len(scene.taps) <= MOST_TAPS and native.serves(scene.a.pixels, scene.folded, learnt=learnt):
        return Native(scene)
    return Middle(scene) if scene.own is None else Sharp(scene, scene.own)


class Native:
    """In C, for either picture."""

    def __init__(self, scene: Scene) -> None:
        own, a, b = scene.own, scene.a, scene.b
        mine, yours = scene.shared
        self.side = self.grid = scene.side
        self.tile, self.margin = near(a.pixels.shape[2], a.pixels.shape[3], STRIP), 0
        self.fine = InC(
            own=None if own is None else own.pixels,
            a=a.pixels,
            b=b.pixels,
            lights=(None if own is None else own.light[0], a.light[0], b.light[0]),
            flow=scene.flow,
            folded=scene.folded,
            gates=scene.gates,
            taps=mine + yours if own is None else scene.taps,
            earlier=len(mine) if own is None else len(scene.taps),
            side=scene.side,
            unfolds=scene.unfolds,
            detail=scene.detail,
            scale=CHANGE_SCALE,
        )

    def look(self, strip: Strip) -> tuple[Tensor, Compose]:
        rows = range(strip.top // self.side, strip.bottom // self.side)
        inputs, parts = self.fine.look(rows)
        return inputs, functools.partial(self.fine.compose, rows, parts)

    def whole(self, layers: Layers) -> Tensor:
        """The picture, with the last convolutions as C has them: nothing of the size of a picture is kept between."""
        return self.fine.whole(layers)


class Sharp:
    """Frame n, filtered along its own motion; plus shares of its neighbours, moved into place; plus a correction."""

    tile = 0

    def __init__(self, scene: Scene, own: Latent) -> None:
        self.scene, self.own = scene, own
        self.grid, self.margin = scene.side * scene.unfolds, scene.side  # of the flow's way up
        self.bright = CHANGE_SCALE * own.light[0]

    def look(self, strip: Strip) -> tuple[Tensor, Compose]:
        scene, side, rows = self.scene, self.scene.side, strip.at(1)
        here, there = cells(self.own.pixels[:, :, rows], side), cells(self.bright[:, :, rows], side)
        flow = _flow(scene, strip)
        a, b = (
            sample(for_cells(frame.pixels, side), places(to, frame.pixels, top=strip.top, side=side)) - here
            for frame, to in ((scene.a, flow[:, :2]), (scene.b, flow[:, 2:]))
        )
        velocity = (flow[:, 2:] - flow[:, :2]).detach() / 2
        begin = places(torch.zeros_like(velocity), self.bright, top=strip.top, side=side)
        along = sample_along(for_cells(self.bright, side), velocity, scene.taps, begin) - there
        changes = CHANGE_SCALE * brightness(a), CHANGE_SCALE * brightness(b)
        seen = torch.cat((there / CHANGE_SCALE, along, *changes), 1)
        return _inputs(scene, seen, strip), functools.partial(self._compose, here, a, b, along)

    def _compose(self, here: Tensor, a: Tensor, b: Tensor, along: Tensor, out: Tensor) -> Tensor:
        side = self.scene.side
        weights, shares, rest = torch.split(as_cells(out, side), [along.shape[1], 2, 3], 1)
        gate = for_cells(self.scene.gates[:, :, None, None], side)
        picture = here + gate * _filtered(weights, along) + shares[:, :1] * a + shares[:, 1:] * b + bounded(rest)
        return joined(picture, side)


class Middle:
    """Both frames, moved into place and mixed; filtered along their motion; plus a correction."""

    tile = 0

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.grid, self.margin = scene.side * scene.unfolds, scene.side
        self.bright = CHANGE_SCALE * scene.a.light[0], CHANGE_SCALE * scene.b.light[0]

    def look(self, strip: Strip) -> tuple[Tensor, Compose]:
        scene, side = self.scene, self.scene.side
        flow = _flow(scene, strip)
        velocity = (flow[:, 2:] - flow[:, :2]).detach()
        moved, along = [], []
        pair = zip((scene.a, scene.b), self.bright, scene.shared, (flow[:, :2], flow[:, 2:]), strict=True)
        for frame, light, taps, to in pair:
            begin = places(to, light, top=strip.top, side=side)
            moved.append(sample(for_cells(frame.pixels, side), begin))
            there = CHANGE_SCALE * brightness(moved[-1])
            along.append(sample_along(for_cells(light, side), velocity, taps, begin.detach()) - there)
        a, b = moved
        seen = torch.cat((brightness(a), CHANGE_SCALE * brightness(b - a), *along), 1)
        return _inputs(scene, seen, strip), functools.partial(self._compose, a, b, along)

    def _compose(self, a: Tensor, b: Tensor, along: list[Tensor], out: Tensor) -> Tensor:
        side = self.scene.side
        taps = [x.shape[1] for x in along]
        *weights, mask, rest = torch.split(as_cells(out, side), [*taps, 1, 3], 1)
        mixed = torch.lerp(b, a, torch.sigmoid(mask))
        for gate, weight, change in zip(torch.split(self.scene.gates, 1, 1), weights, along, strict=True):
            mixed = mixed + for_cells(gate[:, :, None, None], side) * _filtered(weight, change)
        return joined(mixed + bounded(rest), side)


def _flow(scene: Scene, strip: Strip) -> Tensor:
    """The flow at every pixel of a strip, as cells."""
    return cells(grown(scene.flow[:, :, strip.at(scene.side)], scene.a.pixels.shape[3]), scene.side)


def _inputs(scene: Scene, seen: Tensor, strip: Strip) -> Tensor:
    """Beside what is seen: of what was unfolded for the whole picture, a strip."""
    features = unfold(scene.folded[:, :, strip.at(scene.side * scene.unfolds)], scene.unfolds)
    return torch.cat((features, as_channels(seen, scene.side, features.dtype)), 1)


def grown(flow: Tensor, width: int) -> Tensor:
    """A flow in pixels of its level -> the same in pixels of a picture that is 1, 2, 4 ... times as large."""
    while flow.shape[3] < width:
        flow = 2 * upsample(flow)
    return flow


def _filtered(weights: Tensor, along: Tensor) -> Tensor:
    """What a filter adds: the weighted sum of CHANGE_SCALE times the differences along a path, [B, 1, h, w]."""
    return (weights * along).sum(1, keepdim=True) / CHANGE_SCALE
