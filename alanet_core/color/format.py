"""What the numbers in a picture's planes mean: `PixelFormat`, and the levels it stands for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from alanet_core.errors import FrameError, must

Family = Literal["rgb", "yuv", "gray"]
Sample = Literal["int", "float"]
MatrixName = Literal["bt709", "bt601", "bt2020", "smpte240m", "fcc", "ycgco"]
ChromaSite = Literal["left", "center", "topleft", "top", "bottomleft", "bottom"]
Site = Literal["first", "middle", "last"]

FAMILIES: tuple[str, ...] = get_args(Family)
MATRICES: tuple[str, ...] = get_args(MatrixName)
CHROMA_SITES: tuple[str, ...] = get_args(ChromaSite)
MAX_SUBSAMPLING = 4
"""log2 of the coarsest chroma grid; VapourSynth's limit."""


@dataclass(frozen=True)
class Levels:
    """How a plane's stored numbers map to its nominal range: nominal = (stored - zero) / span.

    `peak` is the largest number an integer plane can store; None for float planes, which are never clamped.
    """

    zero: float
    span: float
    peak: int | None


@dataclass(frozen=True, kw_only=True)
class PixelFormat:
    """The meaning of a picture's planes.

    family: "rgb" (three planes R, G, B), "yuv" (Y, Cb, Cr; with ycgco Y, Cg, Co) or "gray" (one plane).
    sample, bits: "int" with 8..16 bits in the low end of uint8 (8) or uint16 (9..16), or "float" with 16 or 32.
    subsampling: log2 of the chroma planes' horizontal and vertical factors, 0..4; chroma planes measure
        ceil(width / 2**h) x ceil(height / 2**v). (0, 0) for rgb and gray.
    matrix: of "yuv". GRAY and RGB do not use it.
    full_range: of integer planes. False: luma, R, G and B lie in 16..235 and chroma in 16..240, times 2**(bits - 8);
        True: 0..2**bits - 1, chroma centred on 2**(bits - 1). None, the default, is the family's custom: full for RGB,
        limited for YUV and GRAY. Float planes hold 0..1, chroma -0.5..0.5 about 0 (VapourSynth's convention), always.
    chroma_site: where chroma lies in its group of luma samples (ITU-T H.264, table E-1), on any subsampling.

    Raises FrameError where a field is out of its set.
    """

    family: Family
    sample: Sample = "int"
    bits: int = 8
    subsampling: tuple[int, int] = (0, 0)
    matrix: MatrixName = "bt709"
    full_range: bool | None = None
    chroma_site: ChromaSite = "left"

    def __post_init__(self) -> None:
        _one_of("family", self.family, FAMILIES)
        _one_of("sample", self.sample, get_args(Sample))
        _one_of("matrix", self.matrix, MATRICES)
        _one_of("chroma_site", self.chroma_site, CHROMA_SITES)
        depths = tuple(range(8, 17)) if self.sample == "int" else (16, 32)
        if self.bits not in depths:
            expected = "8..16 for int samples" if self.sample == "int" else "16 or 32 for float samples"
            raise FrameError(must("bits", expected, self.bits, "convert the clip to one of these depths"))
        coarsest = MAX_SUBSAMPLING if self.family == "yuv" else 0
        if not all(0 <= step <= coarsest for step in self.subsampling):
            expected = f"two numbers 0..{coarsest} for {self.family}"
            raise FrameError(must("subsampling", expected, self.subsampling, "convert the clip to such a format"))
        if self.full_range is None:
            object.__setattr__(self, "full_range", self.family == "rgb")

    @property
    def planes(self) -> int:
        """Number of planes: 1 for gray, else 3."""
        return 1 if self.family == "gray" else 3

    @cached_property
    def luma(self) -> Levels:
        """Levels of Y, R, G, B and grey planes; nominal range 0..1."""
        if self.sample == "float":
            return Levels(0.0, 1.0, None)
        peak = (1 << self.bits) - 1
        unit = 1 << (self.bits - 8)
        return Levels(0.0, float(peak), peak) if self.full_range else Levels(16.0 * unit, 219.0 * unit, peak)

    @cached_property
    def chroma(self) -> Levels:
        """Levels of the two colour-difference planes; nominal range -0.5..0.5."""
        if self.sample == "float":
            return Levels(0.0, 1.0, None)
        peak = (1 << self.bits) - 1
        unit = 1 << (self.bits - 8)
        # H.273 equations 44-46 make Cg and Co of R, G and B that are integers already, so they span as much as luma.
        limited = 219.0 if self.matrix == "ycgco" else 224.0
        return Levels(128.0 * unit, float(peak) if self.full_range else limited * unit, peak)

    @property
    def sites(self) -> tuple[Site, Site]:
        """Chroma's place on the horizontal and the vertical axis: on the first, between, or on the last luma sample."""
        horizontal: Site = "first" if self.chroma_site.endswith("left") else "middle"
        vertical: Site = "first" if self.chroma_site.startswith("top") else "middle"
        return horizontal, "last" if self.chroma_site.startswith("bottom") else vertical

    def plane_size(self, plane: int, height: int, width: int) -> tuple[int, int]:
        """(height, width) in samples of the given plane of a height x width picture."""
        if plane == 0:
            return height, width
        horizontal, vertical = self.subsampling
        return -(-height >> vertical), -(-width >> horizontal)


def _one_of(argument: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise FrameError(must(argument, "one of " + ", ".join(choices), value, "choose one of these"))
