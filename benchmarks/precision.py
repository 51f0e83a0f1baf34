"""How far the pictures made in bfloat16 lie from those made in float32, on frames of real clips.

    python benchmarks/precision.py CLIP ... [--only fine fast] [--first 40] [--frames 5] [--width 640] [--blurred]

Prints one JSON line a preset and clip: the PSNR of the two outputs, dB, of the worst sharp frame and the worst middle;
null where all are equal.
--blurred: all frames are taken for blurred, so that the network does all that it can do.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script

import alanet_core as alanet  # before torch: see alanet_core._patience

# isort: split

from torch import Tensor

from alanet_core.training.clips import frames_of
from alanet_core.training.metrics import psnr
from benchmarks.all_blurred import take_all_for_blurred


def pairs(name: str, frames: Sequence[Tensor], precision: str, *, blurred: bool) -> list[alanet.FramePair]:
    """What a stream makes of the frames, its last repeat left out."""
    model = alanet.load(name, precision=precision)
    stream = alanet.AlanetStream(take_all_for_blurred(model) if blurred else model)
    made = [pair for frame in frames for pair in stream.push(frame)]
    return [*made, *stream.drain()][:-1]


def measure(name: str, clip: Path, frames: Sequence[Tensor], *, blurred: bool) -> dict[str, object]:
    """One preset, one clip."""
    exact, rough = (pairs(name, frames, precision, blurred=blurred) for precision in ("fp32", "bf16"))
    sharp = [psnr(a.sharp.clamp(0, 1), b.sharp.clamp(0, 1)) for a, b in zip(exact, rough, strict=True)]
    middle = [
        psnr(a.middle.clamp(0, 1), b.middle.clamp(0, 1))
        for a, b in zip(exact, rough, strict=True)
        if a.middle is not None and b.middle is not None
    ]
    size = f"{frames[0].shape[2]}x{frames[0].shape[1]}"
    return {
        "preset": name,
        "clip": clip.name,
        "size": size,
        "pairs": len(exact),
        "sharp": worst(sharp),
        "middle": worst(middle),
    }


def worst(db: Sequence[float]) -> float | None:
    """The least, None where all are infinite: JSON has no word for that."""
    least = min(db)
    return round(least, 1) if math.isfinite(least) else None


def main() -> None:
    """Parse the arguments and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(alanet.presets()), default=["fine", "fast"])
    parser.add_argument("--first", type=int, default=40, help="frame")
    parser.add_argument("--frames", type=int, default=5, help="2 or more")
    parser.add_argument("--width", type=int, default=640, help="wider clips are shrunk to it")
    parser.add_argument("--blurred", action="store_true")
    args = parser.parse_args()
    wanted = range(args.first, args.first + args.frames)
    for clip in args.clips:
        frames = [frame.float() / 255 for frame in frames_of(clip, wanted=wanted, width=args.width)]
        if len(frames) < 2:
            parser.error(f"{clip} must have 2 frames or more from {args.first} on, got {len(frames)}; give --first")
        for name in args.only:
            print(json.dumps(measure(name, clip, frames, blurred=args.blurred)), flush=True)


if __name__ == "__main__":
    main()
