"""The pool that batches are drawn from: a window over the endless row of samples, moved on a little at every step.

Making a sample costs more than training on it once, so each is used several times, blurred and turned another way
each time. What step s sees depends on s and the seed alone: a run that was stopped goes on as if it had not been.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from alanet_core.training.samples import SampleMaker

BLUR_PROBABILITIES = (0.0, 0.3, 0.5, 0.7, 1.0, 1.0)
"""How likely each frame of a batch is to come in blurred; one of these is drawn for each sample."""

VISIBLE = 0.01
"""Mean difference of a blurred frame and its sharp one from which on everybody sees it; 1 is white."""

DARK_SHARE, NOISE_SHARE = 0.15, 0.25
NOISE = 0.025
"""The strongest noise, as a standard deviation; 1 is white."""


@dataclass(frozen=True)
class Batch:
    """inputs, sharp: [B,N,3,H,W]; middle: [B,N-1,3,H,W]; float32, 0..1.

    blurred: [B,N], 1 for a frame that came in blurred, 0 for one that did not. visible: [B,N], 0..1, how much it
    matters which: nothing moves in some, and others are never blurred.
    """

    inputs: Tensor
    sharp: Tensor
    middle: Tensor
    blurred: Tensor
    visible: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        parts = (self.inputs, self.sharp, self.middle, self.blurred, self.visible)
        return Batch(*(x.to(device, non_blocking=True) for x in parts))


class SamplePool:
    """Draws batches; samples are made in order by `workers` processes (0: here, when they are needed)."""

    def __init__(
        self,
        maker: SampleMaker,
        *,
        seed: int,
        batch: int,
        capacity: int = 1024,
        first: int = 192,
        reuse: float = 4.0,
        workers: int = 1,
        all_blurred: int = 0,
        noise_share: float = NOISE_SHARE,
    ) -> None:
        """first: samples made before step 0. reuse: how often a sample is drawn, on average, before it is replaced.

        all_blurred: steps in which no frame is left sharp. noise_share: how many samples are noisy.
        """
        self._maker = maker
        self._seed = seed
        self._batch = batch
        self._capacity = capacity
        self._first = min(first, capacity)
        self._fresh = batch / reuse
        self._workers = workers
        self._all_blurred = all_blurred
        self._noise_share = noise_share
        self._store = torch.empty(0)
        self._made = 0
        self._source: Iterator[Tensor] | None = None

    def draw(self, step: int) -> Batch:
        """The batch of a step. Steps asked for in order cost least; after a leap the pool is made anew."""
        until = self._first + int(step * self._fresh)
        self._fill(until)
        rng = np.random.default_rng([self._seed, 1, step])
        oldest = max(0, until - self._capacity)
        chosen = rng.integers(oldest, until, self._batch)
        probabilities = (1.0,) if step < self._all_blurred else BLUR_PROBABILITIES
        return _assemble(rng, [self._store[i % self._capacity] for i in chosen], probabilities, self._noise_share)

    def close(self) -> None:
        """Let the worker processes go."""
        self._source = None

    def _fill(self, until: int) -> None:
        start = max(0, until - self._capacity)
        if self._source is None or start > self._made or until < self._made:
            self._made = start
            self._source = self._open(start)
        while self._made < until:
            sample = next(self._source)
            if not len(self._store):
                self._store = torch.empty(self._capacity, *sample.shape, dtype=torch.uint8)
            self._store[self._made % self._capacity] = sample
            self._made += 1

    def _open(self, start: int) -> Iterator[Tensor]:
        numbers = range(start, 2**31)
        if not self._workers:
            return (self._maker[i] for i in numbers)
        # Spawned, not forked: a fork would inherit the locks of this process's threads.
        return iter(
            DataLoader(
                self._maker,
                batch_size=None,
                sampler=numbers,
                num_workers=self._workers,
                multiprocessing_context="spawn",
                prefetch_factor=64,
                worker_init_fn=_outlive_interrupts,
            )
        )


def _outlive_interrupts(_worker: int) -> None:
    """Ctrl-C reaches all processes of a terminal; the loop still needs its samples to finish the step it is in."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _assemble(
    rng: np.random.Generator, samples: list[Tensor], probabilities: tuple[float, ...], noise_share: float
) -> Batch:
    turned = [_turn(rng, sample) for sample in samples]
    count = (len(samples[0]) + 1) // 3
    stacked = torch.stack(turned)
    blurry, sharp, middle = torch.split(stacked, [count, count, count - 1], 1)
    chances = rng.choice(probabilities, (len(samples), 1))
    blurred = torch.from_numpy(rng.random((len(samples), count)) < chances)
    blurry, sharp, middle = (x.float().div_(255) for x in (blurry, sharp, middle))
    visible = ((blurry - sharp).abs().mean((2, 3, 4)) / VISIBLE).clamp(max=1)
    inputs = torch.where(blurred[:, :, None, None, None], blurry, sharp)
    return Batch(*_filmed(rng, inputs, sharp, middle, noise_share), blurred.float(), visible)


def _filmed(
    rng: np.random.Generator, inputs: Tensor, sharp: Tensor, middle: Tensor, noise_share: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Some samples dark, and some noisy.

    The sharp frame that is wanted keeps the noise of its input: it is neither to be sharpened nor to be smeared.
    """
    count = len(inputs)
    light = np.where(rng.random(count) < DARK_SHARE, rng.uniform(0.1, 1, count), 1.0)
    sigma = np.where(rng.random(count) < noise_share, rng.uniform(0, NOISE, count), 0.0)
    scale = torch.from_numpy(light.astype(np.float32))[:, None, None, None, None]
    noise = torch.from_numpy(rng.standard_normal(inputs.shape, np.float32))
    noise *= torch.from_numpy(sigma.astype(np.float32))[:, None, None, None, None]
    return scale * inputs + noise, scale * sharp + noise, scale * middle


def _turn(rng: np.random.Generator, sample: Tensor) -> Tensor:
    """Mirror a sample in space and time, turn it, and exchange its colours: [3N-1,3,S,S] -> the same."""
    count = (len(sample) + 1) // 3
    if rng.random() < 0.5:
        sample = torch.cat([part.flip(0) for part in torch.split(sample, [count, count, count - 1])])
    mirrored = [axis for axis in (2, 3) if rng.random() < 0.5]
    if mirrored:
        sample = sample.flip(mirrored)
    if rng.random() < 0.5:
        sample = sample.transpose(2, 3)
    if rng.random() < 0.3:
        sample = sample[:, torch.from_numpy(rng.permutation(3))]
    return sample
