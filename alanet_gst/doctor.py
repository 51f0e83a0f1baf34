"""`python -m alanet_gst doctor`: what keeps the element from working on this machine, and the line that mends it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from alanet_gst import install

PATIENCE = 120  # seconds; a cold start of torch on a busy machine
TRIAL = "videotestsrc num-buffers=2 ! video/x-raw,format=RGB,width=16,height=16,framerate=30/1 ! alanet ! fakesink"
APT = "sudo apt-get install"
READY = "alanet is ready"
LOADER = "libgstpython"


def diagnose() -> list[str]:
    """What is wrong, in the order in which it should be mended, each with its remedy; [] where all is well."""
    tool, launch = shutil.which("gst-inspect-1.0"), shutil.which("gst-launch-1.0")
    if tool is None or launch is None:
        return [f"gst-inspect-1.0 and gst-launch-1.0 must be there, got neither; type: {APT} gstreamer1.0-tools"]
    return list(_problems(tool, launch, environment()))


def environment() -> dict[str, str]:
    """The variables under which a program of the user's would look for the element."""
    variables = dict(os.environ)
    if not install.stub().is_file():
        earlier = variables.get("GST_PLUGIN_PATH")
        variables["GST_PLUGIN_PATH"] = os.pathsep.join([str(install.PLUGIN_PATH), *([earlier] if earlier else [])])
        variables.setdefault("ALANET_SITE", install.site_folder())
    return variables


def _problems(tool: str, launch: str, variables: Mapping[str, str]) -> Iterator[str]:
    if "PYTHONHOME" in variables:
        yield "PYTHONHOME must be unset, as it ends every program that loads Python elements; type: unset PYTHONHOME"
        return
    # With a registry of its own first: looking into the user's under a wrong PATH is what blacklists the loader there.
    with tempfile.TemporaryDirectory() as scratch:
        tried = _run([tool, "-b"], {**variables, "GST_REGISTRY": str(Path(scratch) / "registry.bin")})
    if LOADER in tried.stdout:
        first = shutil.which("python3")
        yield (
            "the first python3 on PATH must be the system's, or an environment made from it with "
            f"--system-site-packages, got {first}: GStreamer's Python loader cannot start with it; type: deactivate, "
            'or export PATH="/usr/bin:$PATH"'
        )
        return
    if LOADER in _run([tool, "-b"], variables).stdout:
        files = " ".join(str(path) for path in registries(variables))
        yield (
            "GStreamer must not remember that its Python loader failed (with another python3 first on PATH), got a "
            f"blacklisted {LOADER}; type: rm -f {files}"
        )
        return
    if _run([tool, "python"], variables).returncode:
        yield f"GStreamer's Python loader must be there; type: {APT} gstreamer1.0-python3-plugin-loader python3-gst-1.0"
        return
    found = _run([tool, "alanet"], variables)  # it loads the plug-in; --exists would ask the cache
    if found.returncode or "Factory Details" not in found.stdout:
        said = (found.stderr or found.stdout).strip().splitlines()[-1:] or ["nothing"]
        where = install.stub().parent if install.stub().is_file() else install.PLUGIN_FILE.parent
        yield f"gst-inspect-1.0 must find alanet, got {said[0]!r}; type: touch {where} and try again"
        return
    trial = _run([launch, "-q", *TRIAL.split()], variables)
    if trial.returncode:
        lines = [line for line in trial.stderr.splitlines() if "alanet: " in line] or trial.stderr.splitlines()[-1:]
        yield lines[0].partition("alanet: ")[2] or lines[0]


def registries(variables: Mapping[str, str]) -> list[Path]:
    """GStreamer's caches of what it found."""
    named = variables.get("GST_REGISTRY_1_0") or variables.get("GST_REGISTRY")
    if named:
        return [Path(named)]
    cache = Path(variables.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return sorted((cache / "gstreamer-1.0").glob("registry.*.bin"))


def _run(command: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, env=dict(variables), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        slow = f"{command[0]} must end, got nothing for {PATIENCE} s; try again when the machine is less busy"
        return subprocess.CompletedProcess(command, 1, "", slow)
