"""High-rate clips to evaluate on: from video files, from photographs, or drawn by the project itself."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from alanet_core.errors import RefusedError, must
from alanet_core.training.clips import count_frames, frames_of
from alanet_core.training.evaluate import EvalClip
from alanet_core.training.materials import draw_pictures
from alanet_core.training.photos import PhotoSet, read_picture
from alanet_core.training.protocol import Protocol
from alanet_core.training.sequences import random_scene

_PICTURES_A_CLIP = 5
_DRAWN_SCALE = 2.0  # drawn pictures, relative to the frame, so that there is room to move
_FASTEST_SHARE = 0.03  # of the frame's width, per interval: 19 pixels at 640


def clips_from_files(paths: Sequence[Path], protocol: Protocol) -> Iterator[EvalClip]:
    """The middle of each file, fitted to the protocol's size. Raises RefusedError for one that is too short."""
    needed = protocol.high_rate_frames
    for path in paths:
        total = count_frames(path)
        if total < needed:
            got = f"{path} ({total})"
            raise RefusedError(must("clips", f"at least {needed} frames long", got, "use fewer --frames"))
        start = (total - needed) // 2
        first = next(frames_of(path, wanted=range(1)))
        width = protocol.cover(first.shape[1], first.shape[2])
        frames = frames_of(path, wanted=range(start, start + needed), width=width)
        yield EvalClip(path.stem, torch.stack([protocol.fit(frame) for frame in frames]))


def clips_from_photos(paths: Sequence[Path], count: int, protocol: Protocol) -> Iterator[EvalClip]:
    """Seeded scenes, each made of its own few photographs, in the order of a seeded shuffle."""
    order = np.random.default_rng([protocol.seed, 0]).permutation(len(paths))
    for number in range(count):
        chosen = [paths[order[(number * _PICTURES_A_CLIP + k) % len(paths)]] for k in range(_PICTURES_A_CLIP)]
        yield _scene(number, PhotoSet([read_picture(path) for path in chosen]), protocol)


def clips_drawn(count: int, protocol: Protocol) -> Iterator[EvalClip]:
    """Seeded scenes of pictures that the project draws itself: the same everywhere, with no data at all."""
    width, height = (round(_DRAWN_SCALE * side) for side in protocol.size)
    for number in range(count):
        pictures = draw_pictures(_PICTURES_A_CLIP, height, width, seed=protocol.seed * 1_000_003 + number)
        yield _scene(number, PhotoSet(pictures), protocol)


def _scene(number: int, pictures: PhotoSet, protocol: Protocol) -> EvalClip:
    rng = np.random.default_rng([protocol.seed, 1, number])
    times = np.arange(protocol.high_rate_frames) / protocol.stride
    width, height = protocol.size
    scene = random_scene(
        rng, pictures, (height, width), intervals=float(times[-1]), fastest=max(4.0, _FASTEST_SHARE * width)
    )
    return EvalClip(f"scene {number}", scene.render(times))
