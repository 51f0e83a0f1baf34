"""Scene changes: marks on the input are believed, others are searched for, and the result's marks are true of it."""

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

PREV, NEXT = "_SceneChangePrev", "_SceneChangeNext"


@pytest.fixture
def enhance(identity):
    return lambda clip, **settings: clip.alanet.Enhance(model=identity(), **settings)


@pytest.fixture
def two_shots():
    """Three dark frames, three bright ones; any search finds the cut before frame 3."""
    dark = vs.core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=3, color=20)
    return dark + dark.std.BlankClip(color=220)


def marked(clip, first=(), last=()):
    """The clip with marks on every frame: 1 on those that begin a shot (first) or end one (last), else 0."""

    def mark(n, f):
        out = f.copy()
        out.props[PREV], out.props[NEXT] = int(n in first), int(n in last)
        return out

    return clip.std.ModifyFrame(clip, mark)


def grey(clip, m):
    return clip.get_frame(m)[0][0, 0]


def marks(clip):
    return [(f.props.get(PREV), f.props.get(NEXT)) for f in clip.frames(collect_garbage=False)]


CLEAN = [(0, 0)] * 3
EXPECTED = {
    "repeat": [(None, 0), *[(0, 0)] * 4, (0, 1), (1, 0), *[(0, 0)] * 4, (0, None)],
    "blend": [(None, 0), *[(0, 0)] * 4, (0, 1), (1, 0), *[(0, 0)] * 4, (0, None)],
    "next": [(None, 0), *[(0, 0)] * 3, (0, 1), (1, 0), *[(0, 0)] * 5, (0, None)],
}


@pytest.mark.parametrize(("scene_mode", "middle"), [("repeat", 20), ("blend", 120), ("next", 220)])
def test_a_cut_that_is_found_gives_the_middle_asked_for_and_is_marked_where_it_then_lies(
    scene_mode, middle, two_shots, enhance
):
    result = enhance(two_shots, scene_mode=scene_mode)
    assert [grey(result, m) for m in range(12)] == [20] * 5 + [middle] + [220] * 6
    assert result.get_frame(5).props["AlanetSource"] == scene_mode
    assert marks(result) == EXPECTED[scene_mode]


@pytest.mark.parametrize("side", ["first", "last"])
@pytest.mark.parametrize("threshold", [0, 0.33])
def test_a_mark_on_either_side_of_a_cut_is_believed(side, threshold, noise, enhance):
    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=6, color=100)
    clip = marked(clip, first=[3]) if side == "first" else marked(clip, last=[2])
    result = enhance(clip, scene_threshold=threshold)
    assert [f.props["AlanetSource"] for f in result.frames(collect_garbage=False)][5] == "repeat"
    assert marks(result)[5:7] == [(0, 1), (1, 0)]


def test_marks_that_say_no_cut_are_believed_against_the_pictures(two_shots, enhance):
    result = enhance(marked(two_shots))
    assert result.get_frame(5).props["AlanetSource"] == "made"
    assert marks(result) == [(0, 0)] * 12


def test_without_search_and_marks_nothing_is_said(two_shots, enhance):
    result = enhance(two_shots, scene_threshold=0)
    assert result.get_frame(5).props["AlanetSource"] == "made"
    assert [mark for mark in marks(result) if mark != (None, None)] == []


def test_marks_at_the_ends_of_a_clip_stay_at_the_ends(enhance):
    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=3)
    result = marks(enhance(marked(clip, first=[0], last=[2]), scene_mode="next"))
    assert result == [(1, 0), *[(0, 0)] * 4, (0, 1)]


def test_mode_deblur_marks_cuts_where_they_were(two_shots, enhance):
    result = enhance(two_shots, mode="deblur")
    assert marks(result) == [(None, 0), (0, 0), (0, 1), (1, 0), (0, 0), (0, None)]


@pytest.mark.parametrize("window", [1, 3, 7])
def test_no_picture_reaches_over_a_cut(window, two_shots, identity):
    result = two_shots.alanet.Enhance(model=identity(window))
    assert [grey(result, m) for m in range(12)] == [20] * 6 + [220] * 6


def test_scene_detection_of_other_filters_is_honoured_in_any_order(two_shots, enhance):
    result = enhance(marked(two_shots, first=[2], last=[1]))
    sources = {m: result.get_frame(m).props["AlanetSource"] for m in (11, 3, 5, 0, 2, 7)}
    assert sources == {11: "repeat", 3: "repeat", 5: "made", 0: "sharp", 2: "sharp", 7: "made"}
