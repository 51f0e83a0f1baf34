"""Two works side by side give what they give one after the other, and leave the caller as it was."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from alanet_core import native
from alanet_core.streaming.beside import both


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_each_works_on_half_of_the_threads_and_the_caller_keeps_all(threads: int) -> None:
    half = (threads + 1) // 2
    assert both(torch.get_num_threads, torch.get_num_threads) == (half, half)
    assert torch.get_num_threads() == threads


def test_they_meet_where_there_are_two_threads_and_never_where_there_is_one(threads: int) -> None:
    met = threading.Barrier(2)

    def meet() -> bool:
        try:
            met.wait(5 if threads > 1 else 0.01)
        except threading.BrokenBarrierError:
            return False
        return True

    assert both(meet, meet) == (threads > 1, threads > 1)


@pytest.mark.skipif(not native.available(), reason=str(native.absence()))
def test_kernels_get_no_help_until_one_of_them_has_ended(threads: int) -> None:
    ended, sides = threading.Event(), []

    def first() -> int:
        sides.append(native.sides(0))
        return native.threads()

    def second() -> int:
        for _ in range(500):  # until the first one is gone
            if threads == 1 or native.sides(0) == 1:
                break
            time.sleep(0.01)
        sides.append(native.sides(0))
        ended.set()
        return native.threads()

    assert both(first, second) == (threads, threads)
    assert ended.is_set()
    assert sides == ([2, 1] if threads > 1 else [0, 0])
    with pytest.raises(ZeroDivisionError):
        both(lambda: 1 / 0, lambda: 1)
    assert native.sides(0) == 0


def test_the_first_failure_is_raised_once_both_have_ended(threads: int) -> None:
    ended = []

    def fail() -> None:
        raise ValueError("the first")

    def slow() -> None:
        time.sleep(0.05)
        ended.append(True)

    with pytest.raises(ValueError, match="the first"):
        both(fail, slow)
    assert bool(ended) == (threads > 1)
    assert both(lambda: 1, lambda: 2) == (1, 2)


def test_no_gradients_are_kept_and_inference_stays_inference(threads: int) -> None:
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        assert not any(y.requires_grad for y in both(lambda: 2 * x, lambda: 3 * x))
    with torch.inference_mode():
        assert all(y.is_inference() for y in both(lambda: 2 * x, lambda: 3 * x))
