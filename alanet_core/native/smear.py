"""What smear.c does; called by `alanet_core.model.smear` and `guided`. B = 1."""

import ctypes
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alanet_core import native

MOST_TAPS = 16  # as in smear.c


class _Smear(ctypes.Structure):
    """`Smear` in smear.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "rows", "columns")),
        *((name, ctypes.c_int) for name in ("scale", "taps", "frames", "threads")),
        *((name, ctypes.c_float) for name in ("pace", "floor", "stretch", "moving")),
        ("places", ctypes.c_void_p),
        ("light", ctypes.c_void_p * 3),
        *((name, ctypes.c_void_p) for name in ("flow", "change", "found", "sums", "cues")),
        ("hidden", ctypes.c_int),
        ("weights", ctypes.c_void_p * 2),
        ("bias", ctypes.c_void_p * 2),
        *((name, ctypes.c_float) for name in ("sure", "leaning")),
        *((name, ctypes.c_void_p) for name in ("logits", "shares")),
    )


class _Append(ctypes.Structure):
    """`Append` in smear.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "half", "channels", "told_of", "planes_of", "threads")),
        *((name, ctypes.c_void_p) for name in ("z", "told", "planes", "x")),
    )


class Judge(NamedTuple):
    """Two layers, with tanh between them, that make a logit of cues; and what makes a share, 0 to 1, of that."""

    layers: tuple[nn.Linear, nn.Linear]
    sure: float
    leaning: float


class Smear:
    """Along a flow [1, 4, h, w] at 1 / scale of the size, of which a velocity is `pace` of the way from a to b.

    floor, stretch, moving: as `alanet_core.model.smear` has them.
    """

    def __init__(self, flow: Tensor, pace: float, taps: tuple[float, ...], scale: int, **numbers: float) -> None:
        self.flow = flow.contiguous()
        self.taps = taps
        self.numbers = {"pace": pace, **numbers}
        self.scale = scale

    def smear(self, light: Tensor) -> Tensor:
        """[1, len(taps) // 2, h, w] float32 from brightness [1, 1, H, W]."""
        change = self.flow.new_empty(1, len(self.taps) // 2, *self.flow.shape[2:])
        found = torch.empty_like(change)
        self._call("alanet_smear", (light,), change=change.data_ptr(), found=found.data_ptr())
        return found

    def cues(self, lights: tuple[Tensor, ...], judge: Judge | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Of each frame, [frames, 3 * len(taps)]; and what a judge makes of them, logits and shares [1, frames]."""
        rows, taps, frames = self.flow.shape[2], len(self.taps), len(lights)
        layers = judge.layers if judge else ()
        sums = torch.empty(frames, rows, 2, taps + 2, dtype=torch.float64)
        found = torch.empty(frames, 3 * taps)
        logits, shares = (torch.empty(1, frames if judge else 0) for _ in range(2))
        weights = [layer.weight.float().contiguous() for layer in layers]
        bias = [layer.bias.float() for layer in layers]
        self._call(
            "alanet_cues",
            lights,
            sums=sums.data_ptr(),
            cues=found.data_ptr(),
            hidden=len(bias[0]) if judge else 0,
            weights=(ctypes.c_void_p * 2)(*map(native.address, weights)),
            bias=(ctypes.c_void_p * 2)(*map(native.address, bias)),
            sure=judge.sure if judge else 0,
            leaning=judge.leaning if judge else 0,
            logits=logits.data_ptr(),
            shares=shares.data_ptr(),
        )
        return found, logits, shares

    def _call(self, name: str, lights: tuple[Tensor, ...], **more: object) -> None:
        lights = tuple(light.contiguous() for light in lights)
        places = (ctypes.c_float * len(self.taps))(*self.taps)
        job = _Smear(
            height=lights[0].shape[2],
            width=lights[0].shape[3],
            rows=self.flow.shape[2],
            columns=self.flow.shape[3],
            scale=self.scale,
            taps=len(self.taps),
            frames=len(lights),
            threads=native.threads(),
            places=ctypes.addressof(places),
            light=(ctypes.c_void_p * 3)(*(light.data_ptr() for light in lights)),
            flow=self.flow.data_ptr(),
            **self.numbers,
            **more,
        )
        native.call(name, job)


def append(z: Tensor, told: Tensor, planes: Tensor | None) -> Tensor:
    """Features [1, C, h, w], with numbers [1, n] at every place, and with planes [1, m, h, w] float32."""
    z, told = native.innermost(z), told.float().contiguous()
    planes = None if planes is None else planes.contiguous()
    count = 0 if planes is None else planes.shape[1]
    height, width = z.shape[2:]
    x = z.new_empty(1, height, width, z.shape[1] + told.shape[1] + count).permute(0, 3, 1, 2)
    job = _Append(
        height=height,
        width=width,
        half=z.dtype == torch.bfloat16,
        channels=z.shape[1],
        told_of=told.shape[1],
        planes_of=count,
        threads=native.threads(),
        z=z.data_ptr(),
        told=told.data_ptr(),
        planes=native.address(planes),
        x=x.data_ptr(),
    )
    native.call("alanet_append", job)
    return x
