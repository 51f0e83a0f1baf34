"""The loop: deterministic, resumable, and robust against numbers that are none."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import alanet_core as alanet
from alanet_core.errors import AlanetError, ConfigError, WeightsError
from alanet_core.model import Alanet
from alanet_core.model.clip import encode_clip, render
from alanet_core.training.loop import Budget, rate_factor, train, train_step
from alanet_core.training.losses import sharp_loss
from alanet_core.training.photos import PhotoSet
from alanet_core.training.pool import Batch, SamplePool
from alanet_core.training.samples import SampleMaker
from alanet_core.training.settings import TrainConfig
from alanet_core.training.state import begin, load_state, save_state
from alanet_core.training.step import flow_loss, forward_middle, verdict_loss


def pool_for(config: TrainConfig, photos: PhotoSet) -> SamplePool:
    maker = SampleMaker(config.samples, config.seed, photos)
    return SamplePool(maker, seed=config.seed, batch=config.batch, capacity=config.pool, first=8, reuse=2.0, workers=0)


def weights_of(model: Alanet) -> dict[str, torch.Tensor]:
    return {name: x.detach().clone() for name, x in model.state_dict().items()}


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    for name, x in a.items():
        assert torch.equal(x, b[name]), name


def moving_waves() -> Batch:
    """A batch written down as a formula, so that nothing but the step itself can change what comes of it."""
    x, y = torch.arange(32.0), torch.arange(32.0)[:, None]
    phases = torch.tensor([0.0, 1.0, 2.0]).view(3, 1, 1)

    def at(time: float) -> torch.Tensor:
        return 0.5 + 0.3 * torch.sin(0.4 * (x - 3 * time) + 0.2 * y + phases) + 0.1 * torch.cos(0.9 * (y + 2 * time))

    sharp = torch.stack([at(n) for n in range(4)])
    blurry = torch.stack([torch.stack([at(n + k / 8) for k in range(-5, 6)]).mean(0) for n in range(4)])
    middle = torch.stack([at(n + 0.5) for n in range(3)])
    inputs, wanted, between = (torch.stack(pair) for pair in ((blurry, sharp), (sharp, sharp), (middle, middle)))
    return Batch(inputs, wanted, between, torch.tensor([[1.0] * 4, [0.0] * 4]), torch.ones(2, 4))


# (sharp, middle) of steps 1 to 3 of the tiny network, fp32, torch 2.13 on x86-64; the first is that of an untrained
# one, whose corrections are zero: input against sharp, and what measured motion makes of waves that repeat
# themselves against middle.
RECORDED = [(0.03329786, 0.06131438), (0.03597057, 0.06080405), (0.03916012, 0.05991795)]


def test_the_first_steps_have_the_recorded_losses(tiny_model: Alanet, tiny_config: TrainConfig) -> None:
    state = begin(tiny_model, tiny_config)
    steps = [train_step(state, _Always(moving_waves()), 0.0) for _ in range(3)]  # type: ignore[arg-type]
    assert [(s.sharp, s.middle) for s in steps] == [pytest.approx(pair, rel=1e-4) for pair in RECORDED]


def test_two_runs_give_the_same_numbers(tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet) -> None:
    runs = []
    for _ in range(2):
        state, pool = begin(_copy(tiny_model), tiny_config), pool_for(tiny_config, drawn_photos)
        losses = [train_step(state, pool, 0.0) for _ in range(4)]
        runs.append((losses, weights_of(state.model)))
    assert runs[0][0] == runs[1][0]
    assert_same(runs[0][1], runs[1][1])


def test_a_resumed_run_equals_an_unbroken_one(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet, tmp_path: Path
) -> None:
    budget = Budget(steps=7)
    unbroken = begin(_copy(tiny_model), tiny_config)
    train(unbroken, pool_for(tiny_config, drawn_photos), tmp_path, budget)

    broken = begin(_copy(tiny_model), tiny_config)
    train(broken, pool_for(tiny_config, drawn_photos), tmp_path, budget, stop=lambda: broken.steps == 3)
    assert broken.steps == 3
    resumed = load_state(tmp_path, torch.device("cpu"))
    train(resumed, pool_for(tiny_config, drawn_photos), tmp_path, budget)

    assert (resumed.steps, resumed.updates) == (7, 7)
    assert_same(weights_of(unbroken.model), weights_of(resumed.model))
    assert_same(weights_of(unbroken.average), weights_of(resumed.average))


def test_what_ships_is_the_average_and_alanet_load_takes_it(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet, tmp_path: Path
) -> None:
    state = begin(tiny_model, tiny_config)
    train(state, pool_for(tiny_config, drawn_photos), tmp_path, Budget(steps=3))
    shipped = alanet.load(tmp_path / "weights.safetensors", device="cpu", precision="fp32")
    assert shipped.config == tiny_model.config
    assert_same(weights_of(state.average), weights_of(shipped))


def test_the_average_follows_the_weights_quickly_at_first(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet
) -> None:
    state = begin(tiny_model, tiny_config)
    before = weights_of(state.model)
    train_step(state, pool_for(tiny_config, drawn_photos), 0.0)
    for name, average in state.average.state_dict().items():
        torch.testing.assert_close(average, before[name].lerp(state.model.state_dict()[name], 0.9))
        moved = not torch.equal(average, before[name])
        assert moved or torch.equal(before[name], state.model.state_dict()[name])


def test_the_average_stays_with_weights_that_have_a_head_start(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet
) -> None:
    state = begin(tiny_model, dataclasses.replace(tiny_config, head_start=10_000))
    before = weights_of(state.model)
    train_step(state, pool_for(tiny_config, drawn_photos), 0.0)
    for name, average in state.average.state_dict().items():
        torch.testing.assert_close(average, before[name].lerp(state.model.state_dict()[name], 0.001))


def test_training_lowers_the_loss(tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet) -> None:
    config = dataclasses.replace(tiny_config, rate=3e-3)
    state = begin(tiny_model, config)
    batch = pool_for(config, drawn_photos).draw(0)
    darker = dataclasses.replace(batch, sharp=0.7 * batch.sharp, middle=0.7 * batch.middle)
    steps = [train_step(state, _Always(darker), 0.0) for _ in range(40)]  # type: ignore[arg-type]
    assert steps[-1].sharp + steps[-1].middle < 0.8 * (steps[0].sharp + steps[0].middle)


def test_a_step_that_is_not_finite_changes_no_weight_and_is_counted(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet
) -> None:
    state = begin(tiny_model, tiny_config)
    good = pool_for(tiny_config, drawn_photos).draw(0)
    bad = dataclasses.replace(good, inputs=torch.full_like(good.inputs, math.nan))
    train_step(state, _Always(good), 0.0)  # type: ignore[arg-type]
    before = weights_of(state.model)
    assert train_step(state, _Always(bad), 0.0).skipped  # type: ignore[arg-type]
    assert_same(before, weights_of(state.model))
    assert (state.steps, state.updates) == (2, 1)


def test_nothing_but_steps_that_are_not_finite_ends_the_run_with_a_word(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet, tmp_path: Path
) -> None:
    good = pool_for(tiny_config, drawn_photos).draw(0)
    bad = dataclasses.replace(good, sharp=torch.full_like(good.sharp, math.inf))
    with pytest.raises(AlanetError, match="loss must be finite"):
        train(begin(tiny_model, tiny_config), _Always(bad), tmp_path, Budget(steps=1000))  # type: ignore[arg-type]


def test_a_session_ends_when_its_minutes_are_spent(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet, tmp_path: Path
) -> None:
    state = begin(tiny_model, tiny_config)
    train(state, pool_for(tiny_config, drawn_photos), tmp_path, Budget(minutes=0.01))
    assert state.steps > 0
    assert load_state(tmp_path, torch.device("cpu")).steps == state.steps


def test_the_log_holds_a_line_of_json_for_each_interval(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet, tmp_path: Path
) -> None:
    state = begin(tiny_model, tiny_config)
    train(
        state,
        pool_for(tiny_config, drawn_photos),
        tmp_path,
        Budget(steps=5),
        log_every=2,
        validate=lambda _: {"gain": 1.0},
    )
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 2, 4, 5, 5]
    assert lines[0]["gain"] == 1.0
    assert lines[1]["samples"] == 4
    assert lines[1]["sharp"] > 0
    assert lines[-1]["gain"] == 1.0


def test_the_outputs_that_are_trained_are_those_of_the_plain_clip(tiny_model: Alanet) -> None:
    clip = torch.rand(2, 4, 3, 32, 48)
    with torch.no_grad():
        for parameter in tiny_model.parameters():  # corrections begin at zero, and would hide a mistake
            torch.nn.init.normal_(parameter, std=0.2)
        made = forward_middle(tiny_model, clip)
        latents = encode_clip(tiny_model, clip)
        plain = [render(tiny_model, latents, n) for n in (1, 2)]
    torch.testing.assert_close(made.sharp[:, 0], plain[0][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(made.sharp[:, 1], plain[1][0], atol=1e-5, rtol=0)
    torch.testing.assert_close(made.middle, plain[0][1], atol=1e-5, rtol=0)


def test_the_flow_loss_is_least_for_the_true_flow() -> None:
    wide = torch.rand(1, 3, 24, 40)
    a, wanted, b = (F.avg_pool2d(wide[:, :, :, x : x + 32], 1) for x in (6, 4, 2))  # moves by 2 pixels an interval

    def loss(scale: float) -> float:
        full = torch.tensor([-2.0, 0.0, 2.0, 0.0])[None, :, None, None].expand(1, 4, 24, 32) * scale
        return float(flow_loss([full[:, :, ::2, ::2] / 2, full], a, b, wanted))

    assert loss(1.0) < 0.5 * min(loss(0.5), loss(0.0), loss(-1.0))
    assert flow_loss([], a, b, wanted) == 0


def test_the_rate_rises_stays_and_cools_down() -> None:
    config = TrainConfig(warm_up=10, cool_down=0.5)
    assert rate_factor(config, 0, 0.0) == pytest.approx(0.1)
    assert rate_factor(config, 9, 0.1) == 1.0
    assert rate_factor(config, 1000, 0.5) == 1.0
    assert rate_factor(config, 1000, 0.75) == pytest.approx(0.51)
    assert rate_factor(config, 1000, 1.0) == pytest.approx(0.02)
    assert rate_factor(config, 4, 1.0) == pytest.approx(0.5 * 0.02)
    assert rate_factor(TrainConfig(warm_up=1, cool_down=0.0), 5, 1.0) == 1.0


def test_a_budget_is_minutes_or_steps() -> None:
    assert Budget(minutes=2).spent(99, 30.0) == pytest.approx(0.25)
    assert Budget(steps=10).spent(5, 1e9) == pytest.approx(0.5)
    assert Budget(minutes=0).spent(0, 0.0) == 1.0
    for wrong in ({}, {"minutes": 1.0, "steps": 1}, {"minutes": -1.0}):
        with pytest.raises(ConfigError, match="budget must be"):
            Budget(**wrong)  # type: ignore[arg-type]


def test_a_state_that_is_missing_or_cut_short_is_refused(
    tiny_model: Alanet, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="--resume"):
        load_state(tmp_path, torch.device("cpu"))
    save_state(tmp_path, begin(tiny_model, tiny_config))
    file = tmp_path / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="--resume"):
        load_state(tmp_path, torch.device("cpu"))


def test_the_process_keeps_its_own_setting_for_determinism(
    tiny_model: Alanet, tiny_config: TrainConfig, drawn_photos: PhotoSet, tmp_path: Path
) -> None:
    seen: list[bool] = []
    pool = pool_for(tiny_config, drawn_photos)
    train(
        begin(tiny_model, tiny_config),
        pool,
        tmp_path,
        Budget(steps=1),
        stop=lambda: bool(seen.append(torch.are_deterministic_algorithms_enabled())),
    )  # type: ignore[func-returns-value]
    assert seen == [True]
    assert not torch.are_deterministic_algorithms_enabled()


class _Always:
    """A pool that gives one batch for ever."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def draw(self, step: int) -> Batch:
        return self._batch


def _copy(model: Alanet) -> Alanet:
    twin = Alanet(model.config, model.name)
    twin.load_state_dict(model.state_dict())
    return twin


def test_what_is_said_of_a_frame_counts_as_far_as_it_can_be_seen() -> None:
    """Cross-entropy, written out; a frame whose blur nobody sees adds nothing."""
    logits, blurred = torch.tensor([[2.0, -1.0, 5.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    visible = torch.tensor([[1.0, 0.5, 0.0]])
    expected = (math.log(1 + math.exp(-2)) + 0.5 * math.log(1 + math.exp(1))) / 2.5
    assert float(verdict_loss(logits, blurred, visible)) == pytest.approx(expected)


def test_it_is_learnt_which_frames_are_blurred(tiny_model: Alanet, tiny_config: TrainConfig) -> None:
    """At a rate of 1e-4 nothing else could be learnt in 60 steps: the judge's own is ten times as high."""
    state = begin(tiny_model, dataclasses.replace(tiny_config, rate=1e-4, warm_up=0))
    steps = [train_step(state, _Always(moving_waves()), 0.0) for _ in range(60)]  # type: ignore[arg-type]
    assert steps[-1].verdict < 0.95 * steps[0].verdict


def test_each_picture_counts_alike_however_large_its_error() -> None:
    """The sharp loss is the mean PSNR turned round, within what FLOOR takes; ten decibels weigh the same anywhere."""
    wanted = torch.zeros(2, 3, 8, 8)
    errors = torch.tensor([0.2, 0.05]).view(2, 1, 1, 1)
    before = float(sharp_loss(wanted + errors, wanted))
    for better in (torch.tensor([0.1, 1.0]), torch.tensor([1.0, 0.1])):
        after = float(sharp_loss(wanted + errors * better.sqrt().view(2, 1, 1, 1), wanted))
        assert (before - after) / (0.02 * math.log(10) / 2) == pytest.approx(1, abs=0.06)
    assert float(sharp_loss(wanted, wanted)) == 0
