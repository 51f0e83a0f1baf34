"""Motion without learning: steps of Lucas and Kanade's least squares on brightness (IJCAI 1981), coarse to fine.

They know small and precise motion from the first day, which a network learns slowly. What they cannot know (blur,
occlusion, repetition, small things that move far) is left to the learned corrections of `guided.py`.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.model.blocks import upsample
from alanet_core.model.kept import kept
from alanet_core.model.motion import warp

_WINDOW = 7  # pixels along one side of the neighbourhood that is taken to move as one
_SETTLE = 3  # the same for the mean over neighbouring estimates
_ROBUST = 0.02  # differences of brightness above this count less and less
_DAMPING = 5e-3  # keeps flat areas where they are
STEPS = 2  # a level
REACH = 1 + _WINDOW // 2 + _SETTLE // 2  # rows and columns that one step reads: gradient, neighbourhood, mean


class Planes(NamedTuple):
    """Brightness [B, 1, h, w] of the two neighbours at one level, and of the own frame where there is one."""

    a: Tensor
    b: Tensor
    own: Tensor | None


def brightness(x: Tensor) -> Tensor:
    """The mean of the colours: [B, 3, h, w] -> [B, 1, h, w]; a fifth of the time of x.mean(1) on a CPU."""
    return (x[:, :1] + x[:, 1:2] + x[:, 2:]) / 3


def pyramid(pixels: Tensor, levels: int) -> tuple[Tensor, ...]:
    """Brightness of [B, 3, H, W] at 1, 1/2, 1/4 ... of the size: `levels` halvings, odd sizes rounded up."""
    planes = [brightness(pixels)]
    for _ in range(levels):
        planes.append(F.avg_pool2d(planes[-1], 2, ceil_mode=True))
    return tuple(planes)


@torch.no_grad()
def displacement(first: Tensor, second: Tensor) -> Tensor:
    """How far the content of `second` lies from that of `first`: [B, 1, h, w] each -> [B, 2, h, w], 1 pixel at most.

    The least squares of (second - first + gradient * d) over a neighbourhood, robustly weighted and damped.
    """
    change = second - first
    gx, gy = _gradient((first + second) / 2)
    weight = torch.rsqrt(change * change + _ROBUST**2)
    products = torch.cat((gx * gx, gx * gy, gy * gy, gx * change, gy * change), 1) * weight
    xx, xy, yy, xt, yt = mean(products, _WINDOW).split(1, 1)  # type: ignore[no-untyped-call]
    xx, yy = xx + _DAMPING, yy + _DAMPING
    step = torch.cat((xy * yt - yy * xt, xy * xt - xx * yt), 1) / (xx * yy - xy * xy)
    limited: Tensor = step.clamp(-1, 1)
    return limited


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]) / 2, (x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]) / 2


def mean(x: Tensor, side: int) -> Tensor:
    """The mean over side x side pixels, of those that lie in the picture.

    Sums of shifted planes, one direction after the other: a tenth of the time of F.avg_pool2d on a CPU.
    """
    reach = side // 2
    for dim in (3, 2):
        size = x.shape[dim]
        padded = F.pad(x, (reach, reach, 0, 0) if dim == 3 else (0, 0, reach, reach))
        total = padded.narrow(dim, 0, size) + padded.narrow(dim, 1, size)
        for start in range(2, side):
            total += padded.narrow(dim, start, size)
        counts = _counts(size, reach, x.device)
        x = total / (counts if dim == 3 else counts[:, None])
    return x


@kept
def _counts(size: int, reach: int, device: torch.device) -> Tensor:
    """How many of 2 * reach + 1 neighbours along an axis lie in the picture: [size] float32."""
    places = torch.arange(size, device=device, dtype=torch.float32)
    return 1 + places.clamp(max=reach) + places.flip(0).clamp(max=reach)


@torch.no_grad()
def settle(flow: Tensor, planes: Planes, steps: int = STEPS, top: int = 0) -> Tensor:
    """A pair of flows [B, 4, h, w] to the neighbours, improved by a few steps at this level.

    With an own frame both flows start from it, each for itself. Without one they are those of the middle between a
    and b, and change by opposite halves. top: the row where the flow begins, if it is that of a strip.
    """
    for _ in range(steps):
        to_a, to_b = flow[:, :2], flow[:, 2:]
        if planes.own is None:
            half = displacement(warp(planes.a, to_a, top), warp(planes.b, to_b, top)) / 2
            step = torch.cat((-half, half), 1)
        else:
            warped = warp(torch.cat((planes.a, planes.b)), torch.cat((to_a, to_b)), top)
            own = planes.own[:, :, top : top + flow.shape[2]]
            step = torch.cat(displacement(own.repeat(2, 1, 1, 1), warped).chunk(2), 1)
        flow = mean(flow + step, _SETTLE)
    return flow


@torch.no_grad()
def begin(levels: list[Planes]) -> Tensor:
    """The pair of flows from nothing, finest level first in the list -> [B, 4, 2h, 2w], for the level before it."""
    flow = levels[-1].a.new_zeros(len(levels[-1].a), 4, *levels[-1].a.shape[2:])
    for planes in reversed(levels):
        flow = flow[:, :, : planes.a.shape[2], : planes.a.shape[3]]
        flow = 2 * upsample(settle(flow, planes))
    return flow
