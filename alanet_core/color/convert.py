"""Planes as a host holds them -> RGB planes as the network reads them, and back."""

from collections.abc import Sequence

import torch
from torch import Tensor

from alanet_core.color.chroma import coarsen, refine
from alanet_core.color.format import Levels, PixelFormat
from alanet_core.color.matrix import find_matrix
from alanet_core.errors import FrameError, must


def to_rgb(planes: Sequence[Tensor], fmt: PixelFormat, device: torch.device | str | None = None) -> Tensor:
    """Planes of one picture -> [3, H, W] float32 RGB, gamma-coded, nominally 0..1 and not clamped.

    planes: fmt.planes tensors [h, w] with any strides, dtype as `storage(fmt)` says, all of fmt's sizes; only read.
    device: where the result shall be; None: where the planes are. Planes travel there as they are stored.

    A grey picture becomes three equal planes. Chroma is interpolated between the places where fmt says that it lies.
    Raises FrameError where the planes do not fit fmt.
    """
    height, width = _check_planes(planes, fmt)
    sources = [plane if device is None else plane.to(device, non_blocking=True) for plane in planes]
    out = torch.empty((3, height, width), dtype=torch.float32, device=sources[0].device)
    if fmt.family == "yuv":
        luma = _decode(sources[0], fmt.luma, out[0])
        chroma = torch.empty((2, *sources[1].shape), dtype=torch.float32, device=out.device)
        for difference, plane in zip(chroma, sources[1:], strict=True):
            _decode(plane, fmt.chroma, difference)
        _mix(luma, _refine_both(chroma, fmt, height, width), fmt, out)
    else:
        for channel, plane in zip(out, sources, strict=False):
            _decode(plane, fmt.luma, channel)
        if fmt.family == "gray":
            out[1:] = out[0]
    return out


def from_rgb(rgb: Tensor, fmt: PixelFormat) -> list[Tensor]:
    """[3, H, W] float RGB -> new planes of `fmt` on the same device; the inverse of `to_rgb` up to rounding.

    Integer planes are rounded to nearest and clamped to what fmt's bits can hold (not to the nominal range: values
    beyond white survive). A grey picture is the mean of the three planes: its source was three equal ones, and the mean
    is the grey that is nearest to all three, while luma's weights would let the error of green alone decide.
    Raises FrameError where rgb is not one RGB picture.
    """
    if rgb.dim() != 3 or rgb.shape[0] != 3 or 0 in rgb.shape or not rgb.is_floating_point():
        raise FrameError(
            must(
                "rgb",
                "one floating-point picture [3, height, width]",
                f"{rgb.dtype} {tuple(rgb.shape)}",
                "pass what to_rgb or a FramePair gives",
            )
        )
    rgb = rgb.float()
    if fmt.family == "rgb":
        return [_encode(channel.clone(), fmt.luma, fmt) for channel in rgb]
    if fmt.family == "gray":
        return [_encode(rgb.mean(0), fmt.luma, fmt)]
    matrix = find_matrix(fmt.matrix)
    luma = rgb[0] * matrix.luma[0]
    for channel, weight in zip(rgb[1:], matrix.luma[1:], strict=True):
        luma.add_(channel, alpha=weight)
    signals = (*rgb, luma)
    chroma = torch.empty_like(rgb[:2])
    for plane, difference in zip(chroma, matrix.differences, strict=True):
        torch.sub(signals[difference.plus], signals[difference.minus], out=plane)
    chroma = _coarsen_both(chroma, fmt)
    for plane, difference in zip(chroma, matrix.differences, strict=True):
        plane.mul_(difference.scale)
    return [_encode(luma, fmt.luma, fmt), *(_encode(plane, fmt.chroma, fmt) for plane in chroma)]


def storage(fmt: PixelFormat) -> torch.dtype:
    """The dtype that holds fmt's samples: uint8, uint16, float16 or float32."""
    if fmt.sample == "float":
        return torch.float16 if fmt.bits == 16 else torch.float32
    return torch.uint8 if fmt.bits == 8 else torch.uint16


def _check_planes(planes: Sequence[Tensor], fmt: PixelFormat) -> tuple[int, int]:
    if len(planes) != fmt.planes:
        raise FrameError(must("planes", f"{fmt.planes} for {fmt.family}", len(planes), "pass one tensor a plane"))
    if planes[0].dim() != 2 or 0 in planes[0].shape:
        raise FrameError(must("planes", "[height, width], at least 1x1", tuple(planes[0].shape), "pass one picture"))
    height, width = planes[0].shape
    for number, plane in enumerate(planes):
        size, dtype = fmt.plane_size(number, height, width), storage(fmt)
        if tuple(plane.shape) != size or plane.dtype != dtype:
            raise FrameError(
                must(
                    f"planes[{number}]",
                    f"{dtype} {size}",
                    f"{plane.dtype} {tuple(plane.shape)}",
                    "make planes and PixelFormat agree",
                )
            )
    return height, width


def _decode(plane: Tensor, levels: Levels, out: Tensor) -> Tensor:
    """Stored numbers -> nominal range in float32. Subtracts first, so that zero is exactly 0."""
    out.copy_(plane)
    if levels.zero:
        out.sub_(levels.zero)
    return out if levels.span == 1.0 else out.mul_(1.0 / levels.span)


def _encode(plane: Tensor, levels: Levels, fmt: PixelFormat) -> Tensor:
    """Nominal range -> stored numbers. Writes over `plane`."""
    if levels.peak is None:
        return plane.to(storage(fmt))
    return plane.mul_(levels.span).add_(levels.zero).round_().clamp_(0, levels.peak).to(storage(fmt))


def _mix(luma: Tensor, chroma: Tensor, fmt: PixelFormat, out: Tensor) -> None:
    """out[c] = luma + a[c] chroma[0] + b[c] chroma[1]. luma is out[0], which is therefore written last."""
    rows = find_matrix(fmt.matrix).back
    for channel in (1, 2, 0):
        base = luma
        for weight, difference in zip(rows[channel], chroma, strict=True):
            if weight:
                base = torch.add(base, difference, alpha=weight, out=out[channel])


def _refine_both(chroma: Tensor, fmt: PixelFormat, height: int, width: int) -> Tensor:
    """[2, h, w] -> [2, height, width]; rows first, while there are few columns."""
    (across, down), (horizontal, vertical) = fmt.subsampling, fmt.sites
    for step in reversed(range(down)):
        chroma = refine(chroma, -2, vertical, -(-height >> step))
    for step in reversed(range(across)):
        chroma = refine(chroma, -1, horizontal, -(-width >> step))
    return chroma


def _coarsen_both(chroma: Tensor, fmt: PixelFormat) -> Tensor:
    """[2, height, width] -> [2, h, w]; rows first, as whole rows are read fastest."""
    (across, down), (horizontal, vertical) = fmt.subsampling, fmt.sites
    for _ in range(down):
        chroma = coarsen(chroma, -2, vertical)
    for _ in range(across):
        chroma = coarsen(chroma, -1, horizontal)
    return chroma
