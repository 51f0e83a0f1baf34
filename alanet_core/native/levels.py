"""What levels.c does between the convolutions of the coarse levels; called by `alanet_core.model.guided`. B = 1."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from alanet_core import native
from alanet_core.native.conv import Layer, Layers, members


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


class _Whole(ctypes.Structure):
    """`Whole` in levels.c."""

    _fields_ = (
        ("level", _Level),
        ("settle", _Settle),
        ("layer", Layer * 4),
        *((name, ctypes.c_void_p) for name in ("between", "z", "scratch")),
        ("share", ctypes.c_long),
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

    def whole(self, layers: Layers) -> tuple[Tensor, Tensor, Tensor] | Tensor:
        """What the convolutions make of it, in float32: z, and with the flow's the correction and the flow.

        layers: one of 1 x 1, two of 3 x 3, and the flow's, where that is of 1 x 1.
        """
        height, width = self.motion.shape[2:]
        reduce, first, second, *step = layers.packed
        between = self.z.new_empty(height * width * (reduce.outputs + first.outputs))
        made = self.z.new_empty(1, height, width, second.outputs).permute(0, 3, 1, 2)
        job, _alive = self._job(range(height))
        job.threads = members(height, width)
        motion = self.motion.contiguous()
        correction, flow = (torch.empty_like(motion) for _ in range(2))
        share = max(width * reduce.inputs, first.scratch, second.scratch)
        scratch = self.z.new_empty(job.threads * share)
        whole = _Whole(
            level=job,
            settle=_settle(motion, self.begin, None, correction, flow),
            layer=(Layer * 4)(*layers.in_c),
            between=between.data_ptr(),
            z=made.data_ptr(),
            scratch=scratch.data_ptr(),
            share=share,
        )
        native.call("alanet_whole_level", whole)
        return (made, correction, flow) if step else made

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
            threads=native.threads(),
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
    native.call("alanet_settle", _settle(motion, begin, step, correction, flow))
    return correction, flow


def _settle(motion: Tensor, begin: Tensor, step: Tensor | None, correction: Tensor, flow: Tensor) -> _Settle:
    return _Settle(
        height=motion.shape[2],
        width=motion.shape[3],
        half=step is not None and step.dtype == torch.bfloat16,
        threads=native.threads(),
        motion=motion.data_ptr(),
        begin=begin.data_ptr(),
        step=native.address(step),
        correction=correction.data_ptr(),
        flow=flow.data_ptr(),
    )


def finest(motion: Tensor, correction: Tensor) -> Tensor:
    """The motion, and a correction found at half of the size."""
    motion = motion.contiguous()
    flow = torch.empty_like(motion)
    job = _Grow(
        height=motion.shape[2],
        width=motion.shape[3],
        threads=native.threads(),
        motion=motion.data_ptr(),
        correction=correction.data_ptr(),
        flow=flow.data_ptr(),
    )
    native.call("alanet_grow", job)
    return flow
