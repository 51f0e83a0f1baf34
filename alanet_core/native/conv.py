"""What conv.c does: convolutions in float32, 3 x 3 by squares of 4 x 4 results and 1 x 1; for `blocks.Conv`. B = 1."""

import ctypes
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core import native

SQUARE = 4  # results along one side of a square: what is cut into strips is cut between squares
_PLACES = 36
_LANES, _BLOCK = 8, 16  # outputs of a vector, and those that are made at once
_GAP = 16  # as in conv.c
_MOST_CHANNELS = 256  # with more, weights of 36 places do not stay near
_NEAR = 24  # as in conv.c
_SHARE = 16 * _NEAR  # places that are worth a thread


class Layer(ctypes.Structure):
    """`Layer` in conv.h. The numbers that it points to must stay alive for as long."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("inputs", "outputs", "kernel")),
        ("slope", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("weights", "bias")),
    )


class _Convolution(ctypes.Structure):
    """`Convolution` in conv.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "threads", "layers")),
        ("layer", ctypes.c_void_p),
        ("x", ctypes.c_void_p),
        ("made", ctypes.c_void_p * 2),
        ("scratch", ctypes.c_void_p),
        ("share", ctypes.c_long),
    )


@dataclass(frozen=True)
class Packed:
    """Weights [outputs, inputs, k, k] and bias in the order in which conv.c reads them."""

    inputs: int
    outputs: int
    kernel: int
    weights: Tensor
    bias: Tensor

    def layer(self, slope: float) -> Layer:
        """With LeakyReLU; slope: of what is below 0, 1 for none."""
        return Layer(self.inputs, self.outputs, self.kernel, slope, self.weights.data_ptr(), self.bias.data_ptr())

    @property
    def scratch(self) -> int:
        """As `layer_scratch` in conv.c."""
        return _PLACES * (_NEAR * (self.inputs + self.outputs) + 2 * _GAP) if self.kernel == 3 else 0


class Layers:
    """Convolutions one after the other, each with the slope of its LeakyReLU, and as C has them."""

    def __init__(self, layers: Iterable[tuple[Packed, float]]) -> None:
        pairs = tuple(layers)
        self.packed = tuple(packed for packed, _ in pairs)
        self.in_c = (Layer * len(pairs))(*(packed.layer(slope) for packed, slope in pairs))

    def __len__(self) -> int:
        return len(self.packed)

    @property
    def address(self) -> int:
        """Of the first one."""
        return ctypes.addressof(self.in_c)


def serves(inputs: int, outputs: int, kernel: int) -> bool:
    """Whether convolutions of this shape are made, and well."""
    if kernel == 3:
        return min(inputs, outputs) >= _LANES and max(inputs, outputs) <= _MOST_CHANNELS and native.convolves()
    return kernel == 1 and native.convolves()


def packed(weight: Tensor, bias: Tensor) -> Packed:
    """From weights [outputs, inputs, k, k] and a bias as PyTorch has them."""
    outputs, inputs, kernel, _ = weight.shape
    wide = -(-outputs // _LANES) * _LANES
    exact = weight.double()
    if kernel == 3:
        to = _to_places()
        exact = torch.einsum("ay,oiyx,bx->oiab", to, exact, to)
    of_places = F.pad(exact.flatten(2).permute(2, 1, 0), (0, wide - outputs)).float()
    blocks = [block.flatten(1) for block in torch.split(of_places, _BLOCK, 2)]
    return Packed(inputs, outputs, kernel, torch.cat(blocks, 1).contiguous(), F.pad(bias, (0, -outputs % _BLOCK)))


def _to_places() -> Tensor:
    """Three weights in a line -> the values of their polynomial, shared out as conv.c expects: [6, 3] float64."""
    places = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2))
    rows = []
    for place in places:
        share = math.prod(place - other for other in places if other != place)
        rows.append([1 / share, place / share, place**2 / share])
    return torch.tensor([*rows, [0, 0, 1]], dtype=torch.float64)


def members(height: int, width: int) -> int:
    """Threads that do well on so many places."""
    return min(native.threads(), -(-height * width // _SHARE))


def convolve(x: Tensor, layers: Layers) -> Tensor:
    """One convolution or two that keep the size, with LeakyReLU: [1, inputs, h, w] float32 -> [1, outputs, h, w]."""
    x = native.innermost(x)
    height, width = x.shape[2:]
    made = x.new_empty(1, height, width, layers.packed[-1].outputs).permute(0, 3, 1, 2)
    between = x.new_empty(height * width * max((each.outputs for each in layers.packed[:-1]), default=0))
    threads, share = members(height, width), max(each.scratch for each in layers.packed)
    scratch = x.new_empty(threads * share)
    job = _Convolution(
        height=height,
        width=width,
        threads=threads,
        layers=len(layers),
        layer=layers.address,
        x=x.data_ptr(),
        made=(ctypes.c_void_p * 2)(made.data_ptr(), between.data_ptr()),
        scratch=scratch.data_ptr(),
        share=share,
    )
    native.call("alanet_convolve", job)
    return made
