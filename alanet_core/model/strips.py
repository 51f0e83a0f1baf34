"""A picture made strip by strip: what a generator does last costs the most memory, and needs few rows at a time.

The coarse levels are computed whole. The finest level and the last convolutions then see one strip of rows after the
other, each with a margin as wide as their receptive field; what is warped is read from the whole neighbours, however
far the motion reaches. So the strips join without a seam, and without a difference.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Strip(NamedTuple):
    """Rows of the picture, `top` to `bottom`, both on the grid of the coarse level."""

    top: int
    bottom: int

    def at(self, scale: int) -> slice:
        """The same rows at 1 / scale of the size."""
        return slice(self.top // scale, self.bottom // scale)


def by_strips(fine: Callable[[Strip], Tensor], height: int, *, tile: int, margin: int, grid: int) -> Tensor:
    """Join what `fine` makes of each strip: [B, C, rows of the strip, W] -> [B, C, height, W], channels innermost.

    tile: rows at a time, rounded up to the grid; 0 for the whole picture. margin: rows on either side that `fine`
    needs to see, and may spoil. grid: rows of the picture that are one row of the coarse level.
    """
    rows, margin = -(-tile // grid) * grid, -(-margin // grid) * grid
    if not rows or rows >= height:
        return fine(Strip(0, height))
    whole: Tensor | None = None
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        seen = Strip(max(top - margin, 0), min(bottom + margin, height))
        made = fine(seen)[:, :, top - seen.top : bottom - seen.top]
        if whole is None:
            batch, channels, _, width = made.shape
            whole = made.new_empty(batch, height, width, channels).permute(0, 3, 1, 2)
        whole[:, :, top:bottom] = made
    assert whole is not None
    return whole


def near(height: int, width: int, pixels: int) -> int:
    """Rows at a time, so that what is made of a strip of so many pixels is still near when it is read; evenly."""
    strips = -(-height * width // pixels)
    return -(-height // strips)
