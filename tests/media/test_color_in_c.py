"""Colour in one pass (color.c) against the same by steps in PyTorch; threads, order in memory, what is no number."""

import os
import subprocess
import sys
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alanet_core import native
from alanet_core.color import CHROMA_SITES, FAMILIES, MATRICES, PixelFormat, from_rgb, to_rgb
from alanet_core.color.convert import storage

pytestmark = pytest.mark.skipif(not native.available(), reason=str(native.absence()))

ROUNDING = 1e-5  # of what is 1 in the picture: chroma far outside of its range included
HALFWAY = 1e-6  # of the same: within this of the middle between two numbers either may be stored
NARROW = st.integers(1, 40)
WIDTHS = st.one_of(NARROW, st.integers(120, 300), st.integers(1000, 2100))  # blocks are 128 wide, or up to 1024


@st.composite
def formats(draw: st.DrawFn) -> PixelFormat:
    """Those that color.c knows."""
    family = draw(st.sampled_from(FAMILIES))
    sample, bits = draw(st.sampled_from([("int", 8), ("int", 10), ("int", 16), ("float", 32)]))
    steps = st.integers(0, 1)
    return PixelFormat(
        family=family,
        sample=sample,
        bits=bits,
        subsampling=draw(st.tuples(steps, steps)) if family == "yuv" else (0, 0),
        matrix=draw(st.sampled_from(MATRICES)),
        full_range=draw(st.booleans()),
        chroma_site=draw(st.sampled_from(CHROMA_SITES)),
    )


def planes_of(fmt: PixelFormat, height: int, width: int, seed: int) -> list[torch.Tensor]:
    """Any number that can be stored."""
    random = torch.Generator().manual_seed(seed)
    sizes = [fmt.plane_size(plane, height, width) for plane in range(fmt.planes)]
    if fmt.sample == "float":
        return [
            torch.rand(size, generator=random) - 0.5 * (k > 0 and fmt.family == "yuv") for k, size in enumerate(sizes)
        ]
    return [torch.randint(1 << fmt.bits, size, generator=random).to(storage(fmt)) for size in sizes]


def plainly(function, *args):
    """By PyTorch's form."""
    with patch.dict(os.environ, {"ALANET_NATIVE": "0"}):
        return function(*args)


@settings(max_examples=200, deadline=None)
@given(fmt=formats(), height=NARROW, width=WIDTHS, seed=st.integers(0, 999), beside=st.booleans())
def test_both_forms_give_the_same_but_for_rounding(fmt, height, width, seed, beside):
    """beside: the colours of a pixel lie side by side, as networks give them."""
    planes = planes_of(fmt, height, width, seed)
    rgb = to_rgb(planes, fmt)
    assert (rgb - plainly(to_rgb, planes, fmt)).abs().max() < ROUNDING
    any_rgb = 1.4 * torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)) - 0.2
    if beside:
        any_rgb = any_rgb.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    exact = from_rgb(any_rgb, replace(fmt, sample="float", bits=32))
    made = zip(from_rgb(any_rgb, fmt), plainly(from_rgb, any_rgb, fmt), exact, strict=True)
    for number, (mine, theirs, unrounded) in enumerate(made):
        a, b = mine.double(), theirs.double()
        if fmt.sample == "float":
            assert (a - b).abs().max() < ROUNDING
            continue
        levels = fmt.chroma if number and fmt.family == "yuv" else fmt.luma
        stored = unrounded.double() * levels.span + levels.zero
        halfway = (stored - torch.minimum(a, b) - 0.5).abs()
        assert (a - b).abs().max() <= 1
        assert (halfway[a != b] < HALFWAY * levels.span).all()


@pytest.mark.parametrize("fmt", [PixelFormat(family="yuv", subsampling=(1, 1)), PixelFormat(family="rgb", bits=10)])
def test_neither_threads_nor_the_order_of_numbers_in_memory_change_a_bit(fmt):
    height, width = 131, 333
    planes, before = planes_of(fmt, height, width, 0), torch.get_num_threads()
    try:
        made = []
        for threads in (1, 5):
            torch.set_num_threads(threads)
            rgb = to_rgb(planes, fmt)
            beside = rgb.permute(1, 2, 0).contiguous().permute(2, 0, 1)
            across = rgb.permute(2, 1, 0).contiguous().permute(2, 1, 0)
            made += [[rgb, *from_rgb(x, fmt)] for x in (rgb, beside, across)]
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for each in made[1:] for a, b in zip(made[0], each, strict=True))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_stored_as_one(wrong):
    fmt = PixelFormat(family="yuv", subsampling=(1, 1), bits=10)
    rgb = torch.full((3, 20, 20), 0.5)
    rgb[:, 9, 9] = wrong
    luma, *chroma = from_rgb(rgb, fmt)
    assert luma[9, 9] == (1023 if wrong == float("inf") else 0)
    assert int(luma[9, 10]) == int(luma[0, 0]) == 502  # 64 + 876 / 2
    assert all(plane.int().max() <= 1023 and plane[0, 0] == 512 for plane in chroma)


AT_THE_END_OF_A_PAGE = """
import ctypes, mmap
import torch
from alanet_core.color import PixelFormat, from_rgb

page = mmap.PAGESIZE
memory = mmap.mmap(-1, 2 * page)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc = ctypes.CDLL(None)
assert libc.mprotect(ctypes.c_void_p(address + page), ctypes.c_size_t(page), 0) == 0
for width in range(1, 40):
    height = 8
    size = height * width * 3
    rgb = torch.frombuffer(memory, dtype=torch.float32, count=size, offset=page - 4 * size).view(height, width, 3)
    for steps in ((0, 0), (1, 1)):
        from_rgb(rgb.permute(2, 0, 1), PixelFormat(family="yuv", subsampling=steps))
        from_rgb(rgb.view(3, height, width), PixelFormat(family="yuv", subsampling=steps))
print("read")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a page that must not be read takes mprotect")
def test_nothing_is_read_beyond_the_end_of_a_picture():
    assert (
        subprocess.run([sys.executable, "-c", AT_THE_END_OF_A_PAGE], capture_output=True, check=True).stdout
        == b"read\n"
    )


def test_a_picture_that_is_being_learnt_is_taken():
    fmt = PixelFormat(family="yuv", subsampling=(1, 0))
    rgb = torch.rand(3, 8, 10, requires_grad=True)
    assert torch.equal(from_rgb(rgb, fmt)[0], from_rgb(rgb.detach(), fmt)[0])
