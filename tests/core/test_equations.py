"""Eq. 2 to 6 against a float64 NumPy version written from the equations, one frame and one gate at a time."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from alanet_core import Alanet, ModelConfig
from alanet_core.latent import Core, Window
from alanet_core.model.attention import LatentAttention, pool_true_area

Array = np.ndarray


def gate(attention: LatentAttention, index: int, x: Array, area: tuple[int, int]) -> Array:
    """F(x): mean over the true area, 1x1 convolution, ReLU, 1x1 convolution, sigmoid; x [C, h, w] -> [C]."""
    bank = {name: value.double().numpy() for name, value in attention.gates.named_parameters()}
    scale = attention.scale
    total, weight = np.zeros(x.shape[0]), 0.0
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            inside = min(max(area[0] / scale - row, 0), 1) * min(max(area[1] / scale - column, 0), 1)
            total += inside * x[:, row, column]
            weight += inside
    hidden = np.maximum(bank["squeeze"][index] @ (total / weight) + bank["squeeze_bias"][index], 0)
    return 1 / (1 + np.exp(-(bank["excite"][index] @ hidden + bank["excite_bias"][index])))


def m_self(x: Array, f: Array) -> Array:
    return x * f[:, None, None]  # eq. 3


def m_cross(x_j: Array, f_i: Array) -> Array:
    return x_j * f_i[:, None, None]  # eq. 4


@pytest.mark.parametrize("window", [1, 3, 5, 9])
@pytest.mark.parametrize("area", [(24, 40), (19, 33), (1, 1)])
def test_attention_is_equations_3_to_6(window: int, area: tuple[int, int]) -> None:
    torch.manual_seed(window)
    config = ModelConfig(window=window, channels=(4, 6, 8, 32), kernels=(3, 3, 3, 3), gate_reduction=16)
    attention = LatentAttention(config).requires_grad_(False)
    height, width = (-(-side // 8) for side in area)
    x = torch.randn(window + 1, 32, height, width)
    cores = [attention.describe(frame[None], area) for frame in x]
    i, radius = window // 2, window // 2
    z = attention(Window(tuple(cores[:window]), cores[i + 1]), sharp=True, middle=True)

    X = x.double().numpy()
    expected = m_self(X[i], gate(attention, radius, X[i], area))
    for j in [k for k in range(i - radius, i + radius + 1) if k != i]:
        expected = expected + m_cross(X[j], gate(attention, radius + (j - i), X[i], area))  # eq. 5
    assert np.abs(z.sharp[0].numpy() - expected).max() < 1e-5

    back, same, ahead = window, window + 1, window + 2
    expected = (
        m_self(X[i], gate(attention, same, X[i], area))
        + m_cross(X[i], gate(attention, back, X[i + 1], area))
        + m_self(X[i + 1], gate(attention, same, X[i + 1], area))
        + m_cross(X[i + 1], gate(attention, ahead, X[i], area))
    )  # eq. 6
    assert np.abs(z.middle[0].numpy() - expected).max() < 1e-5


def test_the_pool_leaves_the_padding_out() -> None:
    x = torch.rand(1, 5, 3, 4)
    x[..., 2, :] = 1e6
    x[..., 3] = 1e6
    assert torch.allclose(pool_true_area(x, (16, 24), 8), x[..., :2, :3].mean((2, 3)))


def test_gates_do_not_depend_on_the_other_frames_of_the_window(tiny: Callable[..., Alanet]) -> None:
    attention = tiny(5).attention
    one, two = torch.rand(1, 8, 2, 3), torch.rand(1, 8, 2, 3)
    assert torch.equal(attention.describe(one, (8, 12)).gates, attention.describe(one.clone(), (8, 12)).gates)
    own, other = attention.describe(one, (8, 12)), attention.describe(two, (8, 12))
    z = attention(Window((other, other, own, other, other), None), sharp=True, middle=True)
    again = attention(Window((own, own, own, own, own), None), sharp=True, middle=True)
    silent = Core(torch.zeros_like(two), other.gates)
    alone = attention(Window((silent, silent, own, silent, silent), None), sharp=True, middle=True)
    assert z.middle is None
    assert not torch.equal(z.sharp, again.sharp)
    assert torch.allclose(alone.sharp, one * own.gates[:, 2])
