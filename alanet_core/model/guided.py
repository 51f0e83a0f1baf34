"""G with its neighbours in place, guided by classical motion.

G's mean of two neighbours' skips learns motion very slowly. Here they are warped into place before they are fused, by
flows that begin with a classical estimate and are refined level by level, by classical steps and a learned correction
in turn. All levels lie at a quarter of the size and below, so that only the last convolutions cost much.

Those give no picture but a filter for every pixel: weights for places along its path, on which motion has smeared it
(eq. 7 is a mean along the path, so its inverse lies there too, and is the same for all speeds when the places are
counted in parts of the motion); and shares of what the neighbours show. Kernel prediction: Bako et al. 2017.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alanet_core.config import ModelConfig
from alanet_core.latent import Latent
from alanet_core.model import classical
from alanet_core.model.blocks import DoubleConv, activate, bounded, conv, head, of_parts, upsample, zero
from alanet_core.model.cells import as_cells, as_channels, cells, for_cells, joined
from alanet_core.model.classical import Planes
from alanet_core.model.motion import gather, ground, like, positions, sample, sample_along, unfold, warp
from alanet_core.model.smear import smear
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

    def __init__(self, inputs: int, channels: int, *, own: bool) -> None:
        super().__init__()
        frames, changes = (3, 2) if own else (2, 1)
        self.reduce = conv(inputs + frames * channels + FLOWS + changes, channels, 1)
        self.fuse = DoubleConv(channels, channels)
        self.flow = conv(channels, FLOWS)
        zero(self.flow)

    def forward(self, z: Tensor, flow: Tensor, features: Features, planes: Planes) -> tuple[Tensor, Tensor]:
        flow = _settled(flow, planes)
        found = like(torch.cat((torch.asinh(flow / FLOW_SCALE), _changes(flow, planes)), 1), z)
        own = () if features.own is None else (features.own,)
        moved = (gather(x, to) for x, to in ((features.a, flow[:, :2]), (features.b, flow[:, 2:])))
        z = self.fuse(activate(of_parts(self.reduce, itertools.chain((z,), moved, (found,), own))))
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
            GuidedLevel(inputs, outputs, own=own)
            for inputs, outputs in zip((channels[0], *channels[:-1]), channels, strict=True)
        )
        cues = len(config.taps) // 2 if own else 0
        self.unfold = conv(channels[-1] + cues, config.detail * (config.unshuffle // config.fold) ** 2, 1)
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

    def detail(self, folded: Tensor, strip: Strip) -> Tensor:
        """Of what `unfold` has made of the whole picture, a strip at the size where the last convolutions work."""
        return unfold(folded[:, :, strip.at(self.unshuffle)], self.unshuffle // self.fold)


def _planes(earlier: Latent, later: Latent, own: Latent | None, levels: int) -> list[Planes]:
    a, b = classical.pyramid(earlier.pixels, levels), classical.pyramid(later.pixels, levels)
    c = classical.pyramid(own.pixels, levels) if own else [None] * (levels + 1)
    return [Planes(*planes) for planes in zip(a, b, c, strict=True)]


def _features(earlier: Latent, later: Latent, own: Latent | None, level: int) -> Features:
    def of(latent: Latent) -> Tensor:
        return (*latent.skips, latent.core.features)[level]

    return Features(of(earlier), of(later), of(own) if own else None)


def _last_word(flow: Tensor, finest: Planes, top: int) -> Tensor:
    """The flow where the last convolutions work: on where pixels go the last word is classical, and fine."""
    return _settled(grown(flow, finest.a.shape[3]), finest, 1, top)


def grown(flow: Tensor, width: int) -> Tensor:
    """A flow in pixels of its level -> the same in pixels of a picture that is 1, 2, 4 ... times as large."""
    while flow.shape[3] < width:
        flow = 2 * upsample(flow)
    return flow


class GuidedSharp(nn.Module):
    """z_n and frames n-1, n, n+1 -> the sharp frame n, [B, 3, H, W] float32.

    Frame n, filtered along its own motion; plus shares of its two neighbours, moved into place; plus a correction.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.taps, self.fold = config.taps, config.fold
        cells, taps = config.fold**2, len(config.taps)
        self.path = GuidedPath(config, own=True)
        # How far a filter is wanted at all: sharp frames lack nothing. A factor of its own is learnt at once.
        self.blurred = conv(config.channels[0] + taps // 2, 1, 1)
        self.head = head(config.detail + cells * (taps + 3), config.sharp_head, cells * (taps + 2 + 3))
        zero(self.head[-1])
        self.margin = self.path.margin + config.fold * len(self.head)

    def forward(self, z: Tensor, previous: Latent, own: Latent, following: Latent, tile: int = 0) -> Tensor:
        return self.trace(z, previous, own, following, tile=tile)[0]

    def trace(
        self, z: Tensor, previous: Latent, own: Latent, following: Latent, *, tile: int = 0
    ) -> tuple[Tensor, list[Tensor]]:
        """The picture, and the flows by level that led to it; after the last level's, that of the last strip."""
        planes = self.path.planes(previous, following, own)
        z, flows = self.path(z, previous, following, own, planes)
        side, coarse, finest = self.fold, flows[-1], planes[self.fold.bit_length() - 1]
        bright = CHANGE_SCALE * _light(own.pixels)
        smeared = smear(_light(own.pixels), (coarse[:, 2:] - coarse[:, :2]) / 2, self.taps, self.path.unshuffle)
        z = torch.cat((z, like(smeared, z)), 1)
        folded, gate = self.path.unfold(z), torch.sigmoid(self.blurred(z).float())
        del z

        def fine(strip: Strip) -> Tensor:
            rows, features = strip.at(1), self.path.detail(folded, strip)
            here, there = cells(own.pixels[:, :, rows], side), cells(bright[:, :, rows], side)
            flow = _last_word(coarse[:, :, strip.at(self.path.unshuffle)], finest, strip.top // side)
            flows[len(self.path.levels) :] = [flow]
            flow = cells(grown(flow, own.pixels.shape[3]), side)
            still = _ground(flow, side, strip)
            a = _moved(previous.pixels, still + flow[:, :2], side) - here
            b = _moved(following.pixels, still + flow[:, 2:], side) - here
            velocity = (flow[:, 2:] - flow[:, :2]).detach() / 2
            light = for_cells(bright, side)
            along = sample_along(light, velocity, self.taps, positions(still, light)) - there
            seen = torch.cat((there / CHANGE_SCALE, along, CHANGE_SCALE * _light(a), CHANGE_SCALE * _light(b)), 1)
            out = as_cells(self.head(torch.cat((features, as_channels(seen, side, features)), 1)), side)
            weights, shares, rest = torch.split(out, [len(self.taps), 2, 3], 1)
            weights = weights * for_cells(self._wanted(gate[:, :, strip.at(self.path.unshuffle)]), side)
            return joined(
                here + _filtered(weights, along) + shares[:, :1] * a + shares[:, 1:] * b + bounded(rest), side
            )

        height = own.pixels.shape[2]
        return by_strips(fine, height, tile=tile, margin=self.margin, grid=self.path.unshuffle), flows

    def _wanted(self, gate: Tensor) -> Tensor:
        """0 where the frame is sharp, 1 where it is blurred: at the size where the last convolutions work."""
        return upsample(gate) if self.path.unshuffle > self.fold else gate


class GuidedMiddle(nn.Module):
    """z_{n+1/2} and frames n, n+1 -> the middle frame, [B, 3, H, W] float32.

    Both frames, moved into place and mixed; filtered along their motion; plus a correction.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.fold = config.fold
        # Both frames lie on the same path: each is sampled at every other place.
        self.taps = config.taps[::2], config.taps[1::2]
        cells, taps = config.fold**2, len(config.taps)
        self.path = GuidedPath(config, own=False)
        self.head = head(config.detail + cells * (taps + 2), config.middle_head, cells * (taps + 1 + 3))
        zero(self.head[-1])
        self.margin = self.path.margin + config.fold * len(self.head)

    def forward(self, z: Tensor, own: Latent, following: Latent, tile: int = 0) -> Tensor:
        return self.trace(z, own, following, tile=tile)[0]

    def trace(self, z: Tensor, own: Latent, following: Latent, *, tile: int = 0) -> tuple[Tensor, list[Tensor]]:
        """The picture, and the flows by level that led to it; after the last level's, that of the last strip."""
        planes = self.path.planes(own, following, None)
        z, flows = self.path(z, own, following, None, planes)
        folded = self.path.unfold(z)
        del z
        side, coarse, finest = self.fold, flows[-1], planes[self.fold.bit_length() - 1]

        def fine(strip: Strip) -> Tensor:
            features = self.path.detail(folded, strip)
            flow = _last_word(coarse[:, :, strip.at(self.path.unshuffle)], finest, strip.top // side)
            flows[len(self.path.levels) :] = [flow]
            flow = cells(grown(flow, own.pixels.shape[3]), side)
            still = _ground(flow, side, strip)
            velocity = (flow[:, 2:] - flow[:, :2]).detach()
            moved, along = [], []
            for frame, taps, to in ((own, self.taps[0], flow[:, :2]), (following, self.taps[1], flow[:, 2:])):
                moved.append(_moved(frame.pixels, still + to, side))
                light = for_cells(CHANGE_SCALE * _light(frame.pixels), side)
                begin = positions(still + to.detach(), light)
                along.append(sample_along(light, velocity, taps, begin) - CHANGE_SCALE * _light(moved[-1]))
            a, b = moved
            seen = torch.cat((_light(a), CHANGE_SCALE * _light(b - a), *along), 1)
            out = as_cells(self.head(torch.cat((features, as_channels(seen, side, features)), 1)), side)
            weights, mask, rest = torch.split(out, [seen.shape[1] - 2, 1, 3], 1)
            mixed = torch.lerp(b, a, torch.sigmoid(mask))
            return joined(mixed + _filtered(weights, seen[:, 2:]) + bounded(rest), side)

        height = own.pixels.shape[2]
        return by_strips(fine, height, tile=tile, margin=self.margin, grid=self.path.unshuffle), flows


def _ground(flow: Tensor, side: int, strip: Strip) -> Tensor:
    """Where the pixels of a strip are, as cells like those of the flow."""
    _, _, height, width = flow.shape
    return cells(ground(side * height, side * width, flow, strip.top), side).repeat(len(flow) // side**2, 1, 1, 1)


def _moved(pixels: Tensor, places: Tensor, side: int) -> Tensor:
    """A picture [B, C, H, W] at places given as cells, [B * side * side, 2, h, w] -> [B * side * side, C, h, w]."""
    return sample(for_cells(pixels, side), positions(places, pixels))


def _light(x: Tensor) -> Tensor:
    """Brightness [B, 1, h, w] of colours [B, 3, h, w]."""
    return x.mean(1, keepdim=True)


def _filtered(weights: Tensor, along: Tensor) -> Tensor:
    """What a filter adds: the weighted sum of CHANGE_SCALE times the differences along a path, [B, 1, h, w]."""
    return (weights * along).sum(1, keepdim=True) / CHANGE_SCALE
