"""The best quality that the machine holds: levels in turn, by their measured costs; by simulation, no GStreamer."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from alanet_gst.mix import LOAD, LONGEST, PATIENCE, Mix
from alanet_gst.qos import LEVELS, LIMITS, Governor, Level

T = 1000  # a period
FULL, REPEAT, PASS, BYPASS, DROP = Level
Costs = dict[Level, float]


def costs(full: float, repeat: float, remember: float) -> Costs:
    return {FULL: full, REPEAT: repeat, PASS: remember, BYPASS: 0.01, DROP: 0.001}


FAST_HERE = costs(3.2, 2.0, 0.25)  # the shipped network at 320x180 and 30 frames a second on one core
SLOW = costs(5.0, 3.0, 0.75)


class Run:
    """A live source, and an element that takes costs(n)[level] periods for frame n."""

    def __init__(self, at: Callable[[int], Costs], frames: int, mode: str = "joint", seed: float | None = None) -> None:
        governor, mix = Governor(mode), Mix(mode)
        mix.begin(int((at(0)[FULL] if seed is None else seed) * T))
        self.levels: list[Level] = []
        self.lags: list[float] = []
        self.delays: list[float] = []
        self.mix = mix
        free, awake = 0.0, False
        for n in range(frames):
            begins = max(float(n), free)
            lag = int((begins - n) * T)
            level = mix.decide(lag, T, at_best=governor.decide(lag, T, planned=mix.planned))
            cost = at(n)[level]
            if level < BYPASS and not awake:
                cost = at(n)[PASS]  # the first frame after a sleep is only remembered
            mix.took(level, int(cost * T), int(awake and level < BYPASS))
            awake = level < BYPASS
            free = begins + cost
            self.delays.append((free - n) * T)
            self.levels.append(level)
            self.lags.append(lag / T)

    def share(self, level: Level, last: int = 600) -> float:
        return self.levels[-last:].count(level) / last


def steady(cost: Costs) -> Callable[[int], Costs]:
    return lambda _: cost


@pytest.mark.parametrize("full", [1.3, 2.0, 2.6, 3.2, 4.5])
def test_the_time_that_is_told_holds_for_all_but_one_frame_in_twenty(full: float) -> None:
    run = Run(steady(costs(full, 0.6 * full, 0.25)), 2000)
    lately = sorted(run.delays[-400:])
    assert run.mix.taken == pytest.approx(lately[int(0.95 * len(lately)) - 1], rel=0.1)


def test_where_no_turns_are_taken_no_time_is_told() -> None:
    assert Run(steady(costs(0.6, 0.4, 0.1)), 300).mix.taken == 0


@pytest.mark.parametrize("mode", list(LEVELS))
def test_what_fits_is_done_in_full(mode: str) -> None:
    run = Run(steady(costs(0.6, 0.4, 0.1)), 2000, mode)
    assert set(run.levels) == {FULL}


def test_the_shipped_network_on_a_small_machine_makes_every_third_frame_sharp() -> None:
    run = Run(steady(FAST_HERE), 3000)
    assert run.share(REPEAT) == pytest.approx((LOAD - 0.25) / (2.0 - 0.25), abs=0.02)
    assert set(run.levels[-2000:]) == {REPEAT, PASS}
    assert max(run.lags[100:]) < 1.6
    places = [n for n, level in enumerate(run.levels) if level is REPEAT][-200:]
    assert {after - now for now, after in pairwise(places)} <= {2, 3}


def test_almost_fast_enough_alternates_between_full_and_repeat() -> None:
    run = Run(steady(costs(1.2, 0.7, 0.2)), 3000)
    assert run.share(FULL) == pytest.approx(0.5, abs=0.02)
    assert set(run.levels) == {FULL, REPEAT}
    assert max(run.lags) < 1


@pytest.mark.parametrize("slowness", [0.5, 0.95, 1.1, 2.0, 5.0, 40.0])
@pytest.mark.parametrize("mode", list(LEVELS))
def test_the_lag_is_bounded_and_the_time_is_used(slowness: float, mode: str) -> None:
    cost = costs(slowness, 0.6 * slowness if mode == "joint" else 0.15 * slowness, 0.15 * slowness)
    run = Run(steady(cost), 5000, mode)
    assert max(run.lags) <= max(LONGEST, slowness)
    assert (set(run.levels) == {FULL}) is (slowness <= LOAD)
    work = sum(cost[level] for level in run.levels[-3000:]) / 3000
    if cost[PASS] < LOAD:
        assert max(run.lags[-3000:]) <= LONGEST
        assert work > 0.6 if slowness > 1 else work == pytest.approx(slowness)


def test_noise_of_other_programs_hardly_lowers_it() -> None:
    dice = random.Random(1)
    run = Run(lambda _: {level: cost * dice.uniform(0.85, 1.3) for level, cost in FAST_HERE.items()}, 5000)
    assert run.share(REPEAT, 3000) > 0.25
    assert run.share(BYPASS, 3000) + run.share(DROP, 3000) < 0.01


def test_a_stall_is_made_up_for_and_forgotten() -> None:
    run = Run(lambda n: {**FAST_HERE, REPEAT: 30.0, PASS: 30.0} if n == 1000 else FAST_HERE, 1600)
    assert run.share(REPEAT, 300) == pytest.approx(0.4, abs=0.02)
    assert max(run.lags[1100:]) < 1.6


def test_a_machine_that_becomes_free_is_used_within_seconds() -> None:
    run = Run(lambda n: SLOW if n < 1000 else costs(0.6, 0.4, 0.1), 1400)
    assert FULL not in run.levels[200:1000]
    assert set(run.levels[-200:]) == {FULL}


def test_a_machine_that_becomes_busy_is_not_driven_into_dropping() -> None:
    run = Run(lambda n: costs(0.6, 0.4, 0.1) if n < 1000 else FAST_HERE, 2000)
    assert DROP not in run.levels
    assert run.share(REPEAT, 500) > 0.35


def test_a_first_time_that_was_too_long_is_forgotten() -> None:
    run = Run(steady(costs(0.6, 0.4, 0.1)), 600, seed=10.0)
    assert set(run.levels[-200:]) == {FULL}


@pytest.mark.parametrize("cost", [6, 18])
def test_a_level_that_takes_too_long_for_turns_is_tried_the_more_seldom_the_longer_it_takes(cost: int) -> None:
    run = Run(steady(costs(2 * cost, cost, 0.5)), 8000)
    tries = [n for n, level in enumerate(run.levels) if level is REPEAT]
    gaps = [after - now for now, after in pairwise(tries) if after - now > PATIENCE]
    assert all(PATIENCE * cost <= gap < 1.2 * PATIENCE * cost for gap in gaps[1:])
    assert run.share(PASS, 8000) > 0.9


def test_where_even_remembering_takes_too_long_the_network_sleeps() -> None:
    run = Run(steady(costs(20.0, 12.0, 2.0)), 4000)
    assert run.share(BYPASS, 3000) > 0.95
    assert run.share(DROP, 3000) == 0


def test_deblurring_alone_takes_turns_with_passing_through() -> None:
    run = Run(steady(costs(3.0, 3.0, 0.2)), 3000, "deblur")
    assert Counter(run.levels[-600:])[FULL] == pytest.approx(600 * (LOAD - 0.2) / 2.8, abs=6)
    assert set(run.levels[-600:]) == {FULL, PASS}
    assert max(run.lags) <= LIMITS[PASS]


def test_no_level_takes_longer_than_the_room_that_a_latency_budget_leaves() -> None:
    mix = Mix("joint")
    mix.begin(31)
    seen = []
    for _ in range(20):
        seen.append(mix.decide(0, 40, room=10))
        mix.took(seen[-1], {FULL: 31, REPEAT: 21, PASS: 1}[seen[-1]], 1)
    assert seen == [REPEAT, *[PASS] * 19]


def test_a_frame_that_is_late_already_gets_no_more_than_the_room_left() -> None:
    mix = Mix("joint")
    mix.begin(50)
    mix.took(REPEAT, 20, 1)
    levels = {mix.decide(10, 40, room=55) for _ in range(20)}
    assert levels == {REPEAT}
    assert FULL in {mix.decide(0, 40, room=55) for _ in range(20)}


def test_frames_that_made_no_pair_or_several_are_not_measured_but_the_cheapest_are() -> None:
    mix = Mix("joint")
    mix.took(FULL, 5, 0)
    mix.took(FULL, 50, 2)
    mix.took(PASS, 3, 0)
    assert (mix.cost(FULL), mix.cost(PASS)) == (0, 3)


def test_planned_lag_is_no_reason_to_give_way() -> None:
    governor = Governor("deblur")
    assert governor.decide(2 * T, T, planned=2 * T) is FULL
    assert governor.decide(2 * T, T) is PASS
    assert Governor("deblur").decide(7 * T, T, planned=7 * T) is DROP


def test_what_others_need_of_the_time_is_left_to_them() -> None:
    # An encoder without a queue before it: half a period that is not our own work, and so in no level's cost.
    governor, mix, free, lags, levels = Governor("joint"), Mix("joint"), 0.0, [], []
    for n in range(4000):
        begins = max(float(n), free)
        lags.append(begins - n)
        lag = int(lags[-1] * T)
        levels.append(mix.decide(lag, T, at_best=governor.decide(lag, T, planned=mix.planned)))
        cost = costs(0.7, 0.4, 0.1)[levels[-1]]
        mix.took(levels[-1], int(cost * T), 1)
        free = begins + cost + 0.5
    assert max(lags) < 3
    assert set(levels) == {FULL, REPEAT}
    assert levels[-2000:].count(FULL) > 400
    assert sum(lag > LIMITS[FULL] for lag in lags[-2000:]) < 200


def test_a_network_that_sleeps_is_soon_woken_again() -> None:
    run = Run(lambda n: costs(4.0, 3.0, 1.2) if n < 1000 else FAST_HERE, 1400)
    assert run.share(BYPASS, 600) > 0.3
    assert run.share(REPEAT, 300) == pytest.approx(0.4, abs=0.02)


def test_single_stalls_do_not_put_the_network_to_sleep() -> None:
    dice = random.Random(2)
    run = Run(lambda _: {**FAST_HERE, PASS: 1.5 if dice.random() < 0.15 else 0.25}, 4000)
    assert run.share(BYPASS, 3000) < 0.1
    assert run.share(REPEAT, 3000) > 0.2
