"""What conv.c does: convolutions in float32, 3 x 3 by squares of 4 x 4 results and 1 x 1; for `blocks.Conv`. B = 1."""

import ctypes
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core import native

SQUARE = 4  # results along one side of a square: what is cut into strips is cut between squares
_PLACES = 36
_LANES, _BLOCK = 8, 16  # outputs of a vector, and those that are made at once
_GAP = 16  # as in conv.c
_MOST_CHANNELS = 256  # with more, weights of 36 places do not stay near
_NEAR = 24  # squares at a time: their values and the weights stay in the second cache


class _Convolution(ctypes.Structure):
    """`Convolution` in conv.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "inputs", "outputs", "kernel", "squares", "threads")),
        ("slope", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("x", "weights", "bias", "made", "scratch")),
    )


def serves(inputs: int, outputs: int, kernel: int) -> bool:
    """Whether convolutions of this shape are made, and well."""
    if kernel == 3:
        return min(inputs, outputs) >= _LANES and max(inputs, outputs) <= _MOST_CHANNELS and native.convolves()
    return kernel == 1 and native.convolves()


def packed(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [outputs, inputs, k, k] and bias in the order in which conv.c reads them."""
    outputs, kernel = len(weight), weight.shape[2]
    wide = -(-outputs // _LANES) * _LANES
    exact = weight.double()
    if kernel == 3:
        to = _to_places()
        exact = torch.einsum("ay,oiyx,bx->oiab", to, exact, to)
    of_places = F.pad(exact.flatten(2).permute(2, 1, 0), (0, wide - outputs)).float()
    blocks = [block.flatten(1) for block in torch.split(of_places, _BLOCK, 2)]
    return torch.cat(blocks, 1).contiguous(), F.pad(bias, (0, -outputs % _BLOCK)).contiguous()


def _to_places() -> Tensor:
    """Three weights in a line -> the values of their polynomial, shared out as conv.c expects: [6, 3] float64."""
    places = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2))
    rows = []
    for place in places:
        share = math.prod(place - other for other in places if other != place)
        rows.append([1 / share, place / share, place**2 / share])
    return torch.tensor([*rows, [0, 0, 1]], dtype=torch.float64)


def convolve(x: Tensor, weights: tuple[Tensor, Tensor], outputs: int, kernel: int, slope: float) -> Tensor:
    """A convolution that keeps the size, and LeakyReLU: [1, inputs, h, w] float32 -> [1, outputs, h, w].

    weights: as `packed` gives them. slope: of what is below 0; 1 for none.
    """
    x = native.innermost(x)
    _, inputs, height, width = x.shape
    made = x.new_empty(1, height, width, outputs).permute(0, 3, 1, 2)
    pieces, scratch = -(-height * width // 48), None
    if kernel == 3:
        squares = -(-height // SQUARE) * -(-width // SQUARE)
        pieces = -(-squares // _NEAR)
    threads = min(torch.get_num_threads(), pieces)
    if kernel == 3:
        scratch = x.new_empty(threads * _PLACES * (_NEAR * (inputs + outputs) + 2 * _GAP))
    job = _Convolution(
        height=height,
        width=width,
        inputs=inputs,
        outputs=outputs,
        kernel=kernel,
        squares=_NEAR,
        threads=threads,
        slope=slope,
        x=x.data_ptr(),
        weights=weights[0].data_ptr(),
        bias=weights[1].data_ptr(),
        made=made.data_ptr(),
        scratch=native.address(scratch),
    )
    native.call("alanet_convolve", job)
    return made
