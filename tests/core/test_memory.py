"""The predicted memory against the peak of a fresh process that runs the stream."""

import os
import subprocess
import sys

import pytest
import torch

from alanet_core import estimate_memory, presets
from alanet_core.memory import KEPT

# Linux only: getrusage's ru_maxrss would begin at what pytest itself holds, which a child inherits.
MEASURE = """
import re, sys, torch, alanet_core as alanet
model = alanet.load("fast", precision=sys.argv[1], device="cpu")

def run(frame):
    stream = alanet.AlanetStream(model, alanet.StreamConfig(scene_threshold=0))
    for _ in range(3):
        stream.push(frame)

run(torch.rand(3, 64, 64))  # so that what is read of libraries does not count
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
before = peak()
run(torch.rand(3, 1080, 1920))
print(before, peak())
"""


PRECISIONS = pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])


def measured(precision: str, **environment: str) -> tuple[int, int]:
    command = [sys.executable, "-c", MEASURE, precision]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | environment  # with more, how much falls together is chance
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    before, peak = map(int, out.stdout.split())
    return before, peak


@PRECISIONS
def test_peak_memory_at_1080p_is_predicted_within_a_fifth(precision: str, dtype: torch.dtype) -> None:
    before, peak = measured(precision)
    predicted = before + estimate_memory(presets()["fast"].config, 1080, 1920, dtype)
    assert predicted == pytest.approx(peak, rel=0.2)


@PRECISIONS
def test_where_the_allocator_keeps_nothing_the_tensors_are_all_there_is(precision: str, dtype: torch.dtype) -> None:
    before, peak = measured(precision, MALLOC_MMAP_THRESHOLD_="1048576")
    counted = estimate_memory(presets()["fast"].config, 1080, 1920, dtype) / KEPT
    assert counted == pytest.approx(peak - before, rel=0.05)


def test_strips_of_a_picture_take_less_than_the_whole() -> None:
    fast = presets()["fast"].config
    whole, strips = (estimate_memory(fast, 352, 640, torch.bfloat16, tile=tile) for tile in (0, 64))
    assert strips < 0.75 * whole
    whole, strips = (estimate_memory(fast, 352, 640, tile=tile) for tile in (0, 64))
    assert strips <= whole  # the same, where C makes float32 a few rows at a time


def test_kernels_work_in_strips_unasked() -> None:
    fast = presets()["fast"].config
    on_cpu, on_cuda = (estimate_memory(fast, 2160, 3840, device=device) for device in ("cpu", "cuda"))
    assert on_cpu < 0.6 * on_cuda


def test_memory_grows_with_the_picture_and_hardly_with_the_window() -> None:
    fast, paper = presets()["fast"].config, presets()["paper"].config
    small, large = (estimate_memory(fast, *size, device="cuda") for size in ((352, 640), (704, 1280)))
    assert large / small == pytest.approx(4, rel=0.1)
    wide = type(paper)(window=9)
    assert estimate_memory(wide, 352, 640) / estimate_memory(paper, 352, 640) < 1.5
