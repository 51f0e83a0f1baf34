"""What one would use instead: other ways to make the frame between two, to measure a network beside.

`blend` is always there. The others need what alanet does not: OpenCV (its DIS optical flow, Kroeger et al., ECCV 2016)
and VapourSynth's `vspipe` with the plug-in mvtools, which is asked as a program of its own.
"""

import importlib
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alanet_core.errors import ConfigError, RefusedError, must
from alanet_core.model.motion import warp

Baseline = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""Takes N frames [3,H,W] float32 0..1, and gives the N-1 frames between them."""

_FROM_GBR = [2, 0, 1]  # vspipe writes green, blue, red

NAMES = ("blend", "dis", "mvtools")


def baselines(names: Sequence[str]) -> Mapping[str, Baseline]:
    """The baselines of these names. Raises ConfigError for an unknown name, or where what it needs is missing."""
    found: dict[str, Baseline] = {}
    for name in names:
        if name not in NAMES:
            raise ConfigError(must("baselines", f"any of {', '.join(NAMES)}", name, "leave it out"))
        if name == "dis" and importlib.util.find_spec("cv2") is None:
            remedy = "pip install opencv-python-headless"
            raise ConfigError(must("baselines", "installed", "dis without OpenCV", remedy))
        if name == "mvtools" and find_vspipe() is None:
            remedy = "pip install vapoursynth vapoursynth-mvtools"
            raise ConfigError(must("baselines", "installed", "mvtools without vspipe", remedy))
        found[name] = {"blend": blend, "dis": dis, "mvtools": mvtools}[name]
    return found


def blend(frames: Sequence[Tensor]) -> list[Tensor]:
    """The mean of the two."""
    return [(a + b) / 2 for a, b in itertools.pairwise(frames)]


def dis(frames: Sequence[Tensor]) -> list[Tensor]:
    """Both moved half-way along OpenCV's DIS flow (preset medium) from one to the other, and the mean of these."""
    cv2 = importlib.import_module("cv2")
    finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def flow(a: Tensor, b: Tensor) -> Tensor:
        grey = [np.rint(255 * x.mean(0).clamp(0, 1).numpy()).astype(np.uint8) for x in (a, b)]
        return torch.from_numpy(finder.calc(*grey, None)).permute(2, 0, 1)[None]

    def between(a: Tensor, b: Tensor) -> Tensor:
        return (warp(a[None], flow(b, a) / 2) + warp(b[None], flow(a, b) / 2))[0] / 2

    return [between(a.cpu(), b.cpu()) for a, b in itertools.pairwise(frames)]


def mvtools(frames: Sequence[Tensor]) -> list[Tensor]:
    """VapourSynth's mvtools: FlowFPS to twice the rate, blocks of 16 at a quarter of a pixel, in 16 bit."""
    clip = torch.stack([frame.cpu() for frame in frames]).clamp(0, 1)
    codes = clip.mul(65535).round().to(torch.int32).numpy().astype(np.uint16)
    count, _, height, width = codes.shape
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "clip.npy", codes)
        script = Path(folder) / "clip.vpy"
        script.write_text(_SCRIPT.format(path=str(Path(folder) / "clip.npy")))
        program = find_vspipe()
        assert program is not None
        # VapourSynth learns which Python its scripts run in from a file, here one of this run alone.
        environment = os.environ | {"XDG_CONFIG_HOME": folder}
        subprocess.run(
            [Path(program).with_name("vapoursynth"), "config"], env=environment, capture_output=True, check=False
        )
        done = subprocess.run([program, str(script), "-"], env=environment, capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RefusedError(must("mvtools", "able to run", reason, "leave it out of --baselines"))
    made = np.frombuffer(done.stdout, np.uint16).reshape(-1, 3, height, width)[1 : 2 * count - 1 : 2]
    return [torch.from_numpy(frame[_FROM_GBR].astype(np.float32) / 65535) for frame in made]


def find_vspipe() -> str | None:
    """The program, beside this Python or on the path."""
    beside = Path(sys.executable).parent / "vspipe"
    return str(beside) if beside.exists() else shutil.which("vspipe")


_SCRIPT = """
import numpy, vapoursynth as vs
frames = numpy.load({path!r})
count, _, height, width = frames.shape
clip = vs.core.std.BlankClip(width=width, height=height, format=vs.RGB48, length=count, fpsnum=30, fpsden=1)

def fill(n, f):
    out = f.copy()
    for plane in range(3):
        numpy.asarray(out[plane])[:] = frames[n, plane]
    return out

clip = clip.std.ModifyFrame(clips=clip, selector=fill).resize.Bicubic(format=vs.YUV444P16, matrix_s="709")
found = clip.mv.Super(pel=4)
back, forth = (found.mv.Analyse(isb=isb, blksize=16, overlap=8, search=3, truemotion=True) for isb in (True, False))
twice = clip.mv.FlowFPS(found, back, forth, num=60, den=1, mask=2)
twice.resize.Bicubic(format=vs.RGB48, matrix_in_s="709").set_output()
"""
