"""A moving scene drawn with NumPy: hills, a town with lit windows, a tram with letters on it, a balloon, a fence.

Every layer is painted once, larger than the frame, and then sampled where it is at a moment, to a fraction of a pixel.
So a frame can be asked for at any time, and the truth between two frames is known.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.cli.demo.raster import word

Plane = npt.NDArray[np.float32]
SMOOTH = 2  # layers are painted this many times finer than they are shown, so that their edges are soft


@dataclass(frozen=True)
class Pose:
    """Where a layer's top left corner is (pixels of the frame), and its turn about its centre, in radians."""

    left: float
    top: float
    turn: float = 0.0


@dataclass(frozen=True)
class Layer:
    """paint: [4, h, w] float32, R, G, B and cover, 0..1; where: its pose at a time counted in low-rate frames."""

    paint: Tensor
    where: Callable[[float], Pose]


class Scene:
    """The scene at `width` x `height`. Reproducible: the same seed gives the same pictures."""

    def __init__(self, width: int = 640, height: int = 352, *, seed: int = 7) -> None:
        self.width, self.height = width, height
        rng = np.random.default_rng(seed)
        unit = height / 352
        self._layers = [
            _layer(_sky(rng, round(width * 1.2), height), lambda t: Pose(-1.2 * t * unit, 0)),
            _layer(_hills(rng, round(width * 1.5), height, 0.46, (96, 92, 128)), lambda t: Pose(-2.5 * t * unit, 0)),
            _layer(_hills(rng, round(width * 1.6), height, 0.58, (58, 84, 82)), lambda t: Pose(-4 * t * unit, 0)),
            _layer(_town(rng, round(width * 1.8), height), lambda t: Pose(-6 * t * unit, 0)),
            _layer(_tram(unit), lambda t: Pose((60 + 5.0 * t) * unit, height - 128 * unit)),
            _layer(_wheel(unit), lambda t: Pose((98 + 5.0 * t) * unit, height - 62 * unit, 0.36 * t)),
            _layer(_wheel(unit), lambda t: Pose((260 + 5.0 * t) * unit, height - 62 * unit, 0.36 * t)),
            _layer(
                _balloon(unit),
                lambda t: Pose((430 - 3.0 * t) * unit, (34 + 10 * math.sin(t / 5)) * unit, 0.12 * math.sin(t / 4)),
            ),
            _layer(_fence(rng, round(width * 2.2), height, unit), lambda t: Pose(-9 * t * unit, 0)),
        ]

    def frame(self, time: float) -> Tensor:
        """[3, H, W] float32, 0..1: the scene at `time`, counted in low-rate frames, with no blur at all."""
        picture = torch.zeros(3, self.height, self.width)
        for layer in self._layers:
            pose = layer.where(time)
            (top, left), shown = _turned(layer.paint, pose) if pose.turn else _moved(layer.paint, pose)
            rows = slice(max(0, top), min(self.height, top + shown.shape[1]))
            columns = slice(max(0, left), min(self.width, left + shown.shape[2]))
            if rows.start < rows.stop and columns.start < columns.stop:
                part = shown[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
                under = picture[:, rows, columns]
                under.lerp_(part[:3], part[3:].expand_as(under))
        return picture


def _moved(paint: Tensor, pose: Pose) -> tuple[tuple[int, int], Tensor]:
    """The layer moved sideways by a fraction of a pixel (cubic), and the pixel (row, column) where it then begins."""
    left = math.floor(pose.left)
    part = pose.left - left
    padded = F.pad(paint, (2, 2, 0, 0))
    taps = _cubic(part)
    count = paint.shape[2] + 1
    moved = sum(weight * padded[..., k : k + count] for k, weight in enumerate(taps))
    assert isinstance(moved, Tensor)
    return (round(pose.top), left), moved.clamp_(0, 1)


def _cubic(part: float) -> tuple[float, ...]:
    """Weights of the four samples that lie at -2, -1, 0 and 1 of a sample moved right by `part` (Catmull-Rom)."""
    t = 1 - part
    return (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


def _turned(paint: Tensor, pose: Pose) -> tuple[tuple[int, int], Tensor]:
    """The layer turned about its centre, on the smallest square of pixels that holds it, and where that begins."""
    _, rows, columns = paint.shape
    middle = (pose.top + rows / 2, pose.left + columns / 2)
    reach = math.hypot(rows, columns) / 2 + 1
    top, left = math.floor(middle[0] - reach), math.floor(middle[1] - reach)
    side = math.ceil(2 * reach) + 1
    y = torch.arange(side, dtype=torch.float32)[:, None] + 0.5 + (top - middle[0])
    x = torch.arange(side, dtype=torch.float32)[None] + 0.5 + (left - middle[1])
    cos, sin = math.cos(pose.turn), math.sin(pose.turn)
    grid = torch.stack(((cos * x + sin * y) * 2 / columns, (cos * y - sin * x) * 2 / rows), -1)
    shown = F.grid_sample(paint[None], grid[None], mode="bicubic", padding_mode="zeros", align_corners=False)
    return (top, left), shown[0].clamp_(0, 1)


def _layer(paint: Plane, where: Callable[[float], Pose]) -> Layer:
    """paint: [h * SMOOTH, w * SMOOTH, 4]; colour is spread under the edges so that no dark rim shows."""
    picture = torch.from_numpy(paint).permute(2, 0, 1)
    covered = F.avg_pool2d(picture[3:], SMOOTH)
    color = F.avg_pool2d(picture[:3] * picture[3:], SMOOTH) / covered.clamp(min=1e-3)
    for _ in range(4):
        wider = F.avg_pool2d(color * (covered > 0), 3, 1, 1) / F.avg_pool2d((covered > 0).float(), 3, 1, 1).clamp(
            min=1e-3
        )
        color = torch.where(covered > 0, color, wider)
    return Layer(torch.cat((color, covered)).contiguous(), where)


def _noise(rng: np.random.Generator, height: int, width: int, cell: float) -> Plane:
    """Smooth noise in about -1..1 whose features measure `cell` pixels, and finer ones of less weight."""
    total, weight = np.zeros((height, width), np.float32), 1.0
    while cell >= 3:
        rows, columns = math.ceil(height / cell) + 3, math.ceil(width / cell) + 3
        coarse = torch.from_numpy(rng.standard_normal((1, 1, rows, columns)).astype(np.float32))
        fine = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)
        total += weight * fine[0, 0].numpy()
        cell, weight = cell / 2, weight * 0.6
    return total / np.float32(2)


def _blank(height: int, width: int) -> Plane:
    return np.zeros((height * SMOOTH, width * SMOOTH, 4), np.float32)


def _fill(paint: Plane, where: tuple[slice, slice], color: tuple[float, float, float]) -> None:
    paint[where] = (*(channel / 255 for channel in color), 1.0)


def _sky(rng: np.random.Generator, width: int, height: int) -> Plane:
    paint = _blank(height, width)
    rows, columns = paint.shape[:2]
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    top, low = np.array([58, 96, 168], np.float32) / 255, np.array([250, 196, 140], np.float32) / 255
    cloud = np.clip(_noise(rng, rows, columns, 180) * 0.7 + 0.1, 0, 1)[..., None] * (1 - down * 0.6)
    paint[..., :3] = (top * (1 - down) + low * down) * (1 - 0.6 * cloud) + 0.6 * cloud
    paint[..., 3] = 1
    return paint


def _hills(rng: np.random.Generator, width: int, height: int, level: float, color: tuple[int, int, int]) -> Plane:
    paint = _blank(height, width)
    rows, columns = paint.shape[:2]
    ridge = rows * (level + 0.07 * _noise(rng, 1, columns, 240)[0] + 0.01 * _noise(rng, 1, columns, 24)[0])
    below = np.arange(rows)[:, None] >= ridge[None]
    grain = 1 + 0.28 * _noise(rng, rows, columns, 36) + 0.12 * _noise(rng, rows, columns, 5)
    paint[..., :3] = np.clip(np.array(color, np.float32) / 255 * grain[..., None], 0, 1)
    paint[..., 3] = below
    return paint


def _town(rng: np.random.Generator, width: int, height: int) -> Plane:
    paint = _blank(height, width)
    rows, columns = paint.shape[:2]
    left = 0
    while left < columns:
        wide = int(rng.integers(44, 92)) * SMOOTH
        top = int(rows * rng.uniform(0.42, 0.66))
        shade = rng.uniform(0.75, 1.15) * np.array(((148, 104, 88), (122, 126, 142), (170, 150, 120))[rng.integers(3)])
        _fill(paint, (slice(top, rows), slice(left, left + wide)), tuple(shade.tolist()))
        _fill(paint, (slice(top, top + 3 * SMOOTH), slice(left, left + wide)), (64, 58, 62))
        for row in range(top + 9 * SMOOTH, rows, 16 * SMOOTH):
            for column in range(left + 6 * SMOOTH, left + wide - 9 * SMOOTH, 13 * SMOOTH):
                lit = (255, 226, 150) if rng.random() < 0.45 else (52, 60, 78)
                _fill(paint, (slice(row, row + 9 * SMOOTH), slice(column, column + 7 * SMOOTH)), lit)
                _fill(
                    paint, (slice(row + 4 * SMOOTH, row + 5 * SMOOTH), slice(column, column + 7 * SMOOTH)), (40, 40, 46)
                )
        left += wide + int(rng.integers(0, 8)) * SMOOTH
    paint[..., :3] *= np.clip(1 + 0.1 * _noise(rng, rows, columns, 6), 0, 1.2)[..., None]
    return np.clip(paint, 0, 1)


def _tram(unit: float) -> Plane:
    height, width = round(90 * unit), round(252 * unit)
    paint = _blank(height, width)
    dot = unit * SMOOTH

    def box(left: float, top: float, right: float, low: float, color: tuple[float, float, float]) -> None:
        _fill(paint, (slice(round(top * dot), round(low * dot)), slice(round(left * dot), round(right * dot))), color)

    box(0, 8, 252, 78, (196, 44, 46))
    box(0, 8, 252, 12, (240, 236, 226))
    box(0, 52, 252, 55, (240, 236, 226))
    for left in range(10, 240, 30):
        box(left, 18, left + 22, 38, (188, 220, 236))
        box(left + 10, 18, left + 12, 38, (90, 100, 110))
    letters = np.kron(word("ALANET 2020"), np.ones((round(1.6 * dot), round(1.6 * dot)), dtype=bool))
    top, left = round(40 * dot), round(74 * dot)
    paint[top : top + letters.shape[0], left : left + letters.shape[1]][letters] = (1.0, 0.96, 0.8, 1.0)
    for stripe in range(0, 252, 7):
        box(stripe, 58, stripe + 3, 76, (150, 26, 32))
    return paint


def _wheel(unit: float) -> Plane:
    size = round(40 * unit)
    paint = _blank(size, size)
    y, x = (np.indices(paint.shape[:2]) + 0.5) / (size * SMOOTH) * 2 - 1
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    paint[..., :3] = np.where(radius < 0.8, 0.75, 0.15)[..., None]
    spokes = (np.abs(np.sin(2.5 * angle)) < 0.28 / np.maximum(radius, 0.15)) & (radius < 0.72)
    paint[..., :3][spokes] = (0.2, 0.2, 0.24)
    paint[..., :3][radius < 0.2] = (0.85, 0.3, 0.2)
    paint[..., 3] = radius < 0.97
    return paint


def _balloon(unit: float) -> Plane:
    height, width = round(112 * unit), round(84 * unit)
    paint = _blank(height, width)
    rows, columns = paint.shape[:2]
    y, x = np.indices((rows, columns)) / (unit * SMOOTH) + 0.5
    x, y = x - 42, y - 42
    inside = np.hypot(x, y * np.where(y > 0, 0.8, 1)) < 40
    across = x / np.sqrt(np.maximum(1600 - np.minimum(y * y, 1500), 100))
    squares = (np.floor((np.arcsin(np.clip(across, -1, 1)) + 2) * 3.2) + np.floor(y / 11)) % 2 > 0
    light = 0.72 + 0.28 * np.clip(1 - np.hypot(x + 14, y + 16) / 52, 0, 1)
    colors = np.where(squares[..., None], np.array([0.96, 0.78, 0.24]), np.array([0.16, 0.42, 0.62]))
    paint[..., :3] = colors * light[..., None]
    paint[..., 3] = inside
    ropes = (np.abs(np.abs(x) - (13 - (y - 44) * 0.22)) < 0.7) & (y > 40) & (y < 58)
    basket = (np.abs(x) < 10) & (y >= 56) & (y < 68)
    for part, color in ((ropes, (0.2, 0.16, 0.12)), (basket, (0.5, 0.33, 0.18))):
        paint[part] = (*color, 1.0)
    return paint


def _fence(rng: np.random.Generator, width: int, height: int, unit: float) -> Plane:
    paint = _blank(height, width)
    rows, columns = paint.shape[:2]
    dot = unit * SMOOTH
    grass_top = rows - 24 * dot + 3 * dot * _noise(rng, 1, columns, 9 * dot)[0]
    grass = np.arange(rows)[:, None] >= grass_top[None]
    blades = np.clip(0.5 + 0.55 * _noise(rng, rows, columns, 7), 0, 1)[..., None]
    green = np.array([0.16, 0.3, 0.1]) * (1 - blades) + np.array([0.52, 0.68, 0.26]) * blades
    paint[..., :3] = np.where(grass[..., None], green, 0)
    paint[..., 3] = grass
    for left in range(0, columns, round(74 * dot)):
        post = (slice(round(rows - 60 * dot), round(rows - 14 * dot)), slice(left, left + round(5 * dot)))
        _fill(paint, post, (96, 70, 48))
    for top in (56, 42):
        rail = (slice(round(rows - top * dot), round(rows - (top - 3) * dot)), slice(0, columns))
        _fill(paint, rail, (122, 92, 62))
    return paint
