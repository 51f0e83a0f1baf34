"""Every constant format of VapourSynth that the filter takes, against the core on the same pixels."""

import itertools

import numpy as np
import pytest
import torch

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

import alanet_core as alanet
from alanet_core.color import PixelFormat, from_rgb, to_rgb

DEPTHS = [("int", bits) for bits in range(8, 17)] + [("float", 16), ("float", 32)]
FAMILIES = {"gray": 1, "rgb": 2, "yuv": 3}
KINDS = [("gray", 0, 0), ("rgb", 0, 0), *(("yuv", *steps) for steps in itertools.product(range(5), repeat=2))]


def vs_format(family, across, down, sample, bits):
    kind = vs.ColorFamily(FAMILIES[family])
    return vs.core.query_video_format(kind, vs.FLOAT if sample == "float" else vs.INTEGER, bits, across, down)


def sizes(across, down):
    """The smallest picture that the format allows, and an awkward one: odd in chroma samples, with padded lines."""
    return [(1 << across, 1 << down), (max(37, 3 << across) >> across << across, max(23, 3 << down) >> down << down)]


def by_the_core(clip, fmt, window):
    """What the core alone makes of a clip, as lists of planes, two a frame."""
    frames = [[torch.from_numpy(np.array(plane)) for plane in frame] for frame in clip.frames(collect_garbage=False)]
    stream = alanet.AlanetStream(alanet.identity_model(window), alanet.StreamConfig(scene_threshold=0))
    pairs = [pair for planes in frames for pair in stream.push(to_rgb(planes, fmt))] + stream.drain()
    return [[plane.numpy() for plane in from_rgb(rgb, fmt)] for pair in pairs for rgb in (pair.sharp, pair.middle)]


@pytest.mark.parametrize("depth", DEPTHS, ids="{0[0]}{0[1]}".format)
@pytest.mark.parametrize("kind", KINDS, ids="{0[0]}-{0[1]}-{0[2]}".format)
def test_a_format_comes_out_as_it_went_in_with_the_cores_pixels(kind, depth, noise, identity):
    (family, across, down), (sample, bits) = kind, depth
    fmt = PixelFormat(family=family, sample=sample, bits=bits, subsampling=(across, down), matrix="bt709")
    for width, height in sizes(across, down):
        clip = noise(vs_format(family, across, down, sample, bits), width, height, length=3, _Matrix=1)
        result = clip.alanet.Enhance(model=identity(), scene_threshold=0)
        assert (result.format, result.width, result.height) == (clip.format, width, height)
        expected = by_the_core(clip, fmt, 3)
        assert len(result) == len(expected) == 6
        for frame, planes in zip(result.frames(collect_garbage=False), expected, strict=True):
            for plane, values in zip(frame, planes, strict=True):
                np.testing.assert_array_equal(np.asarray(plane), values)
        if sample == "int":
            for n in range(3):
                for plane, values in zip(result.get_frame(2 * n), clip.get_frame(n), strict=True):
                    np.testing.assert_array_equal(np.asarray(plane), np.asarray(values))
