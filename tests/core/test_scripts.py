"""The scripts of the set-up fail with one clear line, before anything is changed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def set_up(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "scripts" / "setup.sh", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def programs(folder: Path, **scripts: str) -> str:
    """A PATH on which these programs come first."""
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_every_script_is_valid_bash_and_may_be_run(root: Path) -> None:
    scripts = [*(root / "scripts").glob("*.sh"), root / ".ci" / "run"]
    assert {"setup.sh", "demo.sh", "test.sh", "check.sh", "run"} <= {script.name for script in scripts}
    for script in scripts:
        assert os.access(script, os.X_OK), script
        subprocess.run(["bash", "-n", script], check=True)


def test_the_set_up_refuses_a_level_it_does_not_know(root: Path) -> None:
    done = set_up(root, "everything")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "scripts/setup.sh: the argument must be run or dev, got everything\n"


@pytest.mark.parametrize("may_be_root", [False, True])
def test_missing_system_packages_are_named_in_the_line_to_type(root: Path, tmp_path: Path, may_be_root: bool) -> None:
    path = programs(
        tmp_path,
        id="echo 0" if may_be_root else "echo 1000",
        sudo="exit 1",
        dpkg_query="echo 'ffmpeg/installed '",
        apt_get="echo 'this must not run' >&2; exit 1",
    )
    done = set_up(root, "dev", PATH=path, ALANET_NO_APT="1" if may_be_root else "")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "type: sudo apt-get install -y --no-install-recommends gstreamer1.0-tools " in line
    assert " ffmpeg" not in line
    assert ("ALANET_NO_APT" in line) is may_be_root


def test_a_failing_apt_shows_its_own_words_first(root: Path, tmp_path: Path) -> None:
    path = programs(
        tmp_path, id="echo 0", dpkg_query="echo 'nothing/installed '", apt_get="echo 'E: no network' >&2; exit 100"
    )
    done = set_up(root, "dev", PATH=path, ALANET_NO_APT="")
    assert done.returncode == 1
    *_, words, line = done.stderr.splitlines()
    assert words == "E: no network"
    assert line.startswith("scripts/setup.sh: apt-get failed; see its message above, then type: sudo apt-get install")


def test_a_failing_pip_shows_its_own_words_first_and_how_much_is_free(root: Path, tmp_path: Path) -> None:
    here = tmp_path / "checkout"
    for name in ("scripts/setup.sh", "pyproject.toml", "constraints.txt", "hatch_build.py", "alanet_core/_version.py"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, here / name)
    python = tmp_path / "python3"
    programs(
        tmp_path,
        python3=f"""case "$*" in
*venv*) mkdir -p .venv/bin && cp "{python}" .venv/bin/python;;
*pip*) echo "ERROR: No space left on device" >&2; exit 1;;
esac""",
    )
    done = set_up(here, "run", ALANET_PYTHON=str(python), TMPDIR=str(tmp_path))
    assert done.returncode == 1
    *_, words, line = done.stderr.splitlines()
    assert words == "ERROR: No space left on device"
    assert line.startswith("scripts/setup.sh: pip could not install into .venv; see its message above.")
    assert re.search(rf"Free on disk: [0-9.]+[KMGT]? here, [0-9.]+[KMGT]? in {re.escape(str(tmp_path))};", line)
    assert not list((here / ".venv").glob("stamp-*"))  # the next set-up tries again


@pytest.mark.parametrize("two", [True, False])
@pytest.mark.parametrize(("here", "there"), [(0, 0), (1, 0), (0, 1)])
def test_the_tests_pass_where_they_pass_in_every_environment(
    root: Path, tmp_path: Path, here: int, there: int, *, two: bool
) -> None:
    """scripts/test.sh in a tree whose set-up does nothing, and whose Pythons end as they are told."""
    for folder in ("scripts", "tests/hosts/gst", ".venv/bin", ".venv-gst/bin"):
        (tmp_path / folder).mkdir(parents=True)
    script = shutil.copy(root / "scripts" / "test.sh", tmp_path / "scripts" / "test.sh")
    programs(tmp_path / "scripts", **{"setup.sh": "exit 0"})
    programs(tmp_path / ".venv" / "bin", python=f"sleep 0.2; exit {here}")
    if two:
        programs(tmp_path / ".venv-gst" / "bin", python=f"echo theirs; exit {there}")
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    assert done.returncode == max(here, there if two else 0)
    assert ("theirs" in done.stdout) == two


@pytest.mark.parametrize(
    ("name", "options"),
    [("gpu_check.py", []), ("gpu_speed.py", ["--models", "fast", "--sizes", "64x48"])],
)
def test_what_is_for_a_gpu_says_on_a_cpu_what_was_not_run(
    root: Path, tmp_path: Path, name: str, options: list[str]
) -> None:
    common = ["--device", "cpu", "--minutes", "0.02", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, root / "scripts" / name, *common, *options],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) >= 5
    assert any("not run: needs CUDA" in line.values() for line in lines)
    assert (tmp_path / "out").exists()


def test_how_many_streams_run_at_once_is_counted_over_the_whole_time() -> None:
    from scripts.gpu_speed import at_once

    spans = [(0.0, 4.0, 7), (1.0, 2.0, 7), (2.0, 6.0, 9), (8.0, 10.0, 13)]
    assert at_once(spans) == pytest.approx({"1": 0.6, "2": 0.2, "0": 0.2})
