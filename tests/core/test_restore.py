"""The passes that undo blur: what they see, against the blur of eq. 7; in C and in PyTorch; whom they leave alone."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core import Alanet, ModelConfig, native
from alanet_core.latent import Core, Latent, Window
from alanet_core.model.blocks import Row
from alanet_core.model.fine import Scene
from alanet_core.model.flows import going_on
from alanet_core.model.light import pyramid
from alanet_core.model.restore import EXPOSURE, PLACES, Restore, _Form, _Native, _Plain
from alanet_core.model.strips import Strip

HEIGHT, WIDTH, FRAMES = 48, 64, 3
SPEED = (8, -8)  # pixels an interval, x first: the moments of an exposure are whole pixels apart
CONFIG = ModelConfig(
    channels=(16, 24, 32), kernels=(3, 3, 3), unshuffle=4, fusion="guided", residual=True, taps=(-0.7, 0.7),
    detail=4, sharp_head=(8,), middle_head=(8,), restore=(8, 12),
)  # fmt: skip
FORMS = [
    "plain",
    pytest.param("native", marks=pytest.mark.skipif(not native.available(), reason=str(native.absence()))),
]


@pytest.fixture(autouse=True)
def inference() -> None:
    with torch.no_grad():
        yield


def texture(seed: int = 0) -> Tensor:
    """Waves that are longer than a pixel: [1, 3, H, W], with room to move."""
    small = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(small, scale_factor=4.0, mode="bicubic").clamp(0, 1)


def at(time: float) -> Tensor:
    """The scene, which moves without turning, at a time counted in intervals; eighths of one are whole pixels."""
    left, top = (round(48 - time * speed) for speed in SPEED)
    return texture()[:, :, top : top + HEIGHT, left : left + WIDTH]


def filmed(time: float) -> Tensor:
    """Eq. 7."""
    return torch.stack([at(time + t) for t in EXPOSURE]).mean(0)


def latent(pixels: Tensor) -> Latent:
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    nothing = torch.empty(0)
    return Latent(Core(nothing, nothing), (), pixels, pyramid(pixels, 1))


def scene(*, blurred: bool = True, middle: bool = False, side: int = 2, share: float = 1.0) -> Scene:
    """With its true flow."""
    take = filmed if blurred else at
    half = 0.5 if middle else 1.0
    way = half / side * torch.tensor([-SPEED[0], -SPEED[1], *SPEED], dtype=torch.float32)
    gates = torch.full((1, 2 if middle else 1), share)
    flow = way[None, :, None, None].repeat(1, 1, HEIGHT // side, WIDTH // side)
    return Scene(
        own=None if middle else latent(take(0)),
        a=latent(take(-half)),
        b=latent(take(half)),
        flow=flow,
        folded=torch.empty(0),
        gates=gates,
        taps=(),
        detail=0,
        side=side,
        unfolds=1,
    )


def form(kind: str, of: Scene) -> _Form:
    share = of.gates.prod(1, keepdim=True)
    return _Native(of, share) if kind == "native" else _Plain(of, share)


def inner(x: Tensor) -> Tensor:
    """Where no path leaves the picture."""
    return x[:, :, 12:-12, 12:-12]


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def last(picture: Tensor) -> Tensor:
    return picture.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("side", [1, 2])
@pytest.mark.parametrize("middle", [False, True])
def test_the_rest_of_the_true_picture_is_nothing(kind: str, side: int, middle: bool) -> None:
    known = form(kind, scene(side=side, middle=middle))
    of_truth, of_blur = (inner(known.both(last(x), 0)[:, 1:]) for x in (at(0), filmed(0)))
    assert rms(of_truth) < 1e-5
    assert rms(of_blur) > 0.01


@pytest.mark.parametrize("kind", FORMS)
def test_a_step_of_landweber_goes_towards_the_truth(kind: str) -> None:
    """The rest smeared once more, which is the gradient, lies among what is filtered."""
    known, begin = form(kind, scene()), last(filmed(0))
    both = known.both(begin, 0)
    seen = known.look(begin, both, Strip(0, HEIGHT), torch.float32)
    again = 2 * len(PLACES)
    step = F.pixel_shuffle(seen.unflatten(1, (4, -1))[:, :, again], 2) / 10
    before, after = (rms(inner(x - at(0).mean(1, keepdim=True))) for x in (both[:, :1], both[:, :1] + step))
    assert after < 0.97 * before


@pytest.mark.parametrize("kind", FORMS)
def test_what_is_filtered_lies_along_the_path(kind: str) -> None:
    known, picture = form(kind, scene()), last(at(0))
    seen = known.look(picture, known.both(picture, 0), Strip(0, HEIGHT), torch.float32)
    number = PLACES.index(0.25)  # two pixels to the right and up
    found = F.pixel_shuffle(seen.unflatten(1, (4, -1))[:, :, 2 * number], 2) / 10
    light = at(0).mean(1, keepdim=True)
    torch.testing.assert_close(inner(found), inner(light.roll((2, -2), (2, 3)) - light), atol=1e-5, rtol=0)


def network(widths: tuple[int, ...] = (8, 12), unshuffle: int = 4) -> Restore:
    """With weights that do something."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = dataclasses.replace(CONFIG, restore=widths, unshuffle=unshuffle)
        passes = Restore(config).eval().requires_grad_(False)
        for each in passes.passes:
            torch.nn.init.normal_(each.last.weight, std=0.02)
    return passes


@pytest.mark.parametrize("middle", [False, True])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 2e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.skipif(not native.available(), reason=str(native.absence()))
def test_both_forms_give_the_same(monkeypatch, middle: bool, dtype: torch.dtype, near: float) -> None:
    passes, of, begin = network().to(dtype), scene(middle=middle), last(filmed(0))
    fast = passes(begin, of)[-1]
    monkeypatch.setenv(native.SWITCH, "0")
    plain = passes(begin, of)[-1]
    assert rms(plain - begin) > 0.003
    assert float((fast - plain).abs().max()) <= near


@pytest.mark.parametrize("kind", ["0", "1"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("middle", [False, True])
def test_strips_change_no_pixel(monkeypatch, kind: str, dtype: torch.dtype, middle: bool) -> None:
    monkeypatch.setenv(native.SWITCH, kind)
    passes, of, begin = network().to(dtype), scene(middle=middle), last(filmed(0))
    whole = passes(begin, of)
    for tile in (2, 16, 30):
        assert all(torch.equal(a, b) for a, b in zip(passes(begin, of, tile), whole, strict=True))


def beside(x: Tensor | None) -> Tensor | None:
    """Twelve times, one beside the other."""
    return None if x is None else torch.cat([x] * 12, 3)


def wide(of: Scene) -> Scene:
    def wider(frame: Latent | None) -> Latent | None:
        return None if frame is None else latent(beside(frame.pixels))

    return dataclasses.replace(of, own=wider(of.own), a=wider(of.a), b=wider(of.b), flow=beside(of.flow))


@pytest.mark.parametrize("side", [1, 2])
@pytest.mark.parametrize("middle", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.skipif(not native.available(), reason=str(native.absence()))
def test_a_pass_in_one_go_gives_the_bits_of_one_step_after_the_other(
    monkeypatch, side: int, middle: bool, threads: int
) -> None:
    """Of a picture that is wider than what is made at a time."""
    of, begin, before = wide(scene(middle=middle, side=side)), last(beside(filmed(0))), torch.get_num_threads()
    passes = network(unshuffle=4 if side == 2 else 1)
    try:
        torch.set_num_threads(threads)
        at_once = passes(begin, of)
        monkeypatch.setattr(Row, "packed", lambda *_: None)
        step_by_step = passes(begin, of)
    finally:
        torch.set_num_threads(before)
    assert rms(at_once[-1] - begin) > 0.003
    assert all(torch.equal(a, b) for a, b in zip(at_once, step_by_step, strict=True))


@pytest.mark.parametrize("share", [0.0, 0.04])
def test_a_sharp_picture_comes_back_to_the_bit(share: float) -> None:
    begin = last(at(0))
    assert all(torch.equal(x, begin) for x in network()(begin, scene(blurred=False, share=share)))


def test_a_picture_between_a_sharp_and_a_blurred_frame_is_left_alone() -> None:
    of = dataclasses.replace(scene(middle=True), gates=torch.tensor([[1.0, 0.0]]))
    begin = last(at(0))
    assert torch.equal(network()(begin, of)[-1], begin)


def test_half_of_the_share_is_half_of_the_way_in_the_first_pass() -> None:
    passes, begin = network((8,)), last(filmed(0))
    whole, half = (passes(begin, scene(share=share))[-1] - begin for share in (1.0, 0.5))
    torch.testing.assert_close(half, whole / 2, atol=1e-6, rtol=0)


def test_of_a_batch_only_the_blurred_pictures_are_changed() -> None:
    passes, of = network(), scene()

    def two(x: Tensor) -> Tensor:
        return torch.cat((x, x))

    def twice(x: Latent) -> Latent:
        return Latent(x.core, (), two(x.pixels), tuple(map(two, x.light)))

    assert of.own is not None
    batch = dataclasses.replace(
        of, own=twice(of.own), a=twice(of.a), b=twice(of.b), flow=two(of.flow), gates=torch.tensor([[0.0], [1.0]])
    )
    begin = last(filmed(0))
    for made, alone in zip(passes(two(begin), batch), passes(begin, of), strict=True):
        assert torch.equal(made[:1], begin)
        torch.testing.assert_close(made[1:], alone, atol=2e-5, rtol=0)


def test_no_gradient_passes_from_pass_to_pass_or_to_what_came_before() -> None:
    with torch.enable_grad():
        passes, begin = network().requires_grad_(True), last(filmed(0)).requires_grad_()
        first, second = passes(begin, scene())
        second.sum().backward()
    assert begin.grad is None
    assert passes.passes[0].last.weight.grad is None
    assert float(passes.passes[1].last.weight.grad.abs().sum()) > 0
    assert first.requires_grad


def test_at_the_end_of_a_shot_the_motion_goes_on_as_on_the_other_side() -> None:
    """There the frame stands in for its neighbour, to which nothing moves."""
    before, own, after = (latent(at(time)) for time in (-1, 0, 1))
    flow = torch.tensor([1.0, 2.0, 3.0, 4.0])[None, :, None, None].repeat(1, 1, 4, 4)
    assert torch.equal(going_on(flow, (before, own, after)), flow)
    first, last_one = going_on(flow, (own, own, after)), going_on(flow, (before, own, own))
    assert first[0, :, 0, 0].tolist() == [-3, -4, 3, 4]
    assert last_one[0, :, 0, 0].tolist() == [1, 2, -1, -2]


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("missing", [0, 1])
def test_a_neighbour_that_is_missing_is_seen_as_the_other_one(kind: str, missing: int) -> None:
    of = scene()
    of = dataclasses.replace(of, a=of.own) if missing == 0 else dataclasses.replace(of, b=of.own)
    picture, known = last(filmed(0)), form(kind, of)
    seen = known.look(picture, known.both(picture, 0), Strip(0, HEIGHT), torch.float32).unflatten(1, (4, -1))
    first = 2 * len(PLACES) + 3
    assert torch.equal(seen[:, :, first], seen[:, :, first + 1])
    assert rms(seen[:, :, first, 6:-6, 6:-6]) < 1e-3


@pytest.mark.parametrize("kind", ["0", "1"])
def test_what_is_no_number_harms_nobody(monkeypatch, kind: str) -> None:
    monkeypatch.setenv(native.SWITCH, kind)
    of = scene()
    flow = of.flow.clone()
    flow[:, :, :4] = torch.nan
    flow[:, :, 4:8] = 1e30
    made = network()(last(filmed(0)), dataclasses.replace(of, flow=flow))[-1]
    assert made.shape == (1, 3, HEIGHT, WIDTH)


@pytest.mark.parametrize("size", [(16, 16), (16, 48), (48, 16)])
def test_small_pictures_and_odd_ones_pass(size: tuple[int, int]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Alanet(CONFIG).eval().requires_grad_(False)
        for each in model.restore.passes:
            torch.nn.init.normal_(each.last.weight, std=0.02)
    frames = [torch.rand(1, 3, *size).contiguous(memory_format=torch.channels_last) for _ in range(FRAMES)]
    latents = [model.encode(frame, size) for frame in frames]
    motion = model.match(latents[0], latents[1])
    z = model.attend(Window(tuple(x.core for x in latents), latents[2].core))
    assert torch.isfinite(model.generate_sharp(z.sharp, tuple(latents), (motion, motion))).all()
    assert torch.isfinite(model.generate_middle(z.middle, tuple(latents[1:]), motion)).all()
