"""The networks' shapes, sizes and costs, against the paper's and the released code's numbers."""

import copy
import dataclasses
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from alanet_core import Alanet, AlanetStream, ConfigError, ModelConfig, StreamConfig, identity_model, load, presets
from alanet_core.latent import Window
from alanet_core.model import encode_clip, render
from alanet_core.training.step import forward_middle


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_papers_network_has_the_papers_size() -> None:
    model = load("paper", allow_untrained=True, precision="fp32")
    assert round(parameters(model.encoder) / 1e6, 2) == 9.57
    assert round(parameters(model.sharp) / 1e6, 2) == 10.21
    assert round(parameters(model.middle) / 1e6, 2) == 10.21
    assert model.config.multiple == 32


def test_the_papers_network_costs_what_model_md_counts() -> None:
    """139.4 kMAC a pixel to encode, 176.0 for each of two decodes; attention less than 0.1 % of it."""
    model = Alanet(presets()["paper"].config).to("meta")
    frames = torch.rand(1, 2, 3, 352, 640, device="meta")
    pixels = 352 * 640
    with FlopCounterMode(display=False) as both:
        latents = encode_clip(model, frames)
    encode = both.get_total_flops() / 2 / 2
    with FlopCounterMode(display=False) as decode:
        render(model, latents, 0)
    assert encode / pixels == pytest.approx(139.4e3, rel=0.001)
    assert decode.get_total_flops() / 2 / 2 / pixels == pytest.approx(176.0e3, rel=0.002)


@pytest.mark.parametrize(
    ("name", "blurred", "millions", "gflop"),
    [("fine", True, 2.0, 45.3), ("fine", False, 1.9, 19.7), ("fast", True, 0.5, 4.4)],
)
def test_a_guided_network_is_as_large_and_costly_as_said(
    name: str, blurred: bool, millions: float, gflop: float
) -> None:
    """At 640x352, for an input frame; passes that undo blur have nothing to do where there is none."""
    config = presets()[name].config
    model = Alanet(config if blurred else dataclasses.replace(config, restore=())).to("meta")
    frames = torch.rand(1, 3, 3, 352, 640, device="meta")
    assert round(parameters(model) / 1e6, 1) == millions
    with FlopCounterMode(display=False) as encode:
        latents = encode_clip(model, frames)
    with FlopCounterMode(display=False) as generate:
        render(model, latents, 1)
    total = encode.get_total_flops() / 3 + generate.get_total_flops()
    assert total / 1e9 == pytest.approx(gflop, abs=0.1)


@pytest.mark.parametrize("taps", [(), (-0.5, 0.25), (0.25, 0.5)])
def test_a_filter_whose_places_are_not_mirrored_is_refused(taps: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"^taps must be mirrored, for fusion='guided', got"):
        ModelConfig(
            channels=(4, 8),
            kernels=(3, 3),
            gate_reduction=4,
            fusion="guided",
            taps=taps,
            sharp_head=(4,),
            middle_head=(4,),
        )


@pytest.mark.parametrize("name", list(presets()))
def test_every_parameter_is_used(name: str) -> None:
    """A gradient reaches all weights, so none is left over from a rewrite."""
    torch.manual_seed(0)
    model = Alanet(presets()[name].config)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.01)
    for told in (None, torch.ones(1, 4)):  # frames that are blurred have passes, of which each learns for itself
        made = forward_middle(model, torch.rand(1, 4, 3, 64, 64), told)
        for sharp, middle in (*made.before, (made.sharp, made.middle)):
            total = sharp.square().sum() + middle.square().sum()
            if total.requires_grad:
                total.backward(retain_graph=True)
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 130), width=st.integers(1, 130), fusion=st.sampled_from(["mean", "guided"]))
def test_every_size_from_1x1_comes_back_as_it_went_in(
    tiny: Callable[..., Alanet], height: int, width: int, fusion: str
) -> None:
    stream = AlanetStream(tiny(3, fusion), StreamConfig(scene_threshold=0))
    frame = torch.full((3, height, width), 0.5)
    pairs = stream.push(frame) + stream.push(frame) + stream.drain()
    assert {tuple(x.shape) for pair in pairs for x in (pair.sharp, pair.middle)} == {(3, height, width)}
    assert all(x.isfinite().all() for pair in pairs for x in (pair.sharp, pair.middle))


def test_the_identity_network_changes_nothing(clip: Callable[..., list[torch.Tensor]]) -> None:
    frames = clip(5, 37, 23)
    for window in (1, 3, 5):
        stream = AlanetStream(identity_model(window), StreamConfig(scene_threshold=0))
        pairs = [pair for frame in frames for pair in stream.push(frame)] + stream.drain()
        for n, pair in enumerate(pairs):
            assert torch.equal(pair.sharp, frames[n])
            assert torch.equal(pair.middle, (frames[n] + frames[min(n + 1, 4)]) / 2)


def test_bfloat16_stays_close_to_float32() -> None:
    frames = smooth_clip(4, 96, 128)
    outputs = []
    for precision in ("fp32", "bf16"):
        stream = AlanetStream(load("fast", precision=precision, device="cpu"))
        pairs = [pair for frame in frames for pair in stream.push(frame, cut=False)] + stream.drain()
        outputs.append(torch.stack([x for pair in pairs for x in (pair.sharp, pair.middle)]))
    error = (outputs[0] - outputs[1]).square().mean()
    assert -10 * error.log10() > 50


def smooth_clip(length: int, height: int, width: int) -> list[torch.Tensor]:
    """A textured plane that moves by 1.5 pixels a frame."""
    rows = torch.arange(height)[:, None]
    columns = torch.arange(width)
    pictures = []
    for n in range(length):
        x = columns + 1.5 * n
        planes = [(torch.sin(x / a) * torch.cos(rows / (a + 2)) + 1) / 2 for a in (3.0, 5.0, 9.0)]
        pictures.append(torch.stack(planes))
    return pictures


def test_a_frame_that_is_told_to_be_sharp_is_not_filtered(tiny: Callable[..., Alanet]) -> None:
    model, taps = tiny(3, "guided"), 2
    other = copy.deepcopy(model)
    for generator, cell in ((other.sharp, taps + 2 + 3), (other.middle, taps + 1 + 3)):
        weight = generator.head[-1].weight
        weight.view(-1, cell, *weight.shape[1:])[:, :taps] += 1
    torch.manual_seed(0)
    frames = torch.rand(1, 3, 3, 32, 32)

    def made(model: Alanet, told: float) -> tuple[torch.Tensor, torch.Tensor]:
        before, own, after = encode_clip(model, frames)
        z = model.attend(Window((before.core, own.core, after.core), after.core))
        motions = model.match(before, own), model.match(own, after)
        sharp = model.sharp.trace(z.sharp, (before, own, after), motions, told=torch.full((1, 3), told))
        middle = model.middle.trace(z.middle, (own, after), motions[1], told=torch.full((1, 2), told))
        return sharp.picture, middle.picture

    for told, same in ((0.0, True), (1.0, False)):
        assert [torch.equal(*pair) for pair in zip(made(model, told), made(other, told), strict=True)] == [same] * 2
