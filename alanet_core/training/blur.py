"""Motion blur as the paper makes it: eq. 7, the mean of 2t+1 consecutive sharp frames of a high-rate clip.

Windows may overlap (11 of every 8 frames in the paper), frames are blurred at random, because no input frame is
assumed to be blurry, and every choice comes from one seed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from alanet_core.errors import ConfigError, FrameError, must


@dataclass(frozen=True, kw_only=True)
class BlurredClip:
    """A low-rate clip and the high-rate frames that it should be turned into.

    inputs: [N,3,H,W], dtype of the source: the low-rate frames, each blurred or not.
    blurred: [N] bool: which of them were averaged.
    sharp: [N,3,H,W]: the centre of each blur window.
    middle: [N-1,3,H,W]: the frame half a stride after each centre but the last; None for an odd stride, which has none.
    """

    inputs: Tensor
    blurred: Tensor
    sharp: Tensor
    middle: Tensor | None


def frames_needed(count: int, *, length: int = 11, stride: int = 8) -> int:
    """How many high-rate frames give `count` low-rate ones."""
    return (count - 1) * stride + length


def low_rate_count(total: int, *, length: int = 11, stride: int = 8) -> int:
    """How many low-rate frames `total` high-rate frames give: those whose whole blur window exists."""
    return 0 if total < length else (total - length) // stride + 1


def mean_frame(frames: Tensor) -> Tensor:
    """Eq. 7: the mean over the first axis, [T,...] -> [...]; integers are rounded to the nearest (ties to even)."""
    if frames.is_floating_point():
        return frames.mean(0)
    return frames.float().mean(0).round_().to(frames.dtype)


def synthesize_blur(
    frames: Tensor,
    length: int = 11,
    stride: int = 8,
    *,
    probability: float = 1.0,
    seed: int | torch.Generator = 0,
) -> BlurredClip:
    """Turn a sharp high-rate clip into a low-rate one whose frames are blurred at random (paper, section 4.1, eq. 7).

    frames: [T,3,H,W], uint8 or floating, T >= length; of any range, the result has the same.
    length: 2t+1, how many frames one exposure covers; odd, so that it has a centre.
    stride: high-rate frames per low-rate frame; smaller than length where exposures overlap.
    probability: the chance of each frame, on its own, to be blurred; 1 all, 0 none.
    seed: a number, or a generator to draw from; the same seed gives the same choice of frames.

    Raises ConfigError for settings out of range and FrameError for too short a clip.
    """
    _check(frames, length, stride, probability)
    count = low_rate_count(len(frames), length=length, stride=stride)
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    blurred = torch.rand(count, generator=generator) < probability
    centres = [length // 2 + stride * n for n in range(count)]
    sharp = frames[centres]
    inputs = sharp.clone()
    for n in torch.nonzero(blurred).flatten().tolist():
        inputs[n] = mean_frame(frames[stride * n : stride * n + length])
    middle = frames[[c + stride // 2 for c in centres[:-1]]] if stride % 2 == 0 else None
    return BlurredClip(inputs=inputs, blurred=blurred, sharp=sharp, middle=middle)


def _check(frames: Tensor, length: int, stride: int, probability: float) -> None:
    if length < 1 or length % 2 == 0:
        raise ConfigError(must("length", "an odd number of frames, 1 or more", length, "take 11, as in the paper"))
    if stride < 1:
        raise ConfigError(must("stride", "1 or more", stride, "take 8, as in the paper"))
    if not 0.0 <= probability <= 1.0:
        raise ConfigError(must("probability", "between 0 and 1", probability, "1 blurs every frame, 0 none"))
    if frames.ndim != 4 or frames.shape[1] != 3:
        raise FrameError(must("frames", "of shape [T,3,H,W]", tuple(frames.shape), "stack RGB frames along time"))
    if len(frames) < length:
        raise FrameError(must("frames", f"at least {length} frames long", len(frames), "use a longer clip"))
