"""Bands: a large picture's rows some at a time, so that a conversion's working tensors are small.

A conversion is some thirty small steps. Over a whole picture each of them would take megabytes from the system, which
clears their pages first, and give them back: at 1280x720 bands save a tenth to a quarter of the time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from alanet_core.color.format import PixelFormat

SAMPLES = 1 << 18  # of a plane of a band: a megabyte in float32, which an allocator keeps at hand
FEWEST = 16  # rows of a band without its margins, however wide it is


@dataclass(frozen=True)
class Band:
    """Rows of luma: those that are converted, and with their margins those that are read for it.

    Both begin and end where a chroma row does, or at the picture's edge.
    """

    inner: slice
    outer: slice

    @property
    def within(self) -> slice:
        """The inner rows, counted from the first outer one."""
        return slice(self.inner.start - self.outer.start, self.inner.stop - self.outer.start)


def bands(height: int, width: int, fmt: PixelFormat, device: torch.device) -> Iterator[Band]:
    """The bands of a height x width picture, from its top; one for all of it where the device is no CPU.

    The margins hold all that `chroma.refine` and `coarsen` read: of one step the next chroma row, of any number of them
    less than two.
    """
    unit = 1 << fmt.subsampling[1]
    margin = unit * min(fmt.subsampling[1], 2)
    rows = height
    if device.type == "cpu":
        rows = max(SAMPLES // width, FEWEST) // unit * unit
    for top in range(0, height, rows):
        inner = slice(top, min(top + rows, height))
        yield Band(inner, slice(max(0, inner.start - margin), min(inner.stop + margin, height)))


def of_chroma(rows: slice, fmt: PixelFormat) -> slice:
    """The chroma rows that belong to these rows of luma."""
    down = fmt.subsampling[1]
    return slice(rows.start >> down, -(-rows.stop >> down))
