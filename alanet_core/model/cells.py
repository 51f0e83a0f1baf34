"""A picture as cells: every side-th pixel as a picture of its own.

The last convolutions work at a part of the size and see all places of a cell at once, as channels. What is computed
beside them for every pixel is kept as cells from the start, so that it only needs another shape.
"""

import torch
from torch import Tensor


def cells(x: Tensor, side: int) -> Tensor:
    """[B, C, H, W] -> [B * side * side, C, H / side, W / side], the places in a cell row by row."""
    batch, channels, height, width = x.shape
    places = x.reshape(batch, channels, height // side, side, width // side, side).permute(0, 3, 5, 1, 2, 4)
    return places.reshape(-1, channels, height // side, width // side)


def joined(x: Tensor, side: int) -> Tensor:
    """The inverse of `cells`."""
    _, channels, height, width = x.shape
    places = x.view(-1, side, side, channels, height, width).permute(0, 3, 4, 1, 5, 2)
    return places.reshape(-1, channels, side * height, side * width)


def for_cells(x: Tensor, side: int) -> Tensor:
    """The whole of x [B, ...] for each of the places: [B * side * side, ...]; for B = 1 without a copy."""
    return x[:, None].expand(-1, side * side, *x.shape[1:]).flatten(0, 1)


def as_channels(x: Tensor, side: int, dtype: torch.dtype) -> Tensor:
    """Cells [B * side * side, C, h, w] -> [B, side * side * C, h, w] in the dtype and layout of features."""
    together = x.reshape(-1, side * side * x.shape[1], *x.shape[2:]).to(dtype)
    return together.contiguous(memory_format=torch.channels_last)


def as_cells(x: Tensor, side: int) -> Tensor:
    """The inverse, in float32: [B, side * side * C, h, w] -> [B * side * side, C, h, w]."""
    planes = x.to(torch.float32, memory_format=torch.contiguous_format).contiguous()
    return planes.view(-1, x.shape[1] // side**2, *x.shape[2:])
