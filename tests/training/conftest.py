"""A network small enough to train in a test, and pictures that the project draws itself."""

import numpy as np
import pytest
import torch

from alanet_core.config import ModelConfig
from alanet_core.model import Alanet
from alanet_core.training.drawn import draw_picture
from alanet_core.training.photos import PhotoSet
from alanet_core.training.samples import SampleConfig
from alanet_core.training.settings import TrainConfig

TINY = ModelConfig(
    channels=(8, 16),
    kernels=(3, 3),
    unshuffle=2,
    fusion="guided",
    residual=True,
    gate_reduction=4,
    taps=(-0.5, 0.5),
    sharp_head=(8,),
    middle_head=(8,),
    detail=4,
)


@pytest.fixture
def tiny_model() -> Alanet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Alanet(TINY, "tiny")


@pytest.fixture
def tiny_config() -> TrainConfig:
    return TrainConfig(
        seed=3,
        batch=2,
        warm_up=2,
        precision="fp32",
        pool=16,
        reuse=2.0,
        deterministic=True,
        samples=SampleConfig(size=32, fastest=8.0),
    )


@pytest.fixture(scope="session")
def drawn_photos() -> PhotoSet:
    rng = np.random.default_rng(4)
    return PhotoSet([draw_picture(rng, 96, 128) for _ in range(4)])
