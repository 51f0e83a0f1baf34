"""What a frame's properties say of its numbers: matrix, range, chroma's place; and that the filter goes by it."""

import numpy as np
import pytest
import torch

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

import alanet_core as alanet
from alanet_core.color import PixelFormat, from_rgb, to_rgb
from alanet_vs.planes import pixel_format

MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 8: "ycgco", 9: "bt2020"}
NAMES = {"709": 1, "fcc": 4, "470bg": 5, "170m": 6, "240m": 7, "ycgco": 8, "2020ncl": 9}
SITES = {0: "left", 1: "center", 2: "topleft", 3: "top", 4: "bottomleft", 5: "bottom"}


def meaning(fmt=None, width=64, height=48, **props):
    clip = vs.core.std.BlankClip(format=fmt or vs.YUV420P8, width=width, height=height, length=1)
    return pixel_format(clip.std.SetFrameProps(**props).get_frame(0) if props else clip.get_frame(0))


@pytest.mark.parametrize(("number", "name"), MATRICES.items())
def test_the_matrix_is_the_frames_own(number, name):
    assert meaning(_Matrix=number).matrix == name


@pytest.mark.parametrize("props", [{}, {"_Matrix": 2}])
@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((720, 576), "bt601"),
        ((1024, 576), "bt601"),
        ((1280, 544), "bt709"),
        ((960, 720), "bt709"),
        ((3840, 2160), "bt709"),
    ],
)
def test_yuv_without_a_matrix_is_taken_for_what_players_take_it(props, size, name):
    assert meaning(width=size[0], height=size[1], **props).matrix == name


@pytest.mark.parametrize(("number", "site"), SITES.items())
def test_chroma_lies_where_the_frame_says(number, site):
    assert meaning(_ChromaLocation=number).chroma_site == site


@pytest.mark.parametrize(("fmt", "custom"), [("YUV420P8", False), ("GRAY8", False), ("RGB24", True)])
def test_the_range_is_the_frames_own_and_else_the_custom_of_its_family(fmt, custom):
    fmt = getattr(vs, fmt)
    assert [meaning(fmt, _Range=1).full_range, meaning(fmt, _Range=0).full_range] == [True, False]
    assert meaning(fmt).full_range is custom


@pytest.mark.filterwarnings("ignore:The _ColorRange:DeprecationWarning")
def test_the_old_name_of_the_range_counts_too():
    assert [meaning(_ColorRange=0).full_range, meaning(_ColorRange=1).full_range] == [True, False]


def by_the_core(clip, fmt):
    model = alanet.load("default", device="cpu", precision="fp32")
    stream = alanet.AlanetStream(model, alanet.StreamConfig(scene_threshold=0))
    frames = [[torch.from_numpy(np.array(plane)) for plane in f] for f in clip.frames(collect_garbage=False)]
    pairs = [pair for planes in frames for pair in stream.push(to_rgb(planes, fmt))] + stream.drain()
    return [plane.numpy() for pair in pairs for rgb in (pair.sharp, pair.middle) for plane in from_rgb(rgb, fmt)]


def through_the_filter(clip, **settings):
    result = clip.alanet.Enhance(device="cpu", precision="fp32", scene_threshold=0, **settings)
    return [np.array(plane) for frame in result.frames(collect_garbage=False) for plane in frame]


@pytest.mark.parametrize(
    ("fmt", "props", "expected"),
    [
        ("YUV420P8", {"_Matrix": 9, "_Range": 1, "_ChromaLocation": 2}, ("bt2020", True, "topleft", 8)),
        ("YUV420P10", {"_Matrix": 6, "_Range": 0, "_ChromaLocation": 5}, ("bt601", False, "bottom", 10)),
    ],
)
def test_the_networks_pixels_are_the_cores_for_what_the_properties_say(fmt, props, expected, noise):
    matrix, full, site, bits = expected
    clip = noise(getattr(vs, fmt), 32, 16, 3, **props)
    meant = PixelFormat(family="yuv", bits=bits, subsampling=(1, 1), matrix=matrix, full_range=full, chroma_site=site)
    for ours, theirs in zip(through_the_filter(clip), by_the_core(clip, meant), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_argument_matrix_speaks_for_frames_that_say_nothing_and_for_no_others(noise):
    silent, tagged = noise(vs.YUV444P8, length=2), noise(vs.YUV444P8, length=2, _Matrix=9)
    for name, number in NAMES.items():
        told = through_the_filter(silent, matrix=name)
        same = through_the_filter(noise(vs.YUV444P8, length=2, _Matrix=number))
        assert all((a == b).all() for a, b in zip(told, same, strict=True)), name
    by_tag = through_the_filter(tagged)
    assert all((a == b).all() for a, b in zip(through_the_filter(tagged, matrix="240m"), by_tag, strict=True))


def test_colour_may_change_from_frame_to_frame(noise, identity):
    clip = noise(vs.YUV444P8, length=2, _Matrix=1) + noise(vs.YUV444P8, length=2, _Matrix=9, _Range=1)
    result = clip.alanet.Enhance(model=identity(), scene_threshold=0)
    for n in range(4):
        frame = result.get_frame(2 * n)
        assert frame.props["_Matrix"] == (1 if n < 2 else 9)
        for ours, theirs in zip(frame, clip.get_frame(n), strict=True):
            assert abs(np.asarray(ours).astype(int) - np.asarray(theirs)).max() <= 1
