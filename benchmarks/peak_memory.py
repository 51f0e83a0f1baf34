"""The largest memory of a process that runs a stream, beside what `alanet_core.estimate_memory` had said of it.

    python benchmarks/peak_memory.py [--only fine fast paper] [--sizes 640x352 1280x720 1920x1080] [--precision fp32]

Each preset and size in a process of its own, on one thread (with more, how much falls together is chance), all frames
taken for blurred and moving. Prints one JSON line each, in MB: what Python and torch hold before, the peak (`VmHWM`,
so on Linux alone), what was predicted with the former, and that over the peak.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script

import alanet_core as alanet  # before torch: see alanet_core._patience

# isort: split

import torch
import torch.nn.functional as F

from benchmarks.all_blurred import take_all_for_blurred

FRAMES = 5  # until the ring is full and each stage has worked with it
LITTLE = "64x64"
DETAIL, STEP = 8, 8  # pixels: how large what is seen is, and how far it moves from frame to frame
MB = 1e6


def peak() -> int:
    """Bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def alone(name: str, size: str, precision: str) -> None:
    """In a process of its own: bytes before and at the peak, and their dtype."""
    model = take_all_for_blurred(alanet.load(name, precision=precision, device="cpu", allow_untrained=True))
    held = []
    for each in (LITTLE, size):  # first so that what is read of libraries does not count
        width, height = map(int, each.split("x"))
        stream = alanet.AlanetStream(model, alanet.StreamConfig(scene_threshold=0))
        small = torch.rand(1, 3, height // DETAIL, width // DETAIL)
        seen = F.interpolate(small, size=(height, width), mode="bicubic")[0]
        for _ in range(FRAMES):
            stream.push(seen.clamp(0, 1))
            seen = seen.roll(STEP, 2)
        held.append(peak())
    print(json.dumps([*held, str(model.dtype).removeprefix("torch.")]))


def measure(name: str, size: str, precision: str) -> dict[str, object]:
    """One preset and size."""
    line = [sys.executable, __file__, "--alone", "--only", name, "--sizes", size, "--precision", precision]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    before, highest, dtype = json.loads(child.stdout)
    width, height = map(int, size.split("x"))
    config = alanet.presets()[name].config
    predicted = before + alanet.estimate_memory(config, height, width, getattr(torch, dtype))
    return {
        "preset": name,
        "size": size,
        "dtype": dtype,
        "before": round(before / MB),
        "peak": round(highest / MB),
        "predicted": round(predicted / MB),
        "predicted / peak": round(predicted / highest, 2),
    }


def main() -> None:
    """Parse the arguments and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(alanet.presets()), default=list(alanet.presets()))
    parser.add_argument("--sizes", nargs="+", default=["640x352", "1280x720", "1920x1080"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    for name in args.only:
        for size in args.sizes:
            if args.alone:
                alone(name, size, args.precision)
            else:
                print(json.dumps(measure(name, size, args.precision)), flush=True)


if __name__ == "__main__":
    main()
