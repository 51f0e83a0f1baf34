"""LatentRing: what is remembered of the frames around the present one, in memory that is allocated once.

Two depths. Cores (bottleneck and gates, small) for every frame that a window reaches; skips and pixels (a hundred
times larger) only for the frames that a generator has still to read. Keyed by frame number; slots never leave it.
Frames within one reach of each other never share a slot, whatever the order in which they come.
"""

import dataclasses

import torch
from torch import Tensor

from alanet_core.config import ModelConfig
from alanet_core.latent import Core, Latent
from alanet_core.native.plain import copy

EMPTY = -1


class LatentRing:
    """Holds latents of batch 1 of one picture size. `slack` adds room for requests that come a little out of order.

    Lifetime: tensors handed out are the ring's own storage; they are good until a `put` takes their slot, that is
    for the render that asked for them. Not thread-safe; its owner is.
    """

    def __init__(self, config: ModelConfig, slack: int = 0) -> None:
        self.core_depth = config.radius + 1 + config.lookahead + slack
        self.detail_depth = config.reach_back + 1 + config.lookahead + slack
        self._cores: list[Core] = []
        self._details: list[Latent] = []  # of these the core counts nothing
        self._core_numbers = [EMPTY] * self.core_depth
        self._detail_numbers = [EMPTY] * self.detail_depth

    def put(self, n: int, latent: Latent) -> None:
        """Copy frame n into its slots, but for what `room` had it written to.

        The first call decides the size, and allocates everything.
        """
        if not self._cores:
            self._allocate(latent)
        core, detail = self._cores[n % self.core_depth], self._details[n % self.detail_depth]
        copy((core.features, core.gates, *_heavy(detail)), (latent.core.features, latent.core.gates, *_heavy(latent)))
        self._core_numbers[n % self.core_depth] = n
        self._detail_numbers[n % self.detail_depth] = n

    def room(self, n: int) -> Latent | None:
        """The slots that frame n will take, to be written to; what lies there is forgotten. None before a first put."""
        if not self._cores:
            return None
        self._core_numbers[n % self.core_depth] = self._detail_numbers[n % self.detail_depth] = EMPTY
        return dataclasses.replace(self._details[n % self.detail_depth], core=self._cores[n % self.core_depth])

    def core(self, n: int) -> Core:
        """The core of frame n, borrowed. KeyError when it is not held."""
        if not self.has_core(n):
            raise KeyError(n)
        return self._cores[n % self.core_depth]

    def latent(self, n: int) -> Latent:
        """Everything of frame n, borrowed. KeyError when it is not held."""
        if not self.has_latent(n):
            raise KeyError(n)
        return dataclasses.replace(self._details[n % self.detail_depth], core=self.core(n))

    def has_core(self, n: int) -> bool:
        """Whether the core of frame n is held."""
        return self._core_numbers[n % self.core_depth] == n

    def has_latent(self, n: int) -> bool:
        """Whether all of frame n is held."""
        return self.has_core(n) and self._detail_numbers[n % self.detail_depth] == n

    def displaced_by(self, n: int) -> set[int]:
        """The frames whose slots a `put` of frame n would take."""
        return {self._core_numbers[n % self.core_depth], self._detail_numbers[n % self.detail_depth]} - {EMPTY}

    def clear(self) -> None:
        """Forget every frame and give the memory back; the next `put` may bring another size."""
        self._cores, self._details = [], []
        self._core_numbers = [EMPTY] * self.core_depth
        self._detail_numbers = [EMPTY] * self.detail_depth

    @property
    def nbytes(self) -> int:
        """Memory held in bytes, 0 before the first frame; it does not grow after it."""
        cores = sum(core.features.nbytes + core.gates.nbytes for core in self._cores)
        return cores + sum(x.nbytes for detail in self._details for x in _heavy(detail))

    def _allocate(self, like: Latent) -> None:
        core, empty = like.core, torch.empty_like
        self._cores = [Core(empty(core.features), empty(core.gates)) for _ in range(self.core_depth)]
        self._details = [
            Latent(self._cores[0], tuple(map(empty, like.skips)), empty(like.pixels), tuple(map(empty, like.light)))
            for _ in range(self.detail_depth)
        ]


def _heavy(latent: Latent) -> tuple[Tensor, ...]:
    """What only the generators next to a frame read of it."""
    return (*latent.skips, latent.pixels, *latent.light)
