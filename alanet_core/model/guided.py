"""G with aligned neighbours, guided by classical motion.

As in `aligned.py`, the neighbours are warped into place before they are fused. But the flows begin with a classical
estimate and are refined level by level, by classical steps and a learned correction in turn; and all levels lie at a
quarter of the size and below, so that only the last convolutions cost much.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alanet_core.config import ModelConfig
from alanet_core.latent import Latent
from alanet_core.model import classical
from alanet_core.model.blocks import DoubleConv, activate, bounded, conv, head, upsample, zero
from alanet_core.model.classical import Planes
from alanet_core.model.motion import correlate, fold, like, sample_along, warp
from alanet_core.model.strips import Strip, by_strips

FLOW_SCALE = 4.0  # brings flows of a few pixels to the size of features; larger ones count by their logarithm
CHANGE_SCALE = 10.0  # the same for differences of brightness
FLOWS = 4  # channels of a pair of flows: to the earlier neighbour (x, y), to the later one (x, y)
COARSER = 2  # levels above the bottleneck, where the classical estimate begins


class Features(NamedTuple):
    """One level of the two neighbours, and of the own frame where there is one: [B, C, h, w] each."""

    a: Tensor
    b: Tensor
    own: Tensor | None


class GuidedLevel(nn.Module):
    """Improve the flow, warp the neighbours' features by it, compare, fuse, correct the flow."""

    def __init__(self, inputs: int, channels: int, radius: int, config: ModelConfig, *, own: bool) -> None:
        super().__init__()
        self.radius = radius
        pairs = 2 if own else 1  # own frame and each neighbour, or the neighbours with each other
        cells = pairs * (2 * radius + 1) ** 2 if radius else 0
        self.project = conv(channels, config.correlation_channels, 1) if radius else None
        self.reduce = conv(inputs + (3 if own else 2) * channels + FLOWS + pairs + cells, channels, 1)
        self.fuse = DoubleConv(channels, channels)
        self.flow = conv(channels, FLOWS)
        zero(self.flow)

    def forward(self, z: Tensor, flow: Tensor, features: Features, planes: Planes) -> tuple[Tensor, Tensor]:
        flow = _settled(flow, planes)
        a, b = (like(warp(x, to), z) for x, to in ((features.a, flow[:, :2]), (features.b, flow[:, 2:])))
        parts = [z, a, b, like(torch.asinh(flow / FLOW_SCALE), z), like(_changes(flow, planes), z)]
        if self.project is not None:
            first, last = self.project(a), self.project(b)
            own = None if features.own is None else self.project(features.own)
            pairs = ((first, last),) if own is None else ((own, first), (own, last))
            parts += [like(correlate(p, q, self.radius), z) for p, q in pairs]
        if features.own is not None:
            parts.append(features.own)
        z = self.fuse(activate(self.reduce(torch.cat(parts, 1))))
        return z, flow + self.flow(z).float()


def _settled(flow: Tensor, planes: Planes, steps: int = classical.STEPS, top: int = 0) -> Tensor:
    """Classical steps in value; the gradient passes as if there were none."""
    return flow + (classical.settle(flow, planes, steps, top) - flow).detach()


@torch.no_grad()
def _changes(flow: Tensor, planes: Planes) -> Tensor:
    """What differs in brightness once the neighbours are in place: where the flow is wrong, or things are hidden."""
    a, b = warp(planes.a, flow[:, :2]), warp(planes.b, flow[:, 2:])
    return CHANGE_SCALE * (b - a if planes.own is None else torch.cat((a - planes.own, b - planes.own), 1))


class GuidedPath(nn.Module):
    """From the bottleneck to the finest level: features there, and the flows level by level."""

    def __init__(self, config: ModelConfig, *, own: bool) -> None:
        super().__init__()
        channels = tuple(reversed(config.channels))
        self.unshuffle, self.fold = config.unshuffle, config.fold
        self.levels = nn.ModuleList(
            GuidedLevel(inputs, outputs, radius, config, own=own)
            for inputs, outputs, radius in zip((channels[0], *channels[:-1]), channels, config.correlation, strict=True)
        )
        self.unfold = conv(channels[-1], config.detail * (config.unshuffle // config.fold) ** 2, 1)
        # rows on either side of a strip: the flow's way up twice, and what a classical step reads
        self.margin = config.fold * (2 + classical.REACH)

    def forward(
        self, z: Tensor, earlier: Latent, later: Latent, own: Latent | None, planes: list[Planes]
    ) -> tuple[Tensor, list[Tensor]]:
        finest, above = self.unshuffle.bit_length() - 1, len(self.levels) - 1
        flow = classical.begin(planes[-COARSER:])
        flows: list[Tensor] = []
        for level, at in zip(self.levels, range(above, -1, -1), strict=True):
            if flows:
                z, flow = upsample(z), 2 * upsample(flow)
            flow = flow[:, :, : z.shape[2], : z.shape[3]]
            z, flow = level(z, flow, _features(earlier, later, own, at), planes[finest + at])
            flows.append(flow)
        return z, flows

    def planes(self, earlier: Latent, later: Latent, own: Latent | None) -> list[Planes]:
        """Brightness at every size that motion is looked for."""
        return _planes(earlier, later, own, self.unshuffle.bit_length() - 2 + len(self.levels) + COARSER)

    def detail(self, z: Tensor, strip: Strip) -> Tensor:
        """The features of a strip at the size where the last convolutions work."""
        return F.pixel_shuffle(self.unfold(z[:, :, strip.at(self.unshuffle)]), self.unshuffle // self.fold)


def _planes(earlier: Latent, later: Latent, own: Latent | None, levels: int) -> list[Planes]:
    a, b = classical.pyramid(earlier.pixels, levels), classical.pyramid(later.pixels, levels)
    c = classical.pyramid(own.pixels, levels) if own else [None] * (levels + 1)
    return [Planes(*planes) for planes in zip(a, b, c, strict=True)]


def _features(earlier: Latent, later: Latent, own: Latent | None, level: int) -> Features:
    def of(latent: Latent) -> Tensor:
        return (*latent.skips, latent.core.features)[level]

    return Features(of(earlier), of(later), of(own) if own else None)


def grown(flow: Tensor, width: int) -> Tensor:
    """A flow in pixels of its level -> the same in pixels of a picture that is 1, 2, 4 ... times as large."""
    while flow.shape[3] < width:
        flow = 2 * upsample(flow)
    return flow


class GuidedSharp(nn.Module):
    """z_n and frames n-1, n, n+1 -> the sharp frame n, [B, 3, H, W] float32: frame n plus a correction.

    Frame n is also sampled at several points along its own motion (config.taps), so that undoing its blur becomes a
    filter along the path on which it was blurred.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.taps, self.fold = config.taps, config.fold
        cells = config.fold**2
        self.path = GuidedPath(config, own=True)
        self.head = head(config.detail + cells * (len(config.taps) + 9), config.sharp_head, 3 * cells)
        zero(self.head[-1])
        self.margin = self.path.margin + config.fold * len(self.head)

    def forward(self, z: Tensor, previous: Latent, own: Latent, following: Latent, tile: int = 0) -> Tensor:
        return self.trace(z, previous, own, following, tile=tile)[0]

    def trace(
        self, z: Tensor, previous: Latent, own: Latent, following: Latent, *, tile: int = 0
    ) -> tuple[Tensor, list[Tensor]]:
        """The picture, and the flows by level that led to it."""
        z, flows = self.path(z, previous, following, own, self.path.planes(previous, following, own))
        luma = own.pixels.mean(1, keepdim=True)

        def fine(strip: Strip) -> Tensor:
            rows, features = strip.at(1), self.path.detail(z, strip)
            flow = grown(flows[-1][:, :, strip.at(self.path.unshuffle)], own.pixels.shape[3])
            velocity = (flow[:, 2:] - flow[:, :2]) / 2
            taps = sample_along(luma, velocity, self.taps, strip.top) - luma[:, :, rows]
            a, b = warp(previous.pixels, flow[:, :2], strip.top), warp(following.pixels, flow[:, 2:], strip.top)
            seen = fold(torch.cat((taps, a, b, own.pixels[:, :, rows]), 1), self.fold, features)
            correction = F.pixel_shuffle(self.head(torch.cat((features, seen), 1)).float(), self.fold)
            return own.pixels[:, :, rows] + bounded(correction)

        height = own.pixels.shape[2]
        return by_strips(fine, height, tile=tile, margin=self.margin, grid=self.path.unshuffle), flows


class GuidedMiddle(nn.Module):
    """z_{n+1/2} and frames n, n+1 -> the middle frame, [B, 3, H, W] float32: both warped, mixed, corrected."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.fold = config.fold
        cells = config.fold**2
        self.path = GuidedPath(config, own=False)
        self.head = head(config.detail + cells * 6, config.middle_head, 4 * cells)
        zero(self.head[-1])
        self.margin = self.path.margin + config.fold * len(self.head)

    def forward(self, z: Tensor, own: Latent, following: Latent, tile: int = 0) -> Tensor:
        return self.trace(z, own, following, tile=tile)[0]

    def trace(self, z: Tensor, own: Latent, following: Latent, *, tile: int = 0) -> tuple[Tensor, list[Tensor]]:
        """The picture, and the flows by level that led to it; after the last level's, that of the last strip."""
        planes = self.path.planes(own, following, None)
        z, flows = self.path(z, own, following, None, planes)
        coarse, finest = flows[-1], planes[self.fold.bit_length() - 1]

        def fine(strip: Strip) -> Tensor:
            features = self.path.detail(z, strip)
            # The middle is made of moved pixels: the last word on where they go is classical, and fine.
            flow = grown(coarse[:, :, strip.at(self.path.unshuffle)], finest.a.shape[3])
            flow = _settled(flow, finest, 1, strip.top // self.fold)
            flows[len(self.path.levels) :] = [flow]
            flow = grown(flow, own.pixels.shape[3])
            a, b = warp(own.pixels, flow[:, :2], strip.top), warp(following.pixels, flow[:, 2:], strip.top)
            seen = fold(torch.cat((a, b), 1), self.fold, features)
            out = F.pixel_shuffle(self.head(torch.cat((features, seen), 1)).float(), self.fold)
            mask = torch.sigmoid(out[:, 3:])
            return torch.lerp(b, a, mask) + bounded(out[:, :3])

        height = own.pixels.shape[2]
        return by_strips(fine, height, tile=tile, margin=self.margin, grid=self.path.unshuffle), flows
