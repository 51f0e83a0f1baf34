"""One step's forward: the outputs that a sample has targets for, made as in `alanet_core.model.clip`.

A sample holds 2r+2 frames for a window of radius r: just enough that the two frames in its middle, and the frame
between these two, are made from whole windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alanet_core.config import ModelConfig
from alanet_core.latent import Core, Latent, Window
from alanet_core.model import Alanet
from alanet_core.model.clip import encode_clip
from alanet_core.training.losses import restoration_loss
from alanet_core.training.pool import Batch


@dataclass(frozen=True)
class Losses:
    """Losses of one batch, scalars; `total` is what is made small."""

    sharp: Tensor
    middle: Tensor

    @property
    def total(self) -> Tensor:
        """Both outputs weigh alike."""
        return self.sharp + self.middle


def frames_for(config: ModelConfig) -> int:
    """How many low-rate frames a sample must have for this network."""
    return 2 * config.lookahead + 2


def forward_middle(model: Alanet, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """inputs [B,2r+2,3,H,W] float32 -> sharp [B,2,3,H,W] of frames r and r+1, middle [B,3,H,W] between them."""
    latents = encode_clip(model, inputs)
    n, radius = model.config.lookahead, model.config.radius
    batch = len(inputs)
    pair = [_join(latents[k], latents[k + 1]) for k in range(n - radius, n + radius + 1)]
    own = latents[n], latents[n + 1]
    # Both sharp frames go through the generator as one batch: fewer, larger convolutions.
    z = model.attend(Window(tuple(latent.core for latent in pair), None), middle=False).sharp
    assert z is not None
    previous, following = _join(latents[n - 1], latents[n]), _join(latents[n + 1], latents[n + 2])
    sharp = model.generate_sharp(z, previous, _join(*own), following)
    window = Window((own[0].core,) * model.config.window, own[1].core)
    z = model.attend(window, sharp=False).middle
    assert z is not None
    middle = model.generate_middle(z, *own)
    return torch.stack((sharp[:batch], sharp[batch:]), 1), middle


def step_losses(model: Alanet, batch: Batch, *, perceptual: float) -> Losses:
    """The losses of eq. 8 for a batch."""
    n = model.config.lookahead
    sharp, middle = forward_middle(model, batch.inputs)
    wanted = batch.sharp[:, n : n + 2]
    return Losses(
        sharp=restoration_loss(sharp.flatten(0, 1), wanted.flatten(0, 1), perceptual=perceptual),
        middle=restoration_loss(middle, batch.middle[:, n], perceptual=perceptual),
    )


def _join(first: Latent, second: Latent) -> Latent:
    """Two latents as one of twice the batch."""

    def both(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat((a, b))

    core = Core(both(first.core.features, second.core.features), both(first.core.gates, second.core.gates))
    skips: Sequence[Tensor] = [both(a, b) for a, b in zip(first.skips, second.skips, strict=True)]
    return Latent(core, tuple(skips), both(first.pixels, second.pixels))
