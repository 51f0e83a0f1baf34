"""Cost per frame for W = 3 against W = 9, measured in turn (A B A B) in one process.

    python benchmarks/window_cost.py [--rounds 15] [--size 320x176]

Prints JSON: medians in ms, the ratio of the medians, and the 25 % and 75 % quantiles of the ratios round by round; the
same ratio in CPU time, which other programs on the machine disturb less.
Weights change the cost in one thing alone, whether frames count as blurred and are gone over; here all do. So both
networks may be untrained.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script

from alanet_core import Alanet, AlanetStream, StreamConfig, presets  # before torch: see alanet_core._patience

# isort: split

import torch

from benchmarks.all_blurred import take_all_for_blurred


def streams(name: str, size: tuple[int, int]) -> dict[int, tuple[AlanetStream, torch.Tensor]]:
    """A warm stream for each window."""
    frame = torch.rand(3, size[1], size[0])
    made = {}
    for window in (3, 9):
        model = take_all_for_blurred(Alanet(dataclasses.replace(presets()[name].config, window=window)).eval())
        stream = AlanetStream(model, StreamConfig(scene_threshold=0))
        for _ in range(10):
            stream.push(frame)
        made[window] = (stream, frame)
    return made


def measure(name: str, size: tuple[int, int], rounds: int) -> dict[str, object]:
    """Time one push (one pair) of each in turn."""
    made = streams(name, size)
    times: dict[int, list[float]] = {3: [], 9: []}
    busy: dict[int, list[float]] = {3: [], 9: []}
    for _ in range(rounds):
        for window, (stream, frame) in made.items():
            start, used = time.perf_counter(), time.process_time()
            stream.push(frame)
            times[window].append(time.perf_counter() - start)
            busy[window].append(time.process_time() - used)
    ratios = [b / a for a, b in zip(times[3], times[9], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    medians = {window: statistics.median(values) for window, values in times.items()}
    return {
        "preset": name,
        "size": "x".join(map(str, size)),
        "rounds": rounds,
        "W=3 ms": round(1000 * medians[3], 2),
        "W=9 ms": round(1000 * medians[9], 2),
        "ratio": round(medians[9] / medians[3], 3),
        "ratio quartiles": [round(low, 3), round(high, 3)],
        "CPU time ratio": round(statistics.median(busy[9]) / statistics.median(busy[3]), 3),
    }


def main() -> None:
    """Parse the arguments and print one JSON line a preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", default="320x176")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    for name in presets():
        print(json.dumps(measure(name, (width, height), args.rounds)))


if __name__ == "__main__":
    main()
