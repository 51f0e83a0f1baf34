"""`alanet doctor` says what is there, and never fails because something else does."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from alanet_core.cli import doctor, probes
from alanet_core.cli.probes import Check
from alanet_core.presets import presets

Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """program(name, script): PATH then holds nothing but the programs made so."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, script: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!{shutil.which('sh', path='/usr/bin:/bin')}\n{script}\n")
        path.chmod(0o755)

    return make


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def report(as_json: bool, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = doctor.run(argparse.Namespace(json=as_json))
    return code, capsys.readouterr().out


def test_the_json_report_has_every_part_and_a_remedy_for_what_is_not_ok(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = report(True, capsys)
    found = json.loads(out)
    names = [check["name"] for check in found["checks"]]
    for name in ("Python", "PyTorch", "CPU", "CUDA", "PyAV", "model fast", "VapourSynth", "GStreamer", "ffmpeg"):
        assert name in names
    assert found["healthy"] is (code == 0)
    for check in found["checks"]:
        assert check["status"] in ("ok", "missing", "broken")
        assert check["detail"]
        assert "\n" not in check["detail"] + check["remedy"]
        assert (check["remedy"] != "") is (check["status"] != "ok")


def test_the_printed_report_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    out = report(False, capsys)[1]
    for check in json.loads(report(True, capsys)[1])["checks"]:
        assert check["detail"] in out
        assert check["remedy"] in out


def test_what_is_optional_may_be_missing_and_what_is_broken_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def code(*checks: Check) -> int:
        monkeypatch.setattr(probes, "ALL", (lambda: list(checks),))
        return report(True, capsys)[0]

    ok = Check(name="a", status="ok", detail="there", required=True)
    lacking = replace(ok, status="missing", required=False)
    assert code(ok, lacking) == 0
    assert code(ok, replace(lacking, required=True)) == 1
    assert code(ok, replace(lacking, status="broken")) == 1


def test_weights_with_one_byte_changed_are_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = presets()["fast"]
    assert fast.path is not None
    assert by_name(probes.weights())["model fast"].status == "ok"
    data = bytearray(fast.path.read_bytes())
    data[-1] ^= 1
    copy = tmp_path / "fast.safetensors"
    copy.write_bytes(data)
    monkeypatch.setattr(probes, "presets", lambda: {"fast": replace(fast, path=copy)})
    check = by_name(probes.weights())["model fast"]
    assert (check.status, check.required) == ("broken", True)
    assert "sha256" in check.detail


def test_an_untrained_model_is_missing_in_words() -> None:
    check = by_name(probes.weights())["model paper"]
    assert check.status == "missing"
    assert "untrained" in check.detail


def test_no_gstreamer_gives_the_line_that_installs_it(program: Program) -> None:
    (check,) = probes.gstreamer()
    assert check.status == "missing"
    assert "apt-get install" in check.remedy
    assert "gstreamer1.0-python3-plugin-loader" in check.remedy


def test_no_loader_is_missing_and_a_blacklisted_one_is_broken(program: Program) -> None:
    program("gst-inspect-1.0", "echo \"No such element or plugin 'python'\" >&2; [ $1 = -b ]")
    (check,) = probes.gstreamer()
    assert (check.status, "No such element" in check.detail) == ("missing", True)
    program("gst-inspect-1.0", "[ $1 = -b ] && echo '  libgstpython.so'")
    (check,) = probes.gstreamer()
    assert check.status == "broken"
    assert "registry" in check.remedy


def test_the_loaders_python_is_read_from_its_library(program: Program, tmp_path: Path) -> None:
    library = tmp_path / "libgstpython.so"
    library.write_bytes(b"\x7fELF\0libpython3.13.so.1.0\0")
    inspect = f'case $1 in python) echo "  Filename    {library}"; echo "  Version    1.26.2";; *) exit 0;; esac'
    program("gst-inspect-1.0", inspect)
    checks = by_name(probes.gstreamer())
    assert checks["GStreamer"].detail == "1.26.2, the loader runs Python 3.13"
    assert checks["element alanet"].status == "ok"
    library.unlink()
    assert "not found" in by_name(probes.gstreamer())["GStreamer"].detail


def test_a_program_that_hangs_is_given_up(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("gst-inspect-1.0", "while :; do :; done")
    monkeypatch.setattr(probes, "TIMEOUT", 0.2)
    code, _, err = probes.answer(["gst-inspect-1.0"])
    assert (code, err) == (124, "gst-inspect-1.0: no answer within 0.2 s")


def test_a_vapoursynth_that_crashes_is_broken_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "package_folder", lambda name: tmp_path)
    monkeypatch.setattr(
        probes, "VAPOURSYNTH_PROBE", "import os, sys; print('bad plug-in', file=sys.stderr); os._exit(3)"
    )
    (check,) = probes.vapoursynth()
    assert (check.status, check.detail) == ("broken", "bad plug-in")


def test_a_plugin_that_is_there_and_not_loaded_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "package_folder", lambda name: tmp_path)
    answer = json.dumps({"version": "R81", "spaces": ["std", "bs"]})
    monkeypatch.setattr(probes, "VAPOURSYNTH_PROBE", f"print('noise'); print('{answer}')")
    assert by_name(probes.vapoursynth())["core.alanet"].status == "missing"
    (tmp_path / "plugins" / "alanet").mkdir(parents=True)
    checks = by_name(probes.vapoursynth())
    assert {name: check.status for name, check in checks.items()} == {
        "VapourSynth": "ok", "core.alanet": "broken", "BestSource": "ok",
    }  # fmt: skip


def test_no_ffmpeg_is_no_fault(program: Program) -> None:
    (check,) = probes.ffmpeg()
    assert (check.status, check.required) == ("missing", False)
    program("ffprobe", "exit 0")
    program("ffmpeg", "echo 'libx264.so.164: cannot open shared object file' >&2; exit 127")
    (check,) = probes.ffmpeg()
    assert (check.status, check.detail) == ("broken", "libx264.so.164: cannot open shared object file")


def test_a_torch_built_for_the_cpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    (check,) = probes.cuda()
    assert (check.status, check.detail) == ("missing", "this torch is built for the CPU")


def test_the_command_loads_neither_vapoursynth_nor_gi() -> None:
    code = (
        "import argparse, sys; from alanet_core.cli import doctor; doctor.run(argparse.Namespace(json=True)); "
        "sys.exit(bool({'vapoursynth', 'gi', 'alanet_vs', 'alanet_gst'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
