"""Time in a file, in integers: where the sharp and the middle frames lie, and on which clock that is exact.

Imports neither torch nor av. A tick is one unit of a clock (time base); the output's clock runs twice as fast as the
input's where middles are made, so that the midpoint of any two input times is a whole tick.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

MAX_DENOMINATOR = 2**31 - 1
"""Containers and FFmpeg keep a clock's numerator and denominator in 32-bit integers."""


@dataclass(frozen=True)
class Span:
    """When a frame is shown: from `start`, for `length` ticks of the output's clock."""

    start: int
    length: int


@dataclass(frozen=True)
class Clock:
    """The output's clock. scale: how many of its ticks make one tick of the input's clock; 1 or 2."""

    time_base: Fraction
    scale: int

    def pair(self, pts: int, following: int) -> tuple[Span, Span]:
        """Spans of sharp and middle of a frame at `pts`, followed by the next at `following` (input ticks).

        On a clock of scale 1 (see `output_clock`) the middle is rounded down, by half a tick at most.
        """
        begin, end = pts * self.scale, following * self.scale
        middle = (begin + end) // 2
        return Span(begin, middle - begin), Span(middle, end - middle)

    def alone(self, pts: int, following: int) -> Span:
        """Span of the one frame that mode "deblur" gives: the input's own."""
        return Span(pts * self.scale, (following - pts) * self.scale)


def output_clock(time_base: Fraction, *, middles: bool) -> Clock:
    """The clock for a file whose input runs on `time_base` seconds a tick: twice as fast where middles are made.

    Where 32 bits cannot hold that (an input clock beyond 1 GHz), the input's own clock.
    """
    half = time_base / 2
    if not middles or half.denominator > MAX_DENOMINATOR:
        return Clock(time_base, 1)
    return Clock(half, 2)


def exact_on(clock: Fraction, container: Fraction) -> bool:
    """Whether every tick of `clock` is a whole number of ticks of the container's clock."""
    return (clock / container).denominator == 1


def last_length(
    pts: Sequence[int], *, stated: int, stream_end: int | None, rate: Fraction | None, tick: Fraction
) -> int:
    """How long the last frame is shown, in input ticks, at least 1.

    pts: the last frame's time, and before it that of the frame before, where there is one.
    stated: what the container says of it, 0 for nothing. stream_end: where the container says that the stream ends: an
    edit list may cut the last frame short. rate: frames a second, None where unknown. tick: seconds.
    """
    length = stated
    if length <= 0 and len(pts) > 1:
        length = pts[-1] - pts[-2]
    if length <= 0 and rate:
        length = round(1 / (rate * tick))
    if stream_end is not None and 0 < stream_end - pts[-1] < length:
        length = stream_end - pts[-1]
    return max(1, length)


def monotonic(pts: int | None, previous: int | None, step: int) -> int:
    """A usable time for a frame: its own, or a step after the previous where it has none or one that does not grow."""
    if previous is None:
        return 0 if pts is None else pts
    if pts is None:
        return previous + max(1, step)
    return max(pts, previous + 1)


def doubled_timecode(timecode: str) -> str:
    """hh:mm:ss:ff counted at twice the rate: the same moment has twice the frame number. Other texts are kept."""
    match = re.fullmatch(r"(\d+:\d+:\d+[:;.])(\d+)", timecode)
    return f"{match[1]}{2 * int(match[2]):02d}" if match else timecode
