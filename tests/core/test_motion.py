"""Motion seen from half-way against motion that is known, and the moving of pixels against torch's own."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.model.blocks import bounded, conv, of_parts
from alanet_core.model.cells import as_cells, as_channels, cells, for_cells, joined
from alanet_core.model.halfway import halfway
from alanet_core.model.light import mean
from alanet_core.model.motion import gather, places, sample_along, unfold, warp
from alanet_core.model.smear import cue_count, cues, smear


def picture(dx: float = 0.0, dy: float = 0.0, height: int = 96, width: int = 128) -> Tensor:
    """Waves of several lengths and directions, moved right by dx and down by dy: [1, 1, h, w], 0..1."""
    y, x = torch.arange(height)[:, None] - dy, torch.arange(width) - dx
    waves = [
        torch.sin((x * math.cos(a) + y * math.sin(a)) * 2 * math.pi / length + 3 * a)
        for a, length in ((0.3, 11.0), (1.2, 17.0), (2.2, 29.0), (2.9, 60.0), (0.8, 90.0))
    ]
    return (torch.stack(waves).sum(0) / 12 + 0.5)[None, None]


def motion(forth: tuple[float, float], back: tuple[float, float]) -> Tensor:
    """The same everywhere, as `search` would give it for pictures of 96x128: [1, 4, 96, 128]."""
    return torch.tensor([*forth, *back])[None, :, None, None].expand(1, 4, 96, 128)


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (1.3, -0.6), (-7.5, 4.0)])
@pytest.mark.parametrize("right", ["forth", "back"])
def test_half_way_the_path_is_taken_whose_ends_look_alike(dx: float, dy: float, right: str) -> None:
    """One of the two searches is wrong everywhere; the other one's motion is halved."""
    true, wrong = (dx, dy), (dx + 9.0, dy - 5.0)
    forth, back = (true, (-wrong[0], -wrong[1])) if right == "forth" else (wrong, (-dx, -dy))
    flow = halfway(motion(forth, back), picture(), picture(dx, dy))
    expected = torch.tensor([-dx / 2, -dy / 2, dx / 2, dy / 2])[None, :, None, None]
    torch.testing.assert_close(flow[:, :, 16:-16, 16:-16], expected.expand(1, 4, 64, 96), atol=1e-5, rtol=0)


def test_half_way_of_several_answers_those_that_fit_count() -> None:
    """One of the four paths is right; the others lead elsewhere, and hardly move the mean."""
    answers = torch.cat((motion((5.0, -2.0), (4.0, 6.0)), motion((-9.0, 3.0), (8.0, 1.0))), 1)
    flow = halfway(answers, picture(), picture(5.0, -2.0))
    expected = torch.tensor([-2.5, 1.0, 2.5, -1.0])[None, :, None, None]
    assert float((flow - expected)[:, :, 16:-16, 16:-16].abs().mean()) < 0.1


def test_half_way_of_equal_answers_is_that_of_one() -> None:
    one = motion((1.5, 2.5), (-1.5, -2.5))
    flow = halfway(torch.cat((one, one), 1), picture(), picture(1.5, 2.5))
    torch.testing.assert_close(flow, halfway(one, picture(), picture(1.5, 2.5)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch", [1, 2])
def test_half_way_nothing_is_no_number_whatever_the_frames_are(batch: int) -> None:
    a, b = torch.rand(batch, 1, 12, 17), torch.full((batch, 1, 12, 17), math.nan)
    b[:, :, 6:] = 1e30
    for answers in (1, 2):
        assert torch.isfinite(halfway(torch.randn(batch, 4 * answers, 12, 17), a, b)).all()


def test_half_way_each_frame_tells_of_its_own_places() -> None:
    """The right half of a frame moves by 8: in between, that motion begins 4 pixels further to the right."""
    moving = torch.zeros(1, 4, 96, 128)
    moving[:, 0, :, 64:] = 8.0
    moving[:, 2, :, 72:] = -8.0
    flow = halfway(moving, *(torch.full((1, 1, 96, 128), 0.5),) * 2)
    assert not flow[:, :, :, :64].any()
    assert (flow[:, 0, :, 68:] == -4).all()
    assert (flow[:, 2, :, 68:] == 4).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (24, 31)])
def test_the_mean_over_a_neighbourhood_is_that_of_pooling(height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width)
    expected = F.avg_pool2d(x, 7, 1, 3, count_include_pad=False)
    torch.testing.assert_close(mean(x, 7), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", [1, 2, 4])
def test_cells_are_pixel_unshuffle_with_the_places_outermost(side: int) -> None:
    x = torch.rand(2, 5, 8, 12)
    expected = F.pixel_unshuffle(x, side).view(2, 5, side * side, 8 // side, 12 // side).transpose(1, 2)
    split = cells(x, side)
    assert torch.equal(split, expected.flatten(0, 1))
    assert torch.equal(joined(split, side), x)
    folded = as_channels(split, side, torch.bfloat16)
    assert torch.equal(folded, expected.flatten(1, 2).bfloat16())
    assert folded.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(as_cells(folded, side), split.bfloat16().float())
    assert torch.equal(unfold(as_channels(split, side, x.dtype), side), x)
    assert torch.equal(for_cells(x, side)[side * side], x[1])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (9, 1), (12, 20)])
def test_gathered_features_are_warped_ones(height: int, width: int) -> None:
    """With their gradients, however far outside the flow leads."""
    torch.manual_seed(0)
    x = torch.rand(2, 5, height, width, requires_grad=True)
    flow = (6 * torch.randn(2, 2, height, width)).requires_grad_()
    weight = torch.randn(2, 5, height, width)
    made, expected = gather(x, flow), warp(x, flow)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)
    ours = torch.autograd.grad((weight * made).sum(), (x, flow))
    theirs = torch.autograd.grad((weight * expected).sum(), (x, flow))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_a_flow_that_is_no_number_leads_nowhere_else() -> None:
    x = torch.rand(1, 3, 4, 6)
    flow = torch.full((1, 2, 4, 6), float("nan"))
    assert torch.equal(gather(x, flow), x)
    assert torch.isfinite(gather(x, torch.full_like(flow, float("inf")))).all()


def test_sampling_along_a_path_is_warping_by_parts_of_it() -> None:
    torch.manual_seed(0)
    plane = torch.rand(2, 1, 12, 20)
    velocity, start = 3 * torch.randn(2, 2, 12, 20), 2 * torch.randn(2, 2, 12, 20)
    made = sample_along(plane, velocity, (-1.0, 0.5, 0.0), places(start, plane))
    expected = torch.cat([warp(plane, start + f * velocity) for f in (-1.0, 0.5, 0.0)], 1)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)


def test_a_convolution_of_parts_is_that_of_their_concatenation() -> None:
    layer = conv(9, 5, 3)
    parts = [torch.rand(2, channels, 6, 7) for channels in (4, 3, 2)]
    torch.testing.assert_close(of_parts(layer, iter(parts)), layer(torch.cat(parts, 1)), atol=1e-5, rtol=0)


def test_a_correction_is_bounded_as_by_tanh() -> None:
    x = torch.linspace(-30, 30, 1001)
    torch.testing.assert_close(bounded(x), torch.tanh(x), atol=1e-6, rtol=0)


def test_warping_by_whole_pixels_is_a_shift() -> None:
    x = torch.rand(1, 3, 12, 16)
    flow = torch.tensor([2.0, -1.0])[None, :, None, None].expand(1, 2, 12, 16)
    torch.testing.assert_close(warp(x, flow)[:, :, 1:, :-2], x[:, :, :-1, 2:], atol=1e-5, rtol=0)


def smeared_by(picture: Tensor, speed: float) -> Tensor:
    """A picture [1, 1, H, W] exposed for 11/8 of an interval while it moves to the right."""
    steps = torch.linspace(-0.5, 0.5, 33) * 11 / 8 * speed
    still = torch.zeros(1, 2, *picture.shape[2:])
    return torch.stack([warp(picture, still + torch.tensor([float(s), 0.0])[:, None, None]) for s in steps]).mean(0)


def to_the_right(speed: float) -> Tensor:
    """Flows at a quarter of the size of 96x192 pixels, half of the motion each."""
    flow = torch.zeros(1, 4, 24, 48)
    flow[:, 0], flow[:, 2] = -speed / 8, speed / 8
    return flow


@pytest.mark.parametrize("speed", [4.0, 12.0])
def test_a_frame_smeared_along_its_motion_is_told_from_a_sharp_one(speed: float) -> None:
    """The motion's length does not matter, and noise instead of a picture gives no other answer."""
    torch.manual_seed(0)
    texture = F.interpolate(torch.rand(1, 1, 48, 96), size=(96, 192), mode="bicubic")
    taps = (-1.375, -0.34, 0.34, 1.375)
    both = texture, smeared_by(texture, speed)
    sharp, blurred = (smear(x, to_the_right(speed), 1.0, taps, 4)[:, 0, :, 12:-12].mean() for x in both)
    assert blurred < sharp - 1


@pytest.mark.parametrize("speed", [4.0, 12.0])
def test_a_frame_that_is_smooth_in_all_directions_alike_is_not_taken_for_smeared(speed: float) -> None:
    torch.manual_seed(0)
    smooth = F.interpolate(torch.rand(1, 1, 12, 24), size=(96, 192), mode="bicubic")
    taps = (-1.375, -0.34, 0.34, 1.375)
    found = [cues((x,), to_the_right(speed), 1.0, taps, 4)[0] for x in (smooth, smeared_by(smooth, speed))]
    assert found[0].shape == (1, cue_count(taps))
    near = [float(x[0, 0]) for x in found]  # the nearest place along the motion, relative to the one across it
    assert abs(near[0]) < 0.5
    assert near[1] < near[0] - 0.3


def test_what_does_not_move_gives_no_cue() -> None:
    torch.manual_seed(0)
    found = cues((torch.rand(1, 1, 96, 192),), torch.zeros(1, 4, 24, 48), 1.0, (-1.0, -0.5, 0.5, 1.0), 4)[0]
    assert torch.isfinite(found).all()
    assert float(found[0, 0]) == 0
