"""Colour against the standards' own formulas, written again in float64, and its round trips."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alanet_core.color import CHROMA_SITES, MATRICES, PixelFormat, from_rgb, to_rgb
from alanet_core.color.convert import storage
from alanet_core.errors import FrameError

pytestmark = pytest.mark.usefixtures("in_both_forms")

# Kr and Kb by ITU-T H.273, table 4; typed in again, not imported.
K = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt601": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}


def random_planes(fmt, height, width, seed=0):
    """Any number that the format can store, far outside the nominal range too."""
    rng = np.random.default_rng(seed)
    planes = []
    for plane in range(fmt.planes):
        size = fmt.plane_size(plane, height, width)
        if fmt.sample == "float":
            values = torch.from_numpy(rng.random(size) - (0.5 if plane and fmt.family == "yuv" else 0.0))
        else:
            values = torch.from_numpy(rng.integers(0, 1 << fmt.bits, size))
        planes.append(values.to(storage(fmt)))
    return planes


def by_the_standard(planes, fmt):
    """H.273 equations 20-50 in float64 for 4:4:4, RGB and GRAY -> [3, H, W]."""
    stored = [plane.to(torch.float64).numpy() for plane in planes]
    if fmt.sample == "float":
        nominal = stored
    else:
        s = 2.0 ** (fmt.bits - 8)
        top = 2.0**fmt.bits - 1
        luma = [x / top if fmt.full_range else (x / s - 16) / 219 for x in stored]
        span = 219 if fmt.matrix == "ycgco" else 224
        chroma = [(x - 2.0 ** (fmt.bits - 1)) / top if fmt.full_range else (x / s - 128) / span for x in stored]
        nominal = [luma[0], *chroma[1:]] if fmt.family == "yuv" else luma
    if fmt.family == "gray":
        return np.stack(nominal * 3)
    if fmt.family == "rgb":
        return np.stack(nominal)
    y, cb, cr = nominal
    if fmt.matrix == "ycgco":
        t = y - cb
        return np.stack((t + cr, y + cb, t - cr))
    kr, kb = K[fmt.matrix]
    r = y + 2 * (1 - kr) * cr
    b = y + 2 * (1 - kb) * cb
    return np.stack((r, (y - kr * r - kb * b) / (1 - kr - kb), b))


def every_444_format():
    for family, matrix, full in itertools.product(("rgb", "yuv", "gray"), MATRICES, (False, True)):
        if family == "yuv" or matrix == "bt709":
            yield from (PixelFormat(family=family, bits=bits, matrix=matrix, full_range=full) for bits in range(8, 17))
            yield from (
                PixelFormat(family=family, sample="float", bits=bits, matrix=matrix, full_range=full)
                for bits in (16, 32)
            )


@pytest.mark.parametrize("fmt", list(every_444_format()), ids=str)
def test_rgb_is_what_the_standard_says(fmt):
    planes = random_planes(fmt, 9, 14)
    assert np.abs(to_rgb(planes, fmt).numpy() - by_the_standard(planes, fmt)).max() < 2e-6


@pytest.mark.parametrize("fmt", list(every_444_format()), ids=str)
def test_planes_without_subsampling_come_back_as_they_were(fmt):
    planes = random_planes(fmt, 9, 14)
    for before, after in zip(planes, from_rgb(to_rgb(planes, fmt), fmt), strict=True):
        assert after.dtype == before.dtype
        if fmt.bits == 32:
            torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
        elif fmt.sample == "float":
            torch.testing.assert_close(after, before, rtol=2**-10, atol=1e-6)
        else:
            assert torch.equal(before, after)


@st.composite
def subsampled_formats(draw):
    return PixelFormat(
        family="yuv",
        bits=draw(st.integers(8, 16)),
        subsampling=draw(st.tuples(st.integers(0, 4), st.integers(0, 4))),
        matrix=draw(st.sampled_from(MATRICES)),
        full_range=draw(st.booleans()),
        chroma_site=draw(st.sampled_from(CHROMA_SITES)),
    )


@settings(max_examples=150, deadline=None)
@given(fmt=subsampled_formats(), height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 999))
def test_subsampled_planes_come_back_as_they_were_at_any_size(fmt, height, width, seed):
    planes = random_planes(fmt, height, width, seed)
    back = from_rgb(to_rgb(planes, fmt), fmt)
    assert all(torch.equal(a, b) for a, b in zip(planes, back, strict=True))


@pytest.mark.parametrize("site", CHROMA_SITES)
@pytest.mark.parametrize("steps", [(1, 1), (1, 0), (0, 1), (2, 0), (2, 2)])
def test_a_chroma_ramp_keeps_its_place(site, steps):
    # A linear ramp sampled at the chroma sites must come out as the same ramp at every luma sample: any shift shows.
    height, width = 32, 48
    fmt = PixelFormat(family="yuv", sample="float", bits=32, subsampling=steps, chroma_site=site)
    x = np.arange(width >> steps[0]) * 2.0 ** steps[0] + ("left" not in site) * (2.0 ** steps[0] - 1) / 2
    row = {"t": 0.0, "b": 1.0}.get(site.removesuffix("left")[:1], 0.5)
    y = np.arange(height >> steps[1]) * 2.0 ** steps[1] + row * (2.0 ** steps[1] - 1)
    ramp = torch.from_numpy((y[:, None] + 3 * x[None]) / 200 - 0.4).float()
    luma = torch.full((height, width), 0.5)
    red = to_rgb([luma, torch.zeros_like(ramp), ramp], fmt)[0]
    want = (np.arange(height)[:, None] + 3 * np.arange(width)[None]) / 200 - 0.4
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(((red - 0.5) / (2 * (1 - 0.2126))).numpy() - want)[inner].max() < 1e-6
    # And down again from a picture that never was subsampled.
    wanted = torch.from_numpy(want).float()
    rgb = torch.stack((wanted * 1.5748, wanted * -0.468124, torch.zeros_like(wanted))) + 0.5
    coarse = from_rgb(rgb, fmt)[2]
    inner = (slice(3, -3), slice(3, -3))
    assert (coarse - ramp)[inner].abs().max() < 1e-5


@pytest.mark.parametrize("site", CHROMA_SITES)
@pytest.mark.parametrize("steps", [(1, 1), (1, 0), (2, 2)])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 9), (32, 32)])
def test_flat_colour_stays_exactly_flat(site, steps, size):
    fmt = PixelFormat(family="yuv", bits=10, subsampling=steps, chroma_site=site, matrix="bt2020")
    stored = (700, 300, 640)
    planes = [torch.full(fmt.plane_size(p, *size), value, dtype=torch.uint16) for p, value in enumerate(stored)]
    rgb = to_rgb(planes, fmt)
    assert torch.equal(rgb, rgb[:, :1, :1].expand_as(rgb))
    assert all(torch.equal(a, b) for a, b in zip(planes, from_rgb(rgb, fmt), strict=True))


def test_detail_finer_than_the_chroma_grid_is_averaged_away():
    stripes = torch.zeros(3, 16, 32)
    stripes[0, :, ::2] = 1.0
    for site in ("left", "center"):
        fmt = PixelFormat(family="yuv", sample="float", bits=32, subsampling=(1, 0), chroma_site=site)
        red_difference = from_rgb(stripes, fmt)[2][:, 2:-2]
        assert (red_difference - 0.25).abs().max() < 1e-6  # Cr of red is 0.5; half of the columns are red


def test_black_and_white_are_exact():
    for full, black, white in ((False, 16, 235), (True, 0, 255)):
        fmt = PixelFormat(family="yuv", full_range=full)
        for value, level in ((black, 0.0), (white, 1.0)):
            planes = [torch.full((2, 2), v, dtype=torch.uint8) for v in (value, 128, 128)]
            torch.testing.assert_close(to_rgb(planes, fmt), torch.full((3, 2, 2), level), rtol=0, atol=6e-8)


def test_integers_are_rounded_to_nearest_and_clamped():
    fmt = PixelFormat(family="rgb", bits=8)
    rgb = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 254.6 / 255, 9.0]).expand(3, 1, 6)
    for plane in from_rgb(rgb, fmt):
        assert plane.tolist() == [[0, 0, 1, 254, 255, 255]]


def test_what_lies_beyond_white_survives_limited_range():
    fmt = PixelFormat(family="yuv", bits=10)
    planes = [torch.tensor([[4, 1019]], dtype=torch.uint16), *[torch.full((1, 2), 512, dtype=torch.uint16)] * 2]
    assert from_rgb(to_rgb(planes, fmt), fmt)[0].tolist() == [[4, 1019]]


def test_grey_is_three_equal_planes_and_comes_back_as_their_mean():
    fmt = PixelFormat(family="gray", full_range=True)
    plane = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    rgb = to_rgb([plane], fmt)
    assert torch.equal(rgb[0], rgb[1])
    assert torch.equal(rgb[0], rgb[2])
    rgb = rgb + torch.tensor([0.03, -0.03, 0.0])[:, None, None]
    assert torch.equal(from_rgb(rgb, fmt)[0], plane)


@pytest.mark.parametrize("bits", [8, 10])
def test_lines_with_padding_are_read_rightly_and_never_written(bits):
    fmt = PixelFormat(family="yuv", bits=bits, subsampling=(1, 1))
    planes = random_planes(fmt, 13, 21)
    padded = []
    for plane in planes:
        home = torch.full((plane.shape[0], plane.shape[1] + 11), 77, dtype=plane.dtype)
        home[:, : plane.shape[1]] = plane
        padded.append(home[:, : plane.shape[1]])
    assert torch.equal(to_rgb(padded, fmt), to_rgb(planes, fmt))
    assert all(torch.equal(a, b) for a, b in zip(padded, planes, strict=True))


def test_the_picture_handed_in_is_not_written():
    rgb = torch.rand(3, 6, 7)
    before = rgb.clone()
    for family in ("rgb", "yuv", "gray"):
        for sample, bits in (("int", 8), ("float", 32)):
            planes = from_rgb(rgb, PixelFormat(family=family, sample=sample, bits=bits))
            assert torch.equal(rgb, before)
            assert all(plane.data_ptr() != channel.data_ptr() for plane in planes for channel in rgb)


def test_rgb_is_full_range_and_yuv_is_limited_unless_said_otherwise():
    assert PixelFormat(family="rgb").full_range is True
    assert PixelFormat(family="yuv").full_range is False
    assert PixelFormat(family="gray").full_range is False
    assert PixelFormat(family="rgb", full_range=False).full_range is False


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"family": "xyz"}, "family must be one of rgb, yuv, gray, got 'xyz'"),
        ({"family": "yuv", "bits": 7}, "bits must be 8..16"),
        ({"family": "yuv", "sample": "float", "bits": 8}, "bits must be 16 or 32"),
        ({"family": "yuv", "matrix": "ictcp"}, "matrix must be one of"),
        ({"family": "yuv", "chroma_site": "right"}, "chroma_site must be one of"),
        ({"family": "yuv", "subsampling": (5, 0)}, "subsampling must be two numbers 0..4"),
        ({"family": "rgb", "subsampling": (1, 1)}, "subsampling must be two numbers 0..0"),
    ],
)
def test_a_format_that_cannot_be_is_refused(fields, words):
    with pytest.raises(FrameError, match=words):
        PixelFormat(**fields)


def test_planes_that_do_not_fit_the_format_are_refused():
    fmt = PixelFormat(family="yuv", subsampling=(1, 1))
    good = random_planes(fmt, 5, 5)
    y, u, v = good
    for planes in (good[:2], [y, u[:2], v], [y, u.float(), v], [y[0], u, v]):
        with pytest.raises(FrameError, match="planes"):
            to_rgb(planes, fmt)
    for rgb in (torch.zeros(1, 4, 4), torch.zeros(3, 4), torch.zeros(3, 0, 4), torch.zeros(3, 4, 4, dtype=torch.uint8)):
        with pytest.raises(FrameError, match="rgb must be one floating-point picture"):
            from_rgb(rgb, fmt)
