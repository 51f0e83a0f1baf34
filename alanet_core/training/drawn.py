"""Pictures that the project draws itself: gradients, noise of natural spectra, shapes, gratings, lines and print.

They add to photographs what those lack (thin structures, text, graphics), and stand in for them where there are none.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alanet_core.training.motion import Rng

Plane = NDArray[np.floating[Any]]


def draw_picture(rng: Rng, height: int, width: int) -> Tensor:
    """One picture [3,H,W] uint8: a background with some 5 to 25 things on it, edges about a pixel soft."""
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = _background(rng, xx, yy)
    for _ in range(int(rng.integers(5, 26))):
        cover = _COVERS[int(rng.integers(len(_COVERS)))](rng, xx, yy)
        fill = _colour(rng)[:, None, None]
        if rng.random() < 0.4:
            fill = fill + _colour(rng)[:, None, None] * 0.3 * _clouds(rng, height, width, slope=rng.uniform(0.9, 1.8))
        picture += cover * (fill - picture)
    return torch.from_numpy(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _colour(rng: Rng) -> Plane:
    """A colour near grey more often than not, as things are."""
    grey, tint = rng.random(), rng.normal(0, 0.18, 3)
    return np.asarray(np.clip(grey + tint, 0, 1), np.float32)


def _background(rng: Rng, xx: Plane, yy: Plane) -> Plane:
    height, width = xx.shape
    ramp = _ramp(rng, xx, yy)
    near, far, grain = (_colour(rng)[:, None, None] for _ in range(3))
    clouds = _clouds(rng, height, width, slope=rng.uniform(1.0, 1.8))
    background: Plane = near * ramp + far * (1 - ramp) + rng.uniform(0, 0.3) * grain * clouds
    return background


def _ramp(rng: Rng, xx: Plane, yy: Plane) -> Plane:
    angle = rng.uniform(0, 2 * math.pi)
    along: Plane = math.cos(angle) * xx + math.sin(angle) * yy
    return np.asarray((along - along.min()) / max(float(np.ptp(along)), 1.0), np.float32)


def _clouds(rng: Rng, height: int, width: int, *, slope: float) -> Plane:
    """Noise whose amplitude falls with the frequency to the power `slope` (1 in natural pictures), of variance 1."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    falloff = np.hypot(fy, fx)
    falloff[0, 0] = np.inf
    spectrum = rng.normal(size=falloff.shape) + 1j * rng.normal(size=falloff.shape)
    noise = np.fft.irfft2(spectrum * falloff**-slope, s=(height, width))
    return np.asarray(noise / max(float(noise.std()), 1e-9), np.float32)


def _soft(distance: Plane) -> Plane:
    """Cover of a shape from the signed distance to its edge in pixels, positive inside."""
    return np.asarray(np.clip(distance + 0.5, 0, 1), np.float32)


def _place(rng: Rng, xx: Plane, yy: Plane) -> tuple[Plane, Plane, float]:
    """Coordinates turned and moved to a random place, and a size between 2 % and 30 % of the picture."""
    height, width = xx.shape
    angle = rng.uniform(0, 2 * math.pi)
    x, y = xx - rng.uniform(0, width), yy - rng.uniform(0, height)
    size = min(height, width) * 0.02 * 15.0 ** rng.random()
    return math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x, float(size)


def _ellipse(rng: Rng, xx: Plane, yy: Plane) -> Plane:
    x, y, size = _place(rng, xx, yy)
    aspect = rng.uniform(0.3, 1)
    radius = np.hypot(x, y / aspect)
    ring = rng.random() < 0.3
    return _soft((rng.uniform(1, 4) - np.abs(radius - size)) if ring else (size - radius) * aspect)


def _box(rng: Rng, xx: Plane, yy: Plane) -> Plane:
    x, y, size = _place(rng, xx, yy)
    return _soft(np.minimum(size - np.abs(x), size * rng.uniform(0.1, 1) - np.abs(y)))


def _lines(rng: Rng, xx: Plane, yy: Plane) -> Plane:
    """Wires and rails: a few parallel lines across the whole picture, 1 to 4 pixels wide."""
    _, y, size = _place(rng, xx, yy)
    spacing = max(size, 6.0)
    nearest = np.abs(y - spacing * np.clip(np.round(y / spacing), 0, int(rng.integers(0, 6))))
    return _soft(rng.uniform(0.4, 2.0) - nearest)


def _grating(rng: Rng, xx: Plane, yy: Plane) -> Plane:
    """A disc of stripes or of a checkerboard: what repeats is what misleads a search for motion."""
    x, y, size = _place(rng, xx, yy)
    period = rng.uniform(4, 40)
    pattern = np.sin(2 * math.pi / period * x)
    if rng.random() < 0.4:
        pattern = pattern * np.sin(2 * math.pi / period * y)
    edge = period / (2 * math.pi) if rng.random() < 0.6 else 0.5
    return _soft(3 * size - np.hypot(x, y)) * _soft(pattern * edge * 2)


def _print(rng: Rng, xx: Plane, yy: Plane) -> Plane:
    """A block of made-up letters: random 5x7 bitmaps in rows, 1.5 to 8 pixels a dot."""
    x, y, _ = _place(rng, xx, yy)
    dot = 1.5 * 5.3 ** rng.random()
    rows, columns = int(rng.integers(1, 6)), int(rng.integers(3, 20))
    page = np.zeros((rows * 10, columns * 6), np.float32)
    page.reshape(rows, 10, columns, 6)[:, 1:8, :, :5] = rng.random((rows, 7, columns, 5)) < 0.5
    u, v = np.floor(x / dot).astype(np.int64), np.floor(y / dot).astype(np.int64)
    inside = (u >= 0) & (u < page.shape[1]) & (v >= 0) & (v < page.shape[0])
    return np.where(inside, page[v.clip(0, page.shape[0] - 1), u.clip(0, page.shape[1] - 1)], 0).astype(np.float32)


_COVERS = (_ellipse, _ellipse, _box, _box, _box, _lines, _grating, _print)
