"""From a fresh user's shell: how the element comes to be known, and what is said where it cannot work."""

import re
import shutil
import site
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TRIAL = "videotestsrc num-buffers=2 ! video/x-raw,format=RGB,width=16,height=16,framerate=30/1 ! alanet ! fakesink"
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """shell(*command, **variables): run with an empty home, a cold registry, and no environment activated."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "OMP_NUM_THREADS": "1",
               "XDG_CACHE_HOME": str(home / ".cache"), "G_DEBUG": "fatal-criticals"}  # fmt: skip
        return subprocess.run(
            command, env=own | variables, capture_output=True, text=True, timeout=300, check=False, cwd=home
        )

    return run


def alanet_gst(shell: Shell, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return shell(sys.executable, "-m", "alanet_gst", *arguments, **variables)


def launch(shell: Shell, **variables: str) -> subprocess.CompletedProcess[str]:
    return shell("gst-launch-1.0", "-q", *TRIAL.split(), **variables)


def test_without_anything_the_element_is_unknown(shell: Shell) -> None:
    assert shell("gst-inspect-1.0", "alanet").returncode != 0


def test_install_makes_it_known_without_variables_and_uninstall_undoes_it(shell: Shell) -> None:
    installed = alanet_gst(shell, "install")
    assert installed.returncode == 0, installed.stderr
    assert "alanet is ready" in installed.stdout
    inspected = shell("gst-inspect-1.0", "alanet")
    assert "Factory Details" in inspected.stdout
    assert launch(shell).returncode == 0
    assert "removed" in alanet_gst(shell, "uninstall").stdout
    assert shell("gst-inspect-1.0", "alanet").returncode != 0
    assert "nothing to remove" in alanet_gst(shell, "uninstall").stdout


def test_env_makes_it_known_to_a_shell(shell: Shell) -> None:
    line = f'eval "$({sys.executable} -m alanet_gst env)" && gst-inspect-1.0 alanet && gst-launch-1.0 -q {TRIAL}'
    ran = shell("bash", "-c", line)
    assert ran.returncode == 0, ran.stderr
    assert "Filter/Effect/Video" in ran.stdout


def test_the_folder_alone_is_enough_in_an_activated_environment(shell: Shell) -> None:
    folder = alanet_gst(shell).stdout.strip()
    assert folder == str(ROOT / "alanet_gst")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    ran = launch(shell, GST_PLUGIN_PATH=folder, PATH=path)
    assert ran.returncode == 0, ran.stderr


def test_the_doctor_finds_nothing_and_says_what_is_left_to_type(shell: Shell) -> None:
    ran = alanet_gst(shell, "doctor")
    assert ran.returncode == 0, ran.stderr
    assert 'eval "$(python -m alanet_gst env)"' in ran.stdout


def test_words_that_are_not_understood_print_the_help(shell: Shell) -> None:
    ran = alanet_gst(shell, "dance")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "python -m alanet_gst doctor" in ran.stderr


def test_another_version_of_python_registers_the_element_which_says_so(shell: Shell) -> None:
    variables = {"GST_PLUGIN_PATH": str(ROOT / "alanet_gst"), "ALANET_SITE": "/opt/x/lib/python3.99/site-packages"}
    assert shell("gst-inspect-1.0", "alanet", **variables).returncode == 0
    ran = launch(shell, **variables)
    assert ran.returncode != 0
    assert "alanet: cannot start: alanet is installed for Python 3.99. GStreamer's plug-in loader runs" in ran.stderr
    told = alanet_gst(shell, "doctor", **variables)
    assert told.returncode == 1
    assert "installed for Python 3.99" in told.stderr


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The two packages in a folder of their own, without what they need."""
    for package in ("alanet_core", "alanet_gst"):
        ignored = shutil.ignore_patterns("*.safetensors", "__pycache__", "training", "cli")
        shutil.copytree(ROOT / package, tmp_path / "bare" / package, ignore=ignored)
    return tmp_path / "bare"


def test_an_environment_without_torch_registers_the_element_which_says_so(shell: Shell, copied: Path) -> None:
    variables = {"GST_PLUGIN_PATH": str(copied / "alanet_gst")}
    assert shell("gst-inspect-1.0", "alanet", **variables).returncode == 0
    ran = launch(shell, **variables)
    assert ran.returncode != 0
    assert "alanet: cannot start: No module named" in ran.stderr
    assert "python -m alanet_gst doctor" in ran.stderr


def test_a_plug_in_that_cannot_be_imported_leaves_a_stand_in_which_says_so(shell: Shell, copied: Path) -> None:
    (copied / "alanet_gst" / "timing.py").write_text("raise RuntimeError('half a package')\n")
    variables = {"GST_PLUGIN_PATH": str(copied / "alanet_gst"), "ALANET_SITE": site.getsitepackages()[0]}
    inspected = shell("gst-inspect-1.0", "alanet", **variables)
    assert inspected.returncode == 0, inspected.stderr
    assert "ALANET (cannot start)" in inspected.stdout
    ran = shell("gst-launch-1.0", "-q", *TRIAL.replace("alanet", "alanet model=fast mode=joint").split(), **variables)
    assert ran.returncode != 0
    assert "alanet: cannot start: RuntimeError: half a package. Run `python -m alanet_gst doctor`" in ran.stderr


def test_a_removed_package_takes_its_element_along(shell: Shell, tmp_path: Path) -> None:
    alanet_gst(shell, "install")
    stub = tmp_path / "home" / ".gstreamer-1.0" / "plugins" / "python" / "gstalanet.py"
    stub.write_text(stub.read_text().replace(str(ROOT), str(tmp_path / "gone")))
    ran = shell("gst-inspect-1.0", "alanet", GST_REGISTRY=str(tmp_path / "another.bin"))
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr


def test_pythonhome_is_named_by_the_doctor(shell: Shell) -> None:
    # The doctor's own Python would not start under it: -I leaves the variable unread, and the environment whole.
    ran = shell(sys.executable, "-I", "-m", "alanet_gst", "doctor", PYTHONHOME="/usr")
    assert ran.returncode == 1
    assert "PYTHONHOME must be unset" in ran.stderr


@pytest.fixture
def wrong_path(tmp_path: Path) -> str:
    """A PATH on which another Python comes first, as pyenv or conda would have it; its library is not the loader's."""
    home = tmp_path / "wrong"
    library = home / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder in (home / "bin", library):
        folder.mkdir(parents=True)
    (home / "bin" / "python3").write_text("#!/bin/sh\n")
    (home / "bin" / "python3").chmod(0o755)
    (library / "os.py").touch()
    return f"{home / 'bin'}:/usr/bin:/bin"


def test_another_python_first_on_path_is_named_by_the_doctor_which_does_no_harm(
    shell: Shell, wrong_path: str, tmp_path: Path
) -> None:
    alanet_gst(shell, "install")
    variables = {"GST_REGISTRY": str(tmp_path / "own.bin")}
    ran = alanet_gst(shell, "doctor", PATH=wrong_path, **variables)
    assert ran.returncode == 1
    assert f"got {tmp_path / 'wrong' / 'bin' / 'python3'}" in ran.stderr
    assert "Factory Details" in shell("gst-inspect-1.0", "alanet", **variables).stdout


def test_a_blacklisted_loader_is_named_by_the_doctor_with_the_line_that_mends_it(
    shell: Shell, wrong_path: str, tmp_path: Path
) -> None:
    alanet_gst(shell, "install")
    registry = tmp_path / "own.bin"
    variables = {"GST_REGISTRY": str(registry)}
    shell("gst-inspect-1.0", "alanet", PATH=wrong_path, **variables)
    assert shell("gst-inspect-1.0", "alanet", **variables).returncode != 0
    ran = alanet_gst(shell, "doctor", **variables)
    assert ran.returncode == 1
    assert "blacklisted libgstpython" in ran.stderr
    assert f"rm -f {registry}" in ran.stderr
    registry.unlink()
    assert alanet_gst(shell, "doctor", **variables).returncode == 0


def test_a_missing_tool_is_named_by_the_doctor(shell: Shell, tmp_path: Path) -> None:
    ran = alanet_gst(shell, "doctor", PATH=str(tmp_path))
    assert ran.returncode == 1
    assert "apt-get install gstreamer1.0-tools" in ran.stderr


def test_loading_is_light(shell: Shell) -> None:
    code = ("import gi, sys; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None)\n"
            f"sys.path.insert(0, {str(ROOT / 'alanet_gst' / 'python')!r}); import gstalanet\n"
            "print([name for name in ('torch', 'numpy', 'alanet_core') if name in sys.modules])")  # fmt: skip
    ran = shell(sys.executable, "-c", code, GST_PLUGIN_PATH="")
    assert ran.stdout.strip() == "[]", ran.stderr
    assert ran.stderr == ""


def test_gstreamers_own_checks_find_nothing(shell: Shell, identity: Callable[..., str]) -> None:
    alanet_gst(shell, "install")
    line = f"videotestsrc num-buffers=6 ! video/x-raw,width=64,height=48,framerate=30/1 ! alanet model={identity()}"
    strict = {"G_DEBUG": "fatal-criticals,fatal-warnings", "GST_TRACERS": "leaks", "GST_DEBUG": "GST_TRACER:7"}
    ran = shell("gst-launch-1.0", "-e", *f"{line} ! fakesink".split(), **strict)
    assert ran.returncode == 0, ran.stderr
    assert "object-alive" in ran.stderr, "the tracer did not run"
    assert not re.search(r"object-alive, type-name=\(string\)\w", ran.stderr)
    timed = shell("gst-launch-1.0", "-m", *f"{line} ! identity check-imperfect-timestamp=true ! fakesink".split())
    assert timed.returncode == 0
    assert "imperfect" not in timed.stdout
