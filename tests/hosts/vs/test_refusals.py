"""What the filter does not take, and the one line that it says; the same by both ways in."""

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

import alanet_vs

WAYS = {"core.alanet": vs.core.alanet.Enhance, "alanet_vs": alanet_vs.enhance}
CONVERT = "convert it: clip.resize"
CLIPS = {
    "variable format": (
        {"varformat": 1},
        f"of constant format, got a variable one; {CONVERT}.Bicubic(format=vs.YUV420P8)",
    ),
    "variable size": (
        {"varsize": 1},
        f"of constant size, got a variable one; {CONVERT}.Bicubic(width=..., height=...)",
    ),
    "32 bits": ({"format": vs.GRAY32}, f"of 8..16 bits, half or float, got Gray32; {CONVERT}.Point(format=...)"),
    "too long": (
        {"length": 2**30},
        (
            "of at most 1073741823 frames, as VapourSynth counts no further than twice that, got 1073741824; "
            "cut it: clip[:1000000], or use mode='deblur'"
        ),
    ),
}
ARGUMENTS = {
    "model": (
        "slow",
        "one of default, fine, fast, paper, or the path of a .safetensors file, got 'slow'; see `alanet models`",
    ),
    "mode": ("both", "one of joint, deblur, interpolate, got 'both'; use joint for both"),
    "device": ("gpu", "auto, cpu, cuda or cuda:N, got 'gpu'; use auto"),
    "precision": ("half", "one of auto, fp32, bf16, fp16, got 'half'; use auto"),
    "scene_threshold": (1.5, "between 0 and 1, got 1.5; use 0 for no search"),
    "tile": (-1, "0 or more rows, got -1; use 0 for the whole picture at once"),
    "scene_mode": ("drop", "one of repeat, blend, next, got 'drop'; use repeat"),
    "matrix": ("bt709", "one of auto, 709, fcc, 470bg, 170m, 240m, ycgco, 2020ncl, got 'bt709'; use auto"),
}
FRAMES = {
    "bottom field first": ({"_FieldBased": 1}, "clip must be progressive, got _FieldBased=1; deinterlace it first"),
    "top field first": ({"_FieldBased": 2}, "clip must be progressive, got _FieldBased=2; deinterlace it first"),
    "two kinds of fields": ({"_FieldBased": [0, 1]}, "clip must be progressive, got _FieldBased=[0, 1]; deinterlace"),
    "linear light": ({"_Transfer": 8}, "clip must be gamma-coded, got linear light (_Transfer=8); convert it:"),
    "matrix RGB in YUV": ({"_Matrix": 0}, "_Matrix must be one of 1, 4, 5, 6, 7, 8, 9, got 0; convert the clip:"),
    "constant luminance": ({"_Matrix": 10}, "_Matrix must be one of 1, 4, 5, 6, 7, 8, 9, got 10; convert the clip:"),
    "ICtCp": ({"_Matrix": 14}, "_Matrix must be one of 1, 4, 5, 6, 7, 8, 9, got 14; convert the clip:"),
    "chroma nowhere": (
        {"_ChromaLocation": 9},
        "_ChromaLocation must be one of 0, 1, 2, 3, 4, 5, got 9; set 0 for left",
    ),
    "range unheard of": ({"_Range": 7}, "_Range must be one of 1, 0, got 7; set 0 for limited or 1 for full"),
}


@pytest.fixture(params=WAYS)
def enhance(request):
    return WAYS[request.param]


@pytest.mark.parametrize("case", CLIPS)
def test_a_clip_that_cannot_be_taken_is_refused_at_once(case, enhance):
    settings, message = CLIPS[case]
    clip = vs.core.std.BlankClip(**({"width": 16, "height": 16, "length": 2} | settings))
    with pytest.raises(vs.Error) as caught:
        enhance(clip)
    assert str(caught.value) == f"alanet: clip must be {message}"


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_bad_argument_is_refused_at_once(name, enhance):
    value, message = ARGUMENTS[name]
    with pytest.raises(vs.Error) as caught:
        enhance(vs.core.std.BlankClip(length=2), **{name: value})
    assert str(caught.value) == f"alanet: {name} must be {message}"


@pytest.mark.parametrize("case", FRAMES)
def test_a_frame_that_cannot_be_taken_is_refused_when_it_comes(case, enhance, noise, identity):
    props, message = FRAMES[case]
    good = noise(vs.YUV420P8, length=4, _Matrix=1)
    clip = enhance(good + noise(vs.YUV420P8, length=2, **({"_Matrix": 1} | props)), model=identity(), scene_threshold=0)
    clip.get_frame(4)
    for m in (6, 8, 11):
        with pytest.raises(vs.Error) as caught:
            clip.get_frame(m)
        assert str(caught.value).startswith(f"alanet: {message}")
        assert "\n" not in str(caught.value)
    clip.get_frame(5)  # those before it are as good as ever


def test_a_clip_of_half_the_greatest_length_is_taken(enhance, identity):
    clip = vs.core.std.BlankClip(width=16, height=16, length=2**30 - 1, keep=True)
    assert len(enhance(clip, model=identity())) == 2**31 - 2


def test_mode_deblur_takes_any_length(enhance, identity):
    clip = vs.core.std.BlankClip(width=16, height=16, length=2**31 - 1, keep=True)
    assert len(enhance(clip, model=identity(), mode="deblur")) == 2**31 - 1


def test_an_untrained_model_is_refused_unless_asked_for(enhance):
    clip = vs.core.std.BlankClip(width=16, height=16, length=2)
    with pytest.raises(vs.Error, match="alanet: model must be trained, got 'paper"):
        enhance(clip, model="paper")
    assert len(enhance(clip, model="paper", allow_untrained=True)) == 4


def test_a_pickle_is_refused(enhance, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\x80\x02}.")
    with pytest.raises(vs.Error, match=r"alanet: model must be a \.safetensors file, got '.*\(a pickle\)'"):
        enhance(vs.core.std.BlankClip(length=2), model=str(path))


def test_an_error_of_the_source_comes_through_as_it_is(enhance, identity):
    clip = vs.core.std.BlankClip(width=16, height=16, length=4)

    def fail(n, f):
        raise vs.Error(f"no frame {n} here")

    result = enhance(clip.std.ModifyFrame(clip, fail), model=identity())
    with pytest.raises(vs.Error, match=r"no frame [01] here"):
        result.get_frame(0)


def test_an_error_that_nobody_foresaw_is_one_line_with_its_traceback_in_the_debug_log(enhance, identity, monkeypatch):
    result = enhance(vs.core.std.BlankClip(width=16, height=16, length=4), model=identity())
    log = []
    handle = vs.core.add_log_handler(lambda level, text: log.append((level, text)))
    monkeypatch.setattr("alanet_vs.pairs.read_rgb", lambda *_: 1 / 0)
    with pytest.raises(vs.Error) as caught:
        result.get_frame(0)
    vs.core.remove_log_handler(handle)
    assert str(caught.value) == "alanet: ZeroDivisionError: division by zero"
    assert [level for level, text in log if "Traceback" in text and "read_rgb" in text] == [vs.MESSAGE_TYPE_DEBUG]


def test_the_traceback_of_a_refusal_goes_to_the_debug_log_too():
    log = []
    handle = vs.core.add_log_handler(lambda level, text: log.append((level, text)))
    with pytest.raises(vs.Error) as caught:
        vs.core.alanet.Enhance(vs.core.std.BlankClip(), mode="both")
    vs.core.remove_log_handler(handle)
    assert "Traceback" not in str(caught.value)
    assert [level for level, text in log if "Traceback" in text] == [vs.MESSAGE_TYPE_DEBUG]
