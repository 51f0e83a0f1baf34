"""Flows of a guided generator from level to level, and where a shot ends."""

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core import native
from alanet_core.latent import Latent
from alanet_core.model.fine import grown
from alanet_core.native import levels as of_c
from alanet_core.native import light


def coarser(flow: Tensor, times: int) -> Tensor:
    """A flow in pixels of its level -> the same at 1 / times of the size."""
    if times == 1:
        return flow
    return light.coarser(flow, times)[0] if native.serves(flow) else F.avg_pool2d(flow, times) / times


def pyramid(flow: Tensor, times: int, levels: int) -> list[Tensor]:
    """The same at so many sizes, each half of the one before; the first one at 1 / times."""
    if times > 1 and native.serves(flow):
        return light.coarser(flow, times, levels)
    made = [coarser(flow, times)]
    while len(made) < levels:
        made.append(coarser(made[-1], 2))
    return made


def finest(motion: Tensor, correction: Tensor) -> Tensor:
    """What the last level has corrected, added to the motion, which may be of twice its size."""
    if native.serves(motion, correction) and motion.shape[3] == 2 * correction.shape[3]:
        return of_c.finest(motion, correction)
    return motion + grown(correction, motion.shape[3])


def going_on(flow: Tensor, frames: tuple[Latent, Latent, Latent]) -> Tensor:
    """The flow as it is; at the end of a shot, where the frame stands in for a neighbour, as on the other side of it.

    There nothing has moved between the two; but the frame was smeared all the same.
    """
    previous, own, following = frames
    if previous.pixels is own.pixels:
        return torch.cat((-flow[:, 2:], flow[:, 2:]), 1)
    if following.pixels is own.pixels:
        return torch.cat((flow[:, :2], -flow[:, :2]), 1)
    return flow
