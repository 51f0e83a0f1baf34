"""G: the expansive path of the U-Net (section 4.1), with the skips of one frame, or the mean of two for the middle."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alanet_core import native
from alanet_core.config import ModelConfig
from alanet_core.latent import Latent
from alanet_core.model.blocks import activate, conv, upsample
from alanet_core.model.strips import Strip, by_strips, near

_MARGIN = 4  # rows of the finest level that reach a pixel: the upsampled edge and three convolutions
_STRIP = 1 << 18  # pixels that a CPU makes at a time: features of all of a large picture would leave its caches


class ExpansiveLevel(nn.Module):
    """Bilinear x2, convolution, joined with the skip, convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = conv(inputs, outputs)
        self.second = conv(2 * outputs, outputs)

    def forward(self, z: Tensor, skip: Tensor) -> Tensor:
        z = activate(self.first(upsample(z)))
        return activate(self.second(torch.cat((z, skip), 1)))


class Generator(nn.Module):
    """Latent z [B, C, h, w] and skips -> picture [B, 3, H, W] float32."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.unshuffle = config.unshuffle
        self.residual = config.residual
        outputs = tuple(reversed(config.channels[:-1]))
        inputs = (config.channels[-1], *outputs[:-1])
        self.levels = nn.ModuleList(ExpansiveLevel(i, o) for i, o in zip(inputs, outputs, strict=True))
        self.picture = conv(outputs[-1], 3 * config.unshuffle**2)

    def decode(self, z: Tensor, skips: tuple[Tensor, ...], base: Tensor, tile: int) -> Tensor:
        """Walk up the levels, coarsest skip first; `base` is what a residual network corrects."""
        for level, skip in zip(self.levels[:-1], reversed(skips[1:]), strict=True):
            z = level(z, skip)
        grid = 2 * self.unshuffle

        def fine(strip: Strip) -> Tensor:
            features = self.levels[-1](z[:, :, strip.at(grid)], skips[0][:, :, strip.at(self.unshuffle)])
            picture = F.pixel_shuffle(self.picture(features).float(), self.unshuffle)
            return base[:, :, strip.at(1)] + picture if self.residual else picture

        height, width = base.shape[2:]
        if native.reaches(base) and not torch.is_grad_enabled():
            tile = tile or near(height, width, _STRIP)
        return by_strips(fine, height, tile=tile, margin=_MARGIN * self.unshuffle, grid=grid)


class SharpGenerator(Generator):
    """z_n with the skips of frame n -> the sharp frame."""

    def forward(
        self,
        z: Tensor,
        frames: tuple[Latent, Latent, Latent],
        motions: tuple[Tensor, Tensor],  # noqa: ARG002 one call for all
        tile: int = 0,
    ) -> Tensor:
        own = frames[1]
        return self.decode(z, own.skips, own.pixels, tile)


class MiddleGenerator(Generator):
    """z_{n+1/2} with the mean of the two frames' skips -> the middle frame."""

    def forward(
        self,
        z: Tensor,
        frames: tuple[Latent, Latent],
        motion: Tensor,  # noqa: ARG002 one call for all
        tile: int = 0,
    ) -> Tensor:
        own, following = frames
        skips = tuple((a + b) / 2 for a, b in zip(own.skips, following.skips, strict=True))
        return self.decode(z, skips, (own.pixels + following.pixels) / 2, tile)
