"""What `alanet doctor` finds out about VapourSynth and GStreamer.

Both are asked in processes of their own: a broken plug-in may take its process down, and GStreamer lives in another
Python as a rule. Nothing here imports alanet_vs or alanet_gst, for they import their hosts.
"""

import json
import os
import re
import sys
from pathlib import Path

from alanet_core.cli.probes import APT, Check, answer, last_line, package_folder

GSTREAMER_PACKAGES = (
    "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-python3-plugin-loader "
    "python3-gst-1.0 gir1.2-gst-plugins-base-1.0"
)
VAPOURSYNTH_PROBE = (
    "import json, vapoursynth as vs; "
    "print(json.dumps({'version': str(vs.__version__), 'spaces': [p.namespace for p in vs.core.plugins()]}))"
)


def vapoursynth() -> list[Check]:
    """VapourSynth in this environment, ALANET's plug-in in it, and a source filter to read files with."""
    if package_folder("vapoursynth") is None:
        old = sys.version_info < (3, 12)
        remedy = "use Python 3.12 or later for it" if old else f"{sys.executable} -m pip install vapoursynth"
        return [Check(name="VapourSynth", status="missing", detail="not in this environment", remedy=remedy)]
    code, out, err = answer([sys.executable, "-c", VAPOURSYNTH_PROBE])
    if code != 0:
        remedy = f"{sys.executable} -m pip install --force-reinstall --no-deps vapoursynth"
        return [Check(name="VapourSynth", status="broken", detail=last_line(err), remedy=remedy)]
    found = json.loads(last_line(out))
    checks = [Check(name="VapourSynth", status="ok", detail=found["version"])]
    if "alanet" in found["spaces"]:
        checks.append(Check(name="core.alanet", status="ok", detail="loaded"))
    else:
        checks.append(_absent_plugin(err))
    if "bs" in found["spaces"]:
        checks.append(Check(name="BestSource", status="ok", detail="loaded as core.bs"))
    else:
        remedy = f"to read files in VapourSynth: {sys.executable} -m pip install vapoursynth-bestsource"
        checks.append(Check(name="BestSource", status="missing", detail="no core.bs", remedy=remedy))
    return checks


def vspipe() -> list[Check]:
    """Whether vspipe and players know which Python to run scripts with; VapourSynth wants to be told once."""
    folder = package_folder("vapoursynth")
    if folder is None or not (folder / "vspipe").exists():
        return []
    code, _, err = answer([str(folder / "vspipe"), "--version"])
    if code == 0:
        return [Check(name="vspipe", status="ok", detail="runs scripts in this Python")]
    if "vapoursynth config" in err:  # as in every environment just made: nothing is wrong yet
        detail, remedy = "has not been told which Python runs scripts", f"{sys.executable} -m vapoursynth config"
        return [Check(name="vspipe", status="missing", detail=detail, remedy=remedy)]
    remedy = f"{sys.executable} -m pip install --force-reinstall --no-deps vapoursynth"
    return [Check(name="vspipe", status="broken", detail=last_line(err), remedy=remedy)]


def _absent_plugin(stderr: str) -> Check:
    name, remedy = "core.alanet", "reinstall alanet where a C compiler is: sudo apt-get install -y gcc libc6-dev"
    folder = package_folder("vapoursynth")
    if folder is not None and (folder / "plugins" / "alanet").is_dir():
        return Check(name=name, status="broken", detail=f"does not load: {last_line(stderr)}", remedy=remedy)
    return Check(name=name, status="missing", detail="alanet was built without it", remedy=remedy)


def gstreamer() -> list[Check]:
    """GStreamer, its loader of Python plug-ins with the Python that it runs, and ALANET's element."""
    code, out, err = answer(["gst-inspect-1.0", "python"])
    if code == 127:
        remedy = f"{APT} {GSTREAMER_PACKAGES}"
        return [Check(name="GStreamer", status="missing", detail="gst-inspect-1.0 is not on PATH", remedy=remedy)]
    if code != 0:
        if "libgstpython" in answer(["gst-inspect-1.0", "-b"])[1]:
            detail = "the loader of Python plug-ins failed once and is blacklisted"
            remedy = f"put the system's python3 first on PATH, then: rm -f {_registry_files()}"
            return [Check(name="GStreamer", status="broken", detail=detail, remedy=remedy)]
        detail = f"no loader of Python plug-ins: {last_line(err or out)}"
        return [Check(name="GStreamer", status="missing", detail=detail, remedy=f"{APT} {GSTREAMER_PACKAGES}")]
    version = re.search(r"^\s*Version\s+(\S+)", out, re.MULTILINE)
    library = re.search(r"^\s*Filename\s+(.+)$", out, re.MULTILINE)
    runs = loader_python(Path(library[1].strip())) if library else None
    detail = f"{version[1] if version else 'unknown version'}, the loader runs Python {runs or '(version not found)'}"
    return [Check(name="GStreamer", status="ok", detail=detail), _element(runs)]


def _element(runs: str | None) -> Check:
    """The element `alanet` as a program started here would see it; `runs`: the loader's Python, X.Y."""
    name = "element alanet"
    if answer(["gst-inspect-1.0", "alanet"])[0] == 0:
        return Check(name=name, status="ok", detail="found")
    python = gstreamer_python(runs)
    if python is None:
        detail = f"alanet is in no environment of Python {runs or 'of the loader'} known here"
        return Check(name=name, status="missing", detail=detail, remedy="run scripts/setup.sh dev in alanet's folder")
    code, _, err = answer([python, "-m", "alanet_gst", "doctor"])
    if code != 0:
        problem, _, remedy = last_line(err).removeprefix("alanet: ").partition("; type: ")
        remedy = remedy or f"{python} -m alanet_gst doctor"
        return Check(name=name, status="broken", detail=problem, remedy=remedy)
    detail = "works, but GStreamer has not been told where it is"
    return Check(name=name, status="missing", detail=detail, remedy=f"{python} -m alanet_gst install")


def gstreamer_python(runs: str | None) -> str | None:
    """The interpreter of an environment that holds alanet and is of the loader's Python X.Y; None if none is known."""
    if runs == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    folder = package_folder("alanet_core")
    beside = folder.parent / ".venv-gst" / "bin" / "python" if folder else Path()
    return str(beside) if beside.is_file() else None


def loader_python(library: Path) -> str | None:
    """X.Y of the libpython that GStreamer's loader is linked to, read from the library itself; None if not told."""
    try:
        found = re.search(rb"libpython(3\.\d+)", library.read_bytes())
    except OSError:
        return None
    return found[1].decode() if found else None


def _registry_files() -> str:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return os.environ.get("GST_REGISTRY") or f"{cache}/gstreamer-1.0/registry.*.bin"
