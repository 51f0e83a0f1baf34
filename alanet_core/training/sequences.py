"""High-rate sequences made from photographs: a backdrop and layers in front, moved by a camera and by themselves."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.training.layers import TEXELS, Layer, backdrop, cutout
from alanet_core.training.masks import random_mask
from alanet_core.training.motion import Path, Real, Rng, random_path, still_path

_CHUNK = 6
"""Frames drawn at a time: few enough that what is in work stays in the processor's cache."""


class Pictures(Protocol):
    """Pictures to cut textures from."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Tensor: ...


@dataclass(frozen=True)
class Scene:
    """Layers from back to front, in a frame of size (height, width)."""

    layers: tuple[Layer, ...]
    size: tuple[int, int]

    def render(self, times: Sequence[float] | Real) -> Tensor:
        """The frames at some times, counted in low-rate intervals: [T,3,H,W] uint8."""
        moments = np.asarray(times, np.float64)
        reaches = [layer.reach(moments, self.size) for layer in self.layers[1:]]
        out = torch.empty(len(moments), 3, *self.size, dtype=torch.uint8)
        for start in range(0, len(moments), _CHUNK):
            part = moments[start : start + _CHUNK]
            out[start : start + len(part)] = self._chunk(part, reaches)
        return out

    def _chunk(self, times: Real, reaches: list[tuple[range, range]]) -> Tensor:
        back, *front = self.layers
        whole = (range(self.size[0]), range(self.size[1]))
        frames = _sample(back, times, *whole, self.size, padding="reflection")
        for layer, (rows, columns) in zip(front, reaches, strict=True):
            if not rows or not columns:
                continue
            seen = _sample(layer, times, rows, columns, self.size, padding="zeros")
            under = frames[:, :, rows.start : rows.stop, columns.start : columns.stop]
            under.mul_(1 - seen[:, 3:] / 255).add_(seen[:, :3])
        return frames.add_(0.5).clamp_(0, 255).byte()


def _sample(layer: Layer, times: Real, rows: range, columns: range, size: tuple[int, int], *, padding: str) -> Tensor:
    grid = layer.grid(times, rows, columns, size)
    texture = layer.texture.expand(len(times), -1, -1, -1)
    return F.grid_sample(texture, grid, padding_mode=padding, align_corners=True)


def random_scene(
    rng: Rng, pictures: Pictures, size: tuple[int, int], *, intervals: float, fastest: float = 24.0
) -> Scene:
    """A scene of `intervals` low-rate intervals, its motion up to about `fastest` pixels per interval.

    Each scene has its own limit, from an eighth of `fastest` on: slow scenes are as frequent as fast ones. One in
    sixteen has a camera that does not move; each has up to four layers in front, most of which move with the camera
    and some without it.
    """
    extent = max(size) / 2
    fastest *= float(8.0 ** -rng.random())
    camera = still_path() if rng.random() < 1 / 16 else random_path(rng, fastest=fastest, extent=extent)
    back = _backdrop(rng, pictures, size, camera, np.linspace(0, intervals, 9))
    things = int(rng.choice(5, p=[0.25, 0.3, 0.25, 0.15, 0.05]))
    return Scene((back, *(_thing(rng, pictures, size, camera, fastest) for _ in range(things))), size)


def _backdrop(rng: Rng, pictures: Pictures, size: tuple[int, int], camera: Path, times: Real) -> Layer:
    pose = camera.pose(times)
    corners = np.array([[-1 - 1j], [1 - 1j], [-1 + 1j], [1 + 1j]])
    corners = corners.real * size[1] / 2 + 1j * corners.imag * size[0] / 2
    seen = (corners - pose.shift - pose.centre) / pose.turn + pose.centre
    # A path that leaves the plane behind sees it mirrored rather than cost memory without bound.
    middle = complex(seen.real.mean(), seen.imag.mean())
    reach = min(float(np.ptp(seen.real)) / 2, 2 * size[1]) + 1j * min(float(np.ptp(seen.imag)) / 2, 2 * size[0])
    reach += 2 + 2j
    layer = backdrop(rng, _pick(rng, pictures), (middle - reach, middle + reach), (camera,))
    return dataclasses.replace(layer, wave=_wave(rng, size)) if rng.random() < 0.2 else layer


def _thing(rng: Rng, pictures: Pictures, size: tuple[int, int], camera: Path, fastest: float) -> Layer:
    height, width = (max(round(TEXELS * rng.uniform(0.15, 0.9) * min(size)), 16) for _ in range(2))
    home = complex(rng.uniform(-0.5, 0.5) * size[1], rng.uniform(-0.5, 0.5) * size[0])
    own = random_path(rng, fastest=fastest, extent=0.2 * max(size))
    paths = (own, camera) if rng.random() < 0.7 else (own,)
    layer = cutout(rng, _pick(rng, pictures), random_mask(rng, height, width), home, paths)
    return dataclasses.replace(layer, wave=_wave(rng, size)) if rng.random() < 0.2 else layer


def _wave(rng: Rng, size: tuple[int, int]) -> tuple[Tensor, float, float]:
    """A smooth displacement of up to some pixels that comes and goes: cloth, water, faces."""
    knots = torch.from_numpy(rng.normal(size=(1, 2, *rng.integers(3, 6, 2))).astype(np.float32))
    field = F.interpolate(knots, size=size, mode="bicubic")[0] * (4.0 * rng.random() ** 2)
    tone, phase = 2 * math.pi * rng.uniform((0.05, 0.0), (0.4, 1.0))
    return torch.complex(field[0], field[1]), float(tone), float(phase)


def _pick(rng: Rng, pictures: Pictures) -> Tensor:
    return pictures[int(rng.integers(len(pictures)))]
