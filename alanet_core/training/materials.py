"""What training is fed with: photographs, drawn pictures and clips, and the part of them that is held out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alanet_core.errors import RefusedError, must
from alanet_core.training.clips import find_clips, frames_of
from alanet_core.training.drawn import draw_picture
from alanet_core.training.photos import PhotoSet, find_photos, is_held_out, read_picture

_DRAWN_SHARE = 0.07  # of the pictures that textures are cut from
_DRAWN_SIZE = 448
_DRAWN_SEED = 1704
_CLIP_FRAMES = 120
_CLIPS_HELD_OUT = 4  # one in so many
_CLIP_WIDTH = 640


@dataclass(frozen=True)
class Materials:
    """photos: to train on. held_out: photographs for validation alone, at least one. clips: [T,3,h,w] uint8 each."""

    photos: PhotoSet
    held_out: PhotoSet
    clips: tuple[Tensor, ...]


def gather(photos: Path, clips: Path | None = None) -> Materials:
    """Read what is there. Raises RefusedError for folders without pictures or clips, or with too few of them."""
    found = find_photos(photos)
    held_out = [path for path in found if is_held_out(path)] or found[-1:]
    kept = [path for path in found if path not in set(held_out)]
    if not kept:
        raise RefusedError(must("photos", "two pictures or more", len(found), "add photographs: hundreds are better"))
    drawn = draw_pictures(max(1, round(_DRAWN_SHARE * len(kept))), _DRAWN_SIZE, _DRAWN_SIZE, seed=_DRAWN_SEED)
    pictures = PhotoSet([read_picture(path) for path in kept] + drawn).share()
    validation = PhotoSet([read_picture(path) for path in held_out])
    return Materials(pictures, validation, () if clips is None else read_clips(find_clips(clips)))


def draw_pictures(count: int, height: int, width: int, *, seed: int) -> list[Tensor]:
    """Pictures that the project draws itself, [3,H,W] uint8, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [draw_picture(rng, height, width) for _ in range(count)]


def read_clips(paths: list[Path]) -> tuple[Tensor, ...]:
    """The first frames of each clip, small, in shared memory; a clip that is held out by its name is left out."""
    kept = [path for path in paths if not is_held_out(path, one_in=_CLIPS_HELD_OUT)]
    return tuple(torch.Tensor.share_memory_(_read(path)) for path in kept)  # type: ignore[no-untyped-call]


def _read(path: Path) -> Tensor:
    return torch.stack(list(frames_of(path, wanted=range(_CLIP_FRAMES), width=_CLIP_WIDTH)))
