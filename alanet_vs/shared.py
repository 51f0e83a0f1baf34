"""What all filters of a process share: loaded networks, and the one thread on which a device computes.

VapourSynth calls filters from any of its threads. PyTorch would give each of them a crew of its own for parallel
loops, threads times cores in all, and with more of them than cores libgomp puts every crew to sleep at each barrier; so
everything that computes, loading included, runs on one thread a device, and the caller waits without Python's lock.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import TypeVar
from weakref import WeakValueDictionary

import torch

import alanet_core as alanet
from alanet_core.errors import must

T = TypeVar("T")

_networks: WeakValueDictionary[tuple[object, ...], alanet.Alanet] = WeakValueDictionary()
_lock = Lock()


def network(model: str, *, device: str, precision: str, window: int | None, allow_untrained: bool) -> alanet.Alanet:
    """What `alanet_core.load` gives for these arguments, or raises.

    Filters with equal settings get the same network, and it goes when the last of them goes.
    """
    key = (model, _file_state(model), device, precision, window, allow_untrained)
    with _lock:
        found = _networks.get(key)
        if found is None:
            load = partial(
                alanet.load, model, device=device, precision=precision, window=window, allow_untrained=allow_untrained
            )
            found = _networks[key] = compute(torch.device("cpu"), load)  # where weights are made ready
        return found


def compute(device: torch.device, work: Callable[[], T]) -> T:
    """Run `work` on the device's thread, in the order of the calls; wait for its result, or its exception."""
    try:
        promise = _thread(device).submit(work)
    except RuntimeError as error:  # the interpreter is going down and takes no more work
        expected = "asked for while the program runs"
        raise alanet.StreamError(must("frames", expected, "one at its end", "wait for all frames first")) from error
    return promise.result()


@cache
def _thread(device: torch.device) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix=f"alanet {device}")


def _file_state(model: str) -> tuple[int, int] | None:
    """What tells that a file of weights has been replaced; None for the name of a preset."""
    try:
        state = Path(model).stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
