"""The kernels in C around the convolutions, against PyTorch's form of each; threads, strips, what is no number."""

import copy
import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core import Alanet, ModelConfig, native
from alanet_core.latent import Attended, Latent, Window
from alanet_core.model.blocks import DoubleConv, conv, head
from alanet_core.model.fine import Native, Scene, form
from alanet_core.model.flows import coarser
from alanet_core.model.guided import _with
from alanet_core.model.halfway import halfway
from alanet_core.model.light import pyramid
from alanet_core.model.smear import Blurred, cues, smear
from alanet_core.model.strips import Strip
from alanet_core.native import light

TAPS = (-0.69, -0.34, 0.34, 0.69)
SIZES = [(16, 16), (48, 80), (112, 128), (16, 128), (128, 16)]
NEAR = 2e-5  # of a picture of 0..1: float32, and places that are counted in other units

pytestmark = pytest.mark.skipif(not native.available(), reason=str(native.absence()))


@pytest.fixture(autouse=True)
def inference() -> None:
    with torch.no_grad():
        yield


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], tuple[object, object]]:
    """both(f): what f gives with the kernels, and what without."""

    def run(f: Callable[[], object]) -> tuple[object, object]:
        monkeypatch.setenv("ALANET_NATIVE", "1")
        fast = f()
        monkeypatch.setenv("ALANET_NATIVE", "0")
        plain = f()
        monkeypatch.setenv("ALANET_NATIVE", "1")
        return fast, plain

    return run


def network(unshuffle: int = 4, dtype: torch.dtype = torch.float32) -> Alanet:
    """One whose flows and corrections are not zero."""
    config = ModelConfig(
        channels=(16, 24, 32), kernels=(3, 3, 3), unshuffle=unshuffle, fusion="guided", residual=True, taps=TAPS,
        detail=4, sharp_head=(16,), middle_head=(16,),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(unshuffle)
        model = Alanet(config)
        with torch.no_grad():
            for parameter in model.parameters():
                if not parameter.any():
                    torch.nn.init.normal_(parameter, std=0.01)
    return model.eval().requires_grad_(False).to(dtype)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def pictures(height: int, width: int) -> list[Tensor]:
    """Three views of a texture that moves, with some noise."""
    texture = F.interpolate(rand(1, 3, height // 4 + 8, width // 4 + 8), scale_factor=4.0, mode="bicubic").clamp(0, 1)
    texture = texture + 0.05 * rand(*texture.shape, seed=1)
    views = [texture[:, :, k : k + height, 2 * k : 2 * k + width] for k in (4, 7, 10)]
    return [view.contiguous(memory_format=torch.channels_last) for view in views]


def attended(model: Alanet, frames: list[Tensor]) -> tuple[list[Latent], list[Tensor], Attended]:
    size = frames[0].shape[2], frames[0].shape[3]
    latents = [model.encode(frame, size) for frame in frames]
    motions = [model.match(*latents[:2]), model.match(*latents[1:])]
    return latents, motions, model.attend(Window(tuple(x.core for x in latents), latents[2].core))


def made(model: Alanet, frames: list[Tensor], tile: int = 0) -> tuple[Tensor, Tensor]:
    latents, motions, z = attended(model, frames)
    assert z.sharp is not None
    assert z.middle is not None
    return (
        model.generate_sharp(z.sharp, (latents[0], latents[1], latents[2]), (motions[0], motions[1]), tile),
        model.generate_middle(z.middle, (latents[1], latents[2]), motions[1], tile),
    )


def apart(a: Tensor, b: Tensor) -> float:
    """The largest difference of any two numbers, relative where they are large."""
    assert a.shape == b.shape
    return float(((a.float() - b.float()).abs() / (1 + b.float().abs())).max())


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 33), (130, 101), (64, 64)])
def test_brightness_at_all_sizes_is_the_same_to_the_bit(both, size: tuple[int, int]) -> None:
    pixels = rand(1, 3, *size).contiguous(memory_format=torch.channels_last)
    for fast, plain in zip(*both(lambda: pyramid(pixels, 6)), strict=True):
        assert torch.equal(fast, plain)
    for fast, plain in zip(*both(lambda: pyramid(pixels.contiguous(), 6)), strict=True):
        assert torch.equal(fast, plain)


@pytest.mark.parametrize("side", [1, 2, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pixels_are_folded_and_features_halved_as_in_pytorch(side: int, dtype: torch.dtype) -> None:
    pixels = rand(1, 3, 8 * side, 6 * side).contiguous(memory_format=torch.channels_last)
    assert torch.equal(light.folded(pixels, side, dtype), F.pixel_unshuffle(pixels, side).to(dtype))
    x = rand(1, 13, 10, 66).to(dtype).contiguous(memory_format=torch.channels_last)
    assert apart(light.pooled(x), F.avg_pool2d(x, 2)) <= (1e-6 if dtype == torch.float32 else 4e-3)


@pytest.mark.parametrize("times", [2, 4])
def test_flows_are_made_coarser_as_in_pytorch(both, times: int) -> None:
    flow = 20 * rand(1, 4, 24, 136) - 10
    assert apart(*both(lambda: coarser(flow, times))) <= 1e-5


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (17, 33), (130, 101), (64, 65)])
def test_halfway_is_the_same_but_where_two_paths_are_as_good(both, size: tuple[int, int]) -> None:
    a, b = rand(1, 1, *size), rand(1, 1, *size, seed=1)
    motion = 12 * rand(1, 4, *size, seed=2) - 6
    fast, plain = both(lambda: halfway(motion, a, b))
    other = ((fast - plain).abs() > 1e-4).any(1).float().mean()
    assert other <= 1e-3


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (17, 33), (130, 101), (64, 65)])
@pytest.mark.parametrize("answers", [2, 3])
def test_halfway_mixes_several_answers_as_in_pytorch(both, answers: int, size: tuple[int, int]) -> None:
    a, b = rand(1, 1, *size), rand(1, 1, *size, seed=1)
    motion = 12 * rand(1, 4 * answers, *size, seed=2) - 6
    fast, plain = both(lambda: halfway(motion, a, b))
    assert fast.shape == (1, 4, *size)
    assert apart(fast, plain) <= 2e-3


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 70), (32, 33)])
def test_smear_and_cues_are_the_same(both, scale: int, size: tuple[int, int]) -> None:
    height, width = size
    lights = tuple(rand(1, 1, max(scale * height, 2), max(scale * width, 2), seed=k) for k in range(3))
    flow = 6 * rand(1, 4, height, width, seed=3) - 3
    assert apart(*both(lambda: smear(lights[0], flow, 0.5, TAPS, scale))) <= 1e-3
    assert apart(*both(lambda: cues(lights, flow, 0.5, TAPS, scale))) <= 1e-3
    judge = Blurred(TAPS).requires_grad_(False)
    for fast, plain in zip(*both(lambda: judge.judge(lights, flow, 0.5, scale)), strict=True):
        assert fast.shape == plain.shape == (1, 3)
        assert apart(fast, plain) <= 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_known_stands_beside_the_features(both, dtype: torch.dtype) -> None:
    z, told, planes = rand(1, 7, 5, 9).to(dtype), rand(1, 3), rand(1, 2, 5, 9, seed=1)
    for more in (planes, None):
        fast, plain = both(lambda more=more: _with(z, told, more))
        assert torch.equal(fast, plain)


@pytest.mark.parametrize("unshuffle", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sharp", [True, False])
def test_look_and_compose_are_the_same_for_whole_pictures_and_for_strips(
    both, unshuffle: int, size: tuple[int, int], sharp: bool
) -> None:
    height, width = size
    side = min(unshuffle, 2)
    frames = [Latent(None, (), x, pyramid(x, 1)) for x in pictures(height, width)]
    scene = Scene(
        own=frames[1] if sharp else None, a=frames[0], b=frames[2],
        flow=8 * rand(1, 4, height // side, width // side, seed=4) - 4,
        folded=rand(1, 4 * (unshuffle // side) ** 2, height // unshuffle, width // unshuffle, seed=5),
        gates=rand(1, 1 if sharp else 2, seed=6), taps=TAPS, detail=4, side=side, unfolds=unshuffle // side,
    )  # fmt: skip
    outputs = rand(1, side**2 * (9 if sharp else 8), height // side, width // side, seed=7) - 0.5

    def parts(strip: Strip) -> tuple[Tensor, Tensor]:
        inputs, compose = form(scene, ()).look(strip)
        return inputs, compose(outputs[:, :, strip.at(side)])

    (fast, picture), (plain, reference) = both(lambda: parts(Strip(0, height)))
    assert apart(fast, plain) <= 2e-3  # CHANGE_SCALE times a difference, of noise that is a pixel wide
    assert apart(picture, reference) <= 1e-4
    strip = Strip(4, height - 8)
    inputs, rows = parts(strip)
    assert torch.equal(inputs, fast[:, :, strip.at(side)])
    assert torch.equal(rows, picture[:, :, strip.top : strip.bottom])


@pytest.mark.parametrize("unshuffle", [2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_whole_pictures_are_the_same(both, unshuffle: int, size: tuple[int, int]) -> None:
    model, frames = network(unshuffle), pictures(*size)
    fast, plain = both(lambda: made(model, frames))
    for a, b in zip(fast, plain, strict=True):
        assert apart(a, b) <= NEAR


def test_whole_pictures_at_full_size_are_the_same_but_where_two_paths_are_as_good(both) -> None:
    model, frames = network(1), pictures(64, 96)
    fast, plain = both(lambda: made(model, frames))
    assert apart(fast[0], plain[0]) <= NEAR
    assert ((fast[1] - plain[1]).abs() > NEAR).float().mean() < 0.01


def test_bfloat16_stays_as_near_to_pytorchs_form_as_its_own_rounding(both) -> None:
    model, frames = network(4, torch.bfloat16), pictures(112, 128)
    exact = made(network(4), frames)
    for a, b, c in zip(*both(lambda: made(model, frames)), exact, strict=True):
        assert (a - c).square().mean() < 2 * (b - c).square().mean() + 1e-7


def test_neither_threads_nor_strips_change_a_bit() -> None:
    model, frames = network(), pictures(112, 128)
    threads = torch.get_num_threads()
    alone = attended(model, frames)
    expected = made(model, frames)
    try:
        torch.set_num_threads(3)
        several = attended(model, frames)
        for a, b in zip(alone[0], several[0], strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a.light, b.light, strict=True))
        for tile in (0, 16, 48):
            for a, b in zip(made(model, frames, tile), expected, strict=True):
                assert torch.equal(a, b)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("unshuffle", "pixels"), [(1, 96 * 10), (2, 96 * 10), (4, 96 * 3)])
def test_strips_that_no_one_asked_for_do_not_either(
    monkeypatch: pytest.MonkeyPatch, unshuffle: int, pixels: int
) -> None:
    model, frames = network(unshuffle), pictures(64, 96)
    whole = made(model, frames)
    monkeypatch.setattr("alanet_core.model.fine.STRIP", pixels)
    monkeypatch.setattr("alanet_core.model.guided.STRIP", pixels // 16)
    for a, b in zip(made(model, frames), whole, strict=True):
        assert torch.equal(a, b)


def test_several_threads_at_once_give_the_same_pictures() -> None:
    model, frames = network(), pictures(64, 80)
    expected = made(model, frames)
    found: list[tuple[Tensor, Tensor]] = []

    def work() -> None:
        with torch.no_grad():
            found.extend(made(model, frames) for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert all(torch.equal(a, b) for pair in found for a, b in zip(pair, expected, strict=True))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), 1e30, -1e9])
@pytest.mark.parametrize("unshuffle", [1, 2, 4])
def test_a_motion_that_is_no_number_reads_nothing_outside(wrong: float, unshuffle: int) -> None:
    model, frames = network(unshuffle), pictures(32, 48)
    latents, motions, z = attended(model, frames)
    assert z.sharp is not None
    assert z.middle is not None
    spoilt = [motion.clone() for motion in motions]
    for motion in spoilt:
        motion.view(-1)[::7] = wrong
    sharp = model.generate_sharp(z.sharp, (latents[0], latents[1], latents[2]), (spoilt[0], spoilt[1]))
    middle = model.generate_middle(z.middle, (latents[1], latents[2]), spoilt[1])
    assert sharp.shape == middle.shape == frames[0].shape


def test_what_learns_and_batches_use_pytorch() -> None:
    x = rand(1, 3, 16, 16)
    assert native.serves(x)
    assert not native.serves(rand(2, 3, 16, 16))
    assert not native.serves(x.half())
    assert not native.serves(x.double())
    weight = rand(3).requires_grad_()
    assert native.serves(x, learnt=(weight,))
    with torch.enable_grad():
        assert native.serves(x)
        assert not native.serves(x, learnt=(weight,))
        assert not native.serves(x * weight[0])


def test_a_convolution_follows_its_weights_and_can_be_copied() -> None:
    layer = conv(8, 12).requires_grad_(False)
    x = rand(1, 8, 9, 11).contiguous(memory_format=torch.channels_last)
    for _ in range(2):
        expected = F.conv2d(x, layer.weight, layer.bias, padding=1)
        assert apart(layer(x), expected) <= 1e-5
        assert apart(layer.active(x), F.leaky_relu(expected, 0.1)) <= 1e-5
        assert apart(copy.deepcopy(layer)(x), expected) <= 1e-5
        layer.weight.mul_(-2)


def test_two_convolutions_follow_their_weights_and_can_be_copied() -> None:
    layers = DoubleConv(8, 12).requires_grad_(False)
    x = rand(1, 8, 9, 11).contiguous(memory_format=torch.channels_last)

    def expected(of: DoubleConv) -> Tensor:
        made = x
        for layer in (of.first, of.second):
            made = F.leaky_relu(F.conv2d(made, layer.weight, layer.bias, padding=1), 0.1)
        return made

    before = expected(layers)
    assert apart(layers(x), before) <= 1e-5
    other = copy.deepcopy(layers)
    layers.second.weight.mul_(-2)
    layers.first.bias.add_(1)
    assert apart(layers(x), expected(layers)) <= 1e-5
    assert apart(other(x), before) <= 1e-5
    other.first.weight = torch.nn.Parameter(-other.first.weight, requires_grad=False)
    assert apart(other(x), expected(other)) <= 1e-5


CONVOLUTIONS = [  # inputs, outputs, kernel, height, width
    *((32, 32, 3, 88, 160), (28, 16, 3, 37, 53), (8, 8, 3, 1, 1), (13, 21, 3, 4, 5), (60, 32, 3, 9, 130)),
    *((150, 32, 1, 20, 33), (16, 36, 1, 7, 9), (5, 3, 1, 1, 1), (64, 4, 1, 22, 40), (37, 25, 1, 13, 1)),
]


@pytest.mark.parametrize("shape", CONVOLUTIONS)
def test_convolutions_in_c_are_those_of_exact_arithmetic(shape: tuple[int, ...]) -> None:
    inputs, outputs, kernel, height, width = shape
    layer = conv(inputs, outputs, kernel).requires_grad_(False)
    layer.bias.copy_(rand(outputs, seed=1))
    x = rand(1, inputs, height, width) - 0.5
    if not layer.in_c(x):
        pytest.skip("this processor does better with oneDNN")
    exact = F.conv2d(x.double(), layer.weight.double(), layer.bias.double(), padding=kernel // 2)
    assert (layer(x) - exact).abs().max() <= 4e-6
    assert (layer.active(x) - F.leaky_relu(exact, 0.1)).abs().max() <= 4e-6


def test_a_convolution_gives_the_same_bits_on_any_number_of_threads_and_for_strips() -> None:
    layer = conv(24, 40).requires_grad_(False)
    x = rand(1, 24, 60, 90).contiguous(memory_format=torch.channels_last)
    threads, whole = torch.get_num_threads(), layer(x)
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            assert torch.equal(layer(x), whole)
    finally:
        torch.set_num_threads(threads)
    if layer.in_c(x):
        assert torch.equal(layer(x[:, :, 8:40])[:, :, 4:-4], whole[:, :, 12:36])


@pytest.mark.parametrize("sharp", [True, False])
@pytest.mark.parametrize("size", [(2, 130), (44, 70), (104, 64)])
@pytest.mark.parametrize(("widths", "last"), [((16,), 1), ((16, 12), 3), ((24, 16, 8), 3), ((), 3), ((), 1)])
def test_the_last_convolutions_in_one_go_give_what_they_give_one_after_the_other(
    sharp: bool, size: tuple[int, int], widths: tuple[int, ...], last: int
) -> None:
    height, width = size
    frames = [Latent(None, (), x, pyramid(x, 1)) for x in pictures(height, width)]
    scene = Scene(
        own=frames[1] if sharp else None, a=frames[0], b=frames[2], flow=8 * rand(1, 4, height // 2, width // 2) - 4,
        folded=rand(1, 4, height // 2, width // 2, seed=5), gates=rand(1, 1 if sharp else 2, seed=6), taps=TAPS,
        detail=4, side=2, unfolds=1,
    )  # fmt: skip
    layers = head(4 + 4 * (7 if sharp else 6), widths, 4 * (9 if sharp else 8), last).requires_grad_(False)
    picture, threads = form(scene, ()), torch.get_num_threads()
    assert isinstance(picture, Native)
    if not layers.row.packed(scene.folded):
        pytest.skip("this processor does better with oneDNN")
    inputs, compose = picture.look(Strip(0, height))
    expected = compose(layers(inputs))
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            assert torch.equal(picture.whole(layers.row.packed(scene.folded)), expected)
    finally:
        torch.set_num_threads(threads)
