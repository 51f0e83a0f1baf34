"""Threads that share a kernel: late ones, many callers at once, a process that forked; and what plain.c gives."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from torch import Tensor

from alanet_core import native
from alanet_core.model.attention import GateBank, _sum, pool_true_area
from alanet_core.native import light, plain

pytestmark = pytest.mark.skipif(not native.available(), reason=str(native.absence()))


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def crowd():
    """crowd(n): kernels on n threads, more than there are processors: most come late, when all is taken."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def halves(picture: Tensor) -> list[Tensor]:
    """Kernels of several stages, and of one."""
    planes = light.pyramid(picture, 3)
    settings = native.Settings(
        rounds=3, steps=2, damping=1.0, firmness=1.0, doubt=1.0, near=0.1, longest=1e3, brightest=255.0
    )
    return [*planes, *native.search(planes, [x.flip(3) for x in planes], settings)]


def test_late_threads_change_no_bit(crowd) -> None:
    picture = rand(1, 3, 96, 128)
    crowd(1)
    alone = halves(picture)
    for count in (2, 3, 16, 64, 100):
        crowd(count)
        for _ in range(40):
            assert all(torch.equal(a, b) for a, b in zip(halves(picture), alone, strict=True)), count


def test_callers_at_once_share_the_helpers(crowd) -> None:
    crowd(4)
    pictures = [rand(1, 3, 96, 128, seed=k) for k in range(6)]
    alone = [halves(picture) for picture in pictures]
    wrong: list[int] = []

    def work(k: int) -> None:
        made = [halves(pictures[k]) for _ in range(30)]
        wrong.extend(k for each in made if not all(map(torch.equal, each, alone[k])))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_child_that_a_fork_made_has_helpers_of_its_own() -> None:
    """The parent's do not come with it, nor may a lock that one of them held."""
    code = """
import os, sys, threading, torch
from alanet_core.native import light
torch.set_num_threads(4)
picture = torch.rand(1, 3, 256, 256)
expected = light.pyramid(picture, 2)
busy = True
def work():
    while busy:
        light.pyramid(picture, 2)
beside = threading.Thread(target=work)
beside.start()
failed = 0
for _ in range(20):
    child = os.fork()
    if child == 0:
        made = [light.pyramid(picture, 2) for _ in range(5)]
        os._exit(not all(torch.equal(a, b) for each in made for a, b in zip(each, expected)))
    failed += os.waitpid(child, 0)[1] != 0
busy = False
beside.join()
sys.exit(failed)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


def test_a_signal_ends_a_wait_in_spite_of_the_helpers() -> None:
    """Ctrl-C must reach Python's thread, whichever threads there are."""
    code = """
import signal, time, torch
from alanet_core.native import light
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
torch.set_num_threads(4)
light.pyramid(torch.rand(1, 3, 256, 256), 2)
print("ready", flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(30) == -signal.SIGINT


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 100)])
def test_copies_are_whole(dtype: torch.dtype, size: tuple[int, int]) -> None:
    for source in (rand(1, 24, *size).to(dtype), rand(1, 24, *size).to(dtype, memory_format=torch.channels_last)):
        turned, small = rand(1, 24, *size).to(dtype).transpose(2, 3), rand(1, 3, 1, 2)
        targets = torch.zeros_like(source), torch.zeros(1, 24, *size[::-1]), torch.zeros_like(small)
        plain.copy(targets, (source, turned, small))  # the second of another dtype and layout: PyTorch's
        assert all(map(torch.equal, targets, (source, turned.float(), small)))


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (1, 3, 33, 65), (1, 5, 40, 300)])
def test_channels_come_innermost(shape: tuple[int, ...]) -> None:
    x = rand(*shape)
    made = native.innermost(x)
    assert torch.equal(made, x)
    assert made.permute(0, 2, 3, 1).is_contiguous()
    assert native.innermost(made) is made
    room = torch.empty_like(made)
    found = native.innermost(x, room)
    assert found is (x if made is x else room)  # one pixel lies as it should
    assert torch.equal(found, x)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_sums_of_attention_are_pytorchs_to_the_bit(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    features, gates = ([rand(1, 37, *size, seed=k) for k in range(count)] for size in ((22, 40), (1, 1)))
    with torch.no_grad():
        made = _sum(features, gates)
        monkeypatch.setenv("ALANET_NATIVE", "0")
        assert torch.equal(made, _sum(features, gates))


@pytest.mark.parametrize("area", [(352, 640), (345, 633), (16, 16)])
@pytest.mark.parametrize("channels", [8, 37])
def test_gates_are_those_of_exact_arithmetic(area: tuple[int, int], channels: int) -> None:
    """With cells of 16 pixels, some of them in the padding or half in it."""
    bank = GateBank(6, channels, 4).requires_grad_(False)
    features = rand(1, channels, -(-area[0] // 16), -(-area[1] // 16)) - 0.3
    cells = area[0] / 16, area[1] / 16
    made = plain.gates(features, cells, (bank.squeeze, bank.squeeze_bias), (bank.excite, bank.excite_bias))
    exact = bank.double()(pool_true_area(features.double(), area, 16))
    assert made.shape == exact.shape
    assert (made - exact).abs().max() <= 1e-6
