"""Small members of the family and small clips for the core's tests."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from alanet_core import Alanet, ModelConfig


def config(window: int, fusion: str) -> ModelConfig:
    """A network of a few hundred parameters; every stage of its kind is in it."""
    if fusion != "mean":
        return ModelConfig(
            window=window, channels=(4, 6, 8), kernels=(3, 3, 3), unshuffle=2, gate_reduction=4, fusion=fusion,
            residual=True, taps=(-0.5, 0.5), sharp_head=(6,), middle_head=(5,), detail=4,
        )  # fmt: skip
    return ModelConfig(window=window, channels=(4, 6, 8), kernels=(5, 3, 3), gate_reduction=4)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Alanet]:
    """tiny(window, fusion): a seeded network whose flows and corrections are not zero."""

    def make(window: int = 3, fusion: str = "mean") -> Alanet:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(window)
            model = Alanet(config(window, fusion), f"tiny-{fusion}-{window}")
            for parameter in model.parameters():
                if not parameter.any():
                    torch.nn.init.normal_(parameter, std=0.03)
        return model.eval().requires_grad_(False)

    return make


@pytest.fixture(scope="session")
def clip() -> Callable[..., list[Tensor]]:
    """clip(length, height, width): seeded noise, smooth enough to have features."""

    def make(length: int, height: int = 12, width: int = 20, seed: int = 0) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [torch.rand(3, height, width, generator=generator) for _ in range(length)]

    return make
