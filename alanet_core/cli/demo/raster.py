"""Letters and lines on uint8 pictures [H, W, 3], and PNG files: enough for a demo without a plotting library."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

WHITE: Color = (240, 240, 240)
GREY: Color = (120, 125, 135)
INK: Color = (24, 26, 32)

LETTER = (7, 5)  # rows and columns of a glyph, without the gap
_GLYPHS = {
    "A": "0E11111F111111", "B": "1E11111E11111E", "C": "0E11101010110E", "D": "1E11111111111E", "E": "1F10101E10101F",
    "F": "1F10101E101010", "G": "0E11101713110F", "H": "1111111F111111", "I": "0E04040404040E", "J": "0702020202120C",
    "K": "11121418141211", "L": "1010101010101F", "M": "111B1515111111", "N": "11191513111111", "O": "0E11111111110E",
    "P": "1E11111E101010", "Q": "0E11111115120D", "R": "1E11111E141211", "S": "0F10100E01011E", "T": "1F040404040404",
    "U": "1111111111110E", "V": "11111111110A04", "W": "1111111515150A", "X": "11110A040A1111", "Y": "11110A04040404",
    "Z": "1F01020408101F", "0": "0E11131519110E", "1": "040C040404040E", "2": "0E11010204081F", "3": "1F02040201110E",
    "4": "02060A121F0202", "5": "1F101E0101110E", "6": "0608101E11110E", "7": "1F010204080808", "8": "0E11110E11110E",
    "9": "0E11110F01020C", ".": "00000000000C0C", ",": "00000000040408", ":": "000C0C000C0C00", "-": "0000001F000000",
    "+": "0004041F040400", "/": "00010204081000", "%": "18190204081303", "(": "02040808080402", ")": "08040202020408",
    "=": "00001F001F0000", ";": "000C0C000C0408", ">": "10080402040810", "'": "04040800000000", " ": "00000000000000",
}  # fmt: skip
"""A 5x7 alphabet: each glyph seven rows, each row two hexadecimal digits whose low five bits are its pixels."""


def glyph(letter: str) -> npt.NDArray[np.bool_]:
    """[7, 5] bool. Small letters look like capitals; what the alphabet lacks is blank."""
    rows = bytes.fromhex(_GLYPHS.get(letter.upper(), _GLYPHS[" "]))
    return np.array([[bool(row >> (4 - column) & 1) for column in range(5)] for row in rows])


def word(text: str) -> npt.NDArray[np.bool_]:
    """[7, 6 n - 1] bool: the letters side by side with a gap of one."""
    blank = np.zeros((LETTER[0], 1), dtype=bool)
    parts = [part for letter in text for part in (glyph(letter), blank)]
    return np.concatenate(parts[:-1], axis=1)


def write(picture: Picture, text: str, left: int, top: int, color: Color = WHITE, *, size: int = 2) -> int:
    """Write `text` with letters of `size` pixels a dot -> the column after it. What lies outside is cut off."""
    if not text:
        return left
    dots = np.kron(word(text), np.ones((size, size), dtype=bool))
    height, width = picture.shape[:2]
    rows, columns = max(0, min(dots.shape[0], height - top)), max(0, min(dots.shape[1], width - left))
    picture[top : top + rows, left : left + columns][dots[:rows, :columns]] = color
    return left + int(dots.shape[1]) + size


def text_width(text: str, size: int = 2) -> int:
    """Pixels that `write` covers."""
    return (6 * len(text) - 1) * size if text else 0


def line(picture: Picture, start: tuple[float, float], end: tuple[float, float], color: Color, width: int = 2) -> None:
    """A line from (column, row) to (column, row), by dots one pixel apart."""
    steps = int(max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)) + 1
    columns = np.linspace(start[0], end[0], steps).round().astype(int)
    rows = np.linspace(start[1], end[1], steps).round().astype(int)
    for down in range(width):
        for right in range(width):
            inside = (
                (rows + down < picture.shape[0]) & (columns + right < picture.shape[1]) & (rows >= 0) & (columns >= 0)
            )
            picture[rows[inside] + down, columns[inside] + right] = color


def save_png(path: Path, picture: Picture) -> None:
    """Write a picture as PNG."""
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as output:
        stream = output.add_stream("png", rate=1)
        stream.height, stream.width, stream.pix_fmt = picture.shape[0], picture.shape[1], "rgb24"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
