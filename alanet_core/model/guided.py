"""G with its neighbours in place, guided by measured motion.

G's mean of two neighbours' skips learns motion very slowly. Here they are warped into place before they are fused, by
the motion that `search.py` has found, and a correction of it that is learnt level by level. All levels lie at a quarter
of the size and below, so that only the last convolutions cost much.

Those give no picture but a filter for every pixel: weights for places along its path, on which motion has smeared it
(eq. 7 is a mean along the path, so its inverse lies there too, and is the same for all speeds when the places are
counted in parts of the motion); and shares of what the neighbours show. Kernel prediction: Bako et al. 2017.
"""

import dataclasses
import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alanet_core import native
from alanet_core.config import ModelConfig
from alanet_core.latent import Latent
from alanet_core.model.blocks import SLOPE, DoubleConv, Head, Row, Step, activate, conv, head, of_parts, upsample, zero
from alanet_core.model.fine import CHANGE_SCALE, Native, Scene, form
from alanet_core.model.flows import finest, going_on, pyramid
from alanet_core.model.light import Planes
from alanet_core.model.motion import gather, like, warp
from alanet_core.model.smear import Blurred, smear
from alanet_core.model.strips import Strip, by_strips, near
from alanet_core.native import levels as of_c
from alanet_core.native.fine import MOST_LAYERS
from alanet_core.native.smear import append

FLOW_SCALE = 4.0  # brings flows of a few pixels to the size of features; larger ones count by their logarithm
FLOWS = 4  # channels of a pair of flows: to the earlier neighbour (x, y), to the later one (x, y)

STRIP = 1 << 14  # places of a level that a CPU makes at a time: some hundred channels of each lie side by side
COARSER = 2  # levels above the bottleneck, where the search for motion begins


class Features(NamedTuple):
    """One level of the two neighbours, and of the own frame where there is one: [B, C, h, w] each."""

    a: Tensor
    b: Tensor
    own: Tensor | None


class Traced(NamedTuple):
    """What a generator makes, and what it found on the way.

    picture: [B, 3, H, W] float32. flows: pairs of flows [B, 4, h, w] by level, coarsest first; the last is where the
    last convolutions work. blurred: [B, frames] float32, for each frame the logit of its being blurred, earliest first.
    scene: what the picture was made of; its flow as the frame was smeared by it.
    """

    picture: Tensor
    flows: list[Tensor]
    blurred: Tensor
    scene: Scene


class GuidedLevel(nn.Module):
    """Warp the neighbours' features, compare, fuse, correct the flow."""

    def __init__(self, inputs: int, channels: int, last: int, *, own: bool) -> None:
        super().__init__()
        frames, changes = (3, 2) if own else (2, 1)
        self.reduce = conv(inputs + frames * channels + FLOWS + changes, channels, 1)
        self.fuse = DoubleConv(channels, channels)
        self.flow = conv(channels, FLOWS, last)
        zero(self.flow)
        steps = [Step(layer, SLOPE) for layer in (self.reduce, self.fuse.first, self.fuse.second)]
        self.row = Row(*steps, *([Step(self.flow, 1.0)] if last == 1 else []))

    def forward(
        self, z: Tensor, correction: Tensor | None, motion: Tensor, features: Features, planes: Planes
    ) -> tuple[Tensor, Tensor, Tensor]:
        """z, the correction and the flow of this level; z and correction as the coarser level left them, if any."""
        if native.serves(z, motion, learnt=self.parameters()):
            return self._in_c(z, correction, motion, features, planes)
        if correction is None:
            correction = torch.zeros_like(motion)
        else:
            z, correction = upsample(z), 2 * upsample(correction)
        flow = motion + correction
        found = like(torch.cat((torch.asinh(flow / FLOW_SCALE), _changes(flow, planes)), 1), z)
        own = () if features.own is None else (features.own,)
        moved = (gather(x, to) for x, to in ((features.a, flow[:, :2]), (features.b, flow[:, 2:])))
        z = self.fuse(activate(of_parts(self.reduce, itertools.chain((z,), moved, (found,), own))))
        correction = correction + self.flow(z).float()
        return z, correction, motion + correction

    def _in_c(
        self, z: Tensor, correction: Tensor | None, motion: Tensor, features: Features, planes: Planes
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same; what is side by side is one convolution, and made a strip at a time."""
        begin = torch.empty_like(motion, memory_format=torch.contiguous_format)
        level = of_c.Level(
            z=z,
            correction=correction,
            motion=motion,
            features=(features.own, features.a, features.b),
            lights=(planes.own, planes.a, planes.b),
            begin=begin,
            scales=(FLOW_SCALE, CHANGE_SCALE),
        )

        def reduced(strip: Strip) -> Tensor:
            return self.reduce.active(level.look(range(*strip)))

        if layers := self.row.packed(z):
            made = level.whole(layers)
            if not isinstance(made, Tensor):
                return made
            fused = made
        else:
            height, width = motion.shape[2:]
            fused = self.fuse(by_strips(reduced, height, tile=near(height, width, STRIP), margin=0, grid=1))
        return fused, *of_c.settle(motion, begin, self.flow(fused))


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
        self.unshuffle, self.fold, self.taps, self.detail = config.unshuffle, config.fold, config.taps, config.detail
        self.restores = bool(config.restore)
        self.levels = nn.ModuleList(
            GuidedLevel(inputs, outputs, config.last, own=own)
            for inputs, outputs in zip((channels[0], *channels[:-1]), channels, strict=True)
        )
        told = 3 + len(config.taps) // 2 if own else 2  # of each frame, whether it is blurred; of the own one, where
        self.unfold = conv(channels[-1] + told, config.detail * (config.unshuffle // config.fold) ** 2, 1)

    def forward(
        self, z: Tensor, frames: tuple[Latent, Latent | None, Latent], planes: list[Planes], motion: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """frames: a, own, b. motion: [B, 4, h, w] where the last convolutions work, as is the last of the flows."""
        earlier, own, later = frames
        level_of_flow, top = self.unshuffle.bit_length() - 1, len(self.levels) - 1
        begin = pyramid(motion, self.unshuffle // self.fold, top + 1)
        correction: Tensor | None = None
        flows: list[Tensor] = []
        for level, at in zip(self.levels, range(top, -1, -1), strict=True):
            features = _features(earlier, later, own, at)
            z, correction, flow = level(z, correction, begin[at], features, planes[level_of_flow + at])
            flows.append(flow)
        assert correction is not None
        return z, [*flows, finest(motion, correction)]

    def filmed(self, scene: Scene) -> Scene:
        """As the last convolutions get it: without filters where passes follow, which want to see the blur as it is."""
        return dataclasses.replace(scene, gates=torch.zeros_like(scene.gates)) if self.restores else scene

    def scene(self, frames: tuple[Latent, Latent | None, Latent], flow: Tensor, folded: Tensor, gates: Tensor) -> Scene:
        """What the picture is made of; frames: a, own, b."""
        a, own, b = frames
        return Scene(
            own=own,
            a=a,
            b=b,
            flow=flow,
            folded=folded,
            gates=gates,
            taps=self.taps,
            detail=self.detail,
            side=self.fold,
            unfolds=self.unshuffle // self.fold,
        )


def halvings(config: ModelConfig) -> int:
    """How often brightness is halved in size to look for motion: to above the bottleneck."""
    return config.unshuffle.bit_length() - 2 + len(config.channels) + COARSER


def _planes(earlier: Latent, later: Latent, own: Latent | None) -> list[Planes]:
    """Brightness at every size that motion is looked for."""
    none = (None,) * len(earlier.light)
    return [Planes(*x) for x in zip(earlier.light, later.light, own.light if own else none, strict=True)]


def _features(earlier: Latent, later: Latent, own: Latent | None, level: int) -> Features:
    def of(latent: Latent) -> Tensor:
        return (*latent.skips, latent.core.features)[level]

    return Features(of(earlier), of(later), of(own) if own else None)


class GuidedSharp(nn.Module):
    """z_n and frames n-1, n, n+1 -> the sharp frame n, [B, 3, H, W] float32.

    Frame n, filtered along its own motion; plus shares of its two neighbours, moved into place; plus a correction.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.taps = config.taps
        cells, taps = config.fold**2, len(config.taps)
        self.path = GuidedPath(config, own=True)
        # Sharp frames want no filter. That a factor of its own says so is learnt at once.
        self.blurred = Blurred(config.taps)
        self.head = head(config.detail + cells * (taps + 3), config.sharp_head, cells * (taps + 2 + 3), config.last)
        zero(self.head[-1])

    def forward(
        self, z: Tensor, frames: tuple[Latent, Latent, Latent], motions: tuple[Tensor, Tensor], tile: int = 0
    ) -> Tensor:
        return self.trace(z, frames, motions, tile=tile).picture

    def trace(
        self,
        z: Tensor,
        frames: tuple[Latent, Latent, Latent],
        motions: tuple[Tensor, Tensor],
        *,
        told: Tensor | None = None,
        tile: int = 0,
    ) -> Traced:
        """The picture, and what led to it.

        frames: n-1, n, n+1. motions: from n-1 to n and from n to n+1, as `Alanet.match` gives them.
        told: [B, 3], 1 for a frame that is blurred, 0 for a sharp one, if known.
        """
        previous, own, following = frames
        planes = _planes(previous, following, own)
        before, after = (motion[:, -FLOWS:] for motion in motions)  # of the finest search
        motion = torch.cat((before[:, 2:], after[:, :2]), 1)
        z, flows = self.path(z, (previous, own, following), planes, motion)
        coarse, smearing = (going_on(flow, frames) for flow in flows[-2:])
        smeared = smear(own.light[0], coarse, 0.5, self.taps, self.path.unshuffle)
        blurred, shares = self.blurred.judge(
            tuple(frame.light[0] for frame in frames), coarse, 0.5, self.path.unshuffle
        )
        told = shares if told is None else told
        folded = self.path.unfold(_with(z, told, smeared))
        del z
        scene = self.path.scene((previous, own, following), flows[-1], folded, told[:, 1:2])
        picture = _picture(self.path.filmed(scene), self.head, tile)
        return Traced(picture, flows, blurred, dataclasses.replace(scene, flow=smearing))


class GuidedMiddle(nn.Module):
    """z_{n+1/2} and frames n, n+1 -> the middle frame, [B, 3, H, W] float32.

    Both frames, moved into place and mixed; filtered along their motion; plus a correction.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.taps = config.taps
        cells, taps = config.fold**2, len(config.taps)
        self.path = GuidedPath(config, own=False)
        self.blurred = Blurred(config.taps)
        self.head = head(config.detail + cells * (taps + 2), config.middle_head, cells * (taps + 1 + 3), config.last)
        zero(self.head[-1])

    def forward(self, z: Tensor, frames: tuple[Latent, Latent], motion: Tensor, tile: int = 0) -> Tensor:
        return self.trace(z, frames, motion, tile=tile).picture

    def trace(
        self,
        z: Tensor,
        frames: tuple[Latent, Latent],
        motion: Tensor,
        *,
        told: Tensor | None = None,
        tile: int = 0,
    ) -> Traced:
        """The picture, and what led to it.

        frames: n, n+1. motion: from n to n+1, as `Alanet.match` gives it. told: [B, 2], as above.
        """
        own, following = frames
        planes = _planes(own, following, None)
        z, flows = self.path(z, (own, None, following), planes, motion[:, :FLOWS])
        coarse, finest = flows[-2:]
        lights = own.light[0], following.light[0]
        blurred, shares = self.blurred.judge(lights, coarse, 1.0, self.path.unshuffle)
        told = shares if told is None else told
        folded = self.path.unfold(_with(z, told))
        del z
        scene = self.path.scene((own, None, following), finest, folded, told)
        return Traced(_picture(self.path.filmed(scene), self.head, tile), flows, blurred, scene)


def _picture(scene: Scene, head: Head, tile: int) -> Tensor:
    """Look, let the last convolutions judge, compose: strip by strip or in C, [B, 3, H, W] float32."""
    picture = form(scene, head.parameters())
    if isinstance(picture, Native) and (layers := head.row.packed(scene.folded)) and len(layers) <= MOST_LAYERS:
        return picture.whole(layers)

    def fine(strip: Strip) -> Tensor:
        inputs, compose = picture.look(strip)
        return compose(head(inputs))

    margin = picture.margin + scene.side * head.reach(scene.folded)
    grid = math.lcm(picture.grid, scene.side * head.grid(scene.folded))
    return by_strips(fine, scene.a.pixels.shape[2], tile=tile or picture.tile, margin=margin, grid=grid)


def _with(z: Tensor, told: Tensor, smeared: Tensor | None = None) -> Tensor:
    """Features, with what is known of whole frames at every place, and with more planes."""
    if native.serves(z, learnt=(told,)):
        return append(z, told, smeared)
    everywhere = told[:, :, None, None].expand(-1, -1, *z.shape[2:])
    more = () if smeared is None else (smeared,)
    return torch.cat((z, *(like(x, z) for x in (everywhere, *more))), 1)
