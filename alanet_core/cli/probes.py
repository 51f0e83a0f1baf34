"""What `alanet doctor` looks at. Each probe returns what it found and, where something is amiss, a line that mends it.

The hosts are asked in `hosts.py`.
"""

import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from alanet_core import checkpoint, native
from alanet_core.errors import AlanetError
from alanet_core.presets import cpu_computes_bf16, presets

Status = Literal["ok", "missing", "broken"]

TIMEOUT = 60  # seconds for a foreign program to answer; a cold registry scan of GStreamer takes a few
APT = "sudo apt-get install -y --no-install-recommends"
CPU_FEATURES = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16", "avx512_fp16")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the report.

    status: "missing" is not there, "broken" is there and does not work. required: `alanet enhance` needs it.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""
    required: bool = False


def answer(command: Sequence[str]) -> tuple[int, str, str]:
    """Run a program -> (exit code, stdout, stderr); 127 when it is not there, 124 when it does not answer in time."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False)
    except OSError as error:
        return 127, "", f"{command[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return 124, "", f"{command[0]}: no answer within {TIMEOUT} s"
    return done.returncode, done.stdout, done.stderr


def last_line(text: str) -> str:
    """The last line that says something; tracebacks end with what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"


def package_folder(name: str) -> Path | None:
    """Where a top-level package lies, without importing it; None when it is not installed."""
    spec = importlib.util.find_spec(name)
    places = (spec.submodule_search_locations or []) if spec else []
    return Path(next(iter(places))) if places else None


def python() -> list[Check]:
    """The interpreter that runs this command."""
    return [Check(name="Python", status="ok", detail=f"{platform.python_version()}, {sys.executable}", required=True)]


def pytorch() -> list[Check]:
    """PyTorch: version, what it was built for, threads."""
    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for the CPU"
    detail = f"{torch.__version__}, {build}, {torch.get_num_threads()} threads"
    return [Check(name="PyTorch", status="ok", detail=detail, required=True)]


def cpu() -> list[Check]:
    """What the processor can do, and the precision that `auto` picks on it."""
    found = torch.cpu.get_capabilities()
    features = ", ".join(name for name in CPU_FEATURES if found.get(name)) or "no vector features known to ALANET"
    auto = "bf16" if cpu_computes_bf16() else "fp32"
    model = found.get("cpu_name") or platform.machine()
    return [Check(name="CPU", status="ok", detail=f"{model}: {features}; precision auto means {auto}")]


def kernels() -> list[Check]:
    """The kernels in C, or why PyTorch computes what they would."""
    reason = native.absence()
    if reason is None:
        return [Check(name="CPU kernels", status="ok", detail=f"in use: {native.path()}")]
    if native.switched_off():
        remedy = f"unset {native.SWITCH} to use them; results are the same, slower on a CPU"
    else:
        remedy = f"{APT} gcc libc6-dev, then reinstall alanet; results are the same, slower on a CPU"
    return [Check(name="CPU kernels", status="missing", detail=reason, remedy=remedy)]


def cuda() -> list[Check]:
    """CUDA devices, or why there are none."""
    if torch.version.cuda is None:
        remedy = "for an NVIDIA GPU, install the CUDA build of the same torch version; the CPU needs nothing"
        return [Check(name="CUDA", status="missing", detail="this torch is built for the CPU", remedy=remedy)]
    if not torch.cuda.is_available():
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]  # torch left it so; it says why there is no device
            reason = "no device is visible"
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0].split(". ")[0]
        remedy = "for an NVIDIA GPU, install its driver and see that `nvidia-smi` lists it; the CPU needs nothing"
        return [Check(name="CUDA", status="missing", detail=reason, remedy=remedy)]
    devices = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index} {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    return [Check(name="CUDA", status="ok", detail="; ".join(devices))]


def pyav() -> list[Check]:
    """PyAV and the two encoders that `alanet enhance` uses unless told otherwise."""
    import av

    detail = f"{importlib.metadata.version('av')}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
    lacking = [name for name in ("libx264", "ffv1") if name not in av.codecs_available]
    if lacking:
        detail += f", without {' and '.join(lacking)}"
        remedy = "reinstall the wheel: python -m pip install --force-reinstall --no-deps av"
        return [Check(name="PyAV", status="broken", detail=detail, remedy=remedy, required=True)]
    return [Check(name="PyAV", status="ok", detail=detail, required=True)]


def weights() -> list[Check]:
    """Every preset's weights: there, whole, and with the sha256 they were written with."""
    checks = []
    for preset in presets().values():
        name = f"model {preset.name}"
        if preset.path is None:
            remedy = "use another model, or train it: `alanet train`"
            detail = "untrained; refused unless --allow-untrained is given"
            checks.append(Check(name=name, status="missing", detail=detail, remedy=remedy))
            continue
        try:
            model = checkpoint.restore(preset.path)
        except AlanetError as error:
            remedy = "get the file again: reinstall alanet, or `git checkout` its weights"
            checks.append(Check(name=name, status="broken", detail=str(error), remedy=remedy, required=True))
            continue
        millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        detail = f"{millions:.1f} M parameters, sha256 holds"
        checks.append(Check(name=name, status="ok", detail=detail, required=True))
    return checks


def ffmpeg() -> list[Check]:
    """The programs ffmpeg and ffprobe, with which the tests read results back; ALANET itself uses PyAV."""
    lacking = [name for name in ("ffmpeg", "ffprobe") if shutil.which(name) is None]
    if lacking:
        remedy = f"only the tests use it: {APT} ffmpeg"
        return [Check(name="ffmpeg", status="missing", detail=f"no {lacking[0]} on PATH", remedy=remedy)]
    code, out, err = answer(["ffmpeg", "-version"])
    if code != 0:
        return [Check(name="ffmpeg", status="broken", detail=last_line(err), remedy=f"{APT} --reinstall ffmpeg")]
    return [Check(name="ffmpeg", status="ok", detail=out.splitlines()[0].split(" Copyright")[0])]
