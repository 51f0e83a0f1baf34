"""The command line around `enhance`: help, versions, reports, and how errors are told."""

import json
import subprocess
import sys
from fractions import Fraction

import pytest

import alanet_core as alanet
from alanet_core.cli import enhance as command
from alanet_core.cli.main import COMMANDS, main


@pytest.fixture(scope="session")
def weights(tmp_path_factory, identity):
    path = tmp_path_factory.mktemp("weights") / "identity.safetensors"
    alanet.save(path, identity)
    return str(path)


def leave(argv):
    """The exit code, whether `main` returns it or argparse leaves with it."""
    try:
        return main(argv)
    except SystemExit as leaving:
        return leaving.code


def test_without_arguments_it_prints_help(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    for name in ("enhance", "demo", "models", "doctor"):
        assert f"\n    {name}" in out
        assert COMMANDS[name] in out


def test_it_names_its_version(capsys):
    assert leave(["--version"]) == 0
    assert capsys.readouterr().out == f"alanet {alanet.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(capsys, name):
    code = leave([name, "--help"])
    out, err = capsys.readouterr()
    if code == 2:  # a command that is still to come is not listed either
        assert "invalid choice" in err
        assert main([]) == 0
        assert f"\n    {name} " not in capsys.readouterr().out
    else:
        assert code == 0
        assert out.startswith(f"usage: alanet {name}")


def test_an_unknown_command_is_told_in_one_line(capsys):
    assert leave(["sharpen"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("alanet: argument COMMAND: invalid choice: 'sharpen'")
    assert err.count("\n") == 1


def test_a_command_that_was_not_called_is_not_imported():
    code = "import sys; from alanet_core.cli.main import main; main([]); print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = [name for name in done.stdout.splitlines() if name.startswith("alanet_core.cli.")]
    assert imported == ["alanet_core.cli.main"]


def test_debug_shows_where_an_error_came_from(capsys, tmp_path):
    argv = ["enhance", str(tmp_path / "none.mp4"), str(tmp_path / "out.mp4")]
    assert main(argv) == 2
    assert "Traceback" not in capsys.readouterr().err
    for with_debug in ([*argv, "--debug"], ["--debug", *argv]):
        assert main(with_debug) == 2
        assert "Traceback" in capsys.readouterr().err


def test_the_report_is_a_line_or_json(clip, tmp_path, weights, capsys):
    argv = ["enhance", str(clip()), str(tmp_path / "out.mp4"), "--model", weights, "--overwrite"]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path}/out.mp4: 12 frames from 6, 64x48 libx264 yuv420p, in ")
    assert err == ""  # no progress bar where stderr is no terminal
    assert main([*argv, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["frames_in"], report["frames_out"], report["mode"]) == (6, 12, "joint")


def test_what_is_left_out_or_rounded_is_said_on_stderr(clip, tmp_path, weights, capsys):
    source = clip(audio=True, frames=12)
    out = str(tmp_path / "out.webm")
    assert main(["enhance", str(source), out, "--model", weights, "--drop-unsupported"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "alanet: warning: left out: stream 1 (audio, aac)"
    assert all(line.startswith("alanet: ") for line in lines)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", Fraction(3, 2)), ("1:30", 90), ("00:01:30.25", Fraction(361, 4)), ("1:00:00", 3600)],
)
def test_times_are_exact(text, seconds):
    assert command._seconds(text) == seconds


def test_models_lists_every_preset_with_its_cost(capsys):
    assert main(["models", "--size", "640x352", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {model["name"] for model in report["models"]} == set(alanet.presets())
    assert [model["name"] for model in report["models"] if model["default"]] == ["fine"]
    paper = next(model for model in report["models"] if model["name"] == "paper")
    assert paper["trained"] is False
    # docs: 110.7 GMAC for an input frame at 640x352, by the authors' code; a multiply-add is two operations
    assert paper["gflop"] == pytest.approx(2 * 110.7, rel=0.01)
    assert paper["parameters"] == pytest.approx(30.2e6, rel=0.01)
    assert main(["models", "--size", "64x64"]) == 0
    table = capsys.readouterr().out
    assert "fine (default)" in table
    assert "refused unless --allow-untrained" in table
