"""A late host may ask for less; what it asks for later is as good as ever."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from alanet_core import Alanet, AlanetStream, FramePair, StreamConfig
from alanet_core.streaming.stream import Effort

Tiny = Callable[..., Alanet]
Clip = Callable[..., list[Tensor]]
QUIET = StreamConfig(scene_threshold=0)


def pairs(model: Alanet, frames: list[Tensor], efforts: dict[int, Effort], config: StreamConfig) -> list[FramePair]:
    stream = AlanetStream(model, config)
    made = [pair for k, frame in enumerate(frames) for pair in stream.push(frame, effort=efforts.get(k, "full"))]
    return [*made, *stream.drain()]


@pytest.mark.parametrize("window", [3, 5])
def test_without_a_middle_the_sharp_frame_is_repeated_and_later_pairs_are_whole(
    tiny: Tiny, clip: Clip, window: int
) -> None:
    model, frames = tiny(window, "guided"), clip(7)
    full, less = pairs(model, frames, {}, QUIET), pairs(model, frames, {4: "sharp"}, QUIET)
    late = 4 - model.config.lookahead
    assert less[late].middle is less[late].sharp
    assert less[late].middle_source == "repeat"
    for n in range(7):
        assert torch.equal(less[n].sharp, full[n].sharp), n
        assert n == late or less[n].middle_source == full[n].middle_source
        assert n == late or torch.equal(less[n].middle, full[n].middle), n


def test_without_any_effort_the_input_stands_for_both_and_later_pairs_are_whole(tiny: Tiny, clip: Clip) -> None:
    model, frames = tiny(3, "guided"), clip(7)
    full, less = pairs(model, frames, {}, QUIET), pairs(model, frames, {3: "none", 4: "none"}, QUIET)
    for n in range(7):
        if n in (2, 3):
            assert torch.equal(less[n].sharp, frames[n])
            assert less[n].middle is less[n].sharp
        else:
            assert torch.equal(less[n].sharp, full[n].sharp)
            assert torch.equal(less[n].middle, full[n].middle)


@pytest.mark.parametrize("effort", ["sharp", "none"])
def test_deblurring_alone_has_no_middle_at_any_effort(tiny: Tiny, clip: Clip, effort: Effort) -> None:
    config = StreamConfig(mode="deblur", scene_threshold=0)
    for pair in pairs(tiny(3, "mean"), clip(4), dict.fromkeys(range(4), effort), config):
        assert (pair.middle, pair.middle_source) == (None, "none")
