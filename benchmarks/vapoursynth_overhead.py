"""Time per frame of core.alanet.Enhance against the core alone on the same pictures, in turn (A B A B) in one process.

    python benchmarks/vapoursynth_overhead.py [--model fast] [--size 640x352] [--rounds 15] [--frames 12]
                                              [--format RGBS] [--device auto] [--precision auto]

A: WindowRenderer.pair on RGB tensors in memory. B: the filter's frames, asked for in order as vspipe asks, from a
source that costs nothing. Both see one picture of noise, as a network's time depends on what it sees, and both compute
on a thread of their own, which takes some 3 % less processor time than the main thread. Prints JSON: medians in ms per
input frame, the overhead in percent as the median of the rounds, and its quartiles; the same for the processor time of
the whole process, which other programs disturb less.
With a YUV format B contains both colour conversions, which A does not.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import vapoursynth as vs

import alanet_core as alanet
import alanet_vs
from alanet_vs.planes import pixel_format, read_rgb

WARM_UP = 5


def picture(args: argparse.Namespace) -> vs.VideoNode:
    """A clip of one frame of noise, which stays in memory."""
    width, height = map(int, args.size.split("x"))
    noise = np.random.default_rng(1)
    blank = vs.core.std.BlankClip(format=getattr(vs, args.format).value, width=width, height=height, length=1)

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:  # noqa: ARG001  # ModifyFrame names them
        out = f.copy()
        for plane in range(f.format.num_planes):
            values = np.asarray(out[plane])
            scale = 1 if values.dtype.kind == "f" else 2**f.format.bits_per_sample - 1
            values[:] = np.asarray(noise.random(values.shape) * scale, values.dtype)
        return out

    drawn = blank.std.ModifyFrame(blank, draw)
    drawn.std.SetVideoCache(mode=1, fixedsize=1)
    return drawn


def core_alone(args: argparse.Namespace, source: vs.VideoNode, length: int) -> Callable[[range], None]:
    """What makes pairs of a range of frames without VapourSynth."""
    model = alanet.load(args.model, device=args.device, precision=args.precision)
    renderer = alanet.WindowRenderer(model, length=length)
    shown = source.get_frame(0)
    frame = read_rgb(shown, pixel_format(shown), torch.device("cpu"))

    def work(numbers: range) -> None:
        for n in numbers:
            pair = renderer.pair(n, lambda _: frame.to(model.device))
            assert pair.middle is not None
            pair.sharp.cpu(), pair.middle.cpu()

    thread = ThreadPoolExecutor(1)
    return lambda numbers: thread.submit(work, numbers).result()


def through_vapoursynth(args: argparse.Namespace, source: vs.VideoNode, length: int) -> Callable[[range], None]:
    """The same frames through the filter."""
    looped = source.std.Loop(length)
    clip = alanet_vs.enhance(looped, model=args.model, device=args.device, precision=args.precision)

    def run(numbers: range) -> None:
        for frame in clip[2 * numbers.start : 2 * numbers.stop].frames(close=True, collect_garbage=False):
            assert frame.width == source.width

    return run


def measure(args: argparse.Namespace) -> dict[str, object]:
    """Rounds of `frames` frames each, A and B in turn."""
    length = WARM_UP + args.rounds * args.frames
    source = picture(args)
    ways = [core_alone(args, source, length), through_vapoursynth(args, source, length)]
    for way in ways:
        way(range(WARM_UP))
    wall: list[list[float]] = [[], []]
    processor: list[list[float]] = [[], []]
    for start in range(WARM_UP, length, args.frames):
        for way, walls, processors in zip(ways, wall, processor, strict=True):
            begin = time.perf_counter(), time.process_time()
            way(range(start, start + args.frames))
            walls.append(1000 * (time.perf_counter() - begin[0]) / args.frames)
            processors.append(1000 * (time.process_time() - begin[1]) / args.frames)
    settings = {name: getattr(args, name) for name in ("model", "size", "format", "rounds", "frames")}
    return settings | compare(wall, "ms") | compare(processor, "processor ms")


def compare(times: list[list[float]], unit: str) -> dict[str, object]:
    """Medians of A and B, and the overhead of B round by round."""
    overhead = [100 * (b / a - 1) for a, b in zip(*times, strict=True)]
    low, middle, high = statistics.quantiles(overhead, n=4)
    return {
        f"core alone {unit}": round(statistics.median(times[0]), 2),
        f"filter {unit}": round(statistics.median(times[1]), 2),
        f"overhead % of {unit}": round(middle, 2),
        f"its quartiles, {unit}": [round(low, 2), round(high, 2)],
    }


def main() -> None:
    """Parse the arguments and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--size", default="640x352")
    parser.add_argument("--format", default="RGBS", help="a VapourSynth format, such as RGBS or YUV420P8")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
