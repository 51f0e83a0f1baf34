"""One step's forward: the outputs that a sample has targets for, made as in `alanet_core.model.clip`.

A sample holds 2r+2 frames for a window of radius r: just enough that the two frames in its middle, and the frame
between these two, are made from whole windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alanet_core.config import ModelConfig
from alanet_core.latent import Core, Latent, Window
from alanet_core.model import Alanet
from alanet_core.model.clip import encode_clip
from alanet_core.model.guided import GuidedMiddle, GuidedSharp
from alanet_core.model.motion import warp
from alanet_core.training.losses import SOFT, restoration_loss
from alanet_core.training.pool import Batch

FLOW_WEIGHT = 0.3
_COARSER = 0.7  # the weight of a level's flow, relative to the next finer one


@dataclass(frozen=True)
class Losses:
    """Losses of one batch, scalars; `total` is what is made small. flow: 0 for a network without flows."""

    sharp: Tensor
    middle: Tensor
    flow: Tensor

    @property
    def total(self) -> Tensor:
        """Both outputs weigh alike; the flows are helped along."""
        return self.sharp + self.middle + FLOW_WEIGHT * self.flow


@dataclass(frozen=True)
class Made:
    """What a network makes of a sample: sharp [B,2,3,H,W] of frames r and r+1, middle [B,3,H,W] between them.

    sharp_flows, middle_flows: the pairs of flows that led there, coarsest first; none for a network without.
    """

    sharp: Tensor
    middle: Tensor
    sharp_flows: Sequence[Tensor]
    middle_flows: Sequence[Tensor]


def frames_for(config: ModelConfig) -> int:
    """How many low-rate frames a sample must have for this network."""
    return 2 * config.lookahead + 2


def forward_middle(model: Alanet, inputs: Tensor) -> Made:
    """inputs [B,2r+2,3,H,W] float32 -> the outputs in its middle."""
    latents = encode_clip(model, inputs)
    n, radius = model.config.lookahead, model.config.radius
    batch = len(inputs)
    pair = [_join(latents[k], latents[k + 1]) for k in range(n - radius, n + radius + 1)]
    own = latents[n], latents[n + 1]
    # Both sharp frames go through the generator as one batch: fewer, larger convolutions.
    z = model.attend(Window(tuple(latent.core for latent in pair), None), middle=False).sharp
    assert z is not None
    previous, following = _join(latents[n - 1], latents[n]), _join(latents[n + 1], latents[n + 2])
    sharp, sharp_flows = _traced(model.sharp, z, previous, _join(*own), following)
    window = Window((own[0].core,) * model.config.window, own[1].core)
    z = model.attend(window, sharp=False).middle
    assert z is not None
    middle, middle_flows = _traced(model.middle, z, *own)
    return Made(torch.stack((sharp[:batch], sharp[batch:]), 1), middle, sharp_flows, middle_flows)


def _traced(generator: nn.Module, z: Tensor, *frames: Latent) -> tuple[Tensor, Sequence[Tensor]]:
    if isinstance(generator, GuidedSharp | GuidedMiddle):
        return generator.trace(z, *frames)
    return generator(z, *frames), ()


def step_losses(model: Alanet, batch: Batch, *, perceptual: float) -> Losses:
    """The losses of eq. 8 for a batch, and that of the flows."""
    n = model.config.lookahead
    made = forward_middle(model, batch.inputs)
    wanted, middle = batch.sharp[:, n : n + 2], batch.middle[:, n]
    previous, first, second, following = (batch.sharp[:, k] for k in range(n - 1, n + 3))
    own = torch.cat((first, second))
    to_sharp = flow_loss(made.sharp_flows, torch.cat((previous, first)), torch.cat((second, following)), own)
    return Losses(
        sharp=restoration_loss(made.sharp.flatten(0, 1), wanted.flatten(0, 1), perceptual=perceptual, soft=SOFT),
        middle=restoration_loss(made.middle, middle, perceptual=perceptual),
        flow=to_sharp + flow_loss(made.middle_flows, first, second, middle),
    )


def flow_loss(flows: Sequence[Tensor], a: Tensor, b: Tensor, wanted: Tensor) -> Tensor:
    """True sharp neighbours moved by the flows, against the true picture, at the size of each level: a scalar.

    Even where the inputs are blurred, what is moved here is sharp: the flow learns to see through the blur.
    """
    total = wanted.new_zeros(())
    for coarser, flow in enumerate(reversed(flows)):
        there = [F.avg_pool2d(x, wanted.shape[3] // flow.shape[3]) for x in (a, b, wanted)]
        moved = torch.stack((warp(there[0], flow[:, :2]), warp(there[1], flow[:, 2:])))
        total = total + _COARSER**coarser * (moved - there[2]).abs().mean()
    return total / max(len(flows), 1)


def _join(first: Latent, second: Latent) -> Latent:
    """Two latents as one of twice the batch."""

    def both(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat((a, b))

    core = Core(both(first.core.features, second.core.features), both(first.core.gates, second.core.gates))
    skips: Sequence[Tensor] = [both(a, b) for a, b in zip(first.skips, second.skips, strict=True)]
    return Latent(core, tuple(skips), both(first.pixels, second.pixels))
