"""Time: stamps, midpoints, holes and rates. Integers in nanoseconds and exact fractions; neither torch nor gi."""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

SECOND = 1_000_000_000
INT_MAX = 2**31 - 1  # a GstFraction holds two C ints
STEPS_KEPT = 32  # of the mean step; one lost frame moves it by 3 %, which is no news for the latency


class NoTime(ValueError):
    """A frame has neither a timestamp nor a rate that would tell one."""


def scale_rate(rate: Fraction, factor: Fraction) -> Fraction:
    """A frame rate times `factor`, the nearest that a GstFraction can hold; 0 (unknown) stays 0."""
    scaled = rate * factor
    if scaled >= INT_MAX:
        return Fraction(INT_MAX)
    if scaled.numerator > INT_MAX or scaled.denominator > INT_MAX:
        near = scaled.limit_denominator(INT_MAX // max(1, int(scaled) + 1))
        return near or Fraction(1, INT_MAX)
    return scaled


def span(frames: int, rate: Fraction) -> int:
    """How long so many frames take, rounded down as gst_util_uint64_scale does."""
    return frames * SECOND * rate.denominator // rate.numerator


@dataclass(frozen=True)
class Halves:
    """Where the two outputs of a frame lie. Durations are None where no step is known."""

    sharp_duration: int | None
    middle_pts: int
    middle_duration: int | None


def halves(pts: int, step: int) -> Halves:
    """Split the way from one frame to the next: the middle at the midpoint, each duration up to the next output.

    step: signed time to the next frame (negative in reverse playback); 0 where it is not known.
    """
    if not step:
        return Halves(None, pts, None)
    half = abs(step) // 2
    return Halves(half, max(0, pts + half if step > 0 else pts - half), abs(step) - half)


class Timeline:
    """Where the frames of one segment lie: stamps for those without one, the step from each to the next, holes."""

    def __init__(self) -> None:
        self._rate = Fraction(0)
        self._steps: deque[int] = deque(maxlen=STEPS_KEPT)
        self.begin(forward=True)

    def begin(self, *, forward: bool, start: int = 0) -> None:
        """A new segment, or the same one after a flush. start: the time of a first frame that does not tell it."""
        self._sign = 1 if forward else -1
        self._start = start
        self._last: int | None = None
        self._duration: int | None = None
        self._connected = False
        self._anchor: int | None = None  # the time from which frames without one are counted
        self._count = 0

    def interrupt(self, until: int | None = None) -> None:
        """No motion leads from the last frame to the next. until: the time at which a next one is expected."""
        self._connected = False
        if until is not None:
            self._anchor, self._count = until, 0

    def set_rate(self, rate: Fraction) -> None:
        """The rate that the caps tell; 0 where they do not."""
        if rate == self._rate:
            return
        expected = self._expected()
        self._rate = rate
        self._steps.clear()
        if self._anchor is not None:
            self._anchor, self._count = expected, 0

    @property
    def period(self) -> int | None:
        """Length of an input frame in ns: what the caps tell, else the last step seen, else None."""
        if self._rate:
            return span(1, self._rate)
        return self._steps[-1] if self._steps else None

    @property
    def mean_step(self) -> int | None:
        """What lies between two frames in truth, lately; cameras in the dark send fewer than their caps tell."""
        if len(self._steps) < STEPS_KEPT:
            return self.period
        return sum(self._steps) // len(self._steps)

    def stamp(self, pts: int | None) -> int:
        """The time of the next frame: its own, or counted on from the last one that told its own, without drift.

        Raises NoTime.
        """
        if pts is None:
            pts = self._expected()
        if pts is None:
            raise NoTime
        return pts

    def _expected(self) -> int | None:
        if self._anchor is None:
            return self._start if self._rate else None
        if self._rate:
            return max(0, self._anchor + self._sign * span(self._count, self._rate))
        if self._last is not None and self._duration:
            return max(0, self._last + self._sign * self._duration)
        return None

    def is_hole(self, pts: int, *, discont: bool) -> bool:
        """Whether no motion leads from the last frame to one at pts: time runs backwards, or a marked jump."""
        if self._last is None or not self._connected:
            return False
        step = self._sign * (pts - self._last)
        if step < 0:
            return True
        return discont and self.period is not None and not 0 < step <= 2 * self.period + 1

    def advance(self, pts: int, duration: int | None, *, told: bool) -> None:
        """The frame at pts has come. told: the time is its own, and later ones without one are counted from it."""
        if self._connected and self._last is not None and (step := self._sign * (pts - self._last)) > 0:
            self._steps.append(step)
        if told or self._anchor is None:
            self._anchor, self._count = pts, 0
        self._count += 1
        self._last, self._duration, self._connected = pts, duration, True

    def last_step(self, duration: int | None) -> int:
        """The signed step of a frame that nothing follows: its own duration, else the period, else 0."""
        return self._sign * (duration or self.period or 0)
