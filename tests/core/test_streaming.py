"""Stream, whole clip and random access give the same pairs, bit for bit (contracts 1 to 4)."""

import random
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from alanet_core import (
    Alanet,
    AlanetStream,
    FrameError,
    FramePair,
    StreamConfig,
    StreamError,
    WindowRenderer,
    load,
)
from alanet_core.config import Mode
from alanet_core.frames import Canvas
from alanet_core.latent import Latent, MiddleSource, Window
from alanet_core.model import generator

Tiny = Callable[..., Alanet]
Clip = Callable[..., list[Tensor]]

SHAPES = [
    *((window, "mean") for window in (1, 3, 5, 9)),
    *((window, "guided") for window in (3, 5, 9)),
]
QUIET = StreamConfig(scene_threshold=0)


def whole_clip(model: Alanet, frames: list[Tensor], cuts: set[int], config: StreamConfig) -> list[FramePair]:
    """The definition, without ring, plan or schedule: all latents at hand, windows clamped to the shot."""
    canvas = Canvas(frames[0].shape[1], frames[0].shape[2], model.config.multiple)
    latents: list[Latent] = [
        model.encode(canvas.pad(f[None]).contiguous(memory_format=torch.channels_last), canvas.area) for f in frames
    ]
    edges = [0, *sorted(cuts), len(frames)]
    pairs = []

    def middle_of(n: int, made: Tensor | None, sharp: Tensor) -> tuple[Tensor | None, MiddleSource]:
        if config.mode == "deblur":
            return None, "none"
        if made is not None:
            return canvas.crop(
                model.generate_middle(made, (latents[n], latents[n + 1]), model.match(*latents[n : n + 2]))
            )[0], "made"
        if n + 1 == len(frames) or config.scene_mode == "repeat":
            return sharp, "repeat"
        return (frames[n + 1], "next") if config.scene_mode == "next" else ((sharp + frames[n + 1]) / 2, "blend")

    for first, stop in pairwise(edges):
        for n in range(first, stop):

            def near(k: int, first: int = first, stop: int = stop) -> Latent:
                return latents[min(max(k, first), stop - 1)]

            radius = model.config.window // 2
            following = near(n + 1).core if n + 1 < stop else None
            window = Window(tuple(near(k).core for k in range(n - radius, n + radius + 1)), following)
            z = model.attend(window)
            sharp = frames[n]
            if config.mode != "interpolate":
                assert z.sharp is not None
                frames_of = near(n - 1), near(n), near(n + 1)
                motions = model.match(*frames_of[:2]), model.match(*frames_of[1:])
                sharp = canvas.crop(model.generate_sharp(z.sharp, frames_of, motions))[0]
            pairs.append(FramePair(n, sharp, *middle_of(n, z.middle, sharp)))
    return pairs


def streamed(model: Alanet, frames: list[Tensor], cuts: set[int], config: StreamConfig) -> list[FramePair]:
    stream = AlanetStream(model, config)
    pairs = [pair for k, frame in enumerate(frames) for pair in stream.push(frame, cut=k in cuts)] + stream.drain()
    assert stream.encodes == len(frames)
    return pairs


def at_random(
    model: Alanet, frames: list[Tensor], cuts: set[int], config: StreamConfig, slack: int = 0
) -> list[FramePair]:
    renderer = WindowRenderer(model, config, length=len(frames), slack=slack)
    order = list(range(len(frames)))
    random.Random(len(frames)).shuffle(order)
    pairs = {n: renderer.pair(n, frames.__getitem__, cuts.__contains__) for n in order}
    return [pairs[n] for n in range(len(frames))]


def assert_same(got: list[FramePair], expected: list[FramePair]) -> None:
    assert [(p.n, p.middle_source) for p in got] == [(p.n, p.middle_source) for p in expected]
    for a, b in zip(got, expected, strict=True):
        assert torch.equal(a.sharp, b.sharp)
        assert (a.middle is None and b.middle is None) or torch.equal(a.middle, b.middle)


@pytest.mark.parametrize(("window", "fusion"), SHAPES)
def test_stream_whole_clip_and_random_access_agree_for_every_short_length(
    tiny: Tiny, clip: Clip, window: int, fusion: str
) -> None:
    model = tiny(window, fusion)
    for length in range(1, 2 * window + 2):
        frames = clip(length)
        expected = whole_clip(model, frames, set(), QUIET)
        assert_same(streamed(model, frames, set(), QUIET), expected)
        assert_same(at_random(model, frames, set(), QUIET), expected)


@pytest.mark.parametrize(("window", "fusion"), SHAPES)
def test_they_agree_with_a_cut_at_every_place(tiny: Tiny, clip: Clip, window: int, fusion: str) -> None:
    model, length = tiny(window, fusion), window + 3
    frames = clip(length)
    for cuts in [{k} for k in range(1, length)] + [{1, 2}, {2, 4}, set(range(1, length))]:
        expected = whole_clip(model, frames, cuts, QUIET)
        assert_same(streamed(model, frames, cuts, QUIET), expected)
        assert_same(at_random(model, frames, cuts, QUIET), expected)


@pytest.mark.parametrize("mode", ["joint", "deblur", "interpolate"])
@pytest.mark.parametrize("scene_mode", ["repeat", "blend", "next"])
@pytest.mark.parametrize("fusion", ["mean", "guided"])
def test_they_agree_in_every_mode(tiny: Tiny, clip: Clip, mode, scene_mode, fusion: str) -> None:
    model, frames, cuts = tiny(3, fusion), clip(7), {3, 6}
    config = StreamConfig(mode=mode, scene_mode=scene_mode, scene_threshold=0)
    expected = whole_clip(model, frames, cuts, config)
    assert_same(streamed(model, frames, cuts, config), expected)
    assert_same(at_random(model, frames, cuts, config, slack=3), expected)


def test_detected_cuts_are_the_same_in_both_drivers(tiny: Tiny) -> None:
    generator = torch.Generator().manual_seed(1)
    worlds = [torch.rand(3, 40, 64, generator=generator) for _ in range(3)]
    frames = [world.roll(step, 2) for world in worlds for step in range(4)]
    model, config = tiny(3), StreamConfig()
    stream, renderer = AlanetStream(model, config), WindowRenderer(model, config, length=len(frames))
    pairs = [pair for frame in frames for pair in stream.push(frame)] + stream.drain()
    assert [p.n for p in pairs if p.middle_source == "repeat"] == [3, 7, 11]
    assert_same([renderer.pair(n, frames.__getitem__) for n in range(len(frames))], pairs)


@pytest.mark.parametrize(("window", "fusion"), SHAPES)
def test_a_pair_depends_on_its_reach_and_nothing_else(tiny: Tiny, clip: Clip, window: int, fusion: str) -> None:
    model, length = tiny(window, fusion), 2 * window + 3
    frames, others = clip(length), clip(length, seed=9)
    n = length // 2
    reach = WindowRenderer(model, QUIET, length=length).reach(n)
    changed = [frames[k] if k in reach else others[k] for k in range(length)]

    def only_in_reach(k: int) -> Tensor:
        assert k in reach
        return changed[k]

    pair = WindowRenderer(model, QUIET, length=length).pair(n, only_in_reach)
    assert_same([pair], [whole_clip(model, frames, set(), QUIET)[n]])


@pytest.mark.parametrize(("window", "fusion"), SHAPES)
def test_forward_order_encodes_each_frame_once(tiny: Tiny, clip: Clip, window: int, fusion: str) -> None:
    model, frames = tiny(window, fusion), clip(24)
    renderer = WindowRenderer(model, QUIET, length=24, slack=0)
    fetched = []
    for n in range(24):
        renderer.pair(n, lambda k: fetched.append(k) or frames[k])
    assert renderer.encodes == 24
    assert sorted(fetched) == list(range(24))


def test_memory_is_fixed_after_the_first_frame(tiny: Tiny, clip: Clip) -> None:
    model, frames = tiny(5, "guided"), clip(30)
    stream = AlanetStream(model, QUIET)
    sizes = set()
    for frame in frames:
        stream.push(frame)
        sizes.add(stream.nbytes)
    assert len(sizes) == 1
    assert sizes.pop() > 0


def test_eight_threads_at_once_give_the_same_pairs(tiny: Tiny, clip: Clip) -> None:
    model, frames = tiny(3, "guided"), clip(40)
    expected = whole_clip(model, frames, set(), QUIET)
    renderer = WindowRenderer(model, QUIET, length=40)
    pairs: dict[int, FramePair] = {}
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        order = list(range(seed, 40, 8))
        random.Random(seed).shuffle(order)
        try:
            for n in order:
                pairs[n] = renderer.pair(n, frames.__getitem__)
        except BaseException as error:  # noqa: BLE001 handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert_same([pairs[n] for n in range(40)], expected)


def test_one_network_serves_several_streams_of_several_sizes(tiny: Tiny, clip: Clip) -> None:
    model, small, large = tiny(3, "guided"), clip(5, 9, 11), clip(5, 30, 22)
    one, two = AlanetStream(model, QUIET), AlanetStream(model, QUIET)
    pairs: tuple[list[FramePair], list[FramePair]] = ([], [])
    for a, b in zip(small, large, strict=True):
        pairs[0].extend(one.push(a))
        pairs[1].extend(two.push(b))
    assert_same(pairs[0] + one.drain(), whole_clip(model, small, set(), QUIET))
    assert_same(pairs[1] + two.drain(), whole_clip(model, large, set(), QUIET))


def test_delivered_pairs_are_never_written_again(tiny: Tiny, clip: Clip) -> None:
    model, frames = tiny(3), clip(12)
    for mode, scene_mode in (("joint", "repeat"), ("interpolate", "next"), ("interpolate", "blend")):
        stream = AlanetStream(model, StreamConfig(mode=mode, scene_mode=scene_mode, scene_threshold=0))
        pairs, copies = [], []
        for k, frame in enumerate(frames):
            for pair in stream.push(frame, cut=k % 4 == 0):
                pairs.append(pair)
                copies.append((pair.sharp.clone(), pair.middle.clone()))
        for pair, (sharp, middle) in zip(pairs, copies, strict=True):
            assert torch.equal(pair.sharp, sharp)
            assert torch.equal(pair.middle, middle)


def test_a_push_after_the_drain_is_refused_until_reset(tiny: Tiny, clip: Clip) -> None:
    model, frames = tiny(3), clip(3)
    stream = AlanetStream(model, QUIET)
    first = [pair for frame in frames for pair in stream.push(frame)] + stream.drain()
    assert stream.drain() == []
    with pytest.raises(StreamError, match=r"push must be called before drain"):
        stream.push(frames[0])
    stream.reset()
    assert_same([pair for frame in frames for pair in stream.push(frame)] + stream.drain(), first)


def test_a_frame_that_cannot_be_taken_leaves_the_stream_as_it_was(tiny: Tiny, clip: Clip) -> None:
    model, frames = tiny(3), clip(4)
    stream = AlanetStream(model, QUIET)
    pairs = stream.push(frames[0])
    for wrong, words in (
        (torch.rand(3, 8, 8), "stream's size"),
        (frames[1].double(), "float32"),
        (frames[1][0], r"\[3, height, width\]"),
        (torch.rand(3, 0, 8), r"\[3, height, width\]"),
    ):
        with pytest.raises(FrameError, match=words):
            stream.push(wrong)
    pairs += [pair for frame in frames[1:] for pair in stream.push(frame)] + stream.drain()
    assert_same(pairs, whole_clip(model, frames, set(), QUIET))


def test_an_error_of_the_callers_own_fetch_passes_through_and_spoils_nothing(tiny: Tiny, clip: Clip) -> None:
    model, frames = tiny(3), clip(6)
    renderer = WindowRenderer(model, QUIET, length=6)

    def broken(k: int) -> Tensor:
        if k == 4:
            raise OSError("disk gone")
        return frames[k]

    with pytest.raises(OSError, match="disk gone"):
        renderer.pair(3, broken)
    got = [renderer.pair(n, frames.__getitem__) for n in range(6)]
    assert_same(got, whole_clip(model, frames, set(), QUIET))
    with pytest.raises(StreamError, match="from 0 to 5"):
        renderer.pair(6, frames.__getitem__)


def in_strips(model: Alanet, frames: list[Tensor], tile: int) -> list[Tensor]:
    stream = AlanetStream(model, StreamConfig(scene_threshold=0, tile=tile))
    pairs = [pair for frame in frames for pair in stream.push(frame)] + stream.drain()
    return [picture for pair in pairs for picture in (pair.sharp, pair.middle)]


@pytest.mark.parametrize("fusion", ["mean", "guided"])
@pytest.mark.parametrize("tile", [1, 16, 40])
def test_strips_of_a_picture_join_without_a_seam(tiny: Tiny, clip: Clip, fusion: str, tile: int) -> None:
    """As near as rounding allows: convolutions of such odd numbers of channels add up in an order that sizes decide."""
    model, frames = tiny(3, fusion), clip(3, 101, 37)
    for whole, joined in zip(in_strips(model, frames, 0), in_strips(model, frames, tile), strict=True):
        torch.testing.assert_close(joined, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("large", [1 << 18, 1 << 9])
def test_a_large_picture_goes_in_strips_unasked(
    tiny: Tiny, clip: Clip, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    model, frames = tiny(3, "mean"), clip(3, 101, 37)
    whole, strips = in_strips(model, frames, 0), []
    last = model.sharp.levels[-1]
    last.register_forward_hook(lambda _layer, _given, made: strips.append(made.shape[2]))
    monkeypatch.setattr(generator, "_STRIP", large)
    for joined, expected in zip(in_strips(model, frames, 0), whole, strict=True):
        torch.testing.assert_close(joined, expected, atol=1e-5, rtol=0)
    assert (len(strips) > len(frames)) == (large < 101 * 37)


def test_strips_change_no_bit_of_what_ships(clip: Clip) -> None:
    model, frames = load("fast", device="cpu", precision="fp32"), clip(3, 133, 70)
    for whole, joined in zip(in_strips(model, frames, 0), in_strips(model, frames, 48), strict=True):
        assert torch.equal(joined, whole)


@pytest.mark.parametrize("fusion", ["mean", "guided"])
@pytest.mark.parametrize("window", [3, 5])
def test_a_sharp_frame_may_come_before_its_middle(tiny: Tiny, clip: Clip, window: int, fusion: str) -> None:
    model, frames = tiny(window=window, fusion=fusion), clip(8)
    plain = streamed(model, frames, {5}, QUIET)
    stream = AlanetStream(model, QUIET)
    given: list[FramePair | tuple[int, Tensor]] = []

    def note(n: int, sharp: Tensor) -> None:
        given.append((n, sharp))

    for k, frame in enumerate(frames):
        pairs_now = stream.push(frame, cut=k == 5, early=note)
        given += pairs_now
    given += stream.drain()
    early = {item[0]: place for place, item in enumerate(given) if isinstance(item, tuple)}
    pairs = {item.n: place for place, item in enumerate(given) if isinstance(item, FramePair)}
    # Not the pairs that a cut or the end lets out: of these either nothing is made between, or several come at once.
    assert list(early) == ([0, 1, 2, 3, 5, 6] if window == 3 else [0, 1, 2, 5])
    assert list(pairs) == list(range(8))
    for n, place in early.items():
        assert place < pairs[n]
        assert given[place][1] is given[pairs[n]].sharp
        assert n == 0 or place > pairs[n - 1]
    for n, place in pairs.items():
        assert_same([given[place]], [plain[n]])


@pytest.mark.parametrize("mode", ["joint", "deblur", "interpolate"])
@pytest.mark.parametrize("fusion", ["mean", "guided"])
def test_each_picture_that_is_made_is_given_once_before_its_pair(
    tiny: Tiny, clip: Clip, fusion: str, mode: Mode
) -> None:
    config = StreamConfig(mode=mode, scene_threshold=0)
    model, frames = tiny(window=3, fusion=fusion), clip(7)
    stream = AlanetStream(model, config)
    given: dict[tuple[int, str], Tensor] = {}

    def keep(n: int, kind: str, picture: Tensor) -> None:
        assert (n, kind) not in given
        given[n, kind] = picture

    pairs: list[FramePair] = []
    for k, frame in enumerate([*frames, None]):
        now = stream.drain(keep) if frame is None else stream.push(frame, cut=k == 4, each=keep)
        for pair in now:
            made = {"sharp": mode != "interpolate", "middle": pair.middle_source == "made"}
            assert [(pair.n, kind) in given for kind in made] == list(made.values())
            assert all(given[pair.n, kind] is getattr(pair, kind) for kind in made if made[kind])
        pairs += now
    assert_same(pairs, streamed(model, frames, {4}, config))
    assert len(given) == 7 * (mode != "interpolate") + 5 * (mode != "deblur")  # no middle at the cut, nor at the end

    renderer = WindowRenderer(model, config, length=7)
    for n in (3, 0, 6):
        given.clear()
        pair = renderer.pair(n, frames.__getitem__, lambda k: k == 4, keep)
        assert all(picture is getattr(pair, kind) for (_, kind), picture in given.items())
        assert {number for number, _ in given} <= {n}
        assert ((n, "sharp") in given) == (mode != "interpolate")


@pytest.mark.parametrize("way", ["early", "each sharp", "each middle"])
@pytest.mark.parametrize("fusion", ["mean", "guided"])
def test_a_failure_of_who_is_given_a_picture_costs_that_pair_alone(
    tiny: Tiny, clip: Clip, fusion: str, way: str
) -> None:
    def fail(n: int, *given: Tensor | str) -> None:
        if way == "early" or way.endswith(str(given[0])):
            raise OSError(n)

    model, frames = tiny(window=3, fusion=fusion), clip(4)
    plain = streamed(model, frames, set(), QUIET)
    stream = AlanetStream(model, QUIET)
    stream.push(frames[0], cut=False)
    with pytest.raises(OSError, match="0"):
        stream.push(frames[1], cut=False, **{way.split(maxsplit=1)[0]: fail})
    pairs = [pair for frame in frames[2:] for pair in stream.push(frame, cut=False)] + stream.drain()
    assert_same(pairs, plain[1:])
