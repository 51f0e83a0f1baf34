"""`alanet doctor` says what is there, and never fails because something else does."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from alanet_core import native
from alanet_core.cli import doctor, hosts, probes
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


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report on this machine, made in a process of its own, which also says what it has loaded."""
    code = (
        "import argparse, sys; from alanet_core.cli import doctor; code = doctor.run(argparse.Namespace(json=True)); "
        "print(code, *sorted({'vapoursynth', 'gi', 'alanet_vs', 'alanet_gst'} & set(sys.modules)), file=sys.stderr)"
    )
    registry = tmp_path_factory.mktemp("gst") / "registry.bin"  # GStreamer's own would be written to
    environment = os.environ | {"GST_REGISTRY": str(registry)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    last = done.stderr.splitlines()[-1].split()
    return {"code": int(last[0]), "loaded": last[1:], "report": json.loads(done.stdout)}


def printed(as_json: bool, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = doctor.run(argparse.Namespace(json=as_json))
    return code, capsys.readouterr().out


def test_the_json_report_has_every_part_and_a_remedy_for_what_is_not_ok(real: dict[str, Any]) -> None:
    found = real["report"]
    names = [check["name"] for check in found["checks"]]
    for name in (
        "Python",
        "PyTorch",
        "CPU",
        "CPU kernels",
        "CUDA",
        "PyAV",
        "model fast",
        "VapourSynth",
        "GStreamer",
        "ffmpeg",
    ):
        assert name in names
    assert found["healthy"] is (real["code"] == 0)
    for check in found["checks"]:
        assert check["status"] in ("ok", "missing", "broken")
        assert check["detail"]
        assert "\n" not in check["detail"] + check["remedy"]
        assert (check["remedy"] != "") is (check["status"] != "ok")


def test_the_printed_report_says_the_same(
    real: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [Check(**check) for check in real["report"]["checks"]]
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    code, out = printed(False, capsys)
    assert code == real["code"]
    for check in checks:
        assert check.detail in out
        assert check.remedy in out


def test_the_command_loads_neither_vapoursynth_nor_gi(real: dict[str, Any]) -> None:
    assert real["loaded"] == []


def test_what_is_optional_may_be_missing_and_what_is_broken_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def code(*checks: Check) -> int:
        monkeypatch.setattr(doctor, "examine", lambda: list(checks))
        return printed(True, capsys)[0]

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


def test_kernels_switched_off_are_missing_and_the_remedy_names_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALANET_NATIVE", "0")
    (check,) = probes.kernels()
    assert (check.status, check.required) == ("missing", False)
    assert "ALANET_NATIVE=0" in check.detail
    assert "unset ALANET_NATIVE" in check.remedy


def test_kernels_that_were_not_built_are_missing_and_the_remedy_brings_a_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(native, "path", lambda: tmp_path / native.NAME)
    native._load.cache_clear()
    (check,) = probes.kernels()
    native._load.cache_clear()
    assert (check.status, check.required) == ("missing", False)
    assert "not built" in check.detail
    assert "apt-get install" in check.remedy


def test_an_untrained_model_is_missing_in_words() -> None:
    check = by_name(probes.weights())["model paper"]
    assert check.status == "missing"
    assert "untrained" in check.detail


def test_no_gstreamer_gives_the_line_that_installs_it(program: Program) -> None:
    (check,) = hosts.gstreamer()
    assert check.status == "missing"
    assert "apt-get install" in check.remedy
    assert "gstreamer1.0-python3-plugin-loader" in check.remedy


def test_no_loader_is_missing_and_a_blacklisted_one_is_broken(program: Program) -> None:
    program("gst-inspect-1.0", "echo \"No such element or plugin 'python'\" >&2; [ $1 = -b ]")
    (check,) = hosts.gstreamer()
    assert (check.status, "No such element" in check.detail) == ("missing", True)
    program("gst-inspect-1.0", "[ $1 = -b ] && echo '  libgstpython.so'")
    (check,) = hosts.gstreamer()
    assert check.status == "broken"
    assert "registry" in check.remedy


def test_the_loaders_python_is_read_from_its_library(program: Program, tmp_path: Path) -> None:
    library = tmp_path / "libgstpython.so"
    library.write_bytes(b"\x7fELF\0libpython3.13.so.1.0\0")
    inspect = f'case $1 in python) echo "  Filename    {library}"; echo "  Version    1.26.2";; *) exit 0;; esac'
    program("gst-inspect-1.0", inspect)
    checks = by_name(hosts.gstreamer())
    assert checks["GStreamer"].detail == "1.26.2, the loader runs Python 3.13"
    assert checks["element alanet"].status == "ok"
    library.unlink()
    assert "not found" in by_name(hosts.gstreamer())["GStreamer"].detail


def test_an_element_that_is_not_announced_is_told_from_one_that_does_not_work(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = str(tmp_path / "python")
    monkeypatch.setattr(hosts, "gstreamer_python", lambda runs: python)
    program("gst-inspect-1.0", "[ $1 = python ]")
    program("python", '[ "$*" = "-m alanet_gst doctor" ]')
    check = by_name(hosts.gstreamer())["element alanet"]
    assert (check.status, check.remedy) == ("missing", f"{python} -m alanet_gst install")
    program("python", "echo 'alanet: torch must be there, got none; type: pip install torch' >&2; exit 1")
    check = by_name(hosts.gstreamer())["element alanet"]
    assert (check.status, check.detail) == ("broken", "torch must be there, got none")
    assert check.remedy == "pip install torch"
    monkeypatch.setattr(hosts, "gstreamer_python", lambda runs: None)
    assert by_name(hosts.gstreamer())["element alanet"].status == "missing"


def test_the_environment_for_gstreamer_is_this_one_or_the_one_beside_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert hosts.gstreamer_python(here) == sys.executable
    monkeypatch.setattr(hosts, "package_folder", lambda name: tmp_path / name)
    assert hosts.gstreamer_python("3.0") is None
    beside = tmp_path / ".venv-gst" / "bin" / "python"
    beside.parent.mkdir(parents=True)
    beside.touch()
    assert hosts.gstreamer_python("3.0") == str(beside)


def test_a_program_that_hangs_is_given_up(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("gst-inspect-1.0", "while :; do :; done")
    monkeypatch.setattr(probes, "TIMEOUT", 0.2)
    code, _, err = probes.answer(["gst-inspect-1.0"])
    assert (code, err) == (124, "gst-inspect-1.0: no answer within 0.2 s")


def test_a_vapoursynth_that_crashes_is_broken_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "package_folder", lambda name: tmp_path)
    monkeypatch.setattr(
        hosts, "VAPOURSYNTH_PROBE", "import os, sys; print('bad plug-in', file=sys.stderr); os._exit(3)"
    )
    (check,) = hosts.vapoursynth()
    assert (check.status, check.detail) == ("broken", "bad plug-in")


def test_a_plugin_that_is_there_and_not_loaded_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "package_folder", lambda name: tmp_path)
    answer = json.dumps({"version": "R81", "spaces": ["std", "bs"]})
    monkeypatch.setattr(hosts, "VAPOURSYNTH_PROBE", f"print('noise'); print('{answer}')")
    assert by_name(hosts.vapoursynth())["core.alanet"].status == "missing"
    (tmp_path / "plugins" / "alanet").mkdir(parents=True)
    checks = by_name(hosts.vapoursynth())
    assert {name: check.status for name, check in checks.items()} == {
        "VapourSynth": "ok", "core.alanet": "broken", "BestSource": "ok",
    }  # fmt: skip


def test_a_vspipe_that_was_never_told_its_python_is_no_fault_and_the_remedy_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "package_folder", lambda name: tmp_path)
    assert hosts.vspipe() == []
    vspipe = tmp_path / "vspipe"
    vspipe.write_text("#!/bin/sh\necho 'Failed to initialize VSScript. Run vapoursynth config' >&2; exit 1\n")
    vspipe.chmod(0o755)
    (check,) = hosts.vspipe()
    assert (check.status, check.detail) == ("missing", "has not been told which Python runs scripts")
    assert check.remedy.endswith(" -m vapoursynth config")
    vspipe.write_text("#!/bin/sh\necho 'libvsscript.so: no such file' >&2; exit 127\n")
    (check,) = hosts.vspipe()
    assert (check.status, check.detail) == ("broken", "libvsscript.so: no such file")
    vspipe.write_text("#!/bin/sh\n")
    (check,) = hosts.vspipe()
    assert check.status == "ok"


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
