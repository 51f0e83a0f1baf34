"""The kernels in C that `hatch_build.py` compiles, for CPUs: found, loaded and called through ctypes.

They are an acceleration: each has a form in PyTorch that gives the same numbers and runs where there was no compiler.
The environment variable ALANET_NATIVE=0 switches them off. A call lets go of the GIL.
"""

import ctypes
import functools
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

NAME = "libalanetcore" + (".dylib" if sys.platform == "darwin" else ".so")
SWITCH = "ALANET_NATIVE"
DTYPES = (torch.float32, torch.bfloat16)
KERNELS = (  # those that take a structure and cannot fail
    *("alanet_look", "alanet_compose", "alanet_level", "alanet_whole_level", "alanet_settle", "alanet_grow"),
    *("alanet_smear", "alanet_cues", "alanet_append", "alanet_halfway"),
    *("alanet_moved", "alanet_rest", "alanet_paths", "alanet_add", "alanet_pass"),
    *("alanet_convolve", "alanet_whole"),
    *("alanet_copy", "alanet_innermost", "alanet_gates", "alanet_gated"),
    *("alanet_decode", "alanet_encode", "alanet_thumbnail"),
    *("alanet_pyramid", "alanet_folded", "alanet_pooled", "alanet_coarser"),
)
_lock = threading.Lock()


class Settings(ctypes.Structure):
    """The numbers that `alanet_core.model.search` chooses: `Settings` in search.c."""

    _fields_ = (
        ("rounds", ctypes.c_int),
        ("steps", ctypes.c_int),
        ("damping", ctypes.c_float),
        ("firmness", ctypes.c_float),
        ("doubt", ctypes.c_float),
        ("near", ctypes.c_float),
        ("longest", ctypes.c_float),
        ("settled", ctypes.c_float),
        ("good", ctypes.c_float),
        ("brightest", ctypes.c_float),
    )


class Planes(ctypes.Structure):
    """`Planes` in plain.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("height", "width", "channels", "threads")),
        *((name, ctypes.c_void_p) for name in ("source", "target")),
    )


def path() -> Path:
    """Where the library lies, if it was built."""
    return Path(__file__).parent / "lib" / NAME


def available() -> bool:
    """The kernels can be called, and are not switched off."""
    return absence() is None


def switched_off() -> bool:
    """The environment says that PyTorch is to compute what the kernels would."""
    return os.environ.get(SWITCH) == "0"


def absence() -> str | None:
    """Why the kernels cannot be called; None when they can."""
    if switched_off():
        return f"switched off by {SWITCH}=0"
    found = _loaded()
    return found if isinstance(found, str) else None


def _loaded() -> ctypes.CDLL | str:
    with _lock:  # two threads must not both load it
        return _load()


@functools.cache
def _load() -> ctypes.CDLL | str:
    """The library with its prototypes, or why there is none."""
    if not path().is_file():
        return "not built: no C compiler was there when alanet was installed"
    try:
        library = ctypes.CDLL(str(path()))
        function = library.alanet_search
        for name in KERNELS:
            getattr(library, name).restype = None
        library.alanet_convolves.restype = ctypes.c_int
        library.alanet_sides.restype, library.alanet_sides.argtypes = ctypes.c_int, (ctypes.c_int,)
        library.alanet_unexplained.restype = ctypes.c_int
        library.alanet_whole_scratch.restype = library.alanet_pass_scratch.restype = ctypes.c_long
    except (OSError, AttributeError) as error:
        return f"not to be loaded: {error}"
    numbers, planes = ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_void_p)
    function.argtypes = (
        *(ctypes.c_int, ctypes.c_int, numbers, numbers, planes, planes),
        *(ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(Settings), ctypes.c_int),
    )
    function.restype = ctypes.c_int
    return library


class _Now(threading.local):
    """What holds for a thread; where nothing was said, what stands here, which is found without a failure first."""

    rehearsed = False
    threads: int | None = None


_now = _Now()


@contextmanager
def rehearsed() -> Iterator[None]:
    """In this thread kernels take tensors without storage and compute nothing: what they need can be counted."""
    _now.rehearsed = True
    try:
        yield
    finally:
        _now.rehearsed = False


def _rehearsing() -> bool:
    return _now.rehearsed


def call(name: str, job: ctypes.Structure) -> None:
    """Run one of the kernels that take a structure and cannot fail."""
    if _rehearsing():
        return
    library = _loaded()
    assert not isinstance(library, str)
    getattr(library, name)(ctypes.byref(job))


def numbers(name: str, job: ctypes.Structure) -> int:
    """What a function says of a structure; also while rehearsing."""
    library = _loaded()
    assert not isinstance(library, str)
    return int(getattr(library, name)(ctypes.byref(job)))


def threads() -> int:
    """How many may share a kernel that this thread calls."""
    return _now.threads or torch.get_num_threads()


def of_one_side(threads: int) -> None:
    """From now on this thread works beside another one, as `sides` says; where the other has ended, on so many."""
    _now.threads = threads


def sides(change: int) -> int:
    """So many more threads work side by side, or fewer -> how many there are then, in this process.

    Their kernels get no helpers while there are as many of them as threads.
    """
    library = _loaded()
    return 0 if isinstance(library, str) else int(library.alanet_sides(change))


@functools.cache
def convolves() -> bool:
    """The kernels' convolutions suit this processor; asked where they can be called."""
    library = _loaded()
    assert not isinstance(library, str)
    return bool(library.alanet_convolves())


def innermost(x: Tensor, room: Tensor | None = None) -> Tensor:
    """[1, C, H, W] with its channels innermost in memory, as kernels read it; a copy only where it lies otherwise.

    room: such a tensor, where that copy may go.
    """
    if x.is_contiguous(memory_format=torch.channels_last):
        return x
    plain = x.permute(0, 2, 3, 1)
    if not (x.is_contiguous() and x.dtype == torch.float32 and serves(x)):
        return plain.contiguous().permute(0, 3, 1, 2)
    made = torch.empty_like(plain, memory_format=torch.contiguous_format).permute(0, 3, 1, 2) if room is None else room
    _, channels, height, width = x.shape
    call("alanet_innermost", Planes(height, width, channels, threads(), x.data_ptr(), made.data_ptr()))
    return made


def address(x: Tensor | None) -> int | None:
    """Where a tensor lies; it must stay alive for as long."""
    return None if x is None else x.data_ptr()


def addresses(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """Where each lies, in order."""
    return (ctypes.c_void_p * len(tensors))(*(x.data_ptr() for x in tensors))


def serves(*tensors: Tensor, learnt: Iterable[Tensor] = ()) -> bool:
    """The kernels can take the place of PyTorch for these: one picture each, on a CPU, and nothing is to be learnt.

    learnt: what else goes into the result, such as weights.
    """
    rehearsed = _rehearsing()
    for x in tensors:  # plain questions: this is asked for every operation of every picture
        if not (x.is_meta if rehearsed else x.is_cpu) or x.dtype not in DTYPES or x.shape[0] != 1 or not x.numel():
            return False
    if torch.is_autocast_enabled("cpu") or not available():
        return False
    return not torch.is_grad_enabled() or not any(x.requires_grad for x in (*tensors, *learnt))


def reaches(x: Tensor) -> bool:
    """The tensor lies where kernels compute."""
    return x.device.type == ("meta" if _rehearsing() else "cpu")


def search(
    earlier: Sequence[Tensor], later: Sequence[Tensor], settings: Settings, wanted: int = 1
) -> tuple[Tensor, ...]:
    """What `alanet_core.model.search` finds at the first levels, 1 or 2 of them, on torch's number of threads.

    Arguments are checked there; they may be contiguous or not. Raises MemoryError.
    """
    library = _loaded()
    assert not isinstance(library, str)
    earlier, later = [x.contiguous() for x in earlier], [x.contiguous() for x in later]  # alive until the call is over
    pairs, _, height, width = earlier[0].shape
    flows = tuple(torch.empty(pairs, 4, *x.shape[2:]) for x in earlier[:wanted])
    count = len(earlier)
    if _rehearsing():
        torch.empty(_scratch(2 * pairs, height, width), dtype=torch.uint8)  # held for a moment, so that it is counted
        return flows
    error = library.alanet_search(
        pairs,
        count,
        (ctypes.c_int * count)(*(x.shape[2] for x in earlier)),
        (ctypes.c_int * count)(*(x.shape[3] for x in earlier)),
        addresses(earlier),
        addresses(later),
        flows[0].data_ptr(),
        address(flows[1] if wanted > 1 else None),
        settings,
        threads(),
    )
    if error:
        msg = f"no memory to search motion in {pairs} pairs of {width}x{height} pixels"
        raise MemoryError(msg)
    return flows


def _scratch(sheets: int, height: int, width: int) -> int:
    """Bytes that `alanet_search` allocates: three padded planes, what it knows of patches, flows of coarser levels."""
    planes = 3 * 4 * (height + 16) * (width + 16)
    patches = (24 + 2 * 32) * -(-height // 4) * -(-width // 4)
    return sheets * (planes + patches + 2 * 4 * height * width // 3)
