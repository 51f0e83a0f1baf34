"""Moving features and pixels along a flow; pixels as channels and back."""

import torch
import torch.nn.functional as F
from torch import Tensor


def ground(height: int, width: int, flow: Tensor, top: int = 0) -> Tensor:
    """Where pixels are: [1, 2, height, width], x first, on the device of a flow and in its dtype; rows from `top`."""
    rows = torch.arange(top, top + height, device=flow.device, dtype=flow.dtype)[:, None].expand(height, width)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype).expand(height, width)
    return torch.stack((columns, rows))[None]


def positions(places: Tensor, x: Tensor) -> Tensor:
    """Places [B, 2, h, w] float32 in pixels of x, x first, as `sample` reads them: [B, h, w, 2], -1..1 across."""
    return spans(places, x).sub_(1)


def spans(lengths: Tensor, x: Tensor) -> Tensor:
    """Lengths in pixels of x, [B, 2, h, w] -> the same as `sample` counts them, [B, h, w, 2]."""
    scale = lengths.new_tensor((2 / max(x.shape[3] - 1, 1), 2 / max(x.shape[2] - 1, 1)))
    return lengths.permute(0, 2, 3, 1) * scale


def sample(x: Tensor, where: Tensor) -> Tensor:
    """x [B, C, H, W] at `positions`, bilinear, the edge repeated -> [B, C, h, w] float32.

    In float32, since bfloat16 cannot hold a position to a fraction of a pixel.
    """
    return F.grid_sample(x.float(), where, mode="bilinear", padding_mode="border", align_corners=True)


def warp(x: Tensor, flow: Tensor, top: int = 0) -> Tensor:
    """x [B, C, H, w] sampled at p + flow(p) -> [B, C, h, w] float32; flow [B, 2, h, w] float32, pixels, x first.

    top: the row of x where the flow begins, if it is that of a strip.
    """
    _, _, height, width = flow.shape
    return sample(x, positions(flow + ground(height, width, flow, top), x))


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

    begin: `positions` of the points. velocity: [B, 2, h, w] float32, pixels, x first; places lie at fractions of it.
    """
    batch, _, height, width = velocity.shape
    steps = velocity.new_tensor(fractions)[:, None, None, None]
    # Not addcmul: it rounds once or twice as the place in memory has it, so that strips would differ from the whole.
    where = begin[:, None] + spans(velocity, x)[:, None] * steps  # [B, fractions, h, w, 2]
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
