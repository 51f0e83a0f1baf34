"""Blur against a plain NumPy mean, written from eq. 7."""

import numpy as np
import pytest
import torch

from alanet_core.errors import ConfigError, FrameError
from alanet_core.training.blur import frames_needed, low_rate_count, synthesize_blur


def high_rate_clip(total: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (total, 3, 5, 7), dtype=np.uint8)


@pytest.mark.parametrize(
    ("length", "stride", "total"), [(11, 8, 60), (11, 8, 11), (1, 1, 4), (3, 8, 40), (7, 2, 31), (5, 20, 90)]
)
def test_every_blurred_frame_is_the_plain_mean_of_its_window(length: int, stride: int, total: int) -> None:
    clip = high_rate_clip(total)
    made = synthesize_blur(torch.from_numpy(clip), length, stride)
    starts = range(0, total - length + 1, stride)
    expected = np.stack([np.rint(clip[s : s + length].astype(np.float64).sum(0) / length) for s in starts])
    np.testing.assert_array_equal(made.inputs.numpy(), expected.astype(np.uint8))
    assert made.blurred.all()


def test_the_targets_are_the_centre_and_the_frame_half_a_stride_later() -> None:
    clip = high_rate_clip(43)
    made = synthesize_blur(torch.from_numpy(clip), 11, 8)
    assert made.middle is not None
    np.testing.assert_array_equal(made.sharp.numpy(), clip[[5, 13, 21, 29, 37]])
    np.testing.assert_array_equal(made.middle.numpy(), clip[[9, 17, 25, 33]])


def test_float_frames_give_a_float_mean() -> None:
    clip = high_rate_clip(20).astype(np.float32) / 255
    made = synthesize_blur(torch.from_numpy(clip), 5, 4)
    np.testing.assert_allclose(made.inputs[2].numpy(), clip[8:13].mean(0), atol=1e-6)


def test_frames_are_blurred_at_random_and_the_others_stay_untouched() -> None:
    clip = torch.from_numpy(high_rate_clip(frames_needed(300, length=3, stride=2)))
    made = synthesize_blur(clip, 3, 2, probability=0.4, seed=5)
    assert 90 <= int(made.blurred.sum()) <= 150
    assert torch.equal(made.inputs[~made.blurred], made.sharp[~made.blurred])
    assert not torch.equal(made.inputs[made.blurred], made.sharp[made.blurred])


def test_one_seed_gives_one_choice_and_another_seed_another() -> None:
    clip = torch.from_numpy(high_rate_clip(200))
    first, again, other = (synthesize_blur(clip, 5, 4, probability=0.5, seed=s).blurred for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_generator_is_drawn_from_so_that_two_calls_differ() -> None:
    clip = torch.from_numpy(high_rate_clip(200))
    generator = torch.Generator().manual_seed(3)
    first, second = (synthesize_blur(clip, 5, 4, probability=0.5, seed=generator).blurred for _ in range(2))
    assert not torch.equal(first, second)


def test_the_source_is_not_written_to() -> None:
    clip = torch.from_numpy(high_rate_clip(30))
    before = clip.clone()
    synthesize_blur(clip, 11, 8).inputs.zero_()
    assert torch.equal(clip, before)


def test_an_odd_stride_has_no_middle() -> None:
    assert synthesize_blur(torch.from_numpy(high_rate_clip(30)), 3, 5).middle is None


@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize(("length", "stride"), [(11, 8), (3, 7), (1, 1)])
def test_frames_needed_is_the_least_that_gives_the_count(count: int, length: int, stride: int) -> None:
    needed = frames_needed(count, length=length, stride=stride)
    assert low_rate_count(needed, length=length, stride=stride) == count
    assert low_rate_count(needed - 1, length=length, stride=stride) == count - 1


@pytest.mark.parametrize(
    ("argument", "value"), [("length", 4), ("length", 0), ("stride", 0), ("probability", 1.5), ("probability", -0.1)]
)
def test_settings_out_of_range_are_refused_by_name(argument: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{argument} must be"):
        synthesize_blur(torch.from_numpy(high_rate_clip(30)), **{argument: value})  # type: ignore[arg-type]


def test_a_clip_shorter_than_one_exposure_is_refused() -> None:
    with pytest.raises(FrameError, match="at least 11 frames long"):
        synthesize_blur(torch.from_numpy(high_rate_clip(10)))
