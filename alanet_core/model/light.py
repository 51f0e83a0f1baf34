"""Brightness: what motion is looked for in, and what most of a filter works on."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core import native
from alanet_core.model.kept import kept
from alanet_core.native import light as of_c


class Planes(NamedTuple):
    """Brightness [B, 1, h, w] of the two neighbours at one level, and of the own frame where there is one."""

    a: Tensor
    b: Tensor
    own: Tensor | None


def brightness(x: Tensor) -> Tensor:
    """The mean of the colours: [B, 3, h, w] -> [B, 1, h, w]; a fifth of the time of x.mean(1) on a CPU."""
    return (x[:, :1] + x[:, 1:2] + x[:, 2:]) / 3


def pyramid(pixels: Tensor, levels: int, room: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
    """Brightness of [B, 3, H, W] at 1, 1/2, 1/4 ... of the size: `levels` halvings, odd sizes rounded up.

    room: such tensors; a kernel writes to them.
    """
    if native.serves(pixels):
        return of_c.pyramid(pixels, levels, room)
    planes = [brightness(pixels)]
    for _ in range(levels):
        planes.append(F.avg_pool2d(planes[-1], 2, ceil_mode=True))
    return tuple(planes)


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
