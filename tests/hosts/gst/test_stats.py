"""Counting, measuring, and when the pipeline hears of a latency; no GStreamer."""

from alanet_gst.stats import BEFORE_LESS, BETWEEN_NEWS, KEPT, MARGIN, SETTLED, Latency, Measured, Stats

MS = 1_000_000


def test_mean_and_95th_percentile_are_of_the_last_values() -> None:
    measured = Measured()
    assert (measured.mean, measured.p95) == (0, 0)
    for value in range(1000):
        measured.add(value)
    first = 1000 - KEPT
    assert measured.mean == (first + 999) // 2
    assert measured.p95 == first + (KEPT * 19 - 1) // 20
    assert len(measured) == KEPT


def test_one_value_is_its_own_percentile() -> None:
    measured = Measured()
    measured.add(7)
    assert (measured.mean, measured.p95) == (7, 7)


def test_a_snapshot_names_everything_that_the_property_shows() -> None:
    stats = Stats()
    stats.count("in", "held", sharp=2)
    with stats.timed("network"):
        pass
    stats.delayed(5)
    shown = stats.snapshot()
    assert shown["frames-in"] == stats["in"] == 1
    assert (shown["held"], shown["sharp"]) == (1, 2)
    assert shown["network-mean"] > 0
    assert (shown["latency-mean"], shown["latency-p95"]) == (5, 5)
    assert {"sharp", "passed", "made", "repeated", "dropped", "flushed", "late", "held", "latency"} <= set(shown)


def test_the_first_latency_is_news_and_small_drift_is_not() -> None:
    latency = Latency()
    latency.seed(10 * MS)
    assert latency.processing(0) == int(10 * MS * MARGIN)
    assert latency.update(50 * MS, 0)
    assert latency.answer == 50 * MS
    assert not latency.update(54 * MS, 10 * BETWEEN_NEWS)
    assert latency.answer == 50 * MS


def test_drift_is_news_once_the_mean_has_settled_and_not_every_moment() -> None:
    latency = Latency()
    latency.seed(10 * MS)
    latency.update(50 * MS, 0)
    assert not latency.update(90 * MS, 5 * BETWEEN_NEWS)
    for _ in range(SETTLED):
        latency.processed(50 * MS, 0)
    assert latency.update(90 * MS, 5 * BETWEEN_NEWS)
    assert not latency.update(150 * MS, 5 * BETWEEN_NEWS + 1)
    assert latency.update(150 * MS, 6 * BETWEEN_NEWS)


def test_less_is_news_only_once_it_has_lasted() -> None:
    latency = Latency()
    latency.seed(10 * MS)
    latency.update(100 * MS, 0)
    for _ in range(SETTLED):
        latency.processed(10 * MS, 0)
    second = 1000 * MS
    assert not any(latency.update(50 * MS, n * second) for n in range(1, BEFORE_LESS // second))
    assert not latency.update(95 * MS, BEFORE_LESS)
    assert not latency.update(50 * MS, 2 * BEFORE_LESS - 1)
    assert latency.update(50 * MS, 2 * BEFORE_LESS)
    assert latency.answer == 50 * MS


def test_a_step_up_is_counted_on_before_it_is_measured_again() -> None:
    latency = Latency()
    latency.seed(30 * MS)
    for _ in range(SETTLED):
        latency.processed(2 * MS, 3)
    assert latency.processing(3) == int(2 * MS * MARGIN)
    assert latency.processing(0) == int(30 * MS * MARGIN)


def test_a_passing_step_down_is_hardly_counted() -> None:
    latency = Latency()
    latency.seed(30 * MS)
    for _ in range(SETTLED):
        latency.processed(30 * MS, 0)
    for _ in range(3):
        latency.processed(2 * MS, 3)
    assert latency.processing(3) > 28 * MS


def test_new_caps_are_news_at_once() -> None:
    latency = Latency()
    latency.seed(10 * MS)
    latency.update(50 * MS, 0)
    latency.seed(11 * MS)
    assert latency.update(51 * MS, 1)
    latency.seed(11 * MS)
    assert not latency.update(51 * MS, 2)
