"""What light.c and halfway.c do; called by `light`, `encoder`, `halfway` and `guided` of `alanet_core.model`. B = 1."""

import ctypes

import torch
from torch import Tensor

from alanet_core import native

_AROUND = 5  # of halfway.c


class _Plane(ctypes.Structure):
    """`Plane` in light.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "half", "times", "channels", "threads")),
        ("source", ctypes.c_void_p),
        ("target", ctypes.c_void_p),
    )


class _Pyramid(ctypes.Structure):
    """`Pyramid` in light.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "levels", "threads")),
        *((name, ctypes.c_void_p) for name in ("source", "targets")),
    )


class _Coarser(ctypes.Structure):
    """`Coarser` in light.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "times", "levels", "threads")),
        *((name, ctypes.c_void_p) for name in ("source", "targets")),
    )


class _Halfway(ctypes.Structure):
    """`Halfway` in halfway.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "sides", "threads")),
        ("doubt", ctypes.c_float),
        ("motion", ctypes.c_void_p),
        ("light", ctypes.c_void_p * 2),
        *((name, ctypes.c_void_p) for name in ("paths", "wrong", "means", "flow")),
    )


def pyramid(pixels: Tensor, levels: int, room: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
    """Brightness of [1, 3, H, W] float32, and so many halvings of it. room: such tensors, to be written to."""
    pixels = native.innermost(pixels)
    height, width = pixels.shape[2:]
    planes = room or tuple(pixels.new_empty(1, 1, -(-height >> k), -(-width >> k)) for k in range(levels + 1))
    targets = native.addresses(planes)
    job = _Pyramid(height, width, levels, native.threads(), pixels.data_ptr(), ctypes.addressof(targets))
    native.call("alanet_pyramid", job)
    return planes


def folded(pixels: Tensor, side: int, dtype: torch.dtype) -> Tensor:
    """F.pixel_unshuffle of [1, 3, H, W] float32, in another dtype and with channels innermost."""
    pixels = native.innermost(pixels)
    height, width = pixels.shape[2] // side, pixels.shape[3] // side
    found = torch.empty(1, height, width, 3 * side**2, dtype=dtype).permute(0, 3, 1, 2)
    _call("alanet_folded", pixels, found, times=side)
    return found


def pooled(x: Tensor) -> Tensor:
    """The mean of 2 x 2 features [1, C, h, w]."""
    x = native.innermost(x)
    _, channels, height, width = x.shape
    found = x.new_empty(1, height // 2, width // 2, channels).permute(0, 3, 1, 2)
    _call("alanet_pooled", x, found, channels=channels)
    return found


def coarser(flow: Tensor, times: int, levels: int = 1) -> list[Tensor]:
    """A flow [1, 4, h, w] in pixels of its level: at 1 / times of the size, and at halves of that, so many in all."""
    flow = flow.contiguous()
    height, width = flow.shape[2] // times, flow.shape[3] // times
    made = [flow.new_empty(1, 4, height >> k, width >> k) for k in range(levels)]
    targets = native.addresses(made)
    job = _Coarser(*flow.shape[2:], times, levels, native.threads(), flow.data_ptr(), ctypes.addressof(targets))
    native.call("alanet_coarser", job)
    return made


def halfway(motion: Tensor, a: Tensor, b: Tensor, doubt: float) -> Tensor:
    """As `alanet_core.model.halfway`."""
    motion, a, b = motion.contiguous(), a.contiguous(), b.contiguous()
    sides = motion.shape[1] // 2
    flow, paths = torch.empty_like(motion[:, :4]), torch.empty_like(motion)
    wrong, means = (motion.new_empty(max(sides, _AROUND), *motion.shape[2:]) for _ in range(2))
    job = _Halfway(
        height=motion.shape[2],
        width=motion.shape[3],
        sides=sides,
        threads=native.threads(),
        doubt=doubt,
        motion=motion.data_ptr(),
        light=(ctypes.c_void_p * 2)(a.data_ptr(), b.data_ptr()),
        paths=paths.data_ptr(),
        wrong=wrong.data_ptr(),
        means=means.data_ptr(),
        flow=flow.data_ptr(),
    )
    native.call("alanet_halfway", job)
    return flow


def _call(name: str, source: Tensor, target: Tensor, *, times: int = 1, channels: int = 1) -> None:
    job = _Plane(
        height=source.shape[2],
        width=source.shape[3],
        half=target.dtype == torch.bfloat16,
        times=times,
        channels=channels,
        threads=native.threads(),
        source=source.data_ptr(),
        target=target.data_ptr(),
    )
    native.call(name, job)
