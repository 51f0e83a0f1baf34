"""What plain.c does beside `native.innermost`: copies, for `ring`, and sums of gated features, for `attention`.

PyTorch's own loops end with a barrier: while another program has a processor, each costs more than what it does.
"""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from alanet_core import native

_PIECE = 1 << 16  # bytes


class _Copy(ctypes.Structure):
    """`Copy` in plain.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("source", "target")),
        *((name, ctypes.c_long) for name in ("bytes", "end")),
    )


class _Copies(ctypes.Structure):
    """`Copies` in plain.c."""

    _fields_ = (
        ("copies", ctypes.c_void_p),
        *((name, ctypes.c_long) for name in ("size", "bytes")),
        *((name, ctypes.c_int) for name in ("count", "threads")),
    )


class _Gated(ctypes.Structure):
    """`Gated` in plain.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "channels", "count", "threads")),
        *((name, ctypes.c_void_p) for name in ("features", "gates", "sum")),
    )


class _Gates(ctypes.Structure):
    """`Gates` in plain.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "channels", "count", "squeezed")),
        *((name, ctypes.c_float) for name in ("rows", "columns")),
        *((name, ctypes.c_void_p) for name in ("features", "squeeze", "squeeze_bias", "excite", "excite_bias")),
        *((name, ctypes.c_void_p) for name in ("pooled", "hidden", "gates")),
    )


def copy(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """target.copy_(source) of each two that are not the same, at once."""
    copies, pieces, total = (_Copy * len(targets))(), 0, 0
    count = 0
    for target, source in zip(targets, sources, strict=True):
        if target is source:
            continue
        if not _alike(target, source):
            target.copy_(source)
            continue
        size = source.nbytes
        pieces, total = pieces - (-size // _PIECE), total + size
        copies[count] = _Copy(source.data_ptr(), target.data_ptr(), size, pieces)
        count += 1
    if count:
        job = _Copies(ctypes.addressof(copies), _PIECE, total, count, native.threads())
        native.call("alanet_copy", job)


def _alike(target: Tensor, source: Tensor) -> bool:
    """What is in one's memory may be copied as it is."""
    alike = target.dtype == source.dtype and target.shape == source.shape and target.stride() == source.stride()
    return alike and _whole(source) and native.serves(target, source)


def _whole(x: Tensor) -> bool:
    """Its numbers lie side by side, in some order."""
    return x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))


def gated(features: Sequence[Tensor], gates: Sequence[Tensor]) -> Tensor:
    """The sum of features [1, C, h, w] times gates [1, C, 1, 1], in their order; float32."""
    features, gates = [native.innermost(x) for x in features], [x.contiguous() for x in gates]
    _, channels, height, width = features[0].shape
    made = features[0].new_empty(1, height, width, channels).permute(0, 3, 1, 2)
    count = len(features)
    lists = [native.addresses(each) for each in (features, gates)]
    job = _Gated(
        height=height,
        width=width,
        channels=channels,
        count=count,
        threads=native.threads(),
        features=ctypes.addressof(lists[0]),
        gates=ctypes.addressof(lists[1]),
        sum=made.data_ptr(),
    )
    native.call("alanet_gated", job)
    return made


def gates(
    features: Tensor, cells: tuple[float, float], squeeze: tuple[Tensor, Tensor], excite: tuple[Tensor, Tensor]
) -> Tensor:
    """What a frame's features [1, C, h, w] float32 say how much counts: [1, G, C, 1, 1].

    cells: true (height, width) in cells of the features. squeeze: [G, R, C] and its bias [G, R]; excite: the same for
    [G, C, R].
    """
    features = native.innermost(features)
    _, channels, height, width = features.shape
    count, squeezed, _ = squeeze[0].shape
    made = features.new_empty(1, count, channels, 1, 1)
    weights = [x.contiguous() for x in (*squeeze, *excite)]
    pooled, hidden = torch.empty(channels, dtype=torch.float64), torch.empty(squeezed)
    tensors = (features, *weights, pooled, hidden, made)
    job = _Gates(height, width, channels, count, squeezed, *cells, *(x.data_ptr() for x in tensors))
    native.call("alanet_gates", job)
    return made
