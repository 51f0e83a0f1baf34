"""What the VapourSynth tests share: clips whose every frame differs, models that change nothing, and vspipe."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import alanet_core as alanet

try:
    import vapoursynth as vs
except ImportError:
    if os.environ.get("ALANET_NO_SKIPS") == "1":
        raise
    vs = None  # Python 3.11: VapourSynth has no wheel for it, and every test file here skips itself in words

if vs is not None and not hasattr(vs.core, "alanet"):
    raise pytest.UsageError("core.alanet is not installed; run scripts/setup.sh dev, or ask `alanet doctor`")


@pytest.fixture(scope="session")
def identity(tmp_path_factory) -> Callable[..., str]:
    """identity(window): the path of a model that changes nothing: sharp is the input, middle the mean of two."""
    folder = tmp_path_factory.mktemp("identity")

    def path(window: int = 3) -> str:
        file = folder / f"identity{window}.safetensors"
        if not file.exists():
            alanet.save(file, alanet.identity_model(window))
        return str(file)

    return path


@pytest.fixture
def noise() -> Callable[..., "vs.VideoNode"]:
    """noise(fmt, width, height, length, fps, **props): seeded noise, every number of the format, every frame new."""

    def clip(fmt=None, width=20, height=12, length=6, fps=30, **props):
        blank = vs.core.std.BlankClip(
            format=vs.RGBS if fmt is None else fmt, width=width, height=height, length=length, fpsnum=fps
        )

        def draw(n, f):
            out = f.copy()
            for plane in range(f.format.num_planes):
                values = np.random.default_rng((n, plane)).random(f[plane].shape)
                if f.format.sample_type == vs.INTEGER:
                    values *= 2**f.format.bits_per_sample - 1
                elif plane and f.format.color_family == vs.YUV:
                    values -= 0.5
                np.asarray(out[plane])[:] = values
            out.props["Number"] = n
            return out

        drawn = blank.std.ModifyFrame(blank, draw)
        return drawn.std.SetFrameProps(**props) if props else drawn

    return clip


@pytest.fixture(scope="session")
def content() -> Callable[["vs.VideoFrame"], bytes]:
    """content(frame): the bytes of its planes, without what pads their lines."""

    def read(frame):
        return b"".join(np.ascontiguousarray(np.asarray(frame[plane])).tobytes() for plane in range(len(frame)))

    return read


@pytest.fixture
def c_compiler() -> str:
    """The path of cc."""
    path = shutil.which("cc")
    if path is None:
        lacking = "no C compiler (cc) to build a small program with"
        pytest.fail(lacking) if os.environ.get("ALANET_NO_SKIPS") == "1" else pytest.skip(lacking)
    return path


@pytest.fixture
def vspipe(tmp_path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """vspipe(script, *arguments, into=None): run it on a text; the word SCRIPT stands for the script's path.

    into: a command that reads its output through a shell's pipe; the exit status is then the first that is not 0.
    """
    env = os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    tools = Path(sys.executable).parent
    subprocess.run([tools / "vapoursynth", "config"], env=env, check=True, capture_output=True)
    path = tmp_path / "script.vpy"

    def run(script, *arguments, into=None):
        path.write_text(script)
        command = [str(tools / "vspipe"), *(str(path) if part == "SCRIPT" else part for part in arguments)]
        if into is not None:
            command = ["bash", "-o", "pipefail", "-c", f"{shlex.join(command)} | {shlex.join(into)}"]
        return subprocess.run(command, env=env, capture_output=True, timeout=300, check=False)

    return run
