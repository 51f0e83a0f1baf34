"""Whether a frame is smeared along its own motion: what tells a blurred frame from a smooth one, without learning.

How much brightness differs between two places grows with their distance. Along the motion of a blurred frame it grows
as in a ramp, with the square, up to the length of the exposure; across it, and in a sharp frame, much more slowly.
Measured at places that are parts of the motion, the ratio is the same for slow and for fast motion. No single place
knows it, so it is taken over a neighbourhood.
"""

import torch
from torch import Tensor

from alanet_core.model.classical import mean
from alanet_core.model.motion import ground, positions, sample_along

_WINDOW = 9  # pixels of the coarse level along one side of a neighbourhood
_FLOOR = 1e-5  # squared difference of brightness that noise may make
_STRETCH = 3.0  # brings the logarithms of ratios to the size of features


@torch.no_grad()
def smear(light: Tensor, velocity: Tensor, taps: tuple[float, ...], scale: int) -> Tensor:
    """How the squared difference of brightness grows along the motion: [B, len(taps) // 2, h, w] float32.

    light: [B, 1, H, W]. velocity: [B, 2, h, w] at 1 / scale of the size, in pixels of that size. taps: mirrored.
    The logarithm of each tap's difference to that of the farthest; and of the farthest, how far it is above noise.
    """
    _, _, height, width = velocity.shape
    at = positions(scale * ground(height, width, velocity) + (scale - 1) / 2, light).expand(len(light), -1, -1, -1)
    here = sample_along(light, scale * velocity, (0.0, *taps), at)
    change = (here[:, 1:] - here[:, :1]).square()
    half = len(taps) // 2
    growth = torch.log(mean((change[:, :half].flip(1) + change[:, half:]) / 2, _WINDOW) + _FLOOR)
    near, far = growth[:, : half - 1], growth[:, half - 1 :]
    level = torch.full_like(far, _FLOOR).log()
    return torch.cat((_STRETCH * (near - far), (far - level) / _STRETCH), 1)
