"""What training makes small: eq. 8 with the parts that can be had without downloaded weights.

The paper adds L1 and 0.2 times a perceptual loss on features of a VGG network trained on ImageNet. Here L1 is the
Charbonnier loss (smooth at zero, otherwise L1), and in place of the features stands a Laplacian pyramid: the same
distance, band by band, so that fine detail and coarse light weigh alike. And what is summed over pictures is not their
distances but the logarithms of these, as PSNR counts.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CHARBONNIER = 1e-3
"""Where the Charbonnier loss turns from quadratic to linear: a quarter of an 8-bit step."""

FLOOR = 3e-5
"""A squared error that is good enough: 45 dB. Pictures that are better count less and less."""

_SCALE = 0.02  # brings logarithms to the size of a Charbonnier loss

_BANDS = 3


def charbonnier(made: Tensor, wanted: Tensor) -> Tensor:
    """mean(sqrt(difference^2 + CHARBONNIER^2)) of each picture: the first term of eq. 8; [B, ...] -> [B]."""
    return torch.sqrt((made.float() - wanted.float()).square() + CHARBONNIER**2).flatten(1).mean(1)


def sharp_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """The mean of the logarithms of squared errors, [B, ...] pictures each: the negative of a mean PSNR, scaled.

    As Chen et al. (NAFNet, 2022) have it. Each picture counts alike, however far its blur reaches; L1 looks at the
    hopeless ones above all, and at nothing to be corrected gives nothing (the median of what most frames lack).
    """
    error = (made.float() - wanted.float()).square().flatten(1).mean(1)
    return _SCALE * (torch.log(error + FLOOR) - math.log(FLOOR)).mean()


def middle_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """The mean of the logarithms of Charbonnier losses: each picture counts alike, and in each the median.

    Where the place of things is not sure, the squared error wants a mean of all of them, and L1 the likeliest.
    """
    floor = math.sqrt(FLOOR)
    return _SCALE * (torch.log(charbonnier(made, wanted) + floor) - math.log(floor)).mean()


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
