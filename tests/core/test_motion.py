"""Classical motion against displacements that are known, and the moving of pixels against torch's own."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.model import classical
from alanet_core.model.blocks import bounded
from alanet_core.model.classical import Planes
from alanet_core.model.motion import correlate, fold, warp


def picture(dx: float = 0.0, dy: float = 0.0, height: int = 96, width: int = 128) -> Tensor:
    """Waves of several lengths and directions, moved right by dx and down by dy: [1, 1, h, w], 0..1."""
    y, x = torch.arange(height)[:, None] - dy, torch.arange(width) - dx
    waves = [
        torch.sin((x * math.cos(a) + y * math.sin(a)) * 2 * math.pi / length + 3 * a)
        for a, length in ((0.3, 11.0), (1.2, 17.0), (2.2, 29.0), (2.9, 60.0), (0.8, 90.0))
    ]
    return (torch.stack(waves).sum(0) / 12 + 0.5)[None, None]


def planes(pictures: list[Tensor | None], levels: int) -> list[Planes]:
    lists = [
        classical.pyramid(p.expand(-1, 3, -1, -1), levels) if p is not None else [None] * (levels + 1) for p in pictures
    ]
    return [Planes(*level) for level in zip(*lists, strict=True)]


def estimated(levels: list[Planes]) -> Tensor:
    flow = classical.begin(levels[1:])
    return classical.settle(flow, levels[0])[:, :, 16:-16, 16:-16]


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (0.1, -0.05), (1.3, 0.6), (-7.5, 4.0), (0.0, 15.0)])
def test_the_flows_of_the_middle_are_half_the_motion_each(dx: float, dy: float) -> None:
    flow = estimated(planes([picture(), picture(dx, dy), None], 4))
    expected = torch.tensor([-dx / 2, -dy / 2, dx / 2, dy / 2])
    assert flow.mean((0, 2, 3)) == pytest.approx(expected, abs=0.05)
    assert float((flow - expected[:, None, None]).abs().mean()) < 0.1


@pytest.mark.parametrize(("dx", "dy"), [(0.1, -0.05), (1.3, 0.6), (-6.0, 4.0)])
def test_with_an_own_frame_each_flow_is_the_motion_to_that_neighbour(dx: float, dy: float) -> None:
    flow = estimated(planes([picture(-dx, -dy), picture(dx / 2, dy / 2), picture()], 4))
    expected = torch.tensor([-dx, -dy, dx / 2, dy / 2])
    assert flow.mean((0, 2, 3)) == pytest.approx(expected, abs=0.05)
    assert float((flow - expected[:, None, None]).abs().mean()) < 0.1


def test_where_there_is_nothing_to_see_nothing_moves() -> None:
    grey = torch.full((1, 1, 96, 128), 0.4)
    assert not estimated(planes([grey, grey, None], 4)).any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (24, 31)])
def test_the_mean_over_a_neighbourhood_is_that_of_pooling(height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width)
    expected = F.avg_pool2d(x, 7, 1, 3, count_include_pad=False)
    torch.testing.assert_close(classical._mean(x, 7), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", [1, 2, 4])
def test_folding_is_pixel_unshuffle_with_the_cells_outermost(side: int) -> None:
    x = torch.rand(2, 5, 8, 12)
    expected = F.pixel_unshuffle(x, side).view(2, 5, side * side, 8 // side, 12 // side).transpose(1, 2).flatten(1, 2)
    assert torch.equal(fold(x, side, x), expected)
    folded = fold(x, side, torch.empty(0, dtype=torch.bfloat16))
    assert torch.equal(folded, expected.bfloat16())
    assert folded.is_contiguous(memory_format=torch.channels_last)


def test_a_correction_is_bounded_as_by_tanh() -> None:
    x = torch.linspace(-30, 30, 1001)
    torch.testing.assert_close(bounded(x), torch.tanh(x), atol=1e-6, rtol=0)


def test_warping_by_whole_pixels_is_a_shift() -> None:
    x = torch.rand(1, 3, 12, 16)
    flow = torch.tensor([2.0, -1.0])[None, :, None, None].expand(1, 2, 12, 16)
    torch.testing.assert_close(warp(x, flow)[:, :, 1:, :-2], x[:, :, :-1, 2:], atol=1e-5, rtol=0)


def test_correlation_is_largest_where_things_went() -> None:
    x = torch.randn(1, 32, 10, 10)
    found = correlate(x, x.roll((1, -2), (2, 3)), 2).argmax(1)[:, 3:-3, 3:-3]
    assert (found == (1 + 2) * 5 + (-2 + 2)).all()  # rows first: d = (1, -2)
