"""The paper's protocol (section 4.1): how a high-rate clip becomes inputs and targets, and what is compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from alanet_core.errors import ConfigError, must
from alanet_core.training.blur import BlurredClip, frames_needed, synthesize_blur

InputKind = Literal["blurred", "mixed", "sharp"]
INPUT_KINDS: tuple[InputKind, ...] = get_args(InputKind)

_PROBABILITY: dict[InputKind, float] = {"blurred": 1.0, "mixed": 0.5, "sharp": 0.0}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Settings of an evaluation. size: (width, height) at most; frames: low-rate frames of a clip; seed: of all chance.

    length and stride are those of eq. 7: how many high-rate frames an exposure and a low-rate interval cover.
    """

    size: tuple[int, int] = (640, 352)
    frames: int = 9
    length: int = 11
    stride: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.size) < 16:
            raise ConfigError(must("size", "at least 16x16", f"{self.size[0]}x{self.size[1]}", "use 640x352"))
        if self.frames < 2:
            raise ConfigError(must("frames", "2 or more", self.frames, "a middle frame lies between two"))
        if self.stride < 2 or self.stride % 2:
            raise ConfigError(must("stride", "even, 2 or more", self.stride, "use 8: an odd one has no middle frame"))
        if self.length < 1 or self.length % 2 == 0:
            raise ConfigError(must("length", "odd, 1 or more", self.length, "use 11, as the paper"))

    @property
    def high_rate_frames(self) -> int:
        """How many high-rate frames a clip is made from."""
        return frames_needed(self.frames, length=self.length, stride=self.stride)

    def inputs(self, clip: Tensor, kind: InputKind, number: int) -> BlurredClip:
        """Low-rate inputs and targets of the clip with this number; clip: [T,3,H,W] uint8."""
        chance = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        return synthesize_blur(clip, self.length, self.stride, probability=_PROBABILITY[kind], seed=chance)

    def fit(self, frame: Tensor) -> Tensor:
        """The middle of a frame [3,h,w] that has been shrunk to cover the size, cut to it (or to what there is)."""
        height, width = min(frame.shape[1], self.size[1]), min(frame.shape[2], self.size[0])
        top, left = (frame.shape[1] - height) // 2, (frame.shape[2] - width) // 2
        return frame[:, top : top + height, left : left + width].contiguous()

    def cover(self, height: int, width: int) -> int:
        """How wide a frame of this height and width is when it covers the size."""
        return max(round(width * max(self.size[0] / width, self.size[1] / height)), self.size[0])

    def words(self, source: str, clips: Sequence[tuple[int, int]]) -> list[str]:
        """The protocol as sentences. clips: (width, height) of each clip used."""
        sizes = ", ".join(sorted({f"{w}x{h}" for w, h in clips}))
        text = _WORDS.format(
            count=len(clips),
            source=source,
            sizes=sizes,
            wanted="x".join(map(str, self.size)),
            half=self.stride // 2,
            frames=self.frames,
            length=self.length,
            stride=self.stride,
            seed=self.seed,
        )
        return [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]


_WORDS = """
Clips: {count} {source}, {frames} low-rate frames each, at {sizes}: shrunk to cover {wanted} (each pixel the mean of
its area), cut from the middle, never enlarged; 8-bit RGB.

Blur (eq. 7): the mean of {length} consecutive high-rate frames in code values, rounded to 8 bits, one every {stride}
frames. Targets: deblur is the centre of the window, middle the frame {half} later, joint both together.

Inputs: blurred: every frame; mixed: each frame with a chance of 1/2 (seed {seed}); sharp: none. The network is not
told which. Each clip is one shot and goes through an AlanetStream. The middle after a clip's last frame, which a
stream repeats, is not counted. Outputs are clamped and rounded to 8 bits, as they would be seen.

Mixed, deblur of blurred and of sharp: the same, parted by how the frame came in.

Input: the frames as they came, each shown twice. The others: the frames as they came, and between them the mean of two
neighbours (blend), both moved by OpenCV's DIS flow (dis), or mvtools' FlowFPS (mvtools).

PSNR: over the three channels together. Of blurred input, and of the middle of sharp input: the mean over all frames
of all clips of each frame's PSNR, a frame counting 100 dB at most. Marked *: the PSNR of the mean squared error over
all frames, because frames that came in untouched have no finite PSNR of their own.

SSIM: Wang et al. 2004, 11x11 Gaussian of sigma 1.5, each channel on its own; the mean over all frames.

Flicker: of every sharp frame, the middle after it and the next sharp frame, the difference of their two differences
less the truth's own; root mean square over all pixels, in code values of 255; lower is better.

Sharp input, deblur: how near the output is to its input (do no harm); the input itself is identical.
"""
