"""One step's forward: the outputs that a sample has targets for, made as in `alanet_core.model.clip`.

A sample holds 2r+2 frames for a window of radius r: just enough that the two frames in its middle, and the frame
between these two, are made from whole windows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alanet_core.config import ModelConfig
from alanet_core.latent import Core, Latent, Window
from alanet_core.model import Alanet
from alanet_core.model.clip import encode_clip
from alanet_core.model.fine import Scene
from alanet_core.model.guided import GuidedMiddle, GuidedSharp, Traced
from alanet_core.model.motion import warp
from alanet_core.training.losses import middle_loss, pyramid_distance, sharp_loss
from alanet_core.training.pool import Batch

FLOW_WEIGHT = 0.3
VERDICT_WEIGHT = 0.02
_COARSER = 0.7  # the weight of a level's flow, relative to the next finer one


@dataclass(frozen=True)
class Losses:
    """Losses of one batch, scalars; `total` is what is made small.

    flow, verdict: of the flows, and of what is said of each frame's being blurred; 0 for a network without these.
    """

    sharp: Tensor
    middle: Tensor
    flow: Tensor
    verdict: Tensor

    @property
    def total(self) -> Tensor:
        """Both outputs weigh alike; what leads to them is helped along."""
        return self.sharp + self.middle + FLOW_WEIGHT * self.flow + VERDICT_WEIGHT * self.verdict


@dataclass(frozen=True)
class Made:
    """What a network makes of a sample: sharp [B,2,3,H,W] of frames r and r+1, middle [B,3,H,W] between them.

    to_sharp, to_middle: what led there (to_sharp with both frames in one batch); None for a network that has no flows.
    before: both as they were before each of the passes that undo blur, if there are any.
    """

    sharp: Tensor
    middle: Tensor
    before: tuple[tuple[Tensor, Tensor], ...]
    to_sharp: Traced | None
    to_middle: Traced | None


def frames_for(config: ModelConfig) -> int:
    """How many low-rate frames a sample must have for this network."""
    return 2 * config.lookahead + 2


def forward_middle(model: Alanet, inputs: Tensor, told: Tensor | None = None) -> Made:
    """inputs [B,2r+2,3,H,W] float32 -> the outputs in its middle.

    told: [B,2r+2], 1 for a frame that is blurred, 0 for a sharp one; None leaves it to the network to find out.
    """
    to_sharp, to_middle = trace_middle(model, inputs, told)
    sharps, middles = (
        [x] if isinstance(x, Tensor) else passed(model, x.picture, x.scene) for x in (to_sharp, to_middle)
    )
    batch = len(inputs)
    forms = list(zip((torch.stack((x[:batch], x[batch:]), 1) for x in sharps), middles, strict=True))
    led = (None if isinstance(x, Tensor) else x for x in (to_sharp, to_middle))
    return Made(*forms[-1], tuple(forms[:-1]), *led)


def trace_middle(model: Alanet, inputs: Tensor, told: Tensor | None) -> tuple[Traced | Tensor, Traced | Tensor]:
    """As above, before the passes that undo blur: both sharp frames as one batch [2B,3,H,W], and the middle one.

    With what led there, for a network that has flows; else the pictures alone.
    """
    latents = encode_clip(model, inputs)
    n, radius = model.config.lookahead, model.config.radius
    pair = [_join(latents[k], latents[k + 1]) for k in range(n - radius, n + radius + 1)]
    own = latents[n], latents[n + 1]
    # Both sharp frames go through the generator as one batch: fewer, larger convolutions.
    z = model.attend(Window(tuple(latent.core for latent in pair), None), middle=False).sharp
    assert z is not None
    previous, following = _join(latents[n - 1], latents[n]), _join(latents[n + 1], latents[n + 2])
    before, after = (model.match(latents[k], latents[k + 1], middle=False) for k in (n - 1, n + 1))
    between = model.match(*own)
    answers = between[:, between.shape[1] - before.shape[1] :]
    motions = torch.cat((before, answers)), torch.cat((answers, after))
    threes = None if told is None else _stacked(told, [slice(n - 1, n + 2), slice(n, n + 3)])
    sharp = _traced(model.sharp, z, (previous, _join(*own), following), motions, told=threes)
    window = Window((own[0].core,) * model.config.window, own[1].core)
    z = model.attend(window, sharp=False).middle
    assert z is not None
    pair_told = None if told is None else told[:, n : n + 2]
    return sharp, _traced(model.middle, z, own, between, told=pair_told)


def _traced(
    generator: nn.Module,
    z: Tensor,
    frames: tuple[Latent, ...],
    motion: Tensor | tuple[Tensor, Tensor],
    *,
    told: Tensor | None,
) -> Traced | Tensor:
    if isinstance(generator, GuidedSharp | GuidedMiddle):
        return generator.trace(z, frames, motion, told=told)  # type: ignore[arg-type]  # each with its own
    picture: Tensor = generator(z, frames, motion)
    return picture


def passed(model: Alanet, picture: Tensor, scene: Scene) -> list[Tensor]:
    """The picture, and after each pass that undoes blur, if the network has any."""
    return [picture, *(model.restore(picture, scene) if model.restore else [])]


def step_losses(model: Alanet, batch: Batch, *, perceptual: float) -> Losses:
    """The losses of eq. 8 for a batch, and those of the flows and of what is said of the frames.

    Which frames are blurred is told: what is learnt of undoing blur must not wait for what is learnt of finding it.
    Where that is left open, the best that can be given a frame that may be sharp is next to nothing.
    """
    n = model.config.lookahead
    made = forward_middle(model, batch.inputs, batch.blurred * (batch.visible > 0))
    wanted, middle = batch.sharp[:, n : n + 2], batch.middle[:, n]
    flow = verdict = wanted.new_zeros(())
    if made.to_sharp and made.to_middle:
        previous, first, second, following = (batch.sharp[:, k] for k in range(n - 1, n + 3))
        own = torch.cat((first, second))
        flow = flow_loss(made.to_sharp.flows, torch.cat((previous, first)), torch.cat((second, following)), own)
        flow = flow + flow_loss(made.to_middle.flows, first, second, middle)
        threes = [slice(n - 1, n + 2), slice(n, n + 3)]
        verdict = verdict_loss(made.to_sharp.blurred, *(_stacked(x, threes) for x in (batch.blurred, batch.visible)))
        pair = slice(n, n + 2)
        verdict = verdict + verdict_loss(made.to_middle.blurred, batch.blurred[:, pair], batch.visible[:, pair])
    forms = (*made.before, (made.sharp, made.middle))
    of_sharp = of_all(sharp_loss, [sharp.flatten(0, 1) for sharp, _ in forms], wanted.flatten(0, 1), perceptual)
    of_middle = of_all(middle_loss, [between for _, between in forms], middle, perceptual)
    return Losses(sharp=of_sharp, middle=of_middle, flow=flow, verdict=verdict)


def of_all(
    loss: Callable[[Tensor, Tensor], Tensor], forms: Sequence[Tensor], wanted: Tensor, perceptual: float
) -> Tensor:
    """The mean loss of a picture after each pass: none hands gradients to what comes before it. eq. 8."""
    total = torch.stack([loss(made, wanted) for made in forms]).mean()
    return total + perceptual * pyramid_distance(forms[-1], wanted) if perceptual else total


def verdict_loss(logits: Tensor, blurred: Tensor, visible: Tensor) -> Tensor:
    """The cross-entropy of what is said of frames and what they are, [B,frames] each, where that can be seen."""
    return F.binary_cross_entropy_with_logits(logits, blurred, visible, reduction="sum") / (visible.sum() + 1)


def _stacked(x: Tensor, parts: Sequence[slice]) -> Tensor:
    """The parts of the frames [B,N] one below the other, as batches are joined."""
    return torch.cat([x[:, part] for part in parts])


def flow_loss(flows: Sequence[Tensor], a: Tensor, b: Tensor, wanted: Tensor) -> Tensor:
    """True sharp neighbours moved by the flows, against the true picture, at the size of each level: a scalar.

    Even where the inputs are blurred, what is moved here is sharp: the flow learns to see through the blur.
    """
    total = wanted.new_zeros(())
    for coarser, flow in enumerate(reversed(flows)):
        there = [F.avg_pool2d(x, wanted.shape[3] // flow.shape[3]) for x in (a, b, wanted)]
        moved = torch.stack((warp(there[0], flow[:, :2]), warp(there[1], flow[:, 2:])))
        total = total + _COARSER**coarser * (moved - there[2]).abs().mean()
    return total / max(len(flows), 1)


def _join(first: Latent, second: Latent) -> Latent:
    """Two latents as one of twice the batch."""

    def both(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat((a, b))

    core = Core(both(first.core.features, second.core.features), both(first.core.gates, second.core.gates))
    skips: Sequence[Tensor] = [both(a, b) for a, b in zip(first.skips, second.skips, strict=True)]
    light: Sequence[Tensor] = [both(a, b) for a, b in zip(first.light, second.light, strict=True)]
    return Latent(core, tuple(skips), both(first.pixels, second.pixels), tuple(light))
