"""What restore.c does for every pixel around the passes that undo blur; for `alanet_core.model.restore`."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from alanet_core import native
from alanet_core.native.conv import Layers

MOST_TIMES = 16  # as in restore.c
_KNOWN = 9  # channels of a pixel beside those that are filtered
_MADE = 3  # and of what the convolutions give, beside their weights


class _Restore(ctypes.Structure):
    """`Restore` in restore.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "side", "first", "last", "half", "places", "open")),
        *((name, ctypes.c_int) for name in ("middle", "threads")),
        *((name, ctypes.c_float) for name in ("pace", "bend", "scale", "velocity")),
        *((name, ctypes.c_void_p) for name in ("times", "moments", "flow", "a", "b", "seen", "moved", "light", "both")),
        *((name, ctypes.c_void_p) for name in ("picture", "inputs", "outputs", "share", "restored")),
    )


class _Pass(ctypes.Structure):
    """`Pass` in restore.c."""

    _fields_ = (("restore", _Restore), ("layer", ctypes.c_void_p), ("scratch", ctypes.c_void_p))


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What `alanet_core.model.restore` chooses: times in intervals, scales, and the most that a path bends."""

    times: tuple[float, ...]
    moments: tuple[float, ...]
    scale: float
    velocity: float
    bend: float


class Trail:
    """One picture that passes go over. Tensors as the model has them, B = 1.

    lights: brightness [1, 1, H, W] of the frame that was filmed (None for the middle frame) and of its neighbours.
    flow: [1, 4, H / side, W / side] float32, 1 / pace of an interval before and after. share: [1, 1].
    missing: the neighbour, 0 or 1, that is none: the other one counts for both.
    """

    def __init__(
        self,
        lights: tuple[Tensor | None, Tensor, Tensor],
        flow: Tensor,
        share: Tensor,
        *,
        pace: float,
        missing: int | None,
        numbers: Numbers,
    ) -> None:
        own, a, b = lights
        self._lights = a.contiguous(), b.contiguous()
        self._flow, self._share = flow.contiguous(), share.contiguous()
        self._middle = own is None
        self._pace, self._numbers = pace, numbers
        self._size = a.shape[2], a.shape[3]
        self.side = a.shape[3] // flow.shape[3]
        self._seen = torch.empty_like(self._lights[0]) if own is None else own.contiguous()
        self._moved = torch.empty(1, 2, *self._size)
        self._call("alanet_moved", range(flow.shape[2]))
        if missing is not None:
            self._moved[:, missing] = self._moved[:, 1 - missing]

    def both(self, light: Tensor) -> Tensor:
        """The picture's brightness [1, 1, H, W] -> it and the rest, [1, 2, H, W], side by side in memory."""
        found = torch.empty(1, *self._size, 2)
        light = light.contiguous()
        self._call("alanet_rest", range(self._flow.shape[2]), light=light.data_ptr(), both=found.data_ptr())
        return found.permute(0, 3, 1, 2)

    def look(self, picture: Tensor, both: Tensor, rows: range, dtype: torch.dtype) -> Tensor:
        """Rows of cells -> what the convolutions of a pass are given, [1, C, h, w], channels innermost."""
        count = self.side**2 * (2 * len(self._numbers.times) + 2 + _KNOWN)
        inputs = torch.empty(1, len(rows), self._flow.shape[3], count, dtype=dtype).permute(0, 3, 1, 2)
        picture, both = native.innermost(picture), native.innermost(both)
        self._call(
            "alanet_paths",
            rows,
            half=dtype == torch.bfloat16,
            picture=picture.data_ptr(),
            both=both.data_ptr(),
            inputs=inputs.data_ptr(),
        )
        return inputs

    def add(self, picture: Tensor, inputs: Tensor, outputs: Tensor, rows: range) -> Tensor:
        """What the convolutions make of it -> rows of the picture after the pass."""
        outputs, picture = native.innermost(outputs), native.innermost(picture)
        made = torch.empty(1, self.side * len(rows), self._size[1], 3).permute(0, 3, 1, 2)
        self._call(
            "alanet_add",
            rows,
            half=inputs.dtype == torch.bfloat16,
            picture=picture.data_ptr(),
            inputs=inputs.data_ptr(),
            outputs=outputs.data_ptr(),
            restored=made.data_ptr(),
        )
        return made

    def whole(self, picture: Tensor, both: Tensor, layers: Layers) -> Tensor:
        """Look, convolve and add at once, in float32 -> the picture after the pass. layers: the four of the pass."""
        picture, both = native.innermost(picture), native.innermost(both)
        made = torch.empty(1, *self._size, 3).permute(0, 3, 1, 2)
        job, _alive = self._job(
            range(self._flow.shape[2]),
            picture=picture.data_ptr(),
            both=both.data_ptr(),
            restored=made.data_ptr(),
        )
        whole = _Pass(restore=job, layer=layers.address)
        scratch = torch.empty(job.threads * native.numbers("alanet_pass_scratch", whole))
        whole.scratch = scratch.data_ptr()
        native.call("alanet_pass", whole)
        return made

    def _call(self, name: str, rows: range, *, half: bool = False, **more: int) -> None:
        job, _alive = self._job(rows, half=half, **more)
        native.call(name, job)

    def _job(self, rows: range, *, half: bool = False, **more: int) -> tuple[_Restore, object]:
        """And what must stay alive for as long."""
        numbers = self._numbers
        times = (ctypes.c_float * len(numbers.times))(*numbers.times)
        moments = (ctypes.c_float * len(numbers.moments))(*numbers.moments)
        job = _Restore(
            height=self._size[0],
            width=self._size[1],
            side=self.side,
            first=rows.start,
            last=rows.stop,
            half=half,
            places=len(numbers.times),
            open=len(numbers.moments),
            middle=self._middle,
            threads=native.threads(),
            pace=self._pace,
            bend=numbers.bend,
            scale=numbers.scale,
            velocity=numbers.velocity,
            times=ctypes.addressof(times),
            moments=ctypes.addressof(moments),
            flow=self._flow.data_ptr(),
            a=self._lights[0].data_ptr(),
            b=self._lights[1].data_ptr(),
            seen=self._seen.data_ptr(),
            moved=self._moved.data_ptr(),
            share=self._share.data_ptr(),
            **more,
        )
        return job, (times, moments)
