"""What levels.c does between the convolutions of the coarse levels; called by `alanet_core.model.guided`. B = 1."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from alanet_core import native
from alanet_core.native.conv import Layer, Packed

_SHARE = 1 << 10  # places that are worth a thread


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


class _Reduced(ctypes.Structure):
    """`Reduced` in levels.c."""

    _fields_ = (("level", _Level), ("layer", Layer), ("made", ctypes.c_void_p), ("scratch", ctypes.c_void_p))


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


@dataclass(frozen=True, kw_only=True)
class Level:
    """What a level's first convolution reads, side by side. Tensors as the model has them, B = 1.

    z: [1, C, h, w], or of half the size with the correction [1, 4, h / 2, w / 2] found there. features and brightness:
    of the own frame, where there is one, of a and of b. begin: [1, 4, h, w] float32, is written: the correction that
    the level begins with. scales: of flows and of changes.
    """

    z: Tensor
    correction: Tensor | None
    motion: Tensor
    features: tuple[Tensor | None, Tensor, Tensor]
    lights: tuple[Tensor | None, Tensor, Tensor]
    begin: Tensor
    scales: tuple[float, float]

    def look(self, rows: range) -> Tensor:
        """These rows of it."""
        width, channels = self.motion.shape[3], self._channels
        x = self.z.new_empty(1, len(rows), width, channels).permute(0, 3, 1, 2)
        job, _alive = self._job(rows, x=x.data_ptr())
        native.call("alanet_level", job)
        return x

    def reduced(self, layer: Packed, slope: float) -> Tensor:
        """What the convolution, of 1 x 1, and LeakyReLU make of it; in float32."""
        height, width = self.motion.shape[2:]
        made = self.z.new_empty(1, height, width, layer.outputs).permute(0, 3, 1, 2)
        job, _alive = self._job(range(height))
        job.threads = min(job.threads, -(-height * width // _SHARE))
        scratch = self.z.new_empty(job.threads * width * layer.inputs)
        reduced = _Reduced(level=job, layer=layer.layer(slope), made=made.data_ptr(), scratch=scratch.data_ptr())
        native.call("alanet_reduced", reduced)
        return made

    @property
    def _channels(self) -> int:
        own, a, _ = self.features
        return self.z.shape[1] + a.shape[1] * (2 if own is None else 3) + (5 if own is None else 6)

    def _job(self, rows: range, **more: int) -> tuple[_Level, object]:
        """And what must stay alive for as long."""
        height, width = self.motion.shape[2:]
        z, motion = native.innermost(self.z), self.motion.contiguous()
        features = [None if x is None else native.innermost(x) for x in self.features]
        lights = [None if x is None else x.contiguous() for x in self.lights]
        correction = None if self.correction is None else self.correction.contiguous()
        job = _Level(
            height=height,
            width=width,
            first=rows.start,
            last=rows.stop,
            half=z.dtype == torch.bfloat16,
            coarse=z.shape[3] < width,
            inputs=z.shape[1],
            channels=self.features[1].shape[1],
            threads=torch.get_num_threads(),
            flow_scale=self.scales[0],
            change_scale=self.scales[1],
            z=z.data_ptr(),
            correction=native.address(correction),
            motion=motion.data_ptr(),
            features=(ctypes.c_void_p * 3)(*map(native.address, features)),
            light=(ctypes.c_void_p * 3)(*map(native.address, lights)),
            begin=self.begin.data_ptr(),
            **more,
        )
        return job, (z, motion, features, lights, correction)


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
