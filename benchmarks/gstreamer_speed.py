"""How many frames a second the GStreamer element takes, with its network, at common sizes; and its time for a pair.

    .venv-gst/bin/python benchmarks/gstreamer_speed.py [--model fast] [--device cpu] [--sizes 320x180 ...] [--frames 40]

A test picture into a fakesink that does not wait. Prints JSON: input frames a second (twice as many come out, but in
mode deblur), and the mean time of one frame in ms, measured by the element itself (`stats`).
"""

import argparse
import json
import os
import site
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = tempfile.TemporaryDirectory(prefix="alanet-speed-")
os.environ["GST_REGISTRY"] = str(Path(SCRATCH.name) / "registry.bin")
os.environ["GST_PLUGIN_PATH"] = str(ROOT / "alanet_gst")
os.environ["ALANET_SITE"] = site.getsitepackages()[0]
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

import gi  # noqa: E402  # the variables come first

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402  # the same

MS = 1_000_000


def play(options: argparse.Namespace, size: str, mode: str) -> dict[str, float]:
    """One clip through the element."""
    width, height = size.split("x")
    pipeline = Gst.parse_launch(
        f"videotestsrc pattern=ball num-buffers={options.frames} "
        f"! video/x-raw,format=I420,width={width},height={height},framerate=30/1 ! queue "
        f"! alanet name=n model={options.model} device={options.device} mode={mode} ! queue ! fakesink sync=false"
    )
    pipeline.set_state(Gst.State.PAUSED)  # the network is loaded and warmed up, the first frames are through
    pipeline.get_state(Gst.CLOCK_TIME_NONE)
    element = pipeline.get_by_name("n")
    first, began = element.get_property("stats").get_value("frames-in"), time.perf_counter()
    pipeline.set_state(Gst.State.PLAYING)
    ends = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, ends)
    took, stats = time.perf_counter() - began, element.get_property("stats")
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        raise SystemExit(message.parse_error()[0].message)
    stages = {name: round(stats.get_value(f"{name}-mean") / MS, 1) for name in ("read", "network", "write")}
    return {"frames/s": round((options.frames - first) / took, 2), **stages}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", nargs="+", default=["160x90", "320x180", "640x360", "1280x720"])
    parser.add_argument("--modes", nargs="+", default=["joint", "deblur", "interpolate"])
    parser.add_argument("--frames", type=int, default=40)
    options = parser.parse_args()
    Gst.init(None)
    report: dict[str, Any] = {"model": options.model, "device": options.device, "cores": os.cpu_count()}
    for size in options.sizes:
        for mode in options.modes:
            report[f"{size} {mode}"] = play(options, size, mode)
            print(size, mode, report[f"{size} {mode}"], file=sys.stderr)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
