"""The shapes of things in front: blobs, discs, boxes, bars and nets, with edges from hard to very soft."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.training.motion import Rng


def random_mask(rng: Rng, height: int, width: int) -> Tensor:
    """Cover of a random shape, [height,width] float32, 0..1, and 0 at the border."""
    aspect = width / height
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width) * aspect, indexing="ij")
    distance = _SHAPES[int(rng.choice(len(_SHAPES), p=_SHARES))](rng, x, y)
    # In units of the texels: an edge of one texel, as of a thing in focus, up to a tenth of the thing, out of focus.
    edge = float(rng.choice([1.0, 1.5, 3.0, 0.1 * height], p=[0.4, 0.3, 0.2, 0.1]))
    cover = torch.sigmoid(distance * (height / 2) * 4 / edge)
    fade = torch.minimum(1 - y.abs(), 1 - x.abs() / aspect) * (height / 2)
    return cover * (fade / max(edge, 1.0)).clamp(0, 1)


def _blob(rng: Rng, x: Tensor, y: Tensor) -> Tensor:
    """Smooth noise over a dome: leaves, hands, animals; sometimes with holes."""
    knots = torch.from_numpy(rng.normal(size=(1, 1, *rng.integers(3, 8, 2))).astype(np.float32))
    noise = F.interpolate(knots, size=tuple(x.shape), mode="bicubic")[0, 0]
    return 0.3 * noise + 0.45 - 0.8 * (x * x + y * y)


def _disc(rng: Rng, x: Tensor, y: Tensor) -> Tensor:
    radius = torch.hypot(x, y / float(rng.uniform(0.4, 1)))
    return rng.uniform(0.04, 0.2) - (radius - 0.7).abs() if rng.random() < 0.25 else 0.85 - radius


def _box(rng: Rng, x: Tensor, y: Tensor) -> Tensor:
    u, v = _turned(rng, x, y)
    return torch.minimum(0.75 - u.abs(), rng.uniform(0.2, 0.75) - v.abs())


def _bars(rng: Rng, x: Tensor, y: Tensor) -> Tensor:
    """Fences, wires, spokes: what is thinner than its motion is hardest to follow."""
    u, v = _turned(rng, x, y)
    period = float(rng.uniform(0.15, 0.9))
    bars = rng.uniform(0.08, 0.35) * period - (torch.remainder(u, period) - period / 2).abs()
    if rng.random() < 0.4:
        bars = torch.maximum(bars, rng.uniform(0.08, 0.2) * period - (torch.remainder(v, period) - period / 2).abs())
    return torch.minimum(bars, 0.9 - torch.hypot(x, y))


def _turned(rng: Rng, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    angle = rng.uniform(0, math.pi)
    return math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x


_SHAPES = (_blob, _disc, _box, _bars)
_SHARES = (0.5, 0.15, 0.2, 0.15)
