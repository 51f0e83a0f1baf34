"""Photographs as raw material: found, read and packed into one block of memory that worker processes share."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import av
import torch
from torch import Tensor

from alanet_core.errors import RefusedError, must

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class PhotoSet:
    """Many uint8 RGB pictures of different sizes in one flat block: cheap to share with a process, quick to index."""

    def __init__(self, pictures: Sequence[Tensor]) -> None:
        """pictures: [3,h,w] uint8 each, at least one."""
        self._sizes = [(int(p.shape[1]), int(p.shape[2])) for p in pictures]
        self._starts = [0]
        for height, width in self._sizes:
            self._starts.append(self._starts[-1] + 3 * height * width)
        self._block = torch.cat([p.reshape(-1) for p in pictures])

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int) -> Tensor:
        """Picture `index`, [3,h,w] uint8: a view, not to be written to."""
        height, width = self._sizes[index]
        return self._block[self._starts[index] : self._starts[index + 1]].view(3, height, width)

    def share(self) -> "PhotoSet":
        """Move the block into shared memory, so that workers read it without a copy; returns itself."""
        torch.Tensor.share_memory_(self._block)  # type: ignore[no-untyped-call]
        return self


def find_photos(folder: Path) -> list[Path]:
    """The pictures below a folder, in the order of their names. Raises RefusedError where there is none."""
    if not folder.is_dir():
        raise RefusedError(must("photos", "a folder", str(folder), "give a folder with JPEG or PNG files"))
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise RefusedError(must("photos", "a folder with pictures", str(folder), "put JPEG or PNG files into it"))
    return found


def is_held_out(path: Path, *, one_in: int = 16) -> bool:
    """Whether training leaves this file out, for validation: decided by its name alone, about one in so many."""
    return hashlib.sha256(path.name.encode()).digest()[0] % one_in == 0


def read_picture(path: Path) -> Tensor:
    """The first picture of a file as [3,H,W] uint8 RGB. Raises RefusedError where there is none."""
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                pixels = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                return pixels.permute(2, 0, 1).contiguous()
    except (av.FFmpegError, IndexError) as error:
        raise RefusedError(must("picture", "a readable image", str(path), f"remove it ({error})")) from error
    raise RefusedError(must("picture", "an image with at least one frame", str(path), "remove it"))


def read_photos(paths: Sequence[Path]) -> PhotoSet:
    """Read pictures into one block; they keep their sizes."""
    return PhotoSet([read_picture(path) for path in paths])
