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
from alanet_core.model.strips import Strip, by_strips

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

    def forward(
        self, z: Tensor, flow: Tensor, a: Tensor, b: Tensor, own: Tensor | None, *, top: int = 0
    ) -> tuple[Tensor, Tensor]:
        z, flow = upsample(z), 2 * upsample(flow)
        a, b = like(warp(a, flow[:, :2], top), z), like(warp(b, flow[:, 2:], top), z)
        parts = [z, a, b, like(flow / FLOW_SCALE, z)]
        if self.project is not None:
            parts += matches(self.project, a, b, own, self.radius)
        if own is not None:
            parts.append(own)
        z = self.fuse(torch.cat(parts, 1))
        return z, flow + self.flow(z).float()


class AlignedPath(nn.Module):
    """From the bottleneck up to the finest level: features there, and the two flows in pixels of the picture.

    margin: rows of the picture that a strip needs on either side, before the last convolutions: the upsampled edge, a
    level's three convolutions, the correlation, and the flow's way up.
    """

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
        self.grid = 2 * config.unshuffle
        self.margin = config.unshuffle * (1 + 3 + config.correlation[-1] + 1)

    def coarse(self, z: Tensor, earlier: Latent, later: Latent, own: Latent | None) -> tuple[Tensor, Tensor]:
        """All levels but the finest, whole."""
        z, flow = self.start(z, earlier.core.features, later.core.features, own.core.features if own else None)
        skips: Sequence[Tensor | None] = own.skips if own else [None] * len(earlier.skips)
        rungs = zip(earlier.skips[1:], later.skips[1:], skips[1:], strict=True)
        for level, (a, b, c) in zip(self.levels[:-1], reversed(list(rungs)), strict=True):
            z, flow = level(z, flow, a, b, c)
        return z, flow

    def fine(
        self, z: Tensor, flow: Tensor, earlier: Latent, later: Latent, own: Latent | None, *, strip: Strip
    ) -> tuple[Tensor, Tensor]:
        """The finest level of a strip."""
        rows, at = strip.at(self.unshuffle), strip.at(self.grid)
        skip = own.skips[0][:, :, rows] if own else None
        z, flow = self.levels[-1](z[:, :, at], flow[:, :, at], earlier.skips[0], later.skips[0], skip, top=rows.start)
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
        self.margin = self.path.margin + config.unshuffle * len(self.head)

    def forward(self, z: Tensor, previous: Latent, own: Latent, following: Latent, tile: int = 0) -> Tensor:
        z, flow = self.path.coarse(z, previous, following, own)
        luma = own.pixels.mean(1, keepdim=True)

        def fine(strip: Strip) -> Tensor:
            features, moved = self.path.fine(z, flow, previous, following, own, strip=strip)
            velocity = (moved[:, 2:] - moved[:, :2]) / 2
            rows = strip.at(1)
            taps = sample_along(luma, velocity, self.taps, strip.top) - luma[:, :, rows]
            a = warp(previous.pixels, moved[:, :2], strip.top)
            b = warp(following.pixels, moved[:, 2:], strip.top)
            pixels = own.pixels[:, :, rows]
            folded = F.pixel_unshuffle(torch.cat((taps, a, b, pixels), 1), self.unshuffle)
            correction = self.head(torch.cat((features, like(folded, features)), 1)).float()
            return pixels + F.pixel_shuffle(correction, self.unshuffle)

        return by_strips(fine, own.pixels.shape[2], tile=tile, margin=self.margin, grid=self.path.grid)


class AlignedMiddle(nn.Module):
    """z_{n+1/2} and frames n, n+1 -> the middle frame, [B, 3, H, W] float32: both warped, mixed, corrected."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.unshuffle = config.unshuffle
        cells = config.unshuffle**2
        self.path = AlignedPath(config, own=False)
        self.head = head(config.channels[0] + cells * 6, config.middle_head, 4 * cells)
        zero(self.head[-1])
        self.margin = self.path.margin + config.unshuffle * len(self.head)

    def forward(self, z: Tensor, own: Latent, following: Latent, tile: int = 0) -> Tensor:
        z, flow = self.path.coarse(z, own, following, None)

        def fine(strip: Strip) -> Tensor:
            features, moved = self.path.fine(z, flow, own, following, None, strip=strip)
            a = warp(own.pixels, moved[:, :2], strip.top)
            b = warp(following.pixels, moved[:, 2:], strip.top)
            folded = F.pixel_unshuffle(torch.cat((a, b), 1), self.unshuffle)
            out = F.pixel_shuffle(self.head(torch.cat((features, like(folded, features)), 1)).float(), self.unshuffle)
            mask = torch.sigmoid(out[:, 3:])
            return a * mask + b * (1 - mask) + out[:, :3]

        return by_strips(fine, own.pixels.shape[2], tile=tile, margin=self.margin, grid=self.path.grid)
