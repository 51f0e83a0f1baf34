"""PSNR and SSIM against scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from alanet_core.errors import FrameError
from alanet_core.training.metrics import PSNR_CEILING, mean_psnr, mse, pooled_psnr, psnr, ssim


def two_pictures(height: int, width: int, *, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = np.clip(np.cumsum(rng.normal(0, 0.05, (3, height, width)), axis=2) + 0.5, 0, 1)
    return first, np.clip(first + rng.normal(0, noise, first.shape), 0, 1)


@pytest.mark.parametrize("noise", [0.001, 0.05, 0.4])
def test_psnr_is_that_of_scikit_image(noise: float) -> None:
    a, b = two_pictures(40, 61, noise=noise)
    expected = peak_signal_noise_ratio(a, b, data_range=1)
    assert psnr(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("noise", [0.001, 0.05, 0.4])
@pytest.mark.parametrize("size", [(40, 61), (11, 11), (12, 35)])
def test_ssim_is_that_of_scikit_image_with_gaussian_weights(size: tuple[int, int], noise: float) -> None:
    a, b = two_pictures(*size, noise=noise)
    expected = structural_similarity(
        a, b, data_range=1, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected, abs=1e-9)


def test_pictures_of_eight_bits_are_measured_with_their_own_peak() -> None:
    a, b = (np.rint(p * 255).astype(np.uint8) for p in two_pictures(32, 32, noise=0.1))
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    assert psnr(x, y, peak=255) == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-9)
    assert ssim(x, y, peak=255) == pytest.approx(ssim(x.double() / 255, y.double() / 255), abs=1e-12)


def test_equal_pictures_have_infinite_psnr_and_ssim_of_one() -> None:
    a = torch.from_numpy(two_pictures(20, 20, noise=0.1)[0])
    assert psnr(a, a) == math.inf
    assert ssim(a, a) == pytest.approx(1.0, abs=1e-12)


def test_a_mean_over_frames_counts_an_equal_frame_as_the_ceiling() -> None:
    assert mean_psnr([0.01, 0.0]) == pytest.approx((20.0 + PSNR_CEILING) / 2)


def test_the_pooled_psnr_is_that_of_the_whole_clip() -> None:
    a, b = (torch.from_numpy(p) for p in two_pictures(20, 20, noise=0.1))
    errors = [mse(a, b), mse(a, a)]
    assert pooled_psnr(errors) == pytest.approx(psnr(torch.stack((a, a)), torch.stack((b, a))))
    assert pooled_psnr([0.0, 0.0]) == math.inf


def test_pictures_of_two_sizes_are_refused() -> None:
    a, b = torch.zeros(3, 20, 20), torch.zeros(3, 20, 21)
    for measure in (psnr, ssim):
        with pytest.raises(FrameError, match="one s"):
            measure(a, b)


def test_pictures_smaller_than_the_window_have_no_ssim() -> None:
    with pytest.raises(FrameError, match="11x11"):
        ssim(torch.zeros(3, 10, 40), torch.zeros(3, 10, 40))
