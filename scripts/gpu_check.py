#!/usr/bin/env python3
"""Whether CUDA gives the right pictures: stages overlapped, replayed, delayed, in two streams, in each precision.

    scripts/gpu_check.py [--minutes M] [--out FILE.json] [--model NAME] [--device cuda|cpu]

Every check compares whole clips of moving pictures with the plain path (one stream, float32). The delayed check has a
control arm: with the waiting between the stages taken out the same comparison must fail, or it proves nothing. On a
CPU, where stages do not overlap, what needs CUDA is reported as "not run". One line of JSON a check; exit code 1 where
one fails. Needs torch, numpy and safetensors alone; run it from the project's root.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from alanet_core import AlanetStream, StreamConfig, load
from alanet_core.model import Alanet
from alanet_core.streaming import overlap

SIZES = ((176, 320), (270, 481), (720, 1280))
FRAMES = 12
ENOUGH = {"fp32": 60.0, "bf16": 50.0, "fp16": 50.0}  # dB between a precision on the device and float32 on the CPU
DELAY = 20_000_000  # clock cycles, about 10 ms: longer than any stage takes


def moving(height: int, width: int, frames: int = FRAMES) -> list[Tensor]:
    """Textured planes that move by a few pixels a frame."""
    generator = torch.Generator().manual_seed(height)
    big = torch.rand(1, 3, height // 4 + 40, width // 4 + 40, generator=generator)
    big = torch.nn.functional.interpolate(big, scale_factor=4, mode="bicubic")[0].clamp(0, 1)
    return [big[:, 2 * n : 2 * n + height, 3 * n : 3 * n + width].contiguous() for n in range(frames)]


def outputs(model: Alanet, frames: list[Tensor], *, overlapped: bool = True, graphs: bool = False) -> list[Tensor]:
    """All pictures of a clip with a cut in it, on the CPU; frames are handed over without waiting for those before."""
    stream = AlanetStream(model, StreamConfig(scene_threshold=0, overlap=overlapped, graphs=graphs))
    pushed = (stream.push(frame.to(model.device), cut=n == len(frames) // 2) for n, frame in enumerate(frames))
    pairs = [pair for pairs in pushed for pair in pairs] + stream.drain()
    return [picture.cpu() for pair in pairs for picture in (pair.sharp, pair.middle) if picture is not None]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    """Bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def psnr(a: list[Tensor], b: list[Tensor]) -> float:
    """Over all pictures together, dB; 200 for equal ones."""
    error = torch.stack([(x - y).square().mean() for x, y in zip(a, b, strict=True)]).mean()
    return float(-10 * error.clamp_min(1e-20).log10())


@contextmanager
def delayed() -> Iterator[None]:
    """Every piece of work on a lane begins late, so that whoever does not wait for it reads too early."""
    entered = overlap.Lane.after

    @contextmanager
    def late(self: overlap.Lane, marks: Any) -> Iterator[None]:  # noqa: ANN401
        with entered(self, marks):
            torch.cuda._sleep(DELAY)  # type: ignore[no-untyped-call]  # noqa: SLF001
            yield

    with patch.object(overlap.Lane, "after", late):
        yield


@contextmanager
def heedless() -> Iterator[None]:
    """The control arm: nobody waits for anybody."""
    entered = overlap.Lane.after
    with patch.object(overlap.Lane, "after", lambda self, _marks: entered(self, ())):
        yield


@dataclass
class Run:
    """What is checked where, and the results so far."""

    device: torch.device
    deadline: float
    lines: list[dict[str, Any]]

    def check(self, name: str, what: Callable[[], tuple[bool, Any]], *, cuda: bool = False) -> None:
        """Run one check, unless there is no time for it or no CUDA."""
        line: dict[str, Any] = {"check": name}
        began = time.monotonic()
        if cuda and self.device.type != "cuda":
            line["result"] = "not run: needs CUDA"
        elif began > self.deadline:
            line["result"] = "not run: no time left"
        else:
            try:
                good, found = what()
            except RuntimeError as error:
                good, found = False, f"{type(error).__name__}: {error}"
            line |= {"result": "good" if good else "BAD", "found": found}
        line["seconds"] = round(time.monotonic() - began, 2)
        self.lines.append(line)
        print(json.dumps(line), flush=True)


def check_size(run: Run, model: Alanet, size: tuple[int, int]) -> None:
    """Overlapped, delayed and side by side, against one stage after the other."""
    frames, label = moving(*size), f"{model.name} {size[1]}x{size[0]}"
    plain = outputs(model, frames, overlapped=False)

    def late(*, waiting: bool) -> list[Tensor]:
        with delayed():
            if waiting:
                return outputs(model, frames)
            with heedless():
                return outputs(model, frames)

    def replayed(*, overlapped: bool) -> tuple[bool, None]:
        return equal(outputs(model, frames, overlapped=overlapped, graphs=True), plain), None

    def side_by_side() -> tuple[bool, int]:
        made: dict[int, list[Tensor]] = {}
        threads = [threading.Thread(target=lambda k=k: made.update({k: outputs(model, frames)})) for k in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(made) == 2 and all(equal(x, plain) for x in made.values()), len(made)

    run.check(f"{label}: overlapped equals plain", lambda: (equal(outputs(model, frames), plain), None))
    for overlapped in (False, True):
        name = f"{label}: replayed from graphs{', overlapped,' if overlapped else ''} equals plain"
        run.check(name, partial(replayed, overlapped=overlapped), cuda=True)
    run.check(f"{label}: delayed equals plain", lambda: (equal(late(waiting=True), plain), None), cuda=True)
    run.check(
        f"{label}: delayed without waiting differs (control)",
        lambda: (not equal(late(waiting=False), plain), None),
        cuda=True,
    )
    run.check(f"{label}: two streams at once", side_by_side)


def check_precision(run: Run, name: str, precision: str, size: tuple[int, int]) -> None:
    """The device in some precision against the CPU in float32."""
    frames = moving(*size, frames=6)

    def compare() -> tuple[bool, float]:
        reference = outputs(load(name, device="cpu", precision="fp32"), frames)
        model = load(name, device=str(run.device), precision=precision)
        found = psnr(outputs(model, frames), reference)
        return found >= ENOUGH[precision], round(found, 1)

    run.check(f"{name} {size[1]}x{size[0]} {precision}: dB to float32 on the CPU", compare)


def check_memory(run: Run, model: Alanet) -> None:
    """Nothing is left behind by 300 frames."""
    frames = moving(*SIZES[0])

    def grow() -> tuple[bool, str]:
        stream, held = AlanetStream(model, StreamConfig(scene_threshold=0)), []
        for n in range(300):
            stream.push(frames[n % len(frames)].to(run.device))
            held.append(torch.cuda.memory_allocated(run.device))
        return held[-1] <= held[30], f"{held[30]} to {held[-1]} bytes"

    run.check(f"{model.name}: memory after 300 frames", grow, cuda=True)


def main() -> int:
    """Run all checks within the time -> exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=6.0, help="no check begins after so many minutes")
    parser.add_argument("--model", default="default", help="a preset that is trained, or a .safetensors file")
    parser.add_argument("--device", default="auto", help="auto, cuda or cpu")
    parser.add_argument("--out", type=Path, help="also write all results to this file")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = load(options.model, device=options.device, precision="fp32")
    run = Run(model.device, time.monotonic() + 60 * options.minutes, [])
    for size in SIZES if model.device.type == "cuda" else SIZES[:1]:
        check_size(run, model, size)
    for precision in ("fp32", "bf16") if model.device.type == "cpu" else ("fp32", "bf16", "fp16"):
        check_precision(run, options.model, precision, SIZES[0])
    check_memory(run, model)
    place = torch.cuda.get_device_name(model.device) if model.device.type == "cuda" else "cpu"
    if options.out:
        about = {"device": place, "torch": torch.__version__, "checks": run.lines}
        options.out.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    good, bad = (sum(line["result"] == result for line in run.lines) for result in ("good", "BAD"))
    print(f"{place}: {good} good, {bad} bad, {len(run.lines) - good - bad} not run", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
