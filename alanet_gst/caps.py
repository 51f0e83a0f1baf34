"""Caps: what the pads can do, what one side means for the other, and what the pixels of fixed caps mean."""

from fractions import Fraction
from typing import Any

from alanet_gst.errors import Trouble
from alanet_gst.gst import Gst, GstVideo
from alanet_gst.timing import INT_MAX, scale_rate

_NAMES = (
    "RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR", "RGBP", "BGRP", "GBR", "GBRA",
    "GBR_10LE", "GBR_12LE", "RGBA64_LE", "BGRA64_LE", "ARGB64_LE", "ABGR64_LE",
    "GRAY8", "GRAY16_LE",
    "I420", "YV12", "NV12", "NV21", "Y42B", "NV16", "Y444", "NV24", "Y41B", "YUV9", "YVU9", "A420",
    "YUY2", "UYVY", "YVYU", "VYUY", "v308", "IYU2", "AYUV", "VUYA",
    "I420_10LE", "I422_10LE", "Y444_10LE", "I420_12LE", "I422_12LE", "Y444_12LE", "Y444_16LE",
    "P010_10LE", "P012_LE", "P016_LE", "A420_10LE", "A422_10LE", "A444_10LE",
)  # fmt: skip
_UNKNOWN = GstVideo.VideoFormat.UNKNOWN
FORMATS = tuple(name for name in _NAMES if GstVideo.VideoFormat.from_string(name) != _UNKNOWN)
"""Every format that GStreamer describes by samples of 8 to 16 bits, little endian, each in whole bytes; those of 1.22,
as far as the GStreamer at hand knows them."""

FIELDS = f"format=(string){{ {', '.join(FORMATS)} }}, width=(int)[1,32767], height=(int)[1,32767]"
FIELDS += f", framerate=(fraction)[0/1,{INT_MAX}/1]"
# Overlays travel as a meta beside the pixels, and are handed on; other features tell of memory that is not the CPU's.
TEMPLATE = f"video/x-raw, {FIELDS}; video/x-raw(meta:GstVideoOverlayComposition), {FIELDS}"

RATES = ("framerate", "max-framerate")

_COLOR = GstVideo.VideoColorMatrix
MATRICES = {
    _COLOR.BT709: "bt709",
    _COLOR.BT601: "bt601",
    _COLOR.BT2020: "bt2020",
    _COLOR.SMPTE240M: "smpte240m",
    _COLOR.FCC: "fcc",
}
FULL_RANGE = 1  # GST_VIDEO_COLOR_RANGE_0_255, for which Python has no name
_SITE = GstVideo.VideoChromaSite
# Flags: horizontally cosited or not, vertically cosited or not. ALT_LINE speaks of interlaced video.
SITES = {
    0: "left",
    int(_SITE.NONE): "center",
    int(_SITE.H_COSITED): "left",
    int(_SITE.V_COSITED): "top",
    int(_SITE.H_COSITED | _SITE.V_COSITED): "topleft",
}


def rate_of(info: GstVideo.VideoInfo) -> Fraction:
    """The frame rate of a VideoInfo; 0 where it is not known."""
    return Fraction(info.fps_n, info.fps_d) if info.fps_n > 0 and info.fps_d > 0 else Fraction(0)


def scale_field(value: Gst.Fraction, factor: Fraction) -> Gst.Fraction:
    """A framerate field (fraction, range, or list of these) times `factor`."""
    if isinstance(value, Gst.FractionRange):
        low, high = _scaled(value.start, factor), _scaled(value.stop, factor)
        if int(value.stop.num) == INT_MAX:  # any rate stays any rate
            high = Gst.Fraction(INT_MAX, 1)
        return Gst.FractionRange(low, high)
    if isinstance(value, Gst.ValueList):
        return Gst.ValueList([scale_field(one, factor) for one in value.array])
    return _scaled(value, factor)


def _scaled(value: Gst.Fraction, factor: Fraction) -> Gst.Fraction:
    # gst-python's Fraction divides by the common divisor with "/": num and denom are floats.
    rate = scale_rate(Fraction(int(value.num), int(value.denom)), factor)
    return Gst.Fraction(rate.numerator, rate.denominator)


def scale_caps(caps: Gst.Caps, factor: Fraction) -> Gst.Caps:
    """Caps with their frame rates times `factor`; everything else, features included, as it is."""
    if factor == 1:
        return caps
    out = Gst.Caps.new_empty()
    for place in range(caps.get_size()):
        structure = caps.get_structure(place).copy()
        for name in RATES:
            if structure.has_field(name):
                structure.set_value(name, scale_field(structure.get_value(name), factor))
        out.append_structure_full(structure, caps.get_features(place).copy())
    return out


def possible(pad: Gst.Pad, other: Gst.Pad, wanted: Gst.Caps | None, factor: Fraction) -> Gst.Caps:
    """What `pad` can do: its template, and what the peer of `other` can do, rates times `factor` on the way here."""
    around = other.get_pad_template_caps()
    asked = None if wanted is None else around.intersect(scale_caps(wanted, 1 / factor))
    got = other.peer_query_caps(asked)
    got = around if got is None else got.intersect(around)
    got = scale_caps(got, factor).intersect(pad.get_pad_template_caps())
    for place in range(got.get_size()):
        structure = got.get_structure(place)
        if not structure.has_field("interlace-mode"):
            structure.set_value("interlace-mode", "progressive")
    progressive = Gst.Caps.from_string(
        "video/x-raw, interlace-mode=(string)progressive; "
        "video/x-raw(meta:GstVideoOverlayComposition), interlace-mode=(string)progressive"
    )
    got = got.intersect_full(progressive, Gst.CapsIntersectMode.FIRST)
    return got if wanted is None else wanted.intersect_full(got, Gst.CapsIntersectMode.FIRST)


def acceptable(pad: Gst.Pad, other: Gst.Pad, caps: Gst.Caps, factor: Fraction) -> bool:
    """Whether fixed caps may come. Interlaced ones may: their event is then refused in words."""
    return bool(
        caps.is_fixed()
        and caps.can_intersect(pad.get_pad_template_caps())
        and other.peer_query_accept_caps(scale_caps(caps, factor))
    )


def video_info(caps: Gst.Caps) -> GstVideo.VideoInfo | None:
    """What fixed raw caps mean, or None."""
    try:
        return GstVideo.VideoInfo.new_from_caps(caps)
    except TypeError:  # PyGObject's word for a C constructor that returned NULL
        return None


def checked_info(caps: Gst.Caps) -> GstVideo.VideoInfo:
    """The VideoInfo of caps that have come. Raises Trouble for what cannot be taken."""
    info = video_info(caps)
    if info is None or info.finfo.name not in FORMATS:
        raise Trouble.negotiation("video caps", "one of the raw formats of `gst-inspect-1.0 alanet`",
                                  caps.to_string(), "put videoconvert before alanet")  # fmt: skip
    if info.interlace_mode != GstVideo.VideoInterlaceMode.PROGRESSIVE:
        mode = GstVideo.VideoInterlaceMode.to_string(info.interlace_mode)
        raise Trouble.negotiation("interlace-mode", "progressive", mode, "put deinterlace before alanet")
    return info


def pixel_format(info: GstVideo.VideoInfo) -> dict[str, Any]:
    """The arguments of alanet_core.color.PixelFormat for a VideoInfo."""
    finfo, colors = info.finfo, info.colorimetry
    if finfo.n_components < 3:
        family = "gray"
    else:
        family = "rgb" if int(finfo.flags) & int(GstVideo.VideoFormatFlags.RGB) else "yuv"
    full = int(colors.range) == FULL_RANGE
    meaning: dict[str, Any] = {"family": family, "bits": int(finfo.depth[0]), "full_range": full}
    if family == "yuv":
        meaning |= {
            "subsampling": (int(finfo.w_sub[1]), int(finfo.h_sub[1])),
            "matrix": MATRICES.get(colors.matrix, "bt709" if info.width >= 1280 or info.height > 576 else "bt601"),
            "chroma_site": SITES.get(int(info.chroma_site) & 7, "left"),
        }
    return meaning
