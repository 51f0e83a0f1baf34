"""Video clips as raw material: read with PyAV, and found fit or not for what is to be made of them."""

from collections.abc import Iterator
from pathlib import Path

import av
import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.errors import RefusedError, must
from alanet_core.training.photos import SUFFIXES as PICTURE_SUFFIXES
from alanet_core.training.photos import read_picture

_BLOCK = 32
_NOISE = 4.0  # squared code values: what compression leaves in flat places
_FLAT = 8.0  # code values

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".ts", ".y4m"})


def find_clips(folder: Path) -> list[Path]:
    """Video files in a folder, and folders in it that hold a clip as numbered pictures, in the order of their names.

    Raises RefusedError where there is neither.
    """
    if not folder.is_dir():
        raise RefusedError(must("clips", "a folder", str(folder), "give a folder with video files"))
    found = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES or _pictures(p)]
    if not found:
        raise RefusedError(must("clips", "a folder with video files", str(folder), "put clips into it"))
    return found


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)


def frames_of(path: Path, *, wanted: range | None = None, width: int | None = None) -> Iterator[Tensor]:
    """The frames of a clip, or those whose number is in `wanted`, each [3,H,W] uint8 RGB.

    width: shrink wider frames to this width, each pixel the mean of the area it covers; smaller ones stay.
    Raises RefusedError where nothing can be decoded.
    """
    if path.is_dir():
        pictures = _pictures(path)
        for n in wanted or range(len(pictures)):
            if n < len(pictures):
                yield _shrink(read_picture(pictures[n]), width)
        return
    for frame in _decode(path, wanted):
        columns = min(frame.width, width or frame.width)
        rows = round(frame.height * columns / frame.width)
        small = frame.reformat(width=columns, height=rows, format="rgb24", interpolation="AREA")
        yield torch.from_numpy(small.to_ndarray()).permute(2, 0, 1).contiguous()


def count_frames(path: Path) -> int:
    """How many frames a clip has, by decoding it: what containers say is not to be relied on."""
    return len(_pictures(path)) if path.is_dir() else sum(1 for _ in _decode(path, None))


def _shrink(picture: Tensor, width: int | None) -> Tensor:
    if width is None or picture.shape[2] <= width:
        return picture
    size = (round(picture.shape[1] * width / picture.shape[2]), width)
    return F.interpolate(picture[None].float(), size=size, mode="area")[0].round_().to(torch.uint8)


def _decode(path: Path, wanted: range | None) -> Iterator[av.VideoFrame]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise RefusedError(must("clip", "a file with video", str(path), "remove it"))
            container.streams.video[0].thread_type = "AUTO"
            for n, frame in enumerate(container.decode(video=0)):
                if wanted is not None and n >= wanted.stop:
                    return
                if wanted is None or n in wanted:
                    yield frame
    except av.FFmpegError as error:
        raise RefusedError(must("clip", "a readable video", str(path), f"remove it ({error})")) from error


def motion_per_frame(frames: Tensor) -> Tensor:
    """About how many pixels each step of a clip moves, block by block: [T,3,H,W] uint8 -> [T-1,h,w] float32.

    By the brightness constancy of small motion: the root mean square of the temporal difference over that of the
    spatial one. Near 0 where a block is flat, and far too large at cuts, which is what it is used for.
    """
    luma = frames.float().mean(1)
    change = (luma[1:] - luma[:-1]).square()
    across = F.pad((luma[1:, :, 2:] - luma[1:, :, :-2]).square() / 4, (1, 1))
    down = F.pad((luma[1:, 2:] - luma[1:, :-2]).square() / 4, (0, 0, 1, 1))
    block = min(_BLOCK, *luma.shape[1:])
    # Of a motion, only the half along the gradient shows, on average over its directions.
    return torch.sqrt(2 * F.avg_pool2d(change, block) / (F.avg_pool2d(across + down, block) + _NOISE))


def runs_evenly(motion: Tensor) -> bool:
    """Whether no step of a clip stands still while others move (a repeated frame), and none leaps (a cut)."""
    steps = motion.mean((1, 2))
    typical = float(steps.median())
    return bool(steps.max() < 4 * typical + 0.5) and (typical < 0.1 or bool(steps.min() > typical / 4))


def has_detail(frame: Tensor) -> bool:
    """Whether there is anything to see: [3,H,W] uint8, its values spread by more than a little."""
    return bool(frame.float().std() > _FLAT)
