"""Resident memory over a long stream: 3,000 frames of 320x180 with cuts, drains and resets now and then.

    python benchmarks/memory_growth.py [--model fast] [--frames 3000] [--size 320x180]

Prints JSON: resident MB after 200 frames, at the end, the growth and the peak between.
"""

import argparse
import json
from pathlib import Path

import torch

import alanet_core as alanet


def resident() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    """Run the stream and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--size", default="320x180")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    stream = alanet.AlanetStream(alanet.load(args.model))
    generator = torch.Generator().manual_seed(0)
    scene = torch.rand(3, height, 2 * width, generator=generator)
    early, highest = 0.0, 0.0
    for n in range(args.frames):
        shift = n % width
        stream.push(scene[:, :, shift : shift + width], cut=True if n % 97 == 96 else None)
        if n % 500 == 499:
            stream.drain()
            stream.reset()
        if n == 199:
            early = resident()
        if n >= 199:
            highest = max(highest, resident())
    end = resident()
    print(
        json.dumps(
            {
                "model": args.model,
                "size": args.size,
                "frames": args.frames,
                "after 200 MB": round(early, 1),
                "end MB": round(end, 1),
                "growth MB": round(end - early, 1),
                "highest MB": round(highest, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
