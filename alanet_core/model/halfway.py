"""Motion between two frames, seen from the moment between them.

What is found at places of one frame says where these go; the middle frame needs to know what comes to its own places.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core import native
from alanet_core.model.light import mean
from alanet_core.model.motion import numbers, warp
from alanet_core.model.search import NEIGHBOURS
from alanet_core.native import light as of_c

_ALONE = 5  # pixels along one side of the neighbourhood over which two paths are compared, one of which is chosen
_WINDOW = 3  # the same where more are mixed
_DOUBT = 0.5 / 255  # added to what the ends of a path differ by, before paths are mixed


@torch.no_grad()
def halfway(motion: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Flows of the middle frame to both of its neighbours: [B, 4, h, w], (x, y) to `a`, then (x, y) to `b`.

    motion: [B, 4 * n, h, w], n answers to what moves how, each from a to b at places of a, then from b to a at places
    of b, as `search` gives it. a, b: brightness [B, 1, h, w]. Each place passes half-way on two paths of each answer.
    Of the two of a single one that is taken whose ends look more alike, in a neighbourhood. Those of several are mixed
    by how much alike their ends look: what is wrong with them differs, so that the mean is nearer than any, and where
    none fits nothing is torn; then in the same way each with those of the pixels next to it, as far as these fit it
    (so that the edges of what moves stay). Both flows are halves of the path.
    """
    if native.serves(motion):
        return of_c.halfway(motion, a, b, _DOUBT)
    sides = torch.unflatten(motion, 1, (-1, 2, 2)).flatten(1, 2).transpose(0, 1)  # [2 * n, B, 2, h, w]
    each = numbers(_SIDES * (len(sides) // 2), sides.device)[:, None, None, None, None]
    forth = -each * sides  # the motion from a to b, as each of them has it
    paths = torch.unflatten(warp(forth.flatten(0, 1), (forth / 2 * each).flatten(0, 1)) / 2, 0, sides.shape[:2])
    if len(paths) == len(_SIDES):
        path = _likelier(paths, _wrong(paths, a, b))
    else:
        path = _mixed(paths, _wrong(paths, a, b))
        paths = _around(path)
        path = _mixed(paths, _wrong(paths, a, b))
    return torch.cat((-path, path), 1)


_SIDES = (-1.0, 1.0)  # a path's place in `a` lies half of the motion before the middle, that in `b` half of it after


def _wrong(paths: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """What the ends of paths [K, B, 2, h, w] differ by, [K * B, 1, h, w]."""
    a, b = (x.expand(len(paths), *x.shape).flatten(0, 1) for x in (a, b))
    paths = paths.flatten(0, 1)
    return (warp(a, -paths) - warp(b, paths)).abs()


def _around(path: Tensor) -> Tensor:
    """A path [B, 2, h, w], and those of the pixels above, below, to the left and right: [5, B, 2, h, w]."""
    height, width = path.shape[2:]
    wide = F.pad(path, (1, 1, 1, 1), mode="replicate")
    moved = (wide[:, :, 1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in NEIGHBOURS)
    return torch.stack((path, *moved))


def _likelier(paths: Tensor, wrong: Tensor) -> Tensor:
    """Of two paths [2, B, 2, h, w] that whose ends look more alike; wrong: what these differ by, [2 * B, 1, h, w]."""
    of_a, of_b = mean(wrong, _ALONE).chunk(2)
    return torch.where(of_a <= of_b, paths[0], paths[1])


def _mixed(paths: Tensor, wrong: Tensor) -> Tensor:
    """The mean of paths [K, B, 2, h, w], each by the inverse square of what its ends differ by."""
    wrong = torch.unflatten(mean(wrong, _WINDOW), 0, paths.shape[:2])
    weight = 1 / (torch.where(wrong < 1, wrong, 1) + _DOUBT) ** 2  # what is no number is as wrong as can be
    return (weight * paths).sum(0) * (1 / weight.sum(0))
