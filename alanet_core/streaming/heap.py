"""Memory that a picture took stays with the process, since the next picture takes it again.

glibc gives freed memory back beyond a limit that it sets as it goes, and whether it does depends on where things happen
to lie. What is given back and asked for again a moment later costs a fault a page: 5,000 pages a pair of 640x352 were
10 of 45 ms. Once a network computes on this process's CPUs, blocks of up to 32 MB are kept, and 128 MB of free memory.
"""

import ctypes
import functools
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as in malloc.h
_KEPT, _LARGEST = 128 << 20, 32 << 20  # bytes; more than 32 MB is not taken for the second
_CHOICES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")  # who sets these has chosen


@functools.cache
def keep() -> bool:
    """Do so, once -> whether it was done: not without glibc, nor where the user has chosen."""
    glibc = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", ())
    if not glibc or any(name in os.environ for name in _CHOICES):
        return False
    adjust = ctypes.CDLL(None).mallopt
    return bool(adjust(_MMAP_THRESHOLD, _LARGEST)) and bool(adjust(_TRIM_THRESHOLD, _KEPT))
