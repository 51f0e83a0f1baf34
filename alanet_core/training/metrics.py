"""PSNR and SSIM as the field computes them, and the two ways of averaging PSNR that the tables use.

Pictures are RGB in gamma-coded values. PSNR takes the squared error over all three channels together. SSIM is that
of Wang et al. 2004: an 11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population variances, the mean over
the region where the whole window lies inside the picture, each channel on its own and then their mean. That is
scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)`.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.errors import FrameError, must

PSNR_CEILING = 100.0
"""What a frame counts at most in a mean over frames, in dB: identical pictures have an infinite PSNR.

One value off by 1/255 in a frame of 640x352 is 106 dB, so nothing that anybody could see lies above the ceiling.
"""

_WINDOW = 11
_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03


def mse(a: Tensor, b: Tensor, *, peak: float = 1.0) -> float:
    """Mean squared error of two pictures (or clips) of one shape, in units of peak^2: in float64, of integers exact."""
    if a.shape != b.shape:
        raise FrameError(must("pictures", "of one size", f"{tuple(a.shape)} and {tuple(b.shape)}", "crop one of them"))
    if a.is_floating_point() or b.is_floating_point():
        return float(((a.double() - b.double()) / peak).square().mean())
    return int((a.long() - b.long()).square().sum()) / (a.numel() * peak**2)


def psnr_of(error: float) -> float:
    """PSNR in dB of a mean squared error in units of peak^2; infinite for 0."""
    return math.inf if error == 0 else -10.0 * math.log10(error)


def psnr(a: Tensor, b: Tensor, *, peak: float = 1.0) -> float:
    """PSNR in dB of two pictures [...,H,W] of one shape, `peak` the value of white; infinite where they are equal."""
    return psnr_of(mse(a, b, peak=peak))


def mean_psnr(errors: Sequence[float]) -> float:
    """The mean of the frames' PSNRs, each counted as PSNR_CEILING at most: how papers average."""
    return sum(min(psnr_of(e), PSNR_CEILING) for e in errors) / len(errors)


def pooled_psnr(errors: Sequence[float]) -> float:
    """The PSNR of the mean of the frames' squared errors: for sets in which some frames are untouched."""
    return psnr_of(sum(errors) / len(errors))


def ssim(a: Tensor, b: Tensor, *, peak: float = 1.0) -> float:
    """SSIM of two pictures [C,H,W] of one shape, 11x11 or larger, `peak` the value of white; 1 where they are equal."""
    if a.shape != b.shape or a.ndim != 3:
        raise FrameError(must("pictures", "of one shape [C,H,W]", f"{tuple(a.shape)}, {tuple(b.shape)}", "crop one"))
    if min(a.shape[-2:]) < _WINDOW:
        raise FrameError(must("pictures", "at least 11x11 for SSIM", tuple(a.shape[-2:]), "use larger pictures"))
    x, y = a.double() / peak, b.double() / peak
    channels = len(x)
    means = _blur(torch.cat((x, y, x * x, y * y, x * y)))
    mx, my, xx, yy, xy = torch.split(means, channels)
    vx, vy, cov = xx - mx * mx, yy - my * my, xy - mx * my
    c1, c2 = _K1**2, _K2**2
    similarity = ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(similarity.mean())


def _blur(planes: Tensor) -> Tensor:
    """The Gaussian window over each plane [P,H,W] -> [P,H-10,W-10]: only where the whole window lies inside."""
    offsets = torch.arange(_WINDOW, dtype=planes.dtype, device=planes.device) - _WINDOW // 2
    taps = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    taps = (taps / taps.sum()).expand(len(planes), 1, 1, _WINDOW)
    # One group a plane: ten times as fast on a CPU as a batch of planes with one channel.
    columns = F.conv2d(planes[None], taps.mT, groups=len(planes))
    return F.conv2d(columns, taps, groups=len(planes))[0]
