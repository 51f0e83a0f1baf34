"""A VapourSynth frame as tensors: what its numbers mean, its planes, RGB and back."""

import ctypes
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

import torch
import vapoursynth as vs
from torch import Tensor

import alanet_core as alanet
from alanet_core.color import ChromaSite, Family, MatrixName, PixelFormat, from_rgb, to_rgb
from alanet_core.errors import must

FAMILY: dict[int, Family] = {vs.RGB: "rgb", vs.YUV: "yuv", vs.GRAY: "gray"}
MATRIX: dict[int, MatrixName] = {
    vs.MATRIX_BT709: "bt709",
    vs.MATRIX_FCC: "fcc",
    vs.MATRIX_BT470_BG: "bt601",
    vs.MATRIX_ST170_M: "bt601",
    vs.MATRIX_ST240_M: "smpte240m",
    vs.MATRIX_YCGCO: "ycgco",
    vs.MATRIX_BT2020_NCL: "bt2020",
}
MATRIX_BY_NAME: dict[str, MatrixName] = {  # the names that VapourSynth's resizers give them
    "709": "bt709",
    "fcc": "fcc",
    "470bg": "bt601",
    "170m": "bt601",
    "240m": "smpte240m",
    "ycgco": "ycgco",
    "2020ncl": "bt2020",
}
CHROMA_SITE: dict[int, ChromaSite] = {
    vs.CHROMA_LEFT: "left",
    vs.CHROMA_CENTER: "center",
    vs.CHROMA_TOP_LEFT: "topleft",
    vs.CHROMA_TOP: "top",
    vs.CHROMA_BOTTOM_LEFT: "bottomleft",
    vs.CHROMA_BOTTOM: "bottom",
}
RANGE: dict[int, bool] = {vs.RANGE_FULL: True, vs.RANGE_LIMITED: False}
DTYPE = {
    (vs.INTEGER, 1): torch.uint8,
    (vs.INTEGER, 2): torch.uint16,
    (vs.FLOAT, 2): torch.float16,
    (vs.FLOAT, 4): torch.float32,
}

V = TypeVar("V")


def pixel_format(frame: vs.VideoFrame, untagged: MatrixName | None = None) -> PixelFormat:
    """What the numbers of a frame mean, by its format and properties.

    untagged: the matrix of YUV that does not say it (`_Matrix` absent or 2); None: 709 for HD sizes, else 601, as
        players do. The other properties have VapourSynth's defaults.

    Raises FrameError for what the filter does not take: fields, linear light, other matrices.
    """
    props = frame.props
    _check_frame(props.get("_FieldBased", 0), props.get("_Transfer", vs.TRANSFER_UNSPECIFIED))
    matrix = props.get("_Matrix", vs.MATRIX_UNSPECIFIED)
    if frame.format.color_family != vs.YUV or matrix == vs.MATRIX_UNSPECIFIED:
        hd = frame.width >= 1280 or frame.height > 576
        name = untagged or ("bt709" if hd else "bt601")
    else:
        name = _known(MATRIX, "_Matrix", matrix, "convert the clip: clip.resize.Bicubic(matrix_s='709')")
    site = _known(CHROMA_SITE, "_ChromaLocation", props.get("_ChromaLocation", vs.CHROMA_LEFT), "set 0 for left")
    full = _known(RANGE, "_Range", props["_Range"], "set 0 for limited or 1 for full") if "_Range" in props else None
    return _pixel_format(frame.format, name, full, site)


def read_rgb(frame: vs.VideoFrame, fmt: PixelFormat, device: torch.device) -> Tensor:
    """The picture of a frame -> [3, H, W] float32 RGB on `device`, nothing of it borrowed from the frame."""
    planes = [_view(frame, plane, write=False) for plane in range(frame.format.num_planes)]
    return to_rgb(planes, fmt, device)


def write_rgb(frame: vs.VideoFrame, fmt: PixelFormat, rgb: Tensor) -> None:
    """[3, H, W] float RGB on any device -> the planes of a frame of our own making."""
    from_rgb(rgb, fmt, [_view(frame, plane, write=True) for plane in range(frame.format.num_planes)])


def _view(frame: vs.VideoFrame, plane: int, *, write: bool) -> Tensor:
    """A plane as a tensor [h, w] over the frame's own memory; good as long as the caller holds the frame."""
    down, across = (frame.format.subsampling_h, frame.format.subsampling_w) if plane else (0, 0)
    height, width = frame.height >> down, frame.width >> across
    sample, stride = frame.format.bytes_per_sample, frame.get_stride(plane)
    address = (frame.get_write_ptr if write else frame.get_read_ptr)(plane).value
    assert address is not None
    size = stride * (height - 1) + width * sample
    memory = (ctypes.c_char * size).from_address(address)
    flat = torch.frombuffer(memory, dtype=DTYPE[frame.format.sample_type, sample])
    return flat.as_strided((height, width), (stride // sample, 1))


def _check_frame(fields: int, transfer: int) -> None:
    if fields:
        remedy = "deinterlace it first (bwdif, QTGMC), or, if it is progressive, clip.std.SetFieldBased(0)"
        raise alanet.FrameError(f"clip must be progressive, got _FieldBased={fields}; {remedy}")
    if transfer == vs.TRANSFER_LINEAR:
        remedy = "convert it: clip.resize.Bicubic(transfer_s='709')"
        raise alanet.FrameError(f"clip must be gamma-coded, got linear light (_Transfer={int(transfer)}); {remedy}")


def _known(table: Mapping[int, V], prop: str, value: int, remedy: str) -> V:
    if value not in table:
        raise alanet.FrameError(must(prop, f"one of {', '.join(str(int(known)) for known in table)}", value, remedy))
    return table[value]


@lru_cache(maxsize=64)
def _pixel_format(fmt: vs.VideoFormat, matrix: MatrixName, full: bool | None, site: ChromaSite) -> PixelFormat:
    return PixelFormat(
        family=FAMILY[fmt.color_family],
        sample="float" if fmt.sample_type == vs.FLOAT else "int",
        bits=fmt.bits_per_sample,
        subsampling=(fmt.subsampling_w, fmt.subsampling_h),
        matrix=matrix,
        full_range=full,
        chroma_site=site,
    )
