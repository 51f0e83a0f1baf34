"""What fine.c does for every pixel around a guided generator's last convolutions; for `alanet_core.model.fine`."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from alanet_core import native
from alanet_core.native.conv import Layers

MOST_TAPS, MOST_LAYERS = 16, 8  # as in fine.c
_RUN = 64  # as in pixels.h


class _Fine(ctypes.Structure):
    """`Fine` in fine.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "side", "first", "last", "sharp", "half", "taps")),
        *((name, ctypes.c_int) for name in ("detail", "unfolds", "threads")),
        ("scale", ctypes.c_float),
        ("places", ctypes.c_void_p),
        ("earlier", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("flow", "own", "a", "b", "light_own", "light_a", "light_b")),
        *((name, ctypes.c_void_p) for name in ("folded", "inputs", "parts", "outputs", "gates", "picture")),
    )


class _Whole(ctypes.Structure):
    """`Whole` in fine.c."""

    _fields_ = (("fine", _Fine), ("layers", ctypes.c_int), ("layer", ctypes.c_void_p), ("scratch", ctypes.c_void_p))


@dataclass(frozen=True, kw_only=True)
class Fine:
    """One picture to be made. Tensors as the model has them, B = 1.

    own, a, b: pixels [1, 3, H, W] float32; own is None for the middle frame. lights: brightness of the three.
    flow: [1, 4, H / side, W / side] float32. folded: what becomes detail, in the features' dtype. gates: [1, 1 or 2].
    taps: those of frame a first, `earlier` of them.
    """

    own: Tensor | None
    a: Tensor
    b: Tensor
    lights: tuple[Tensor | None, Tensor, Tensor]
    flow: Tensor
    folded: Tensor
    gates: Tensor
    taps: tuple[float, ...]
    earlier: int
    side: int
    unfolds: int
    detail: int
    scale: float

    def look(self, rows: range) -> tuple[Tensor, Tensor]:
        """Rows of cells -> the last convolutions' input, and what `compose` needs."""
        width, seen = self.a.shape[3] // self.side, len(self.taps) + (2 if self.own is None else 3)
        inputs = self.folded.new_empty(1, len(rows), width, self.detail + self.side**2 * seen).permute(0, 3, 1, 2)
        parts = torch.empty(len(rows), -(-width // _RUN), self.side**2, len(self.taps) + 6, _RUN)
        self._call("alanet_look", rows, parts, inputs=inputs.data_ptr())
        return inputs, parts

    def compose(self, rows: range, parts: Tensor, outputs: Tensor) -> Tensor:
        """What the last convolutions make of it -> rows of the picture."""
        outputs = outputs.contiguous(memory_format=torch.channels_last)
        picture = torch.empty(1, self.side * len(rows), self.a.shape[3], 3).permute(0, 3, 1, 2)
        self._call("alanet_compose", rows, parts, outputs=outputs.data_ptr(), picture=picture.data_ptr())
        return picture

    def whole(self, layers: Layers) -> Tensor:
        """Look, convolve and compose at once, in float32. layers: the last convolutions, with slopes of LeakyReLU."""
        picture = self.a.new_empty(1, self.a.shape[2], self.a.shape[3], 3).permute(0, 3, 1, 2)
        job, _alive = self._job(range(self.a.shape[2] // self.side), picture=picture.data_ptr())
        whole = _Whole(fine=job, layers=len(layers), layer=layers.address)
        scratch = self.a.new_empty(job.threads * native.numbers("alanet_whole_scratch", whole))
        whole.scratch = scratch.data_ptr()
        native.call("alanet_whole", whole)
        return picture

    def _call(self, name: str, rows: range, parts: Tensor, **more: int) -> None:
        job, _alive = self._job(rows, parts=parts.data_ptr(), **more)
        native.call(name, job)

    def _job(self, rows: range, **more: int) -> tuple[_Fine, object]:
        """And what must stay alive for as long."""
        pixels = [None if x is None else native.innermost(x) for x in (self.own, self.a, self.b)]
        lights = [None if x is None else x.contiguous() for x in self.lights]
        flow, folded, gates = self.flow.contiguous(), native.innermost(self.folded), self.gates.contiguous()
        places = (ctypes.c_float * len(self.taps))(*self.taps)
        job = _Fine(
            height=self.a.shape[2],
            width=self.a.shape[3],
            side=self.side,
            first=rows.start,
            last=rows.stop,
            sharp=self.own is not None,
            half=folded.dtype == torch.bfloat16,
            taps=len(self.taps),
            detail=self.detail,
            unfolds=self.unfolds,
            threads=native.threads(),
            scale=self.scale,
            places=ctypes.addressof(places),
            earlier=self.earlier,
            flow=flow.data_ptr(),
            folded=folded.data_ptr(),
            gates=gates.data_ptr(),
            **dict(zip(("own", "a", "b"), map(native.address, pixels), strict=True)),
            **dict(zip(("light_own", "light_a", "light_b"), map(native.address, lights), strict=True)),
            **more,
        )
        return job, (pixels, lights, flow, folded, gates, places)
