"""The training loop: draws, steps, averages, logs, saves; stops when its budget is spent or it is asked to."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from alanet_core import checkpoint
from alanet_core.errors import AlanetError, ConfigError, must
from alanet_core.training.pool import Batch, SamplePool
from alanet_core.training.ready import ReadyPool, ready_losses
from alanet_core.training.settings import TrainConfig
from alanet_core.training.state import TrainState, save_state
from alanet_core.training.step import step_losses

LOG_FILE = "log.jsonl"
WEIGHTS_FILE = "weights.safetensors"

_FLOOR = 0.02  # of the rate, at the end of a cool-down
_HOPELESS = 50  # steps passed over in a row


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a session ends: after some minutes, or when the run has made so many steps; one of the two."""

    minutes: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ConfigError(must("budget", "minutes or steps", (self.minutes, self.steps), "give one of the two"))
        if (self.minutes or 0) < 0 or (self.steps or 0) < 0:
            raise ConfigError(must("budget", "0 or more", (self.minutes, self.steps), "give a positive number"))

    def spent(self, steps: int, seconds: float) -> float:
        """The share that is used up, 1 at the end: of the steps of the whole run, or of the session's minutes."""
        done, all_of_it = (steps, self.steps) if self.steps is not None else (seconds / 60, self.minutes)
        return 1.0 if not all_of_it else done / all_of_it


def rate_factor(config: TrainConfig, steps: int, spent: float) -> float:
    """The learning rate at a step as a share of config.rate: warm-up, constant, cool-down."""
    rising = min(1.0, (steps + 1) / max(config.warm_up, 1))
    if config.cool_down == 0 or spent <= 1 - config.cool_down:
        return rising
    late = min(1.0, (spent - (1 - config.cool_down)) / config.cool_down)
    return rising * (_FLOOR + (1 - _FLOOR) * (0.5 + 0.5 * math.cos(math.pi * late)))


@dataclass(frozen=True)
class StepReport:
    """What came of one step. skipped: the loss or the gradient was not finite, and nothing was changed."""

    sharp: float
    middle: float
    verdict: float
    norm: float
    skipped: bool


def train_step(state: TrainState, pool: SamplePool | ReadyPool, spent: float) -> StepReport:
    """Make one step, and count it; a step with a loss or gradient that is not finite changes no weight."""
    config = state.config
    for group in state.optimizer.param_groups:
        group["lr"] = config.rate * group["pace"] * rate_factor(config, state.steps, spent)
    drawn = pool.draw(state.steps)
    state.optimizer.zero_grad(set_to_none=True)
    with torch.autocast(state.model.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        if isinstance(drawn, Batch):
            losses = step_losses(state.model, drawn.to(state.model.device), perceptual=config.perceptual)
        else:
            losses = ready_losses(state.model, *drawn, perceptual=config.perceptual)
    sharp, middle = float(losses.sharp.detach()), float(losses.middle.detach())
    norm = _backward(state, losses.total) if math.isfinite(sharp + middle) else math.nan
    skipped = not math.isfinite(norm)
    if not skipped:
        state.optimizer.step()
        _follow(state)
        state.updates += 1
    state.steps += 1
    return StepReport(sharp, middle, float(losses.verdict.detach()), norm, skipped)


def _backward(state: TrainState, loss: Tensor) -> float:
    """Gradients of a finite loss, clipped -> their norm before that.

    Never called for a loss that is not finite: the gradient of warping by a flow that is none ends the process on a
    CPU (torch 2.13, a segmentation fault in grid_sample's backward).
    """
    torch.autograd.backward(loss)
    return float(torch.nn.utils.clip_grad_norm_(state.model.parameters(), state.config.clip))


@torch.no_grad()
def _follow(state: TrainState) -> None:
    """Move the average towards the weights; quickly at first, when they are still far from where they will be."""
    age = state.config.head_start + state.updates
    decay = min(state.config.average, (1 + age) / (10 + age))
    for average, weight in zip(state.average.parameters(), state.model.parameters(), strict=True):
        average.lerp_(weight, 1 - decay)


def train(
    state: TrainState,
    pool: SamplePool | ReadyPool,
    folder: Path,
    budget: Budget,
    *,
    validate: Callable[[TrainState], dict[str, float]] | None = None,
    stop: Callable[[], bool] = lambda: False,
    report: Callable[[dict[str, float]], None] = lambda _: None,
    log_every: int = 100,
    save_minutes: float = 5.0,
    validate_minutes: float = 15.0,
) -> None:
    """Train until the budget is spent or stop() says so; then save the state and the averaged weights.

    folder: an existing folder; takes the state, weights.safetensors, and one line of JSON each `log_every` steps.
    """
    session = _Session(state, folder, report)
    with _deterministic(state):
        if validate is not None and state.steps == 0:
            session.note(validate(state))
        while (spent := budget.spent(state.steps, session.seconds)) < 1 and not stop():
            session.add(train_step(state, pool, spent))
            if state.steps % log_every == 0:
                session.log()
            if session.due("save", save_minutes):
                session.save()
            if validate is not None and session.due("validate", validate_minutes):
                session.note(validate(state))
        session.log()
        session.save()
        if validate is not None and not stop():
            session.note(validate(state))


class _Session:
    """The clock, the log and the files of one call of `train`."""

    def __init__(self, state: TrainState, folder: Path, report: Callable[[dict[str, float]], None]) -> None:
        self._state = state
        self._folder = folder
        self._report = report
        self._began = self._counted = self._logged = time.monotonic()
        self._last: dict[str, float] = {}
        self._steps: list[StepReport] = []
        self._skipped_in_a_row = 0

    @property
    def seconds(self) -> float:
        """Since the session began."""
        return time.monotonic() - self._began

    def add(self, step: StepReport) -> None:
        """Keep a step's figures for the next line of the log. Raises AlanetError when nothing but failures come."""
        self._steps.append(step)
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if step.skipped else 0
        if self._skipped_in_a_row >= _HOPELESS:
            raise AlanetError(
                must("loss", "finite", f"{_HOPELESS} steps in a row that are not", "resume with a lower rate")
            )

    def due(self, what: str, minutes: float) -> bool:
        """Whether so many minutes have passed since this was last due."""
        if self.seconds - self._last.get(what, 0.0) < 60 * minutes:
            return False
        self._last[what] = self.seconds
        return True

    def log(self) -> None:
        """One line for the steps since the last one."""
        good = [s for s in self._steps if not s.skipped]
        if not self._steps:
            return
        now = time.monotonic()
        since, self._logged = now - self._logged, now
        self.note(
            {
                "sharp": _mean([s.sharp for s in good]),
                "middle": _mean([s.middle for s in good]),
                "verdict": _mean([s.verdict for s in good]),
                "norm": _mean([s.norm for s in good]),
                "rate": float(self._state.optimizer.param_groups[0]["lr"]),
                "skipped": len(self._steps) - len(good),
                "samples_per_second": len(self._steps) * self._state.config.batch / max(since, 1e-9),
            }
        )
        self._steps = []

    def note(self, figures: dict[str, float]) -> None:
        """Write a line with these figures, and where in the run they were taken."""
        self._count_time()
        state = self._state
        line = {"step": state.steps, "samples": state.samples, "minutes": round(state.minutes, 2), **figures}
        with (self._folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._report(line)

    def save(self) -> None:
        """Write the state, then the averaged weights as a checkpoint that `alanet.load` takes."""
        self._count_time()
        save_state(self._folder, self._state)
        checkpoint.save(self._folder / WEIGHTS_FILE, self._state.average)

    def _count_time(self) -> None:
        now = time.monotonic()
        self._state.minutes += (now - self._counted) / 60
        self._counted = now


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


@contextlib.contextmanager
def _deterministic(state: TrainState) -> Iterator[None]:
    """Deterministic algorithms where asked for, and the process's setting put back after."""
    if not state.config.deterministic:
        yield
        return
    if state.model.device.type != "cpu":
        raise ConfigError(
            must("deterministic", "used on a CPU", state.model.device, "warping has no deterministic gradient on CUDA")
        )
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
