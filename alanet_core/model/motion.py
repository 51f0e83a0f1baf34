"""Moving features and pixels along a flow, and comparing two frames' features nearby."""

import torch
import torch.nn.functional as F
from torch import Tensor


def positions(flow: Tensor, *, top: int = 0, whole: int | None = None) -> Tensor:
    """Flow [B, 2, h, w] float32 in pixels, x first -> p + flow(p) as `sample` reads it: [B, h, w, 2], -1..1 across.

    top, whole: where the flow is that of a strip: the row it begins at, and the height of what is sampled.
    """
    height, width = flow.shape[2:]
    scale = flow.new_tensor((2 / max(width - 1, 1), 2 / max((whole or height) - 1, 1)))
    rows = torch.arange(top, top + height, device=flow.device, dtype=flow.dtype)[:, None].expand(height, width)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype).expand(height, width)
    return torch.addcmul(torch.stack((columns, rows), -1) * scale - 1, flow.permute(0, 2, 3, 1), scale)


def sample(x: Tensor, where: Tensor) -> Tensor:
    """x [B, C, h, w] at `positions`, bilinear, the edge repeated -> [B, C, h, w] float32.

    In float32, since bfloat16 cannot hold a position to a fraction of a pixel.
    """
    return F.grid_sample(x.float(), where, mode="bilinear", padding_mode="border", align_corners=True)


def warp(x: Tensor, flow: Tensor, top: int = 0) -> Tensor:
    """x [B, C, H, w] sampled at p + flow(p) -> [B, C, h, w] float32; flow [B, 2, h, w] float32, pixels, x first.

    top: the row of x where the flow begins, if it is that of a strip.
    """
    return sample(x, positions(flow, top=top, whole=x.shape[2]))


def sample_along(x: Tensor, velocity: Tensor, fractions: tuple[float, ...], top: int = 0) -> Tensor:
    """One plane [B, 1, H, w] at p + f * velocity(p) for every fraction f -> [B, len(fractions), h, w] float32."""
    batch, _, height, width = velocity.shape
    still = positions(torch.zeros_like(velocity), top=top, whole=x.shape[2])
    motion = positions(velocity, top=top, whole=x.shape[2]) - still
    steps = motion.new_tensor(fractions)[:, None, None, None]
    where = torch.addcmul(still[:, None], motion[:, None], steps)  # [B, fractions, h, w, 2]
    planes = x[:, None].expand(batch, len(fractions), *x.shape[1:])
    return sample(planes.flatten(0, 1), where.flatten(0, 1)).view(batch, len(fractions), height, width)


def correlate(a: Tensor, b: Tensor, radius: int) -> Tensor:
    """Local correlation: mean over channels of a(p) * b(p + d) for all d in [-radius, radius]^2, rows first.

    a, b: [B, C, h, w] -> [B, (2 * radius + 1)**2, h, w] float32; outside of b lies zero.
    """
    height, width = a.shape[2:]
    here = a.float().permute(0, 2, 3, 1).contiguous() / a.shape[1]
    around = F.pad(b.float(), (radius,) * 4).permute(0, 2, 3, 1).contiguous()
    side = range(2 * radius + 1)
    shifted = [torch.linalg.vecdot(here, around[:, y : y + height, x : x + width]) for y in side for x in side]
    return torch.stack(shifted, 1)


def fold(x: Tensor, side: int, features: Tensor) -> Tensor:
    """Pixels as channels: [B, C, H, W] -> [B, side * side * C, H / side, W / side] in the dtype of `features`.

    As F.pixel_unshuffle, but the place in the cell is the outer index of a channel and C the inner one, which lets
    whole runs be copied, with the channels innermost in memory.
    """
    batch, channels, height, width = x.shape
    pixels = like(x.to(features.dtype), features).permute(0, 2, 3, 1)
    rows = pixels.reshape(batch, height // side, side, width // side, side * channels).permute(0, 1, 3, 2, 4)
    cells = rows.reshape(batch, height // side, width // side, side * side * channels)
    return cells.permute(0, 3, 1, 2)


def like(x: Tensor, features: Tensor) -> Tensor:
    """x in the dtype of `features` with its channels innermost, as convolutions want it; cast and laid out at once."""
    return x.to(features.dtype, memory_format=torch.channels_last)
