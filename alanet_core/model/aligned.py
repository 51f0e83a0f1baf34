"""G with aligned neighbours: their features are warped into place before they are fused.

The expansive path stays; what differs from `generator.py` is what it is fed with. A flow to each of two neighbours
starts at the bottleneck from a small local correlation and is refined level by level; it warps the neighbours'
skips, and at the end their pixels. The sharp frame is the input plus a correction; the middle is a masked mix of the
two warped frames plus a correction.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alanet_core.config import ModelConfig
from alanet_core.latent import Latent
from alanet_core.model.blocks import DoubleConv, conv, head, upsample, zero
from alanet_core.model.motion import correlate, like, sample_along, warp

FLOW_SCALE = 4.0  # brings flows of a few pixels to the size of features
FLOWS = 4  # channels of a pair of flows: to the earlier neighbour (x, y), to the later one (x, y)


def matches(project: nn.Module, a: Tensor, b: Tensor, own: Tensor | None, radius: int) -> list[Tensor]:
    """Two correlation volumes: own frame against each neighbour, or without an own frame the two with each other."""
    earlier, later = project(a), project(b)
    if own is None:
        pairs = ((earlier, later), (later, earlier))
    else:
        middle = project(own)
        pairs = ((middle, earlier), (middle, later))
    return [like(correlate(p, q, radius), p) for p, q in pairs]


class AlignedStart(nn.Module):
    """The bottleneck: z, both neighbours' features and their correlation -> features and the first flow."""

    def __init__(self, channels: int, config: ModelConfig, *, own: bool) -> None:
        super().__init__()
        self.radius = config.correlation[0]
        cells = 2 * (2 * self.radius + 1) ** 2 if self.radius else 0
        self.project = conv(channels, config.correlation_channels, 1) if self.radius else None
        self.fuse = DoubleConv(channels * (4 if own else 3) + cells, channels)
        self.flow = conv(channels, FLOWS)
        zero(self.flow)

    def forward(self, z: Tensor, a: Tensor, b: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
        parts = [z, a, b]
        if self.project is not None:
            parts += matches(self.project, a, b, own, self.radius)
        if own is not None:
            parts.append(own)
        z = self.fuse(torch.cat(parts, 1))
        return z, self.flow(z).float()


class AlignedLevel(nn.Module):
    """One level up: warp the neighbours' skips by the flow so far, compare, fuse, refine the flow."""

    def __init__(self, inputs: int, channels: int, radius: int, config: ModelConfig, *, own: bool) -> None:
        super().__init__()
        self.radius = radius
        cells = 2 * (2 * radius + 1) ** 2 if radius else 0
        self.project = conv(channels, config.correlation_channels, 1) if radius else None
        self.fuse = DoubleConv(inputs + (3 if own else 2) * channels + FLOWS + cells, channels)
        self.flow = conv(channels, FLOWS)
        zero(self.flow)

    def forward(self, z: Tensor, flow: Tensor, a: Tensor, b: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
        z, flow = upsample(z), 2 * upsample(flow)
        a, b = like(warp(a, flow[:, :2]), z), like(warp(b, flow[:, 2:]), z)
        parts = [z, a, b, like(flow / FLOW_SCALE, z)]
        if self.project is not None:
            parts += matches(self.project, a, b, own, self.radius)
        if own is not None:
            parts.append(own)
        z = self.fuse(torch.cat(parts, 1))
        return z, flow + self.flow(z).float()


class AlignedPath(nn.Module):
    """From the bottleneck up to the finest level: features there, and the two flows in pixels of the picture."""

    def __init__(self, config: ModelConfig, *, own: bool) -> None:
        super().__init__()
        outputs = tuple(reversed(config.channels[:-1]))
        inputs = (config.channels[-1], *outputs[:-1])
        self.unshuffle = config.unshuffle
        self.start = AlignedStart(config.channels[-1], config, own=own)
        self.levels = nn.ModuleList(
            AlignedLevel(i, o, radius, config, own=own)
            for i, o, radius in zip(inputs, outputs, config.correlation[1:], strict=True)
        )

    def forward(self, z: Tensor, earlier: Latent, later: Latent, own: Latent | None) -> tuple[Tensor, Tensor]:
        z, flow = self.start(z, earlier.core.features, later.core.features, own.core.features if own else None)
        skips: Sequence[Tensor | None] = own.skips if own else [None] * len(earlier.skips)
        rungs = zip(earlier.skips, later.skips, skips, strict=True)
        for level, (a, b, c) in zip(self.levels, reversed(list(rungs)), strict=True):
            z, flow = level(z, flow, a, b, c)
        for _ in range(self.unshuffle // 2):
            flow = 2 * upsample(flow)
        return z, flow


class AlignedSharp(nn.Module):
    """z_n and frames n-1, n, n+1 -> the sharp frame n, [B, 3, H, W] float32: frame n plus a correction.

    Frame n is also sampled at several points along its own motion (config.taps), so that undoing its blur becomes a
    filter along the path on which it was blurred.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.unshuffle = config.unshuffle
        self.taps = config.taps
        cells = config.unshuffle**2
        self.path = AlignedPath(config, own=True)
        self.head = head(config.channels[0] + cells * (len(config.taps) + 9), config.sharp_head, 3 * cells)
        zero(self.head[-1])

    def forward(self, z: Tensor, previous: Latent, own: Latent, following: Latent) -> Tensor:
        z, flow = self.path(z, previous, following, own)
        velocity = (flow[:, 2:] - flow[:, :2]) / 2
        luma = own.pixels.mean(1, keepdim=True)
        taps = sample_along(luma, velocity, self.taps) - luma
        warped = (warp(previous.pixels, flow[:, :2]), warp(following.pixels, flow[:, 2:]))
        folded = F.pixel_unshuffle(torch.cat((taps, *warped, own.pixels), 1), self.unshuffle)
        correction = self.head(torch.cat((z, like(folded, z)), 1)).float()
        return own.pixels + F.pixel_shuffle(correction, self.unshuffle)


class AlignedMiddle(nn.Module):
    """z_{n+1/2} and frames n, n+1 -> the middle frame, [B, 3, H, W] float32: both warped, mixed, corrected."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.unshuffle = config.unshuffle
        cells = config.unshuffle**2
        self.path = AlignedPath(config, own=False)
        self.head = head(config.channels[0] + cells * 6, config.middle_head, 4 * cells)
        zero(self.head[-1])

    def forward(self, z: Tensor, own: Latent, following: Latent) -> Tensor:
        z, flow = self.path(z, own, following, None)
        a, b = warp(own.pixels, flow[:, :2]), warp(following.pixels, flow[:, 2:])
        folded = F.pixel_unshuffle(torch.cat((a, b), 1), self.unshuffle)
        out = F.pixel_shuffle(self.head(torch.cat((z, like(folded, z)), 1)).float(), self.unshuffle)
        mask = torch.sigmoid(out[:, 3:])
        return a * mask + b * (1 - mask) + out[:, :3]
