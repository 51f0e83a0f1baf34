"""Every example of docs/vapoursynth.md runs: scripts through vspipe, commands in a shell, in the order of the page."""

import inspect
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

import alanet_vs

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "vapoursynth.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = [number for number, (language, _) in enumerate(BLOCKS) if language in {"python", "sh"}]


@pytest.fixture
def shell(tmp_path):
    """shell(commands): run them where in.mp4 lies, a short clip of variable rate with sound."""
    env = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "MPV_HOME": str(tmp_path / "mpv"),
    }
    (tmp_path / "mpv").mkdir()
    (tmp_path / "mpv" / "mpv.conf").write_text("vo=null\nao=null\nuntimed=yes\n")  # a player without a screen

    def run(commands):
        command = ["bash", "-euo", "pipefail", "-c", commands]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("vapoursynth config")
    picture = "testsrc=size=64x48:rate=10:duration=1,setpts='if(gt(N,5),PTS+0.05/TB,PTS)',format=yuv420p"
    sound = "sine=duration=1"
    run(
        f"ffmpeg -loglevel error -f lavfi -i {shlex.quote(picture)} -f lavfi -i {sound} "
        "-fps_mode passthrough -c:v libx264 -colorspace bt709 -c:a aac in.mp4"
    )
    return run


def needed(text):
    """What of the programs and plug-ins that an example uses is not on this machine."""
    programs = [
        name for name in ("mpv", "mkvmerge", "ffmpeg") if re.search(rf"\b{name}\b", text) and not shutil.which(name)
    ]
    plugins = [name for name in ("bs", "mv") if f"core.{name}." in text and not hasattr(vs.core, name)]
    return programs + [f"core.{name}" for name in plugins]


def script_before(number):
    """The script that stands last before a block of commands."""
    return next(body for language, body in BLOCKS[number::-1] if language == "python")


@pytest.mark.parametrize("number", EXAMPLES)
def test_an_example_runs(number, shell, tmp_path):
    language, body = BLOCKS[number]
    script = script_before(number)
    if lacking := needed(script + body if language == "sh" else script):
        reason = f"not on this machine: {', '.join(lacking)}"
        pytest.fail(reason) if os.environ.get("ALANET_NO_SKIPS") == "1" else pytest.skip(reason)
    (tmp_path / "script.vpy").write_text(script)
    if language == "python":
        shell("vspipe script.vpy --")
    else:
        shell(body)
    for made in re.findall(r"\b(?:out|video|times|part)\.\w+", body if language == "sh" else ""):
        assert (tmp_path / made).stat().st_size > 100, made


def test_variable_times_survive_to_the_file(shell, tmp_path):
    number = next(number for number in EXAMPLES if "mkvmerge" in BLOCKS[number][1])
    if lacking := needed(BLOCKS[number][1] + script_before(number)):
        pytest.skip(f"not on this machine: {', '.join(lacking)}")
    (tmp_path / "script.vpy").write_text(script_before(number))
    shell(BLOCKS[number][1])
    times = "ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0"
    before, after = (sorted(map(float, shell(f"{times} {name}").split())) for name in ("in.mp4", "out.mkv"))
    assert len(after) == 2 * len(before)
    assert after[::2] == pytest.approx(before, abs=0.0011)
    middles = [(a + b) / 2 for a, b in itertools.pairwise(before)]
    assert after[1:-1:2] == pytest.approx(middles, abs=0.0011)


def test_the_table_of_arguments_is_the_functions_own():
    rows = re.findall(r"^\| `(\w+)` \| .*? \| (.*?) \|", PAGE, re.MULTILINE)
    parameters = inspect.signature(alanet_vs.enhance).parameters
    assert [name for name, _ in rows] == list(parameters)
    for name, shown in rows:
        default = parameters[name].default
        if default not in {inspect.Parameter.empty, None}:
            expected = (
                f'"{default}"'
                if isinstance(default, str)
                else str(int(default) if isinstance(default, bool) else default)
            )
            assert shown.strip("`") == expected, name


def test_every_fence_is_of_a_language_that_is_tested():
    assert {language for language, _ in BLOCKS} <= {"python", "sh", "text"}
