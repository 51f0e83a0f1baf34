"""Training samples made on the fly: sample number i of a seed is always the same, whoever makes it, and when."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from alanet_core.training.blur import frames_needed, synthesize_blur
from alanet_core.training.clips import has_detail, motion_per_frame, runs_evenly
from alanet_core.training.motion import Rng
from alanet_core.training.photos import PhotoSet
from alanet_core.training.sequences import random_scene

_LONGEST = 11
_STRIDE = 8
_SLOW_ENOUGH = 1.2
"""Pixels per frame up to which the mean of 11 frames of a clip is a blur, and not a row of ghosts."""
_STILL = 0.08
"""Pixels per frame below which nothing moves; most of such parts are passed over."""
_ATTEMPTS = 6
_GAMMA = 2.2
"""Code values to linear light, near enough to what cameras do."""


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """What samples are like.

    frames: low-rate frames N of a sample. size: height and width. fastest: about the most pixels per interval.
    sharp_share: how many samples have no blur at all; they are quicker to make, and teach motion itself.
    clip_share: how many come from clips, where there are any. short_share: how many exposures are shorter than 11.
    linear_share: how many are blurred in linear light, as by a camera; the others in code values, as the paper does.
    """

    frames: int = 4
    size: int = 128
    fastest: float = 16.0
    sharp_share: float = 0.2
    clip_share: float = 0.35
    short_share: float = 0.3
    linear_share: float = 0.25

    @property
    def planes(self) -> int:
        """Pictures in a sample: N blurry, N sharp, N-1 middle."""
        return 3 * self.frames - 1


class SampleMaker(Dataset[Tensor]):
    """Sample i -> [3N-1,3,size,size] uint8: N blurry frames, their N sharp ones, the N-1 middle ones between them."""

    def __init__(self, config: SampleConfig, seed: int, photos: PhotoSet, clips: tuple[Tensor, ...] = ()) -> None:
        """clips: [T,3,h,w] uint8 each; those too short or too small for a sample are never chosen."""
        self.config = config
        self._seed = seed
        self._photos = photos
        self._clips = tuple(c for c in clips if len(c) >= 2 * config.frames and min(c.shape[2:]) >= config.size)

    def __getitem__(self, index: int) -> Tensor:
        rng = np.random.default_rng([self._seed, index])
        if self._clips and rng.random() < self.config.clip_share:
            taken = self._from_clip(rng)
            if taken is not None:
                return taken
        size = (self.config.size, self.config.size)
        span = frames_needed(self.config.frames, length=_LONGEST, stride=_STRIDE)
        scene = random_scene(rng, self._photos, size, intervals=span / _STRIDE, fastest=self.config.fastest)
        if rng.random() < self.config.sharp_share:
            times = (np.arange(2 * self.config.frames - 1) * _STRIDE / 2 + _LONGEST // 2) / _STRIDE
            return _unblurred(scene.render(times))
        return self._blurred(rng, scene.render(np.arange(span) / _STRIDE))

    def _blurred(self, rng: Rng, frames: Tensor) -> Tensor:
        short = rng.random() < self.config.short_share
        length = int(rng.choice([3, 5, 7, 9])) if short else _LONGEST
        frames = frames[(_LONGEST - length) // 2 :]
        made = synthesize_blur(frames, length, _STRIDE)
        assert made.middle is not None
        assert len(made.inputs) == self.config.frames
        inputs = made.inputs
        if rng.random() < self.config.linear_share:
            light = synthesize_blur((frames / 255) ** _GAMMA, length, _STRIDE).inputs
            inputs = (255 * light ** (1 / _GAMMA)).round_().to(torch.uint8)
        return torch.cat((inputs, made.sharp, made.middle))

    def _from_clip(self, rng: Rng) -> Tensor | None:
        """Every other frame of a clip; or, where it is slow enough, blur as if it had been filmed at a high rate."""
        high_rate = rng.random() < 0.5
        count = self.config.frames
        span = frames_needed(count, length=_LONGEST, stride=_STRIDE) if high_rate else 2 * count - 1
        for _ in range(_ATTEMPTS):
            part = self._part(rng, span, shrink=2 if rng.random() < (0.7 if high_rate else 0.3) else 1)
            if part is None:
                continue
            motion = motion_per_frame(part)
            still = float(motion.mean()) < _STILL
            if not runs_evenly(motion) or not has_detail(part[0]) or (still and rng.random() < 0.8):
                continue
            if not high_rate:
                return _unblurred(part)
            if float(motion.max()) < _SLOW_ENOUGH:
                return self._blurred(rng, part)
        return None

    def _part(self, rng: Rng, span: int, *, shrink: int) -> Tensor | None:
        """A random part of a random clip, [span,3,size,size], shrunk by a whole number."""
        clip = self._clips[int(rng.integers(len(self._clips)))]
        side = self.config.size * shrink
        if len(clip) < span or min(clip.shape[2:]) < side:
            return None
        n, y, x = (
            int(rng.integers(have - want + 1))
            for have, want in zip((len(clip), *clip.shape[2:]), (span, side, side), strict=True)
        )
        part = clip[n : n + span, :, y : y + side, x : x + side]
        if shrink == 1:
            return part.contiguous()
        return F.avg_pool2d(part.float(), shrink).round_().to(torch.uint8)


def _unblurred(frames: Tensor) -> Tensor:
    """A sample whose low-rate frames are sharp, from 2N-1 frames at twice the rate."""
    low, between = frames[::2], frames[1::2]
    return torch.cat((low, low, between))
