"""Cuts are found, motion is not taken for one."""

import pytest
import torch
from torch import Tensor

from alanet_core import StreamConfig, scenes

pytestmark = pytest.mark.usefixtures("in_both_forms")

THRESHOLD = StreamConfig().scene_threshold


def world(seed: int, height: int = 72, width: int = 128) -> Tensor:
    """Smooth seeded texture, larger than the picture cut out of it."""
    noise = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size=(2 * height, 2 * width), mode="bicubic")[0].clamp(0, 1)


def score(a: Tensor, b: Tensor) -> float:
    return scenes.score(scenes.thumbnail(a), scenes.thumbnail(b))


@pytest.mark.parametrize("seed", range(5))
def test_another_scene_is_a_cut(seed: int) -> None:
    assert score(world(seed)[:, :72, :128], world(seed + 10)[:, :72, :128]) > THRESHOLD


@pytest.mark.parametrize("step", [0, 1, 3, 6])
def test_a_pan_is_not_a_cut(step: int) -> None:
    a = world(1)
    assert score(a[:, :72, :128], a[:, step : 72 + step, step : 128 + step]) < THRESHOLD / 3


def test_noise_and_a_little_light_are_no_cut() -> None:
    a = world(2)[:, :72, :128]
    noisy = a + 0.05 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))
    assert score(a, noisy) < THRESHOLD / 3
    assert score(a * 0.9, a * 0.9 + 0.03) < THRESHOLD / 3


def test_a_still_picture_scores_nothing_and_black_to_white_everything() -> None:
    a = world(3)[:, :72, :128]
    assert score(a, a) == 0
    assert score(torch.zeros(3, 40, 40), torch.ones(3, 40, 40)) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (3, 5), (36, 64), (37, 65)])
def test_every_size_has_a_score(size: tuple[int, int]) -> None:
    a = torch.rand(3, *size)
    assert 0 <= score(a, torch.rand(3, *size)) <= 1
    assert score(a, a) == 0
