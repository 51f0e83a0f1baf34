"""What the GStreamer element costs without its network, per input frame, beside videorate.

    .venv-gst/bin/python benchmarks/gstreamer_cost.py [--size 1920x1080] [--formats RGB I420] [--frames 60] [--rounds 3]

One picture over and over (imagefreeze) into a fakesink:

    nothing     the source alone
    videorate   30 -> 60 frames a second; it sends references to the same memory
    asleep      alanet handing buffers on: Python, pads, timestamps, two pushes
    interpolate alanet with a network that takes no time: input to RGB, the middle from RGB, the input handed on
    joint       the same with both outputs from RGB

Prints JSON: the best round's wall and processor time in ms per input frame. Other programs disturb the second less.
"""

import argparse
import json
import os
import resource
import site
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = tempfile.TemporaryDirectory(prefix="alanet-cost-")
os.environ["GST_REGISTRY"] = str(Path(SCRATCH.name) / "registry.bin")
os.environ["GST_PLUGIN_PATH"] = str(ROOT / "alanet_gst")
os.environ["ALANET_SITE"] = site.getsitepackages()[0]
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

import gi  # noqa: E402  # the variables come first

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402  # the same

import alanet_core as alanet  # noqa: E402  # the same
from alanet_gst import pace, qos  # noqa: E402  # the same

Swap = Callable[[], None]


def no_network(*, asleep: bool) -> Swap:
    """Leave the network out of the element -> what puts it back."""
    push, drain, decide = alanet.AlanetStream.push, alanet.AlanetStream.drain, pace.Pace.decide
    seen: list[Any] = []

    def instant(_stream: object, frame: Any, **_: object) -> list[alanet.FramePair]:  # noqa: ANN401  # a Tensor
        seen.append(frame)
        return [alanet.FramePair(0, seen.pop(0), frame, "made")] if len(seen) > 1 else []

    def rest(_stream: object) -> list[alanet.FramePair]:
        return [alanet.FramePair(0, x, x, "repeat") for x in seen]

    alanet.AlanetStream.push = instant  # type: ignore[method-assign, assignment]  # that is the purpose
    alanet.AlanetStream.drain = rest  # type: ignore[method-assign, assignment]  # the same
    if asleep:
        pace.Pace.decide = lambda *_: (qos.Level.BYPASS, 0)  # type: ignore[method-assign]

    def back() -> None:
        alanet.AlanetStream.push, alanet.AlanetStream.drain = push, drain  # type: ignore[method-assign]
        pace.Pace.decide = decide  # type: ignore[method-assign]

    return back


def play(text: str) -> tuple[float, float]:
    """Wall and processor time from the first buffer to the end, in seconds."""
    pipeline = Gst.parse_launch(text)
    marks: list[tuple[float, float]] = []

    def mark() -> None:
        use = resource.getrusage(resource.RUSAGE_SELF)
        marks.append((time.perf_counter(), use.ru_utime + use.ru_stime))

    pipeline.set_state(Gst.State.PAUSED)
    pipeline.get_state(Gst.CLOCK_TIME_NONE)
    mark()
    pipeline.set_state(Gst.State.PLAYING)
    ends = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, ends)
    mark()
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        raise SystemExit(message.parse_error()[0].message)
    (began, used), (ended, total) = marks
    return ended - began, total - used


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--formats", nargs="+", default=["RGB", "I420"])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    width, height = options.size.split("x")
    Gst.init(None)
    weights = Path(SCRATCH.name) / "identity.safetensors"
    alanet.save(weights, alanet.identity_model())
    element = f"alanet model={weights} device=cpu scene-threshold=0"
    cases = {
        "nothing": ("identity silent=true", None),
        "videorate": ("videorate ! video/x-raw,framerate=60/1", None),
        "asleep": (element, True),
        "interpolate": (f"{element} mode=interpolate", False),
        "joint": (element, False),
    }
    report: dict[str, Any] = {"size": options.size, "frames": options.frames, "gstreamer": Gst.version_string()}
    for name in options.formats:
        for case, (middle, asleep) in cases.items():
            # The cheap ones need more frames than the others for a figure.
            frames = options.frames * (1 if asleep is False else 20)
            text = (
                f"videotestsrc num-buffers=1 ! video/x-raw,format={name},width={width},height={height},framerate=30/1 "
                f"! imagefreeze num-buffers={frames} ! {middle} ! fakesink"
            )
            back = no_network(asleep=asleep) if asleep is not None else None
            rounds = [play(text) for _ in range(options.rounds)]
            if back is not None:
                back()
            wall, used = (1000 * min(values) / frames for values in zip(*rounds, strict=True))
            report[f"{name} {case}"] = {"wall-ms": round(wall, 3), "cpu-ms": round(used, 3)}
            print(name, case, report[f"{name} {case}"], file=sys.stderr)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
