"""Stamps, midpoints, holes and rates, by tables; no GStreamer."""

from fractions import Fraction
from itertools import pairwise

import pytest

from alanet_gst.timing import INT_MAX, SECOND, STEPS_KEPT, Halves, NoTime, Timeline, halves, scale_rate, span


@pytest.mark.parametrize(
    ("rate", "factor", "expected"),
    [
        (Fraction(30), 2, Fraction(60)),
        (Fraction(30000, 1001), 2, Fraction(60000, 1001)),
        (Fraction(60000, 1001), Fraction(1, 2), Fraction(30000, 1001)),
        (Fraction(25), Fraction(1, 2), Fraction(25, 2)),
        (Fraction(0), 2, Fraction(0)),
        (Fraction(1, 3600), 2, Fraction(1, 1800)),
        (Fraction(INT_MAX), 2, Fraction(INT_MAX)),
        (Fraction(1, INT_MAX), Fraction(1, 2), Fraction(1, INT_MAX)),
    ],
)
def test_rates_are_exact_as_far_as_a_fraction_of_ints_goes(
    rate: Fraction, factor: Fraction, expected: Fraction
) -> None:
    scaled = scale_rate(rate, Fraction(factor))
    assert scaled == expected
    assert scaled.numerator <= INT_MAX
    assert scaled.denominator <= INT_MAX


def test_a_rate_that_a_fraction_of_ints_cannot_hold_is_the_nearest_that_it_can() -> None:
    scaled = scale_rate(Fraction(INT_MAX, INT_MAX - 1), Fraction(2))
    assert max(scaled.numerator, scaled.denominator) <= INT_MAX
    assert abs(scaled - 2) < Fraction(1, 10**8)


@pytest.mark.parametrize(
    ("pts", "step", "expected"),
    [
        (0, 40, Halves(20, 20, 20)),
        (0, 33, Halves(16, 16, 17)),
        (100, -40, Halves(20, 80, 20)),
        (100, -33, Halves(16, 84, 17)),
        (5, -33, Halves(16, 0, 17)),
        (7, 0, Halves(None, 7, None)),
        (7, 1, Halves(0, 7, 1)),
    ],
)
def test_the_middle_is_at_the_midpoint_and_durations_reach_the_next_output(
    pts: int, step: int, expected: Halves
) -> None:
    assert halves(pts, step) == expected


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(1, 3)])
def test_halves_of_rounded_timestamps_join_without_a_gap(rate: Fraction) -> None:
    stamps = [span(k, rate) for k in range(1000)]
    for now, after in pairwise(stamps):
        where = halves(now, after - now)
        assert where.sharp_duration is not None
        assert where.middle_duration is not None
        assert now + where.sharp_duration == where.middle_pts
        assert where.middle_pts + where.middle_duration == after


def test_frames_without_timestamps_are_counted_without_drift() -> None:
    timeline = Timeline()
    timeline.set_rate(Fraction(30000, 1001))
    for k in range(30001):
        pts = timeline.stamp(None)
        timeline.advance(pts, None, told=False)
        assert pts == k * 1001 * SECOND // 30000


def test_counting_begins_anew_at_every_frame_that_tells_its_time() -> None:
    timeline = Timeline()
    timeline.set_rate(Fraction(3))
    for own, expected in [
        (5, 5),
        (None, 5 + SECOND // 3),
        (None, 5 + 2 * SECOND // 3),
        (9, 9),
        (None, 9 + SECOND // 3),
    ]:
        pts = timeline.stamp(own)
        timeline.advance(pts, None, told=own is not None)
        assert pts == expected


def test_counting_goes_on_across_a_change_of_rate() -> None:
    timeline = Timeline()
    timeline.set_rate(Fraction(10))
    for _ in range(10):
        timeline.advance(timeline.stamp(None), None, told=False)
    timeline.set_rate(Fraction(5))
    assert timeline.stamp(None) == SECOND
    timeline.advance(SECOND, None, told=False)
    assert timeline.stamp(None) == SECOND + SECOND // 5


def test_counting_starts_at_the_segment_and_runs_backwards_in_reverse() -> None:
    timeline = Timeline()
    timeline.begin(forward=False, start=SECOND)
    timeline.set_rate(Fraction(10))
    got = []
    for _ in range(12):
        got.append(timeline.stamp(None))
        timeline.advance(got[-1], None, told=False)
    assert got == [SECOND - k * SECOND // 10 for k in range(11)] + [0]


def test_without_a_rate_the_durations_tell_the_time_and_without_both_nothing_does() -> None:
    timeline = Timeline()
    with pytest.raises(NoTime):
        timeline.stamp(None)
    timeline.advance(timeline.stamp(100), 7, told=True)
    assert timeline.stamp(None) == 107
    timeline.advance(107, None, told=False)
    with pytest.raises(NoTime):
        timeline.stamp(None)


@pytest.mark.parametrize(
    ("pts", "discont", "hole"),
    [(140, False, False), (140, True, False), (181, True, False), (182, True, True), (182, False, False),
     (100, True, True), (100, False, False), (99, False, True), (9999, False, False), (9999, True, True)],
)  # fmt: skip
def test_a_hole_is_a_marked_jump_or_time_that_runs_backwards(pts: int, discont: bool, hole: bool) -> None:
    timeline = Timeline()
    timeline.set_rate(Fraction(SECOND, 40))
    timeline.advance(100, 40, told=True)
    assert timeline.is_hole(pts, discont=discont) is hole


def test_nothing_is_a_hole_after_an_interruption_or_before_the_first_frame() -> None:
    timeline = Timeline()
    assert not timeline.is_hole(5, discont=True)
    timeline.advance(100, 40, told=True)
    timeline.interrupt()
    assert not timeline.is_hole(5, discont=True)


def test_a_gap_moves_the_time_that_is_counted_on() -> None:
    timeline = Timeline()
    timeline.set_rate(Fraction(10))
    timeline.advance(timeline.stamp(None), None, told=False)
    timeline.interrupt(until=5 * SECOND)
    assert timeline.stamp(None) == 5 * SECOND


def test_the_period_is_what_the_caps_tell_else_the_last_step() -> None:
    timeline = Timeline()
    assert timeline.period is None
    timeline.advance(0, None, told=True)
    assert timeline.period is None
    timeline.advance(50, None, told=True)
    assert timeline.period == 50
    assert timeline.last_step(None) == 50
    assert timeline.last_step(7) == 7
    timeline.set_rate(Fraction(10))
    assert timeline.period == SECOND // 10


def test_the_mean_step_tells_a_camera_that_sends_fewer_frames_than_its_caps() -> None:
    timeline = Timeline()
    timeline.set_rate(Fraction(30))
    for k in range(STEPS_KEPT):
        assert timeline.mean_step == SECOND // 30
        timeline.advance(k * SECOND // 15, None, told=True)
    timeline.advance(STEPS_KEPT * SECOND // 15, None, told=True)
    assert timeline.mean_step == SECOND // 15
