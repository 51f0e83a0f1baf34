"""Which frames a pair reads and when it is due, by tables and by the definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alanet_core.streaming.plan import Schedule, Task, reach, task


def never(_: int) -> bool:
    return False


@pytest.mark.parametrize(
    ("n", "window", "length", "expected"),
    [
        (0, 3, 10, Task(0, (0, 0, 1), 0, 1, "between")),
        (4, 3, 10, Task(4, (3, 4, 5), 3, 5, "between")),
        (9, 3, 10, Task(9, (8, 9, 9), 8, 9, "end")),
        (0, 3, 1, Task(0, (0, 0, 0), 0, 0, "end")),
        (4, 1, 10, Task(4, (4,), 4, 5, "between")),
        (1, 5, 10, Task(1, (0, 0, 1, 2, 3), 0, 2, "between")),
        (8, 5, 10, Task(8, (6, 7, 8, 9, 9), 7, 9, "between")),
        (2, 9, 4, Task(2, (0, 0, 0, 1, 2, 3, 3, 3, 3), 1, 3, "between")),
    ],
)
def test_a_window_is_clamped_to_the_clip(n: int, window: int, length: int, expected: Task) -> None:
    assert task(n, window, never, length) == expected


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (2, Task(2, (0, 1, 2, 3, 3), 1, 3, "between")),
        (3, Task(3, (1, 2, 3, 3, 3), 2, 3, "cut")),
        (4, Task(4, (4, 4, 4, 5, 6), 4, 5, "between")),
        (5, Task(5, (4, 4, 5, 6, 7), 4, 6, "between")),
    ],
)
def test_a_window_never_crosses_a_cut(n: int, expected: Task) -> None:
    assert task(n, 5, {4}.__contains__, 10) == expected


@pytest.mark.parametrize(
    ("window", "length", "n", "expected"),
    [(1, 9, 4, range(4, 6)), (3, 9, 4, range(3, 6)), (9, 9, 4, range(9)), (5, 9, 8, range(6, 9)), (3, 1, 0, range(1))],
)
def test_reach_is_half_a_window_back_and_at_least_one_ahead(window: int, length: int, n: int, expected: range) -> None:
    assert reach(n, window, length) == expected


shots = st.tuples(st.sampled_from([1, 3, 5, 9]), st.integers(1, 24), st.sets(st.integers(1, 23)))


@given(shots)
def test_a_task_stays_within_reach_and_asks_for_cuts_only_there(case: tuple[int, int, set[int]]) -> None:
    window, length, cuts = case
    for n in range(length):
        asked: list[int] = []

        def begins(k: int, asked: list[int] = asked) -> bool:
            asked.append(k)
            return k in cuts

        work = task(n, window, begins, length)
        within = reach(n, window, length)
        assert set(work.reads) <= set(within)
        assert all(k in within and k - 1 in within for k in asked)
        shot = [sum(cut <= k for cut in cuts) for k in range(length)]
        assert {shot[k] for k in (*work.window, work.previous, work.following)} == {shot[n]}


@given(shots)
def test_a_stream_makes_every_pair_once_in_order_as_soon_as_it_can(case: tuple[int, int, set[int]]) -> None:
    window, length, cuts = case
    schedule = Schedule(window)
    made: list[Task] = []
    for k in range(length):
        due = schedule.receive(begins_shot=k in cuts)
        made += due
        waiting = range(len(made), k + 1)
        assert all(n + max(1, window // 2) > k and not cuts & set(range(n + 1, k + 1)) for n in waiting)
    made += schedule.finish()
    assert made == [task(n, window, cuts.__contains__, length) for n in range(length)]
    assert schedule.finish() == []
