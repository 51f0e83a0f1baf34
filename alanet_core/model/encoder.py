"""E: the contracting path of the Super SloMo U-Net (section 4.1, eq. 2), one frame at a time."""

import functools

import torch.nn.functional as F
from torch import Tensor, nn

from alanet_core import native
from alanet_core.config import ModelConfig
from alanet_core.model.blocks import DoubleConv
from alanet_core.native import light as of_c


class Encoder(nn.Module):
    """Levels of two convolutions with average pooling between them.

    forward: [B, 3, H, W] float32 -> one tensor a level, finest first; level k has config.channels[k] channels at
    1 / (unshuffle * 2**k) of the picture's size; the last one is x of eq. 2.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.unshuffle = config.unshuffle
        inputs = (3 * config.unshuffle**2, *config.channels[:-1])
        self.levels = nn.ModuleList(
            DoubleConv(i, o, k) for i, o, k in zip(inputs, config.channels, config.kernels, strict=True)
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        side, dtype = self.unshuffle, next(self.parameters()).dtype
        features: list[Tensor] = []
        fast = native.serves(pixels, learnt=self.parameters()) and dtype in native.DTYPES
        pool = of_c.pooled if fast else functools.partial(F.avg_pool2d, kernel_size=2)
        x = of_c.folded(pixels, side, dtype) if fast else F.pixel_unshuffle(pixels.to(dtype), side)
        for level in self.levels:
            x = level(pool(x) if features else x)
            features.append(x)
        return tuple(features)
