"""What scenes.c does: thumbnails and what is new in one; for `alanet_core.scenes`."""

import ctypes

import torch
from torch import Tensor

from alanet_core import native

_MOST, _REACH = 64, 8  # of scenes.c


class _Thumbnail(ctypes.Structure):
    """`Thumbnail` in scenes.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "rows", "columns", "threads")),
        ("luma", ctypes.c_float * 3),
        *((name, ctypes.c_void_p) for name in ("frame", "lines", "small")),
    )


class _Score(ctypes.Structure):
    """`Score` in scenes.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("rows", "columns", "search", "block")),
        ("change", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("before", "after")),
    )


def serves(*tensors: Tensor) -> bool:
    """They lie in the CPU's memory as C reads them."""
    return all(x.is_cpu and x.dtype == torch.float32 and x.is_contiguous() for x in tensors) and native.available()


def thumbnail(frame: Tensor, rows: int, columns: int, luma: tuple[float, float, float]) -> Tensor:
    """[3, H, W] -> [1, 1, rows, columns], at most H x W; luma: of the three colours."""
    _, height, width = frame.shape
    small, lines = frame.new_empty(1, 1, rows, columns), frame.new_empty(rows, width)
    job = _Thumbnail(
        height=height,
        width=width,
        rows=rows,
        columns=columns,
        threads=native.threads(),
        luma=luma,
        frame=frame.data_ptr(),
        lines=lines.data_ptr(),
        small=small.data_ptr(),
    )
    native.call("alanet_thumbnail", job)
    return small


def unexplained(before: Tensor, after: Tensor, search: int, block: int, change: float) -> int:
    """The number of blocks of `after`, [1, 1, h, w], that nothing within `search` cells explains."""
    rows, columns = after.shape[2:]
    assert max(rows, columns) <= _MOST
    assert search <= _REACH
    job = _Score(rows, columns, search, block, change, before.data_ptr(), after.data_ptr())
    return native.numbers("alanet_unexplained", job)
