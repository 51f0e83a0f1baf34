"""Moving features and pixels along a flow; pixels as channels and back."""

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core.model.kept import kept


@kept
def _line(count: int, first: float, step: int, size: int, device: torch.device) -> Tensor:
    """The places first, first + step ... as `sample` counts them on an axis of so many pixels: [count] float32."""
    return (step * torch.arange(count, device=device, dtype=torch.float32) + first) * unit(size) - 1


@kept
def numbers(values: tuple[float, ...], device: torch.device) -> Tensor:
    """The numbers as a tensor, float32."""
    return torch.tensor(values, device=device)


def unit(size: int) -> float:
    """A pixel, as `sample` counts it on an axis of so many pixels: from -1 to 1."""
    return 2 / max(size - 1, 1)


def standing(x: Tensor, height: int, width: int, *, top: int = 0, step: int = 1, offset: float = 0.0) -> Tensor:
    """Where every step-th pixel of x [B, C, H, W] is, as `sample` reads it: [1, height, width, 2], x first."""
    columns = _line(width, offset, step, x.shape[3], x.device).expand(height, width)
    rows = _line(height, top + offset, step, x.shape[2], x.device)[:, None].expand(height, width)
    return torch.stack((columns, rows), -1)[None]


def places(flow: Tensor, x: Tensor, *, top: int = 0, side: int = 1) -> Tensor:
    """p + flow(p), as `sample` reads it: [B, h, w, 2]; flow [B, 2, h, w] float32 in pixels of x, x first.

    top: the row of x where the flow begins, if it is that of a strip. side: where the flow comes in cells
    (`alanet_core.model.cells`), the pixels along one side of a cell.
    """
    _, _, height, width = flow.shape
    of_cells = torch.unflatten(flow, 0, (-1, side**2))
    columns = [_line(width, column, side, x.shape[3], x.device) for _ in range(side) for column in range(side)]
    rows = [_line(height, top + row, side, x.shape[2], x.device) for row in range(side) for _ in range(side)]
    along_x = of_cells[:, :, 0] * unit(x.shape[3]) + torch.stack(columns)[:, None, :]
    along_y = of_cells[:, :, 1] * unit(x.shape[2]) + torch.stack(rows)[:, :, None]
    return torch.stack((along_x, along_y), -1).flatten(0, 1)


def sample(x: Tensor, where: Tensor) -> Tensor:
    """x [B, C, H, W] at places [B, h, w, 2], -1..1 from the middle of the first pixel to that of the last; bilinear,
    the edge repeated -> [B, C, h, w] float32.

    In float32, since bfloat16 cannot hold a position to a fraction of a pixel.
    """
    return F.grid_sample(x.float(), where, mode="bilinear", padding_mode="border", align_corners=True)


def warp(x: Tensor, flow: Tensor, top: int = 0) -> Tensor:
    """x [B, C, H, w] sampled at p + flow(p) -> [B, C, h, w] float32; arguments as for `places`."""
    return sample(x, places(flow, x, top=top))


def gather(x: Tensor, flow: Tensor) -> Tensor:
    """Features [B, C, h, w] at p + flow(p), as `warp` has it, in their dtype and with channels innermost.

    Each place is a weighted sum of four rows of a table of all places: an eighth of the time of F.grid_sample, which
    goes through float32 with channels outermost.
    """
    batch, channels, height, width = x.shape
    flow = torch.nan_to_num(flow)  # what is no number must not become an address
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    at_x, at_y = (columns + flow[:, 0]).clamp(0, width - 1), (rows + flow[:, 1]).clamp(0, height - 1)
    left, above = at_x.detach().floor(), at_y.detach().floor()
    right, below = at_x - left, at_y - above  # the shares of the pixels on the right and below
    near = torch.stack((left, (left + 1).clamp(max=width - 1)), -1).int()
    upper = torch.stack((above, (above + 1).clamp(max=height - 1)), -1).int()
    first = torch.arange(batch, device=flow.device, dtype=torch.int32)[:, None, None, None] * height
    places = (width * (first + upper))[..., None] + near[..., None, :]
    shares = torch.stack((1 - below, below), -1)[..., None] * torch.stack((1 - right, right), -1)[..., None, :]
    table = x.permute(0, 2, 3, 1).reshape(-1, channels)
    weights = shares.to(x.dtype).reshape(-1, 4)
    moved = F.embedding_bag(places.reshape(-1, 4), table, mode="sum", per_sample_weights=weights)
    return moved.view(batch, height, width, channels).permute(0, 3, 1, 2)


def sample_along(x: Tensor, velocity: Tensor, fractions: tuple[float, ...], begin: Tensor) -> Tensor:
    """One plane [B, 1, H, W] at places on a line through each point: [B, len(fractions), h, w] float32.

    begin: where the points are, as `sample` reads it. velocity: [B, 2, h, w] float32, pixels, x first; the places lie
    at fractions of it.
    """
    batch, _, height, width = velocity.shape
    steps = numbers(fractions, x.device)[:, None, None, None]
    span = torch.stack((velocity[:, 0] * unit(x.shape[3]), velocity[:, 1] * unit(x.shape[2])), -1)
    # Not addcmul: it rounds once or twice as the place in memory has it, so that strips would differ from the whole.
    where = begin[:, None] + span[:, None] * steps  # [B, fractions, h, w, 2]
    planes = x[:, None].expand(batch, len(fractions), *x.shape[1:])
    return sample(planes.flatten(0, 1), where.flatten(0, 1)).view(batch, len(fractions), height, width)


def unfold(x: Tensor, side: int) -> Tensor:
    """Channels as pixels: [B, side * side * C, h, w] -> [B, C, side * h, side * w], the place in a cell outermost.

    As F.pixel_shuffle, which has the place innermost: this way whole runs of channels are copied.
    """
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, height, width, side, -1).transpose(2, 3)
    return rows.reshape(batch, side * height, side * width, channels // side**2).permute(0, 3, 1, 2)


def like(x: Tensor, features: Tensor) -> Tensor:
    """x in the dtype of `features` with its channels innermost, as convolutions want it; cast and laid out at once."""
    return x.to(features.dtype, memory_format=torch.channels_last)
