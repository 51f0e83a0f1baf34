"""Time and properties: what both frames of a pair keep, what changes, and what tells a made frame from a real one."""

from fractions import Fraction

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

MODES = ("joint", "deblur", "interpolate")


@pytest.fixture
def enhance(identity):
    """The filter with a model that changes nothing and no search for cuts, unless told otherwise."""

    def make(clip, **settings):
        return clip.alanet.Enhance(**({"model": identity(), "scene_threshold": 0} | settings))

    return make


def durations(clip):
    return [Fraction(f.props["_DurationNum"], f.props["_DurationDen"]) for f in clip.frames(collect_garbage=False)]


def with_props(clip, values):
    """A clip whose frame n has the properties values(n)."""

    def set_props(n, f):
        out = f.copy()
        out.props.update(values(n))
        return out

    return clip.std.ModifyFrame(clip, set_props)


@pytest.mark.parametrize(("fps", "doubled"), [((30, 1), (60, 1)), ((30000, 1001), (60000, 1001)), ((25, 2), (25, 1))])
def test_the_rate_doubles_and_each_frame_lasts_half_as_long(fps, doubled, noise, enhance):
    clip = noise().std.AssumeFPS(fpsnum=fps[0], fpsden=fps[1])
    result = enhance(clip)
    assert (result.fps_num, result.fps_den, len(result)) == (*doubled, 2 * len(clip))
    assert durations(result) == [Fraction(doubled[1], doubled[0])] * len(result)


def test_mode_deblur_keeps_rate_and_durations(noise, enhance):
    clip = noise().std.AssumeFPS(fpsnum=30000, fpsden=1001)
    result = enhance(clip, mode="deblur")
    assert (result.fps, len(result), durations(result)) == (clip.fps, len(clip), durations(clip))


def test_variable_durations_survive(noise, enhance):
    source = [
        Fraction(1, 30),
        Fraction(67, 1000),
        Fraction(1001, 24000),
        Fraction(1, 90000),
        Fraction(2),
        Fraction(1, 7),
    ]
    clip = with_props(
        noise(), lambda n: dict(zip(("_DurationNum", "_DurationDen"), source[n].as_integer_ratio(), strict=True))
    )
    assert durations(enhance(clip)) == [half for whole in source for half in (whole / 2, whole / 2)]


def test_an_unknown_rate_stays_unknown(noise, enhance):
    clip = vs.core.std.BlankClip(fpsnum=0, length=3, width=8, height=8).std.RemoveFrameProps()
    result = enhance(clip)
    assert (result.fps_num, result.fps_den) == (0, 0)
    assert not any("_DurationNum" in frame.props for frame in result.frames(collect_garbage=False))


@pytest.mark.parametrize(
    "props",
    [{"_DurationNum": "x", "_DurationDen": 3}, {"_DurationNum": [1, 2], "_DurationDen": 3}, {"_DurationDen": 0}],
)
def test_a_duration_that_is_none_is_unknown(props, noise, enhance):
    result = enhance(noise(length=2, **props))
    assert not any("_DurationNum" in frame.props for frame in result.frames(collect_garbage=False))


def test_a_duration_whose_half_is_beyond_whole_numbers_is_rounded(noise, enhance):
    clip = noise(length=2, _DurationNum=3, _DurationDen=2**63 - 1)
    assert list(map(float, durations(enhance(clip)))) == [1.5 / 2**63] * 4


def test_a_time_that_is_no_number_is_left_out_of_a_middle(noise, enhance):
    result = enhance(noise(length=2, _AbsoluteTime="noon"))
    assert ["_AbsoluteTime" in frame.props for frame in result.frames(collect_garbage=False)] == [True, False] * 2


def test_a_middle_lies_halfway_between_the_times_of_its_two_frames(noise, enhance):
    times = [0.0, 0.1, 0.15, 0.4, 0.5, 1.0]
    clip = with_props(noise(fps=10), lambda n: {"_AbsoluteTime": times[n]})
    result = [frame.props["_AbsoluteTime"] for frame in enhance(clip).frames(collect_garbage=False)]
    assert result[::2] == times
    assert result[1::2] == pytest.approx([0.05, 0.125, 0.275, 0.45, 0.75, 1.05])


TAGS = {
    "_Matrix": 9, "_Transfer": 18, "_Primaries": 9, "_Range": 0, "_ChromaLocation": 2, "_SARNum": 4, "_SARDen": 3,
    "_FieldBased": 0, "DolbyVisionRPU": b"\x19\x08", "Mine": [1, 2, 3], "Text": "hello", "Level": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_properties_go_to_both_frames_of_a_pair(mode, noise, enhance):
    for frame in enhance(noise(vs.YUV420P10, **TAGS), mode=mode).frames(collect_garbage=False):
        assert {name: frame.props[name] for name in TAGS} == TAGS


def test_what_would_be_untrue_of_a_made_frame_is_left_out_of_it(noise, enhance):
    alpha = vs.core.std.BlankClip(format=vs.GRAY8, width=20, height=12, length=6)
    clip = noise(vs.GRAY8, _PictType="B", _Combed=1).std.PlaneStats().std.ClipToProp(alpha, prop="_Alpha")
    untrue = {"_PictType", "_Combed", "_Alpha", "PlaneStatsMin", "PlaneStatsMax", "PlaneStatsAverage"}
    sharp, middle = (enhance(clip).get_frame(m).props for m in (2, 3))
    assert untrue <= set(sharp.keys())
    assert not untrue & set(middle.keys())


@pytest.mark.parametrize(
    ("mode", "sources"),
    [
        ("joint", ["sharp", "made", "sharp", "made", "sharp", "repeat"]),
        ("deblur", ["sharp", "sharp", "sharp"]),
        ("interpolate", ["input", "made", "input", "made", "input", "repeat"]),
    ],
)
def test_every_frame_says_what_it_is(mode, sources, noise, enhance):
    frames = list(enhance(noise(length=3), mode=mode).frames(collect_garbage=False))
    assert [frame.props["AlanetSource"] for frame in frames] == sources
    assert [frame.props["AlanetMade"] for frame in frames] == [int(source == "made") for source in sources]
    assert not any("_AlanetMiddle" in frame.props for frame in frames)


@pytest.mark.parametrize("fmt", ["YUV420P8", "YUV420PS", "YUV444PH", "RGBS"])
def test_mode_interpolate_hands_input_frames_through_bit_for_bit(fmt, noise, content):
    clip = noise(getattr(vs, fmt), 32, 24, 4)
    result = clip.alanet.Enhance(mode="interpolate", precision="fp32", scene_threshold=0)
    for n in range(4):
        assert content(result.get_frame(2 * n)) == content(clip.get_frame(n))
    assert content(result.get_frame(7)) == content(clip.get_frame(3))  # after the last frame it is repeated
    assert content(result.get_frame(1)) not in {content(clip.get_frame(n)) for n in range(4)}


def test_the_source_frames_are_left_as_they_are(noise, enhance, content):
    clip = noise(vs.YUV420P8)
    held = clip.get_frame(2)
    before = content(held), dict(held.props)
    enhance(clip).get_frame(4)
    assert (content(held), dict(held.props)) == before


def test_a_clip_of_ten_million_frames_opens_and_seeks(enhance):
    clip = vs.core.std.BlankClip(width=16, height=16, length=10_000_000, keep=True)
    result = enhance(clip)
    assert len(result) == 20_000_000
    for m in (0, 19_999_999, 10_000_000):
        assert result.get_frame(m).props["AlanetSource"] == ("repeat" if m == 19_999_999 else "sharp")


def test_a_single_frame_gives_two(noise, enhance, content):
    clip = noise(length=1)
    frames = list(enhance(clip).frames(collect_garbage=False))
    assert [content(frame) for frame in frames] == [content(clip.get_frame(0))] * 2
