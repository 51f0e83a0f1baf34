"""Motion between two frames, seen from the moment between them.

What is found at places of one frame says where these go; the middle frame needs to know what comes to its own places.
"""

import torch
from torch import Tensor

from alanet_core import native
from alanet_core.model.light import mean
from alanet_core.model.motion import warp
from alanet_core.native import light as of_c

_WINDOW = 5  # pixels along one side of the neighbourhood over which two answers are compared


@torch.no_grad()
def halfway(motion: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Flows of the middle frame to both of its neighbours: [B, 4, h, w], (x, y) to `a`, then (x, y) to `b`.

    motion: [B, 4, h, w] from a to b at places of a, then from b to a at places of b, as `search` gives it. a, b:
    brightness [B, 1, h, w]. Each place passes half-way on a path of either; of the two paths that one is taken whose
    ends look more alike, in a neighbourhood. Both flows are halves of it.
    """
    if native.serves(motion):
        return of_c.halfway(motion, a, b)
    forth = torch.cat((motion[:, :2], -motion[:, 2:]))  # the motion from a to b, as either of them has it
    half = forth / 2 * forth.new_tensor(_SIDES).repeat_interleave(len(motion))[:, None, None, None]
    paths = warp(forth, half) / 2
    ends = warp(torch.cat((a, a, b, b)), torch.cat((-paths, paths)))
    wrong = mean((ends[: len(paths)] - ends[len(paths) :]).abs(), _WINDOW)
    of_a, of_b = paths.chunk(2)
    path = torch.where(wrong[: len(motion)] <= wrong[len(motion) :], of_a, of_b)
    return torch.cat((-path, path), 1)


_SIDES = (-1.0, 1.0)  # a path's place in `a` lies half of the motion before the middle, that in `b` half of it after
