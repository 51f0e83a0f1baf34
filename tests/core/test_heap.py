"""Memory that was taken once is taken again without a fault, unless the user has chosen otherwise."""

import os
import subprocess
import sys

import pytest

ROUNDS = """
import resource
import torch
from alanet_core.streaming import heap

def use():
    blocks = [torch.ones(4 << 20) for _ in range(4)]  # 16 MB each

print(heap.keep(), end=" ")
for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)
"""


def rounds(**environment: str) -> tuple[bool, int]:
    """Whether memory is kept, and faults of 4 KB pages in a round of 16,384."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    run = subprocess.run(
        [sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=True, env=plain | environment
    )
    kept, faults = run.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="the limits are those of glibc")
def test_what_was_taken_before_is_not_asked_for_again() -> None:
    kept, faults = rounds()
    assert kept
    assert faults < 100


def test_who_has_chosen_is_left_alone() -> None:
    kept, faults = rounds(MALLOC_TRIM_THRESHOLD_="131072")
    assert not kept
    assert faults > 1000
