"""Planes as a host holds them -> RGB planes as the network reads them, and back.

On a CPU in one pass (`native.color`, color.c), for the formats that it knows; else by the steps in this file.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from alanet_core.color.bands import Band, bands, of_chroma
from alanet_core.color.chroma import coarsen, refine
from alanet_core.color.format import Levels, PixelFormat
from alanet_core.color.matrix import find_matrix
from alanet_core.errors import FrameError, must
from alanet_core.native import color as of_c
from alanet_core.transfer import sent


def to_rgb(planes: Sequence[Tensor], fmt: PixelFormat, device: torch.device | str | None = None) -> Tensor:
    """Planes of one picture -> [3, H, W] float32 RGB, gamma-coded, nominally 0..1 and not clamped.

    planes: fmt.planes tensors [h, w] with any strides, dtype as `storage(fmt)` says, all of fmt's sizes; only read.
    device: where the result shall be; None: where the planes are. Planes travel there as they are stored.

    A grey picture becomes three equal planes. Chroma is interpolated between the places where fmt says that it lies.
    Raises FrameError where the planes do not fit fmt.
    """
    height, width = _check_planes(planes, fmt)
    if torch.device(device or "cpu").type == "cpu" and of_c.serves(planes, _signal(fmt)):
        return of_c.decode(planes, _signal(fmt))
    sources = [plane if device is None else sent(plane, device) for plane in planes]
    out = torch.empty((3, height, width), dtype=torch.float32, device=sources[0].device)
    for band in bands(height, width, fmt, out.device):
        _decode_band(sources, fmt, band, out[:, band.inner])
    return out


def from_rgb(rgb: Tensor, fmt: PixelFormat, planes: Sequence[Tensor] | None = None) -> list[Tensor]:
    """[3, H, W] float RGB -> planes of `fmt`; the inverse of `to_rgb` up to rounding.

    planes: where to write, as `to_rgb` takes them, on any device; None: new ones where rgb is.

    Integer planes are rounded to nearest and clamped to what fmt's bits can hold (not to the nominal range: values
    beyond white survive). A grey picture is the mean of the three planes: its source was three equal ones, and the mean
    is the grey that is nearest to all three, while luma's weights would let the error of green alone decide.
    Raises FrameError where rgb is not one RGB picture, or the planes do not fit it.
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
    height, width = rgb.shape[1:]
    if planes is None:
        sizes = [fmt.plane_size(plane, height, width) for plane in range(fmt.planes)]
        planes = [rgb.new_empty(size, dtype=storage(fmt)) for size in sizes]
    elif _check_planes(planes, fmt) != (height, width):
        expected, got = f"of {height} rows of {width}, as rgb is", tuple(planes[0].shape)
        raise FrameError(must("planes", expected, got, "pass planes of the picture's size"))
    if rgb.is_cpu and of_c.serves(planes, _signal(fmt)):
        of_c.encode(rgb.detach(), _signal(fmt), planes)
        return list(planes)
    for band in bands(height, width, fmt, rgb.device):
        part = rgb[:, band.outer].float().contiguous()  # plane by plane: networks give pictures pixel by pixel
        _encode_band(part, fmt, band, planes)
    return list(planes)


def storage(fmt: PixelFormat) -> torch.dtype:
    """The dtype that holds fmt's samples: uint8, uint16, float16 or float32."""
    if fmt.sample == "float":
        return torch.float16 if fmt.bits == 16 else torch.float32
    return torch.uint8 if fmt.bits == 8 else torch.uint16


@cache
def _signal(fmt: PixelFormat) -> of_c.Signal:
    """What color.c is told of a format."""
    matrix = find_matrix(fmt.matrix)
    differences = matrix.differences
    return of_c.Signal(
        yuv=fmt.family == "yuv",
        subsampling=fmt.subsampling,
        sites=fmt.sites,
        zero=(fmt.luma.zero, fmt.chroma.zero),
        span=(fmt.luma.span, fmt.chroma.span),
        peak=fmt.luma.peak or 0,
        luma=matrix.luma,
        plus=(differences[0].plus, differences[1].plus),
        minus=(differences[0].minus, differences[1].minus),
        scale=(differences[0].scale, differences[1].scale),
        back=matrix.back,
    )


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


def _decode_band(sources: Sequence[Tensor], fmt: PixelFormat, band: Band, out: Tensor) -> None:
    """Some rows of the planes -> the same rows of RGB, `out`."""
    if fmt.family != "yuv":
        for channel, plane in zip(out, sources, strict=False):
            _decode(plane[band.inner], fmt.luma, channel)
        if fmt.family == "gray":
            out[1:] = out[0]
        return
    luma = _decode(sources[0][band.inner], fmt.luma, out[0])
    rows, columns = of_chroma(band.outer, fmt), sources[1].shape[1]
    chroma = torch.empty((2, rows.stop - rows.start, columns), dtype=torch.float32, device=out.device)
    for difference, plane in zip(chroma, sources[1:], strict=True):
        _decode(plane[rows], fmt.chroma, difference)
    chroma = _refine_both(chroma, fmt, band.outer.stop - band.outer.start, out.shape[2])
    _mix(luma, chroma[:, band.within], fmt, out)


def _encode_band(rgb: Tensor, fmt: PixelFormat, band: Band, planes: Sequence[Tensor]) -> None:
    """Some rows of RGB with their margins -> the rows of the planes without."""
    if fmt.family == "rgb":
        for channel, plane in zip(rgb, planes, strict=True):
            _encode(channel.clone(), fmt.luma, plane[band.inner])
        return
    if fmt.family == "gray":
        _encode(rgb.mean(0), fmt.luma, planes[0][band.inner])
        return
    matrix = find_matrix(fmt.matrix)
    luma = rgb[0] * matrix.luma[0]
    for channel, weight in zip(rgb[1:], matrix.luma[1:], strict=True):
        luma.add_(channel, alpha=weight)
    signals = (*rgb, luma)
    chroma = torch.empty_like(rgb[:2])
    for plane, difference in zip(chroma, matrix.differences, strict=True):
        torch.sub(signals[difference.plus], signals[difference.minus], out=plane)
    rows = of_chroma(band.inner, fmt)
    first = of_chroma(band.outer, fmt).start
    chroma = _coarsen_both(chroma, fmt)[:, rows.start - first : rows.stop - first]
    _encode(luma[band.within], fmt.luma, planes[0][band.inner])
    for target, plane, difference in zip(planes[1:], chroma, matrix.differences, strict=True):
        _encode(plane.mul_(difference.scale), fmt.chroma, target[rows])


def _decode(plane: Tensor, levels: Levels, out: Tensor) -> Tensor:
    """Stored numbers -> nominal range in float32. Subtracts first, so that zero is exactly 0."""
    out.copy_(plane)
    if levels.zero:
        out.sub_(levels.zero)
    return out if levels.span == 1.0 else out.mul_(1.0 / levels.span)


def _encode(plane: Tensor, levels: Levels, out: Tensor) -> None:
    """Nominal range -> stored numbers, in `out`. Writes over `plane`."""
    if levels.peak is not None:
        plane.mul_(levels.span).add_(levels.zero).round_().clamp_(0, levels.peak)
    out.copy_(plane)


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
