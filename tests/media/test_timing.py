"""Times in integers: midpoints, clocks, the last frame's length."""

from fractions import Fraction

import pytest

from alanet_core.media.timing import (
    Clock,
    Span,
    doubled_timecode,
    exact_on,
    last_length,
    monotonic,
    output_clock,
)


@pytest.mark.parametrize(
    ("unit", "pts", "following", "sharp", "middle"),
    [
        (Fraction(1, 30), 0, 1, Span(0, 1), Span(1, 1)),
        (Fraction(1, 30), 7, 8, Span(14, 1), Span(15, 1)),
        (Fraction(1, 600), 20, 41, Span(40, 21), Span(61, 21)),
        (Fraction(1001, 30000), -1, 0, Span(-2, 1), Span(-1, 1)),
        (Fraction(1, 90000), 3003, 6006, Span(6006, 3003), Span(9009, 3003)),
        (Fraction(2, 25), 3, 4, Span(6, 1), Span(7, 1)),
    ],
)
def test_the_middle_is_at_the_exact_midpoint(unit, pts, following, sharp, middle):
    clock = output_clock(unit, middles=True)
    assert clock.time_base == unit / 2
    assert clock.pair(pts, following) == (sharp, middle)
    assert middle.start * clock.time_base == (pts + following) * unit / 2
    assert (middle.start + middle.length) * clock.time_base == following * unit


def test_without_middles_the_clock_stays_as_it_is():
    clock = output_clock(Fraction(1, 12800), middles=False)
    assert clock == Clock(Fraction(1, 12800), 1)
    assert clock.alone(512, 1024) == Span(512, 512)


def test_a_clock_too_fast_to_halve_is_kept_and_its_middles_are_rounded_down():
    clock = output_clock(Fraction(1, 2_000_000_000), middles=True)
    assert clock.scale == 1
    assert clock.pair(10, 13) == (Span(10, 1), Span(11, 2))


@pytest.mark.parametrize(
    ("clock", "container", "exact"),
    [
        (Fraction(1, 1200), Fraction(1, 19200), True),
        (Fraction(1, 60), Fraction(1, 1000), False),
        (Fraction(1, 1000), Fraction(1, 1000), True),
        (Fraction(1, 2000), Fraction(1, 1000), False),
        (Fraction(1001, 60000), Fraction(1, 60000), True),
    ],
)
def test_a_container_is_exact_when_its_clock_divides_ours(clock, container, exact):
    assert exact_on(clock, container) is exact


RATE = Fraction(25)
TICK = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("pts", "stated", "stream_end", "rate", "length"),
    [
        ([0, 40], 35, None, RATE, 35),  # what the container says
        ([0, 50], 0, None, RATE, 50),  # as long as the frame before
        ([0], 0, None, RATE, 40),  # one frame: by the rate
        ([0], 0, None, None, 1),  # nothing is known
        ([0, 40], 40, 48, RATE, 8),  # an edit list ends it early
        ([0, 40], 40, 30, RATE, 40),  # an end before the frame itself means nothing
        ([0, 40], 40, 4000, RATE, 40),  # sound that goes on does not lengthen it
    ],
)
def test_the_last_frame_is_shown_as_long_as_the_file_says(pts, stated, stream_end, rate, length):
    assert last_length(pts, stated=stated, stream_end=stream_end, rate=rate, tick=TICK) == length


@pytest.mark.parametrize(
    ("pts", "previous", "step", "usable"),
    [(5, None, 1, 5), (None, None, 1, 0), (None, 7, 3, 10), (None, 7, 0, 8), (9, 7, 3, 9), (7, 7, 3, 8), (2, 7, 3, 8)],
)
def test_times_that_are_missing_or_stand_still_are_mended(pts, previous, step, usable):
    assert monotonic(pts, previous, step) == usable


@pytest.mark.parametrize(
    ("before", "after"),
    [("01:02:03:14", "01:02:03:28"), ("19:26:48;04", "19:26:48;08"), ("00:00:00:00", "00:00:00:00"), ("noon", "noon")],
)
def test_a_timecode_counts_frames_at_the_new_rate(before, after):
    assert doubled_timecode(before) == after
