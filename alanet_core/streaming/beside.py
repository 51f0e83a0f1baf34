"""Two works at a time on a CPU, each on half of the threads: the two generators of a pair need nothing of each other,
nor does a frame's encoding need its motion.

Threads that share a layer wait for each other at its end, and a small network has a hundred layers and kernels a pair.
Side by side they meet once; and when one has ended, kernels of the other get all threads.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Barrier
from typing import TypeVar

import torch

from alanet_core import native

A = TypeVar("A")
B = TypeVar("B")


def both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """What the two give; of two failures the first one's is raised, once both have ended. No gradients are kept."""
    threads, inference = torch.get_num_threads(), torch.is_inference_mode_enabled()
    if threads == 1:
        with torch.no_grad():
            return first(), second()
    crew = _crew(threads)

    def run(work: Callable[[], A | B]) -> A | B:
        try:
            with torch.inference_mode(inference), torch.no_grad():  # both are a thread's own
                return work()
        finally:
            native.sides(-1)

    native.sides(2)
    one, other = crew.submit(run, first), crew.submit(run, second)
    wait((one, other))
    return one.result(), other.result()  # type: ignore[return-value]  # each gives what its work gives


@functools.cache
def _crew(threads: int) -> ThreadPoolExecutor:
    """Two threads that compute on half of so many each, rounded up."""
    crew, started = ThreadPoolExecutor(2, "alanet-beside"), Barrier(2)

    def begin() -> None:
        torch.set_num_threads((threads + 1) // 2)
        native.of_one_side(threads)
        torch.get_num_threads()  # until it is asked, a thread takes the number that was set last, by whichever thread
        started.wait()

    wait([crew.submit(begin) for _ in range(2)])
    torch.set_num_threads(threads)
    return crew
