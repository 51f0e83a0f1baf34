"""What color.c does: planes to RGB and back in one pass; for `alanet_core.color`."""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from alanet_core import native

_FINEST = 1  # log2 of the chroma grids that it knows
_TYPES = (torch.uint8, torch.uint16, torch.float32)
_SITES = ("first", "middle", "last")


class Signal(NamedTuple):
    """What the planes' numbers mean, as `PixelFormat` and `Matrix` say it.

    zero, span, peak: levels of luma and chroma. sites: of chroma, across and down. plus, minus: which of R, G, B, luma.
    """

    yuv: bool
    subsampling: tuple[int, int]
    sites: tuple[str, str]
    zero: tuple[float, float]
    span: tuple[float, float]
    peak: int
    luma: tuple[float, float, float]
    plus: tuple[int, int]
    minus: tuple[int, int]
    scale: tuple[float, float]
    back: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


class _Picture(ctypes.Structure):
    """`Picture` in color.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "yuv", "planes", "bytes")),
        *((name, ctypes.c_int * 2) for name in ("halved", "site", "plus", "minus")),
        ("threads", ctypes.c_int),
        *((name, ctypes.c_float * 2) for name in ("zero", "span")),
        ("peak", ctypes.c_float),
        ("luma", ctypes.c_float * 3),
        ("scale", ctypes.c_float * 2),
        ("back", ctypes.c_float * 2 * 3),
        ("plane", ctypes.c_void_p * 3),
        ("stride", ctypes.c_ssize_t * 3),
        ("rgb", ctypes.c_void_p),
        *((name, ctypes.c_ssize_t) for name in ("line", "step", "channel")),
    )


def serves(planes: Sequence[Tensor], signal: Signal) -> bool:
    """It can convert these planes: they lie in the CPU's memory, samples side by side, on a grid that it knows."""
    if max(signal.subsampling) > _FINEST or not native.available():
        return False
    return all(x.is_cpu and x.dtype in _TYPES and (x.stride(1) == 1 or x.shape[1] == 1) for x in planes)


def decode(planes: Sequence[Tensor], signal: Signal) -> Tensor:
    """Planes -> [3, H, W] float32."""
    rgb = torch.empty(3, *planes[0].shape)
    native.call("alanet_decode", _job(planes, signal, rgb))
    return rgb


def encode(rgb: Tensor, signal: Signal, planes: Sequence[Tensor]) -> None:
    """[3, H, W] on the CPU -> planes."""
    rgb = rgb.float()
    if rgb.stride()[::2] not in ((1, 3), (rgb.stride(0), 1)):
        rgb = rgb.contiguous()
    native.call("alanet_encode", _job(planes, signal, rgb))


def _job(planes: Sequence[Tensor], signal: Signal, rgb: Tensor) -> _Picture:
    channel, line, step = rgb.stride()
    _, height, width = rgb.shape
    sample = planes[0].element_size()
    return _Picture(
        height=height,
        width=width,
        yuv=signal.yuv,
        planes=len(planes),
        bytes=sample,
        halved=signal.subsampling,
        site=tuple(_SITES.index(site) for site in signal.sites),
        plus=signal.plus,
        minus=signal.minus,
        threads=native.threads(),
        zero=signal.zero,
        span=signal.span,
        peak=signal.peak,
        luma=signal.luma,
        scale=signal.scale,
        back=tuple((ctypes.c_float * 2)(*row) for row in signal.back),
        plane=tuple(x.data_ptr() for x in planes),
        stride=tuple(x.stride(0) * sample for x in planes),
        rgb=rgb.data_ptr(),
        line=line,
        step=step,
        channel=channel,
    )
