"""Colour against zimg, VapourSynth's resizer: the converter that most people's scripts use today."""

import numpy as np
import pytest
import torch

from alanet_core.color import CHROMA_SITES, PixelFormat, from_rgb, to_rgb
from alanet_core.color.convert import storage

vs = pytest.importorskip("vapoursynth", reason="VapourSynth needs Python 3.12 or later")

pytestmark = pytest.mark.usefixtures("in_both_forms")

MATRIX = {"bt709": 1, "fcc": 4, "bt601": 6, "smpte240m": 7, "ycgco": 8, "bt2020": 9}
SITE = {"left": 0, "center": 1, "topleft": 2, "top": 3, "bottomleft": 4, "bottom": 5}


def clip_of(planes, fmt, height, width):
    family = {"yuv": vs.YUV, "rgb": vs.RGB, "gray": vs.GRAY}[fmt.family]
    sample = vs.FLOAT if fmt.sample == "float" else vs.INTEGER
    form = vs.core.query_video_format(family, sample, fmt.bits, *fmt.subsampling)
    blank = vs.core.std.BlankClip(format=form.id, width=width, height=height, length=1)

    def fill(n, f):
        frame = f.copy()
        for number, plane in enumerate(planes):
            np.asarray(frame[number])[:] = plane.numpy()
        frame.props["_Matrix"] = 0 if fmt.family == "rgb" else MATRIX[fmt.matrix]
        frame.props["_Range"] = 1 if fmt.full_range else 0
        frame.props["_ChromaLocation"] = SITE[fmt.chroma_site]
        return frame

    return vs.core.std.ModifyFrame(blank, blank, fill)


def planes_of(clip):
    with clip.get_frame(0) as frame:
        return [torch.from_numpy(np.asarray(frame[p]).copy()) for p in range(frame.format.num_planes)]


def smooth_planes(fmt, height, width):
    """Waves of a few pixels, so that where chroma lies matters, and no value needs clamping."""
    planes = []
    for p in range(fmt.planes):
        rows, columns = fmt.plane_size(p, height, width)
        y, x = np.mgrid[0:rows, 0:columns]
        wave = 0.5 + 0.2 * np.sin(y / 2.1 + p) * np.cos(x / 2.7 + 2 * p)
        if fmt.sample == "float":
            planes.append(torch.from_numpy(wave - (0.5 if p and fmt.family == "yuv" else 0)).to(storage(fmt)))
        else:
            planes.append(torch.from_numpy((wave * ((1 << fmt.bits) - 1)).astype(np.int64)).to(storage(fmt)))
    return planes


def difference(fmt, height, width):
    planes = smooth_planes(fmt, height, width)
    theirs = torch.stack(planes_of(clip_of(planes, fmt, height, width).resize.Bilinear(format=vs.RGBS)))
    return float((to_rgb(planes, fmt) - theirs).abs().max())


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRIX)
@pytest.mark.parametrize(("sample", "bits"), [("int", 8), ("int", 10), ("int", 16), ("float", 16), ("float", 32)])
def test_matrices_ranges_and_depths_are_zimgs(matrix, sample, bits, full):
    fmt = PixelFormat(family="yuv", sample=sample, bits=bits, matrix=matrix, full_range=full)
    assert difference(fmt, 12, 18) < 2e-6


@pytest.mark.parametrize("site", CHROMA_SITES)
@pytest.mark.parametrize("steps", [(1, 1), (1, 0), (0, 1)])
@pytest.mark.parametrize("size", [(24, 36), (2, 4)])
def test_chroma_lies_where_zimg_puts_it(site, steps, size):
    fmt = PixelFormat(family="yuv", sample="float", bits=32, subsampling=steps, chroma_site=site)
    assert difference(fmt, *size) < 2e-6


@pytest.mark.parametrize("steps", [(2, 0), (2, 2), (1, 2), (0, 2)])
def test_coarse_co_sited_chroma_lies_where_zimg_puts_it(steps):
    fmt = PixelFormat(family="yuv", sample="float", bits=32, subsampling=steps, chroma_site="topleft")
    assert difference(fmt, 64, 96) < 2e-6


@pytest.mark.parametrize("site", ["left", "topleft", "center", "bottomleft"])
def test_smooth_chroma_goes_down_as_zimgs_own_does(site):
    # zimg's bilinear filter blurs a little where ours is the inverse of the way up; on gentle chroma both must agree.
    height, width = 48, 64
    fmt = PixelFormat(family="yuv", bits=16, subsampling=(1, 1), chroma_site=site)
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([0.5 + 0.3 * np.sin(y / 15 + p) * np.cos(x / 18 + 2 * p) for p in range(3)]).astype(np.float32)
    source = clip_of(list(torch.from_numpy(rgb)), PixelFormat(family="rgb", sample="float", bits=32), height, width)
    theirs = planes_of(source.resize.Bicubic(format=vs.YUV420P16, matrix=1, range=0, chromaloc=SITE[site]))
    for ours, other in zip(from_rgb(torch.from_numpy(rgb), fmt), theirs, strict=True):
        assert (ours.int() - other.int())[2:-2, 2:-2].abs().max() <= 40  # of 65535; half a sample of shift is 500


@pytest.mark.parametrize("full", [False, True])
def test_grey_and_rgb_levels_are_zimgs(full):
    for family in ("gray", "rgb"):
        fmt = PixelFormat(family=family, bits=10, full_range=full)
        planes = smooth_planes(fmt, 6, 8)
        want = vs.RGBS if family == "rgb" else vs.GRAYS
        theirs = planes_of(clip_of(planes, fmt, 6, 8).resize.Point(format=want))
        ours = to_rgb(planes, fmt)
        assert (ours[0] - theirs[0]).abs().max() < 1e-6
