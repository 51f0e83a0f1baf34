"""Training the passes that undo blur alone: they are added to a network, learn, and leave all else as it was."""

import dataclasses

import pytest
import torch

from alanet_core.config import ModelConfig
from alanet_core.errors import ConfigError
from alanet_core.model import Alanet
from alanet_core.model.clip import encode_clip, render
from alanet_core.training.loop import train_step
from alanet_core.training.photos import PhotoSet
from alanet_core.training.pool import SamplePool
from alanet_core.training.ready import ReadyPool, ready, ready_losses
from alanet_core.training.samples import SampleMaker
from alanet_core.training.settings import TrainConfig
from alanet_core.training.state import begin, load_state, save_state, with_passes
from alanet_core.training.step import forward_middle, step_losses


@pytest.fixture
def passes_alone(tiny_config: TrainConfig) -> TrainConfig:
    return dataclasses.replace(tiny_config, part="restore", all_blurred=100, rate=1e-3)


def pool_for(config: TrainConfig, photos: PhotoSet) -> SamplePool:
    maker = SampleMaker(config.samples, config.seed, photos)
    return SamplePool(
        maker, seed=config.seed, batch=config.batch, capacity=16, first=8, reuse=2.0, workers=0, all_blurred=100
    )


def test_passes_are_added_to_the_weights_there_are(tiny_model: Alanet) -> None:
    model = with_passes(tiny_model, (8, 12), seed=0)
    assert model.config == dataclasses.replace(tiny_model.config, restore=(8, 12))
    for name, x in tiny_model.state_dict().items():
        assert torch.equal(model.state_dict()[name], x), name
    again = with_passes(model, (8,), seed=1)
    assert len(again.restore.passes) == 1
    assert not again.restore.passes[0].first.weight.equal(model.restore.passes[0].first.weight)


def test_sharp_frames_are_as_they_were_before_there_were_passes(tiny_model: Alanet) -> None:
    clip, told = torch.rand(2, 4, 3, 32, 32), torch.zeros(2, 4)
    with torch.no_grad():
        before, after = (forward_middle(m, clip, told) for m in (tiny_model, with_passes(tiny_model, (8,), seed=0)))
    assert torch.equal(before.sharp, after.sharp)
    assert torch.equal(before.middle, after.middle)
    assert len(after.before) == 1


def test_only_the_passes_learn(tiny_model: Alanet, passes_alone: TrainConfig, drawn_photos: PhotoSet) -> None:
    state = begin(with_passes(tiny_model, (8, 8), seed=0), passes_alone)
    begun = {name: x.clone() for name, x in state.model.state_dict().items()}
    pool = pool_for(passes_alone, drawn_photos)
    for _ in range(2):
        assert not train_step(state, pool, 0.0).skipped
    changed = {name for name, x in state.model.state_dict().items() if not torch.equal(x, begun[name])}
    assert changed
    assert all(name.startswith("restore.passes.") for name in changed)
    assert {name.split(".")[2] for name in changed} == {"0", "1"}


def test_a_run_of_the_passes_goes_on_as_if_it_had_not_been_stopped(
    tmp_path, tiny_model: Alanet, passes_alone: TrainConfig, drawn_photos: PhotoSet
) -> None:
    state = begin(with_passes(tiny_model, (8,), seed=0), passes_alone)
    pool = pool_for(passes_alone, drawn_photos)
    train_step(state, pool, 0.0)
    save_state(tmp_path, state)
    loaded = load_state(tmp_path, torch.device("cpu"))
    for each in (state, loaded):
        train_step(each, pool, 0.0)
    for name, x in state.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], x), name


def test_passes_are_widened_and_do_what_they_did(tiny_model: Alanet) -> None:
    model = with_passes(tiny_model, (8, 8), seed=0)
    for one in model.restore.passes:
        torch.nn.init.normal_(one.last.weight, std=0.05, generator=torch.Generator().manual_seed(2))
    wide = with_passes(model, (8, 12), seed=1)
    assert wide.config.restore == (8, 12)
    clip = torch.rand(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        before, after = (forward_middle(m, clip, torch.ones(1, 4)) for m in (model, wide))
    torch.testing.assert_close(before.sharp, after.sharp, atol=1e-5, rtol=0)
    torch.testing.assert_close(before.middle, after.middle, atol=1e-5, rtol=0)
    assert not torch.allclose(after.before[0][0], after.sharp, atol=1e-3)  # they do something


def ready_pool(model: Alanet, config: TrainConfig, photos: PhotoSet) -> ReadyPool:
    return ReadyPool(pool_for(config, photos), model, config, reuse=2, keep=4)


def test_pictures_that_are_kept_give_the_losses_of_the_whole_network(
    tiny_model: Alanet, passes_alone: TrainConfig, drawn_photos: PhotoSet
) -> None:
    model = with_passes(tiny_model, (8, 8), seed=0)
    for one in model.restore.passes:
        torch.nn.init.normal_(one.last.weight, std=0.05, generator=torch.Generator().manual_seed(2))
    batch = pool_for(passes_alone, drawn_photos).draw(0)
    for perceptual in (0.0, 0.5):
        whole = step_losses(model, batch, perceptual=perceptual)
        kept = ready_losses(model, *ready(model, batch), perceptual=perceptual)
        torch.testing.assert_close(kept.sharp, whole.sharp, atol=1e-6, rtol=0)
        torch.testing.assert_close(kept.middle, whole.middle, atol=1e-6, rtol=0)


def test_what_a_step_sees_is_the_same_after_a_leap(
    tiny_model: Alanet, passes_alone: TrainConfig, drawn_photos: PhotoSet
) -> None:
    model = with_passes(tiny_model, (8,), seed=0)
    pool, late = (ready_pool(model, passes_alone, drawn_photos) for _ in range(2))
    for step in range(12):
        drawn = pool.draw(step)
    for kind, again in zip(drawn, late.draw(11), strict=True):
        for name, x in vars(kind).items():
            assert x is None or torch.equal(x, vars(again)[name]), name
    assert len(drawn[0].picture) == 2 * len(drawn[1].picture) == 2 * passes_alone.batch


def test_the_passes_learn_from_pictures_that_are_kept(
    tiny_model: Alanet, passes_alone: TrainConfig, drawn_photos: PhotoSet
) -> None:
    state = begin(with_passes(tiny_model, (8,), seed=0), passes_alone)
    pool = ready_pool(state.model, passes_alone, drawn_photos)
    same = pool.draw(0)
    before = ready_losses(state.model, *same, perceptual=0.0).total.detach()
    for _ in range(30):
        assert not train_step(state, pool, 0.0).skipped
    after = ready_losses(state.model, *same, perceptual=0.0).total.detach()
    assert after < before


def test_a_network_without_passes_has_no_such_part(tiny_model: Alanet, passes_alone: TrainConfig) -> None:
    with pytest.raises(ConfigError, match="part must be one that the network has, got 'restore'; add it with"):
        begin(tiny_model, passes_alone)


def test_a_network_with_passes_is_the_same_for_a_clip_and_for_training(tiny_model: Alanet) -> None:
    """The batch of training and the renderer's single pictures go through different forms."""
    model = with_passes(tiny_model, (8,), seed=0).eval()
    torch.nn.init.normal_(model.restore.passes[0].last.weight, std=0.05, generator=torch.Generator().manual_seed(2))
    clip = torch.rand(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        made = forward_middle(model, clip)
        sharp, middle = render(model, encode_clip(model, clip), 1)
    torch.testing.assert_close(made.sharp[:, 0], sharp, atol=5e-5, rtol=0)
    torch.testing.assert_close(made.middle, middle, atol=5e-5, rtol=0)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ConfigError, match="part must be one of all, restore"):
        TrainConfig(part="verdict")
    assert ModelConfig().restore == ()
