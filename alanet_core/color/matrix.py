"""Luma and colour differences: the matrices between RGB and Y, Cb, Cr (or Y, Cg, Co), as plain numbers."""

from dataclasses import dataclass
from functools import cache

LUMA_WEIGHTS: dict[str, tuple[float, float]] = {
    "bt709": (0.2126, 0.0722),  # ITU-R BT.709-6, item 3.2
    "bt601": (0.299, 0.114),  # ITU-R BT.601-7, 2.5.1; the same for 525 lines (170m) and 625 lines (470bg)
    "bt2020": (0.2627, 0.0593),  # ITU-R BT.2020-2, table 4, non-constant luminance
    "smpte240m": (0.212, 0.087),  # ITU-T H.273, table 4, value 7
    "fcc": (0.30, 0.11),  # ITU-T H.273, table 4, value 4
}
"""(Kr, Kb) by name; Kg = 1 - Kr - Kb."""

RED, GREEN, BLUE, LUMA = 0, 1, 2, 3


@dataclass(frozen=True)
class Difference:
    """A colour difference: (plus - minus) * scale, nominally -0.5..0.5; plus and minus are RED, GREEN, BLUE or LUMA."""

    plus: int
    minus: int
    scale: float


@dataclass(frozen=True)
class Matrix:
    """Y = luma . (R, G, B), and two differences; back: R, G, B = Y + back[channel] . (differences)."""

    luma: tuple[float, float, float]
    differences: tuple[Difference, Difference]
    back: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@cache
def find_matrix(name: str) -> Matrix:
    """The matrix of that name: a key of LUMA_WEIGHTS, or "ycgco" (ITU-T H.273, 8.3: Cg in Cb's place, Co in Cr's)."""
    if name == "ycgco":
        return Matrix(
            luma=(0.25, 0.5, 0.25),
            differences=(Difference(GREEN, LUMA, 1.0), Difference(RED, BLUE, 0.5)),
            back=((-1.0, 1.0), (1.0, 0.0), (-1.0, -1.0)),
        )
    red, blue = LUMA_WEIGHTS[name]
    green = 1.0 - red - blue
    from_cb, from_cr = 2.0 * (1.0 - blue), 2.0 * (1.0 - red)
    return Matrix(
        luma=(red, green, blue),
        differences=(Difference(BLUE, LUMA, 1.0 / from_cb), Difference(RED, LUMA, 1.0 / from_cr)),
        back=((0.0, from_cr), (-from_cb * blue / green, -from_cr * red / green), (from_cb, 0.0)),
    )
