"""What levels.c does between the convolutions of the coarse levels; called by `alanet_core.model.guided`. B = 1."""

import ctypes

import torch
from torch import Tensor

from alanet_core import native


class _Level(ctypes.Structure):
    """`Level` in levels.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "first", "last", "half", "coarse")),
        *((name, ctypes.c_int) for name in ("inputs", "channels", "threads")),
        ("flow_scale", ctypes.c_float),
        ("change_scale", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("z", "correction", "motion")),
        ("features", ctypes.c_void_p * 3),
        ("light", ctypes.c_void_p * 3),
        ("x", ctypes.c_void_p),
        ("begin", ctypes.c_void_p),
    )


class _Settle(ctypes.Structure):
    """`Settle` in levels.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "half", "threads")),
        *((name, ctypes.c_void_p) for name in ("motion", "begin", "step", "correction", "flow")),
    )


class _Grow(ctypes.Structure):
    """`Grow` in levels.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "threads")),
        *((name, ctypes.c_void_p) for name in ("motion", "correction", "flow")),
    )


def look(
    z: Tensor,
    correction: Tensor | None,
    motion: Tensor,
    features: tuple[Tensor | None, Tensor, Tensor],
    lights: tuple[Tensor | None, Tensor, Tensor],
    *,
    begin: Tensor,
    rows: range,
    scales: tuple[float, float],
) -> Tensor:
    """Rows of what a level's first convolution reads, side by side.

    z: [1, C, h, w], or of half the size with the correction [1, 4, h / 2, w / 2] found there. features and brightness:
    of the own frame, where there is one, of a and of b. begin: [1, 4, h, w] float32; these rows of it are written, the
    correction that the level begins with. scales: of flows and of changes.
    """
    height, width = motion.shape[2:]
    z, motion = native.innermost(z), motion.contiguous()
    own, a, b = (None if x is None else native.innermost(x) for x in features)
    lights_of = [None if x is None else x.contiguous() for x in lights]
    assert a is not None
    channels = z.shape[1] + a.shape[1] * (2 if own is None else 3) + (5 if own is None else 6)
    x = z.new_empty(1, len(rows), width, channels).permute(0, 3, 1, 2)
    correction = None if correction is None else correction.contiguous()
    job = _Level(
        height=height,
        width=width,
        first=rows.start,
        last=rows.stop,
        half=z.dtype == torch.bfloat16,
        coarse=z.shape[3] < width,
        inputs=z.shape[1],
        channels=a.shape[1],
        threads=torch.get_num_threads(),
        flow_scale=scales[0],
        change_scale=scales[1],
        z=z.data_ptr(),
        correction=native.address(correction),
        motion=motion.data_ptr(),
        features=(ctypes.c_void_p * 3)(*map(native.address, (own, a, b))),
        light=(ctypes.c_void_p * 3)(*map(native.address, lights_of)),
        x=x.data_ptr(),
        begin=begin.data_ptr(),
    )
    native.call("alanet_level", job)
    return x


def settle(motion: Tensor, begin: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """The correction that a level ends with, and the flow; step: what its last convolution gives."""
    motion, step = motion.contiguous(), native.innermost(step)
    correction, flow = torch.empty_like(motion), torch.empty_like(motion)
    job = _Settle(
        height=motion.shape[2],
        width=motion.shape[3],
        half=step.dtype == torch.bfloat16,
        threads=torch.get_num_threads(),
        motion=motion.data_ptr(),
        begin=begin.data_ptr(),
        step=step.data_ptr(),
        correction=correction.data_ptr(),
        flow=flow.data_ptr(),
    )
    native.call("alanet_settle", job)
    return correction, flow


def finest(motion: Tensor, correction: Tensor) -> Tensor:
    """The motion, and a correction found at half of the size."""
    motion = motion.contiguous()
    flow = torch.empty_like(motion)
    job = _Grow(
        height=motion.shape[2],
        width=motion.shape[3],
        threads=torch.get_num_threads(),
        motion=motion.data_ptr(),
        correction=correction.data_ptr(),
        flow=flow.data_ptr(),
    )
    native.call("alanet_grow", job)
    return flow
