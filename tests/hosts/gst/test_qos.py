"""The order in which quality gives way, and the lag that it bounds, by simulation; no GStreamer."""

import pytest

from alanet_gst.qos import CALM, LAG_LIMIT, LEVELS, Backlog, Downstream, Governor, Level

T = 1000  # a period


@pytest.mark.parametrize(
    ("mode", "lag", "level"),
    [
        ("joint", -5.0, Level.FULL), ("joint", 1.5, Level.FULL), ("joint", 1.6, Level.REPEAT),
        ("joint", 2.6, Level.PASS), ("joint", 4.1, Level.BYPASS), ("joint", 6.1, Level.DROP),
        ("deblur", 1.6, Level.PASS), ("deblur", 4.1, Level.BYPASS), ("deblur", 6.1, Level.DROP),
        ("interpolate", 1.6, Level.REPEAT), ("interpolate", 2.6, Level.BYPASS), ("interpolate", 9.0, Level.DROP),
    ],
)  # fmt: skip
def test_the_level_falls_at_once_and_as_far_as_the_lag_asks(mode: str, lag: float, level: Level) -> None:
    assert Governor(mode).decide(int(lag * T), T) is level


def test_it_rises_step_by_step_after_calm_spells() -> None:
    governor = Governor("joint")
    assert governor.decide(5 * T, T) is Level.BYPASS
    seen = [governor.decide(0, T) for _ in range(3 * CALM)]
    assert seen == [Level.BYPASS] * (CALM - 1) + [Level.PASS] * CALM + [Level.REPEAT] * CALM + [Level.FULL]


def test_a_frame_out_of_time_begins_the_calm_spell_anew() -> None:
    governor = Governor("joint")
    governor.decide(2 * T, T)
    for _ in range(CALM - 1):
        governor.decide(0, T)
    governor.decide(T, T)
    assert [governor.decide(0, T) for _ in range(CALM)] == [Level.REPEAT] * (CALM - 1) + [Level.FULL]


def test_dropping_ends_as_soon_as_the_lag_allows() -> None:
    governor = Governor("joint")
    governor.decide(20 * T, T)
    assert governor.decide(7 * T, T) is Level.DROP
    assert governor.decide(6 * T, T) is Level.BYPASS


def simulate(costs: dict[Level, float], frames: int, mode: str = "joint") -> tuple[list[Level], float]:
    """A live source and an element that takes costs[level] periods for a frame -> levels, largest lag in periods."""
    governor, free, levels, most = Governor(mode), 0.0, [], 0.0
    for n in range(frames):
        begins = max(float(n), free)
        lag = begins - n
        level = governor.decide(int(lag * T), T)
        free = begins + costs[level]
        levels.append(level)
        most = max(most, lag)
    return levels, most


@pytest.mark.parametrize("slowness", [0.5, 0.95, 1.1, 2.0, 5.0, 40.0])
@pytest.mark.parametrize("mode", list(LEVELS))
def test_the_lag_is_bounded_however_slow_the_network_is(slowness: float, mode: str) -> None:
    costs = {Level.FULL: slowness, Level.REPEAT: 0.6 * slowness, Level.PASS: 0.15 * slowness, Level.BYPASS: 0.01}
    costs[Level.DROP] = 0.001
    levels, most = simulate(costs, 5000, mode)
    assert most <= LAG_LIMIT + slowness
    assert (set(levels) == {Level.FULL}) is (slowness < 1)


def test_a_single_stall_is_forgotten_soon() -> None:
    governor = Governor("joint")
    for _ in range(100):
        governor.decide(0, T)
    governor.decide(30 * T, T)
    levels = [governor.decide(0, T) for _ in range(4 * CALM + 2)]
    assert levels[-1] is Level.FULL


def test_the_lag_is_our_own_work_added_up() -> None:
    backlog = Backlog()
    lags = []
    for n, work in enumerate([1.0, 1.5, 1.5, 1.5, 0, 0, 0.5]):
        lags.append(backlog.lag(n * T, n * T + 70, T) / T)
        backlog.busy(int(work * T))
    assert lags == [0, 0, 0.5, 1.0, 1.5, 0.5, 0]


def test_time_that_a_sink_holds_us_is_no_lag_within_the_latency_of_the_pipeline() -> None:
    backlog = Backlog()
    backlog.lag(0, 0, T)
    assert [backlog.lag(n * T, (n + 3) * T, T, allowance=3 * T) for n in range(1, 20)] == [0] * 19
    assert backlog.lag(20 * T, 25 * T, T, allowance=3 * T) == 2 * T


def test_work_before_the_first_frame_is_a_lag_of_it_and_melts() -> None:
    backlog = Backlog()
    backlog.busy(3 * T)
    assert [backlog.lag(n * T, 3 * T, T, allowance=9 * T) for n in range(4)] == [3 * T, 2 * T, T, 0]


def test_work_that_the_source_itself_waited_for_is_no_lag() -> None:
    backlog = Backlog()
    backlog.busy(3 * T)
    assert [backlog.lag((n + 3) * T, (n + 3) * T + 5, T) for n in range(4)] == [5, 5, 5, 5]


def test_frames_that_were_idle_once_are_the_measure_of_all() -> None:
    backlog = Backlog()
    assert [backlog.lag(n * T, n * T + wait, T) for n, wait in enumerate([700, 900, 600, 2600])] == [0, 200, 0, 2000]


def test_a_transit_that_does_not_fall_while_nothing_is_computed_is_not_ours() -> None:
    backlog = Backlog()
    backlog.lag(0, 0, T)
    lags = [backlog.lag(n * T, (n + 9) * T, T, asleep=True) for n in range(2 * Backlog.STUCK)]
    assert lags[: Backlog.STUCK - 1] == [9 * T] * (Backlog.STUCK - 1)
    assert lags[Backlog.STUCK :] == [0] * Backlog.STUCK


def test_a_backlog_that_melts_while_nothing_is_computed_is_ours() -> None:
    backlog = Backlog()
    backlog.lag(0, 0, T)
    assert [backlog.lag(n * T, 20 * T, T, asleep=True) for n in range(1, 20)] == [(20 - n) * T for n in range(1, 20)]


def test_a_long_wait_while_computing_is_never_taken_for_the_new_measure() -> None:
    backlog = Backlog()
    backlog.lag(0, 0, T)
    assert all(backlog.lag(n * T, (n + 2) * T, T) == 2 * T for n in range(1, 1000))


@pytest.mark.parametrize(
    ("late", "running", "lag"),
    [(0, 100, 0), (50, 100, 100 + 1.5 * T), (50, 1100, 0), (-50, 100, 0), (90 * T, 100, 93.5 * T)],
)
def test_a_sink_that_reports_a_frame_too_late_makes_the_next_ones_late(late: int, running: int, lag: float) -> None:
    downstream = Downstream()
    assert downstream.lag(running, T) == 0
    downstream.report(100, late, T)
    assert downstream.lag(running, T) == lag
    downstream.forget()
    assert downstream.lag(running, T) == 0
