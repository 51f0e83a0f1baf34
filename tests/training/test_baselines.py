"""The other ways to a middle frame: each finds a motion whose middle is known, and says what it lacks."""

import importlib.util
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.errors import ConfigError
from alanet_core.training import baselines as others
from alanet_core.training.baselines import baselines
from alanet_core.training.metrics import psnr
from tests.conftest import skip_or_fail

SHIFT = 4  # pixels to the right and half of it down, from frame to frame


@pytest.fixture(scope="module")
def moving() -> tuple[list[Tensor], list[Tensor]]:
    """Three frames of a smooth picture that moves, and the two between them."""
    torch.manual_seed(0)
    picture = F.interpolate(torch.rand(1, 3, 16, 24), size=(128, 192), mode="bicubic").clamp(0, 1)[0]
    moments = [picture.roll((k * SHIFT // 4, k * SHIFT // 2), (1, 2)) for k in range(5)]
    return moments[::2], moments[1::2]


def lacks(name: str) -> str | None:
    if name == "dis" and importlib.util.find_spec("cv2") is None:
        return "OpenCV is not installed"
    if name == "mvtools" and others.find_vspipe() is None:
        return "vspipe is not installed"
    return None


@pytest.mark.parametrize(("name", "least"), [("blend", 25), ("dis", 45), ("mvtools", 40)])
def test_a_baseline_finds_the_frame_between(moving: tuple[list[Tensor], list[Tensor]], name: str, least: float) -> None:
    if missing := lacks(name):
        skip_or_fail(missing)
    frames, between = moving
    made = baselines([name])[name](frames)
    inner = np.s_[:, 16:-16, 16:-16]
    figures = [psnr(a[inner], b[inner]) for a, b in zip(made, between, strict=True)]
    assert min(figures) > least
    assert all(frame.dtype == torch.float32 for frame in made)


def test_what_is_missing_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(others, "find_vspipe", lambda: None)
    with pytest.raises(ConfigError, match="pip install opencv-python-headless"):
        baselines(["dis"])
    with pytest.raises(ConfigError, match="pip install vapoursynth vapoursynth-mvtools"):
        baselines(["blend", "mvtools"])
    with pytest.raises(ConfigError, match=r"^baselines must be any of blend, dis, mvtools, got 'nearest'"):
        baselines(["nearest"])
