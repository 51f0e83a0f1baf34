"""Whether a frame is smeared along its own motion: what tells a blurred frame from a smooth one.

How much brightness differs between two places grows with their distance. Along the motion of a blurred frame it grows
as in a ramp, with the square, up to the length of the exposure; across it, and in a sharp frame, much more slowly.
Measured at places that are parts of the motion, the ratio is the same for slow and for fast motion. No single place
knows it: a neighbourhood knows more, and the whole frame, which was exposed at once, knows most.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from alanet_core import native
from alanet_core.model.light import mean
from alanet_core.model.motion import sample_along, standing
from alanet_core.native import smear as of_c

_WINDOW = 9  # pixels of the coarse level along one side of a neighbourhood
_FLOOR = 1e-5  # squared difference of brightness that noise may make
_STRETCH = 3.0  # brings the logarithms of ratios to the size of features
_MOVING = 0.5  # pixels per frame below which motion leaves no trace
SURE, LEANING = 4.0, 0.6
"""A frame counts as blurred above this logit, as sharp below. Whole pictures tell more than the crops of training."""
_NUMBERS = {"floor": _FLOOR, "stretch": _STRETCH, "moving": _MOVING}


def smear(light: Tensor, flow: Tensor, pace: float, taps: tuple[float, ...], scale: int) -> Tensor:
    """How the squared difference of brightness grows along the motion: [B, len(taps) // 2, h, w] float32.

    light: [B, 1, H, W]. flow: [B, 4, h, w] at 1 / scale of the size, in pixels of that size; the velocity is `pace` of
    the way from its one end to the other. taps: mirrored.
    The logarithm of each tap's difference to that of the farthest; and of the farthest, how far it is above noise.
    """
    if _served(light, flow, taps):
        return of_c.Smear(flow, pace, taps, scale, **_NUMBERS).smear(light)
    return _smear(light, _velocity(flow, pace), taps, scale)


def cues(lights: tuple[Tensor, ...], flow: Tensor, pace: float, taps: tuple[float, ...], scale: int) -> Tensor:
    """The same of whole frames, along the motion and across it: [frames, B, cue_count(taps)] float32.

    Means over what moves, and means weighted by speed. lights: of each frame; else as for `smear`. Of a whole frame the
    motion where the own one has it is good enough for its neighbours: nothing is warped.
    """
    if _served(lights[0], flow, taps):
        return of_c.Smear(flow, pace, taps, scale, **_NUMBERS).cues(lights)[0][:, None]
    velocity = _velocity(flow, pace)
    return torch.stack([_told(_sums(light, velocity, taps, scale)) for light in lights])


def _served(light: Tensor, flow: Tensor, taps: tuple[float, ...], learnt: Iterable[Tensor] = ()) -> bool:
    return len(taps) <= of_c.MOST_TAPS and native.serves(light, flow, learnt=learnt)


def _velocity(flow: Tensor, pace: float) -> Tensor:
    return pace * (flow[:, 2:] - flow[:, :2]).detach()


@torch.no_grad()
def _smear(light: Tensor, velocity: Tensor, taps: tuple[float, ...], scale: int) -> Tensor:
    change = _changes(light, velocity, taps, scale)
    half = len(taps) // 2
    growth = torch.log(mean((change[:, :half].flip(1) + change[:, half:]) / 2, _WINDOW) + _FLOOR)
    near, far = growth[:, : half - 1], growth[:, half - 1 :]
    return torch.cat((_STRETCH * (near - far), _above_noise(far)), 1)


@torch.no_grad()
def _sums(light: Tensor, velocity: Tensor, taps: tuple[float, ...], scale: int) -> Tensor:
    """Of squared differences, along and across, of speed, and of 1: [B, 2, len(taps) + 2], weighted in two ways."""
    ahead = taps[len(taps) // 2 :]
    across = torch.cat((-velocity[:, 1:], velocity[:, :1]), 1)
    change = torch.cat([_changes(light, direction, ahead, scale) for direction in (velocity, across)], 1)
    speed = scale * (velocity[:, :1].square() + velocity[:, 1:].square()).sqrt()
    weights = torch.cat(((speed > _MOVING).float(), speed), 1).flatten(2)
    seen = torch.cat((change, speed, torch.ones_like(speed)), 1).flatten(2)
    # No matrix product: in training that would be one of bfloat16, and these are squares of small differences.
    return (weights[:, :, None] * seen[:, None]).sum(-1)


@torch.no_grad()
def _told(sums: Tensor) -> Tensor:
    """[..., 2, len(taps) + 2] -> [..., cue_count(taps)]."""
    means = sums[..., :-1] / (sums[..., -1:] + 1e-3)
    growth, pace = torch.log(means[..., :-1] + _FLOOR), torch.log(means[..., -1:] + 0.1)
    along, beside = growth.chunk(2, -1)
    far = along[..., -1:], beside[..., -1:]
    found = (along - beside, along[..., :-1] - far[0], beside[..., :-1] - far[1], _above_noise(far[1]) / _STRETCH, pace)
    return _STRETCH * torch.cat(found, -1).flatten(-2)


def cue_count(taps: tuple[float, ...]) -> int:
    """How many numbers `cues` gives a frame."""
    return 3 * len(taps)


class Blurred(nn.Module):
    """Whether frames are blurred, told from their `cues`: [..., cues] -> logits [..., 1] float32."""

    def __init__(self, taps: tuple[float, ...], hidden: int = 16) -> None:
        super().__init__()
        self.taps = taps
        self.hidden = nn.Linear(cue_count(taps), hidden)
        self.verdict = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return _exactly(self.verdict, torch.tanh(_exactly(self.hidden, x)))

    def judge(self, lights: tuple[Tensor, ...], flow: Tensor, pace: float, scale: int) -> tuple[Tensor, Tensor]:
        """From frames' brightness as `cues` takes it, the logits and what `share` makes of them: [B, frames] each."""
        if _served(lights[0], flow, self.taps, learnt=self.parameters()):
            smear = of_c.Smear(flow, pace, self.taps, scale, **_NUMBERS)
            _cues, logits, shares = smear.cues(lights, of_c.Judge((self.hidden, self.verdict), SURE, LEANING))
            return logits, shares
        logits = self(cues(lights, flow, pace, self.taps, scale))[..., 0].transpose(0, 1)
        return logits, share(logits)


def share(logits: Tensor) -> Tensor:
    """How much of its filter a frame is given, 0 to 1, from the logit of its being blurred."""
    return torch.sigmoid(SURE * (logits - LEANING))


def _exactly(layer: nn.Linear, x: Tensor) -> Tensor:
    """A small layer in float32, whatever the network's dtype: written out, as above."""
    return (x[..., None, :] * layer.weight.float()).sum(-1) + layer.bias.float()


def _changes(light: Tensor, velocity: Tensor, taps: tuple[float, ...], scale: int) -> Tensor:
    """Squared differences of brightness to places at parts of a velocity: [B, len(taps), h, w]."""
    _, _, height, width = velocity.shape
    at = standing(light, height, width, step=scale, offset=(scale - 1) / 2).expand(len(light), -1, -1, -1)
    here = sample_along(light, scale * velocity, (0.0, *taps), at)
    return (here[:, 1:] - here[:, :1]).square()


def _above_noise(growth: Tensor) -> Tensor:
    level = torch.full_like(growth, _FLOOR).log()
    return (growth - level) / _STRETCH
