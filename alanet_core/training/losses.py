"""What training makes small: eq. 8 with the parts that can be had without downloaded weights.

The paper adds L1 and 0.2 times a perceptual loss on features of a VGG network trained on ImageNet. Here L1 is the
Charbonnier loss (smooth at zero, otherwise L1), and in place of the features stands a Laplacian pyramid: the same
distance, band by band, so that fine detail and coarse light weigh alike.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CHARBONNIER = 1e-3
"""Where the Charbonnier loss turns from quadratic to linear: a quarter of an 8-bit step."""

SOFT = 2e-2
"""The same for sharp frames. Where most of them come in sharp already, L1 sets the correction to exactly nothing.

L1 asks for the median, and the median of those corrections is nothing: 14,000 samples with CHARBONNIER taught no
deblurring at all; with SOFT a first tenth of a decibel came within 4,000.
"""

_BANDS = 3


def charbonnier(made: Tensor, wanted: Tensor, soft: float = CHARBONNIER) -> Tensor:
    """mean(sqrt(difference^2 + soft^2)): the first term of eq. 8."""
    return torch.sqrt((made.float() - wanted.float()).square() + soft**2).mean()


def pyramid_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """The mean Charbonnier distance of the bands of two Laplacian pyramids; pictures [B,3,H,W], 8x8 or larger."""
    total = made.new_zeros(())
    difference = made.float() - wanted.float()  # the pyramid is linear, so one of the difference is enough
    for _ in range(_BANDS):
        coarse = F.avg_pool2d(difference, 2)
        band = difference - F.interpolate(coarse, size=difference.shape[2:], mode="bilinear")
        total = total + torch.sqrt(band.square() + CHARBONNIER**2).mean()
        difference = coarse
    return (total + torch.sqrt(difference.square() + CHARBONNIER**2).mean()) / (_BANDS + 1)


def restoration_loss(made: Tensor, wanted: Tensor, *, perceptual: float, soft: float = CHARBONNIER) -> Tensor:
    """Eq. 8 for one output: Charbonnier plus `perceptual` times the pyramid's distance."""
    loss = charbonnier(made, wanted, soft)
    return loss if perceptual == 0 else loss + perceptual * pyramid_distance(made, wanted)
