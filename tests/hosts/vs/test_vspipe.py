"""Through vspipe, as people use it: the pipe's bytes, real files, and errors that are seen."""

import subprocess
from fractions import Fraction

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

NOISE = """
import vapoursynth as vs
core = vs.core
clip = core.std.BlankClip(format=vs.YUV420P10, width=36, height=22, length=8, fpsnum=30000, fpsden=1001)
clip = core.std.FrameEval(clip, lambda n: clip.std.BlankClip(color=[100 + 90 * n, 600 - 50 * n, 400 + 30 * n]))
clip = clip.std.SetFrameProps(_Matrix=1)
"""


def script(model, source=NOISE, **settings):
    """A script with no import of ours."""
    arguments = "".join(f", {name}={value!r}" for name, value in ({"model": model} | settings).items())
    return f"{source}core.alanet.Enhance(clip{arguments}).set_output()\n"


def parse(stream):
    """A y4m stream -> its header's words and its frames, each byte accounted for."""
    header, _, rest = stream.partition(b"\n")
    words = header.decode().split()
    width, height = (int(next(word[1:] for word in words if word[0] == mark)) for mark in "WH")
    size = 2 * (width * height + 2 * -(-width // 2) * -(-height // 2))
    step = len(b"FRAME\n") + size
    assert len(rest) % step == 0, "bytes that belong to no frame"
    frames = [rest[start : start + step] for start in range(0, len(rest), step)]
    assert all(frame.startswith(b"FRAME\n") for frame in frames)
    return words, [frame[len(b"FRAME\n") :] for frame in frames]


def test_the_pipe_carries_y4m_and_nothing_else(vspipe, identity, content):
    run = vspipe(script(identity()), "-c", "y4m", "SCRIPT", "-")
    words, frames = parse(run.stdout)
    assert (words[0], "F60000:1001" in words, run.returncode) == ("YUV4MPEG2", True, 0)
    names = {}
    exec(NOISE, names)
    clip = names["clip"].alanet.Enhance(model=identity())
    assert frames == [content(frame) for frame in clip.frames(collect_garbage=False)]


def test_info_needs_no_import_of_ours(vspipe):
    two_lines = "import vapoursynth as vs\nvs.core.alanet.Enhance(vs.core.std.BlankClip(length=5)).set_output()\n"
    run = vspipe(two_lines, "-i", "SCRIPT")
    assert run.returncode == 0
    assert b"Frames: 10\nFPS: 48/1" in run.stdout


@pytest.mark.parametrize("requests", ["1", "8"])
def test_a_middle_range_is_the_same_range_of_the_whole(requests, vspipe, identity):
    whole = parse(vspipe(script(identity()), "-c", "y4m", "SCRIPT", "-").stdout)[1]
    part = vspipe(script(identity()), "-r", requests, "-s", "5", "-e", "11", "-c", "y4m", "SCRIPT", "-")
    assert parse(part.stdout)[1] == whole[5:12]


def lines_of_ours(run):
    return [line for line in run.stderr.decode().splitlines() if "alanet:" in line]


def test_a_bad_argument_is_one_line_and_a_failure(vspipe, identity):
    run = vspipe(script(identity(), mode="both"), "-c", "y4m", "SCRIPT", "-")
    message = "alanet: mode must be one of joint, deblur, interpolate, got 'both'; use joint for both"
    assert run.returncode != 0
    assert run.stdout == b""
    assert f"Python exception: {message}" in lines_of_ours(run)
    assert "alanet_vs" not in run.stderr.decode()  # the traceback shown is that of the user's script


def test_an_error_in_a_frame_is_one_line_and_a_failure(vspipe, identity):
    fields = NOISE + "clip = clip[:4] + clip[4:].std.SetFieldBased(1)\n"
    run = vspipe(script(identity(), fields), "-c", "y4m", "SCRIPT", "-")
    message = (
        "with error: alanet: clip must be progressive, got _FieldBased=1; deinterlace it first (bwdif, QTGMC), or, "
        "if it is progressive, clip.std.SetFieldBased(0)"
    )
    assert run.returncode != 0
    assert [line.partition(" with error")[1] + line.partition(" with error")[2] for line in lines_of_ours(run)] == [
        f" {message}"
    ]
    assert "Traceback" not in run.stderr.decode()
    assert len(parse(run.stdout)[1]) <= 6  # what was whole has gone out, and no more


@pytest.mark.parametrize("fault", [{"mode": "both"}, {"source": NOISE + "clip = clip.std.SetFieldBased(1)\n"}])
def test_the_error_is_seen_through_a_pipe_into_ffmpeg(fault, vspipe, identity):
    encode = ["ffmpeg", "-loglevel", "error", "-i", "-", "-f", "null", "-"]
    run = vspipe(script(identity(), **fault), "-c", "y4m", "SCRIPT", "-", into=encode)
    assert run.returncode != 0
    assert (
        sum(
            "alanet: " in line and line.partition(":")[0] in {"Error", "Python exception"}
            for line in lines_of_ours(run)
        )
        == 1
    )


CLIPS = {
    "london-roof-1080p": "10-bit HLG",
    "london-portrait-editlist-1080p": "portrait, edit list",
    "kittens-320p": "variable frame rate",
    "park-walk-994p": "VP9, 1768x994",
    "walk-max-480p": "full range",
    "cars-above-12fps-432p": "12.5 fps, BT.601",
    "bikes-cuts-272p": "scene cuts",
    "dashcam-540p": "sound comes first",
    "juggle-720p": "24 fps",
    "dog-720p": "29.97 fps",
    "london-pan-60fps-240p": "60 fps",
    "drone-beach-480p": "telemetry streams",
}
"""Real files, and what is worth knowing of each."""

LENGTH = 6


@pytest.mark.parametrize("name", CLIPS)
def test_a_real_file_goes_through_to_ffmpeg(name, vspipe, identity, shared_data, tmp_path):
    if not hasattr(vs.core, "bs"):
        pytest.skip("no BestSource to read files with: pip install 'alanet[vs]'")
    path = shared_data / "clips" / f"{name}.mp4"
    read = f"core.bs.VideoSource({str(path)!r}, cachemode=0, showprogress=0)[:{LENGTH}]"
    source = f"import vapoursynth as vs\ncore = vs.core\nclip = {read}\n"
    piped = vspipe(script(identity(), source), "-c", "y4m", "SCRIPT", "-")
    assert (piped.returncode, lines_of_ours(piped)) == (0, [])
    out = tmp_path / "out.mkv"
    encode = ["ffmpeg", "-loglevel", "error", "-i", "-", "-c:v", "ffv1", str(out)]
    subprocess.run(encode, input=piped.stdout, check=True)

    clip = vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=0)
    result = vs.core.bs.VideoSource(str(out), cachemode=0, showprogress=0)
    assert len(result) == 2 * LENGTH
    assert (result.width, result.height, result.format) == (clip.width, clip.height, clip.format)
    assert abs(result.fps / (2 * clip.fps) - 1) < 1e-3  # Matroska counts in milliseconds
    for n in range(LENGTH):
        for ours, theirs in zip(result.get_frame(2 * n), clip.get_frame(n), strict=True):
            assert memoryview(ours).tobytes() == memoryview(theirs).tobytes()


@pytest.mark.parametrize("name", CLIPS)
def test_tags_and_durations_of_a_real_file_are_kept(name, identity, shared_data):
    if not hasattr(vs.core, "bs"):
        pytest.skip("no BestSource to read files with: pip install 'alanet[vs]'")
    clip = vs.core.bs.VideoSource(str(shared_data / "clips" / f"{name}.mp4"), cachemode=0, showprogress=0)[:LENGTH]
    result = clip.alanet.Enhance(model=identity())
    assert result.fps == 2 * clip.fps
    tags = ("_Matrix", "_Transfer", "_Primaries", "_Range", "_ChromaLocation", "_SARNum", "_SARDen", "_FieldBased")
    for n in range(LENGTH):
        source = clip.get_frame(n).props
        pair = [result.get_frame(m).props for m in (2 * n, 2 * n + 1)]
        for tag in tags:
            assert [props.get(tag) for props in pair] == [source.get(tag)] * 2, tag
        whole = Fraction(source["_DurationNum"], source["_DurationDen"])
        assert [Fraction(props["_DurationNum"], props["_DurationDen"]) for props in pair] == [whole / 2] * 2
        assert "_PictType" in pair[0]
        assert "_PictType" not in pair[1]
