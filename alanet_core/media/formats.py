"""FFmpeg's pixel formats and colour tags, as `PixelFormat`; frames as planes, without a copy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import av
import torch
from av.video.format import VideoFormat
from av.video.format import names as FORMAT_NAMES
from av.video.plane import VideoPlane
from torch import Tensor

from alanet_core.color import PixelFormat
from alanet_core.color.convert import storage
from alanet_core.color.format import ChromaSite, MatrixName
from alanet_core.media.pyav import chroma_site

RANGE_LIMITED, RANGE_FULL = 1, 2  # AVColorRange; 0 is unspecified
SPACE_RGB, SPACE_BT709, UNSPECIFIED = 0, 1, 2  # AVColorSpace; 2 is unspecified for transfer and primaries too
_MATRICES: dict[int, MatrixName] = {
    1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 8: "ycgco", 9: "bt2020", 10: "bt2020",
}  # fmt: skip
_SITES: dict[int, ChromaSite] = {1: "left", 2: "center", 3: "topleft", 4: "top", 5: "bottomleft", 6: "bottom"}
_PLANAR = re.compile(r"(?P<family>yuvj|yuva|yuv|gbrap|gbrp|gray)(?P<grid>4\d\dp)?(?P<float>f)?(?P<bits>\d+)?(?:le)?")
_GRIDS: dict[str, tuple[int, int]] = {
    "444p": (0, 0), "440p": (0, 1), "422p": (1, 0), "420p": (1, 1), "411p": (2, 0), "410p": (2, 2),
}  # fmt: skip
_RGB_ORDER = (2, 0, 1)  # where R, G and B lie in FFmpeg's gbrp


@dataclass(frozen=True)
class ColorTags:
    """What a file says of its colours, as FFmpeg's numbers (ITU-T H.273 for space, transfer and primaries)."""

    range: int = 0
    space: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    site: int = 0

    @classmethod
    def of(cls, frame: av.VideoFrame, stream: av.VideoStream) -> "ColorTags":
        """The first frame's tags; where it has none, the container's."""
        context = stream.codec_context
        return cls(
            range=frame.color_range or context.color_range,
            space=frame.colorspace if frame.colorspace != UNSPECIFIED else context.colorspace,
            transfer=frame.color_trc if frame.color_trc != UNSPECIFIED else context.color_trc,
            primaries=frame.color_primaries if frame.color_primaries != UNSPECIFIED else context.color_primaries,
            site=chroma_site(frame, context),
        )


def describe(name: str, tags: ColorTags, height: int, width: int) -> PixelFormat | None:
    """What planes of the pixel format `name` mean; None where it is not planar and little-endian in 8..16 bit or float.

    What the file leaves open is read as players do: limited range for YUV, full for RGB and GRAY; BT.709 from
    1280x577 on, else BT.601; chroma at the left, or in the centre for JPEG's yuvj.
    """
    match = _PLANAR.fullmatch(name)
    if match is None or (match["family"].startswith("yuv") != (match["grid"] is not None)):
        return None
    bits = int(match["bits"] or 8)
    if bits not in ((16, 32) if match["float"] else range(8, 17)):
        return None
    yuv, jpeg = match["family"].startswith("yuv"), match["family"] == "yuvj"
    return PixelFormat(
        family="yuv" if yuv else "gray" if match["family"] == "gray" else "rgb",
        sample="float" if match["float"] else "int",
        bits=bits,
        subsampling=_GRIDS[match["grid"]] if yuv else (0, 0),
        matrix=_MATRICES.get(tags.space, "bt709" if width >= 1280 or height > 576 else "bt601"),
        full_range=jpeg or tags.range == RANGE_FULL or (not yuv and tags.range != RANGE_LIMITED),
        chroma_site=_SITES.get(tags.site, "center" if jpeg else "left"),
    )


def known_matrix(tags: ColorTags) -> bool:
    """Whether the file's matrix is one that `describe` reads as it is meant (or none is stated)."""
    return tags.space in _MATRICES or tags.space in (SPACE_RGB, UNSPECIFIED)


def planar_name(name: str) -> str:
    """The planar format of FFmpeg that holds everything of `name` but its alpha: itself, or the nearest deeper one."""
    blank = ColorTags()
    if describe(name, blank, 16, 16):
        return name
    form = VideoFormat(name, 16, 16)
    parts = [part for part in form.components if not part.is_alpha]
    bits = 16 if form.is_bayer and "16" in name else max(8, *(part.bits for part in parts))
    if form.has_palette or form.is_rgb or form.is_bayer or name.startswith("xyz"):
        stem = "gbrp"
    elif len(parts) == 1:
        stem = "gray"
    else:
        grid = (16 // form.chroma_width(16), 16 // form.chroma_height(16))
        digits = {(1, 1): "444", (1, 2): "440", (2, 1): "422", (2, 2): "420", (4, 1): "411", (4, 4): "410"}
        stem = f"yuv{digits.get(grid, '444')}p"
    if stem in ("gbrp", "gray") and (bits > 16 or "f16" in name or "f32" in name):
        return f"{stem}f32le"
    names = [f"{stem}{depth}le" if depth > 8 else stem for depth in range(min(bits, 16), 17)]
    return next(candidate for candidate in [*names, "yuv444p16le"] if candidate in FORMAT_NAMES)


def has_alpha(name: str) -> bool:
    """Whether the format carries transparency, which the network does not."""
    return any(part.is_alpha for part in VideoFormat(name, 16, 16).components)


def planes_of(frame: av.VideoFrame, fmt: PixelFormat) -> list[Tensor]:
    """The frame's planes as fmt orders them (R, G, B or Y, Cb, Cr), views of its memory: valid and unchanged as long as
    the frame is neither freed nor written. `fmt` must describe the frame's own format.
    """
    order: Sequence[int] = _RGB_ORDER if fmt.family == "rgb" else range(fmt.planes)
    return [_view(frame.planes[number], storage(fmt)) for number in order]


def frame_of(planes: Sequence[Tensor], name: str, fmt: PixelFormat) -> av.VideoFrame:
    """A new frame of the planar format `name`, which `fmt` describes, holding a copy of `planes` (from any device)."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, name)
    for target, plane in zip(planes_of(frame, fmt), planes, strict=True):
        target.copy_(plane)
    return frame


def to_planar(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """The frame in the planar format `name` (see `planar_name`): itself, or repacked by libswscale at its own depth."""
    if frame.format.name == name:
        return frame
    # Both ranges are named so that libswscale repacks and never rescales.
    limits = RANGE_LIMITED if frame.color_range == RANGE_LIMITED else RANGE_FULL
    return frame.reformat(format=name, src_color_range=limits, dst_color_range=limits)


def _view(plane: VideoPlane, dtype: torch.dtype) -> Tensor:
    whole = torch.frombuffer(cast("bytearray", plane), dtype=dtype)
    stride = abs(plane.line_size) // dtype.itemsize
    rows = whole.as_strided((plane.height, plane.width), (stride, 1))
    return rows if plane.line_size > 0 else rows.flip(0)
