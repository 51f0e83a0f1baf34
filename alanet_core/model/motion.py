"""Moving features and pixels along a flow, and comparing two frames' features nearby."""

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Sample x [B, C, h, w] at p + flow(p), bilinear, the edge repeated -> [B, C, h, w] float32.

    flow: [B, 2, h, w] float32, pixels of this level, x first. Computed in float32, since bfloat16 cannot hold a
    position to a fraction of a pixel.
    """
    height, width = x.shape[2:]
    columns = torch.arange(width, device=x.device, dtype=torch.float32)
    rows = torch.arange(height, device=x.device, dtype=torch.float32)[:, None]
    across = (columns + flow[:, 0]) * (2 / max(width - 1, 1)) - 1
    down = (rows + flow[:, 1]) * (2 / max(height - 1, 1)) - 1
    grid = torch.stack((across, down), -1)
    return F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="border", align_corners=True)


def correlate(a: Tensor, b: Tensor, radius: int) -> Tensor:
    """Local correlation: mean over channels of a(p) * b(p + d) for all d in [-radius, radius]^2, rows first.

    a, b: [B, C, h, w] -> [B, (2 * radius + 1)**2, h, w] float32; outside of b lies zero.
    """
    batch, channels, height, width = a.shape
    side = 2 * radius + 1
    nearby = F.unfold(b.float(), side, padding=radius).view(batch, channels, side * side, height, width)
    return (a.float().unsqueeze(2) * nearby).mean(1)
