"""What hangs on a video stream beside its pictures: rotation, mastering display, light level; and what is lost."""

import struct
from dataclasses import dataclass
from fractions import Fraction

import av
from av.sidedata.sidedata import Type
from av.video.stream import VideoStream

from alanet_core.media.pyav import coded_side_data

NOT_KEPT = {
    "dovi_conf": "Dolby Vision",
    "ambient_viewing_environment": "ambient viewing environment",
    "spherical": "spherical projection",
    "stereo_3d": "stereo 3D",
    "icc_profile": "ICC profile",
    "dynamic_hdr10_plus": "HDR10+",
    "frame_cropping": "frame cropping",
    "3d_reference_displays": "3D reference displays",
    "lcevc": "LCEVC",
}
"""Stream side data, by PyAV's name, that PyAV cannot hand to an encoder or a muxer, in words."""

NOT_KEPT_IN_FRAMES = {
    Type.DOVI_METADATA: "Dolby Vision",
    Type.AMBIENT_VIEWING_ENVIRONMENT: "ambient viewing environment",
    Type.DYNAMIC_HDR_PLUS: "HDR10+",
    Type.DYNAMIC_HDR_VIVID: "HDR Vivid",
}
"""The same of a frame's side data."""


@dataclass(frozen=True)
class MasteringDisplay:
    """SMPTE ST 2086: chromaticities (x, y) of R, G, B and white, and luminance in cd/m2."""

    primaries: tuple[tuple[Fraction, Fraction], ...]
    white: tuple[Fraction, Fraction]
    darkest: Fraction
    brightest: Fraction


@dataclass(frozen=True)
class StreamExtras:
    """Side data of a video stream. matrix: FFmpeg's display matrix, 9 integers; light: MaxCLL and MaxFALL in cd/m2."""

    matrix: tuple[int, ...] | None = None
    mastering: MasteringDisplay | None = None
    light: tuple[int, int] | None = None
    lost: tuple[str, ...] = ()

    @classmethod
    def of(cls, stream: VideoStream, frame: av.VideoFrame) -> "StreamExtras":
        """What the container says of the stream, and where it says nothing, its first frame."""
        coded = coded_side_data(stream.codec_context)
        matrix = coded.get("display_matrix") or _of_frame(frame, Type.DISPLAYMATRIX)
        mastering = coded.get("mastering_display_metadata") or _of_frame(frame, Type.MASTERING_DISPLAY_METADATA)
        light = coded.get("content_light_level") or _of_frame(frame, Type.CONTENT_LIGHT_LEVEL)
        lost = [words for name, words in NOT_KEPT.items() if name in coded]
        lost += [words for kind, words in NOT_KEPT_IN_FRAMES.items() if kind in frame.side_data]
        return cls(
            matrix=struct.unpack("=9i", matrix) if matrix else None,
            mastering=_mastering(mastering) if mastering else None,
            light=struct.unpack("=2I", light[:8]) if light else None,
            lost=tuple(dict.fromkeys(lost)),
        )

    def encoder_options(self, codec: str) -> dict[str, str]:
        """Parameters that make this encoder write mastering display and light level into the stream; {} if none do."""
        if codec == "libx265":
            return _joined("x265-params", self._x26x("master-display", "max-cll"))
        if codec in ("libx264", "libx264rgb"):
            return _joined("x264-params", self._x26x("mastering-display", "cll"))
        if codec == "libsvtav1":
            return _joined("svtav1-params", self._svtav1())
        return {}

    def kept_by(self, codec: str) -> bool:
        """Whether this encoder can write the HDR data that there is."""
        return (self.mastering is None and self.light is None) or bool(self.encoder_options(codec))

    def _x26x(self, mastering: str, light: str) -> list[str]:
        parts = []
        if display := self.mastering:
            red, green, blue = (_scaled(point, 50000) for point in display.primaries)
            parts.append(
                f"{mastering}=G{green}B{blue}R{red}WP{_scaled(display.white, 50000)}"
                f"L{_scaled((display.brightest, display.darkest), 10000)}"
            )
        if self.light:
            parts.append(f"{light}={self.light[0]},{self.light[1]}")
        return parts

    def _svtav1(self) -> list[str]:
        parts = []
        if display := self.mastering:
            red, green, blue = (f"({float(x):.5f},{float(y):.5f})" for x, y in display.primaries)
            white = f"({float(display.white[0]):.5f},{float(display.white[1]):.5f})"
            levels = f"({float(display.brightest):.4f},{float(display.darkest):.4f})"
            parts.append(f"mastering-display=G{green}B{blue}R{red}WP{white}L{levels}")
        if self.light:
            parts.append(f"content-light={self.light[0]},{self.light[1]}")
        return parts


def _of_frame(frame: av.VideoFrame, kind: Type) -> bytes | None:
    data = frame.side_data.get(kind)
    return None if data is None else bytes(data)


def _mastering(data: bytes) -> MasteringDisplay | None:
    """FFmpeg's AVMasteringDisplayMetadata: ten rationals (R, G, B, white, darkest, brightest), then two flags."""
    numbers = struct.unpack("=20i2i", data[:88])
    if not (numbers[20] and numbers[21]) or 0 in numbers[1:20:2]:
        return None
    values = [Fraction(numbers[i], numbers[i + 1]) for i in range(0, 20, 2)]
    points = tuple((values[i], values[i + 1]) for i in range(0, 8, 2))
    return MasteringDisplay(points[:3], points[3], values[8], values[9])


def _scaled(pair: tuple[Fraction, Fraction], unit: int) -> str:
    return f"({round(pair[0] * unit)},{round(pair[1] * unit)})"


def _joined(key: str, parts: list[str]) -> dict[str, str]:
    return {key: ":".join(parts)} if parts else {}
