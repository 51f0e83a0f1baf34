#!/usr/bin/env python3
"""Long runs of the GStreamer element, by hand: live, overload, seeks, changing caps, state cycles, many pipelines.

Run with the environment of GStreamer's Python (.venv-gst/bin/python, or .venv/bin/python where there is only one):

    scripts/live_gst.py live --minutes 10                the shipped network at 320x180, 30 frames a second (--model)
    scripts/live_gst.py overload --slowness 5            a network that is too slow by five
    scripts/live_gst.py seeks --count 500                random seeks while it computes
    scripts/live_gst.py caps --minutes 1                 another size every second
    scripts/live_gst.py cycles --count 100               NULL, READY, PAUSED, PLAYING and back
    scripts/live_gst.py crowd --count 20                 pipelines in one process

Each prints what it saw as one JSON object, and ends with 1 where a promise was broken.
"""

import argparse
import gc
import json
import os
import random
import re
import site
import statistics
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = tempfile.TemporaryDirectory(prefix="alanet-live-")
TRACE = Path(SCRATCH.name) / "trace.log"
MS = 1_000_000
SECOND = 1_000_000_000
PAGE = os.sysconf("SC_PAGESIZE")
SHOWN = ("frames-in", "sharp", "passed", "made", "repeated", "dropped", "held", "late")
SCREEN = "fakesink name=screen sync=true qos=true"


def start_gstreamer(*, trace: bool) -> Any:  # noqa: ANN401  # gi ships no types
    """Initialise GStreamer with this tree's plug-in, a registry of its own, and the latency tracer if it is wanted."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["GST_REGISTRY"] = str(Path(SCRATCH.name) / "registry.bin")
    os.environ["GST_PLUGIN_PATH"] = str(ROOT / "alanet_gst")
    os.environ["ALANET_SITE"] = site.getsitepackages()[0]
    if trace:
        os.environ["GST_TRACERS"] = "latency(flags=element)"
        os.environ["GST_DEBUG"] = "GST_TRACER:7"
        os.environ["GST_DEBUG_FILE"] = str(TRACE)
        os.environ["GST_DEBUG_NO_COLOR"] = "1"
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    return Gst


def memory() -> float:
    """MB that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE / 1e6


def statistics_of(element: Any) -> dict[str, int]:  # noqa: ANN401  # gi ships no types
    """The property `stats`."""
    structure = element.get_property("stats")
    names = [structure.nth_field_name(k) for k in range(structure.n_fields())]
    return {name: structure.get_value(name) for name in names}


def adds_up(now: dict[str, int]) -> bool:
    """Whether the counts do."""
    out = now["sharp"] + now["passed"]
    return now["made"] + now["repeated"] == out and (
        now["frames-in"] == out + now["dropped"] + now["flushed"] + now["held"]
    )


def weights(kind: str) -> str:
    """A preset's name, or the path of fresh weights that change nothing."""
    if kind != "identity":
        return kind
    import alanet_core as alanet

    path = Path(SCRATCH.name) / "identity.safetensors"
    alanet.save(path, alanet.identity_model())
    return str(path)


def slow_down(period: float, slowness: float) -> None:
    """Make the network take `slowness` frame periods for a pair, 60 % of it for a sharp frame, 15 % to remember one."""
    import alanet_core as alanet

    share = {"full": 1.0, "sharp": 0.6, "none": 0.15}
    push: Callable[..., Any] = alanet.AlanetStream.push

    def slow(self: alanet.AlanetStream, *args: Any, **how: Any) -> Any:  # noqa: ANN401  # handed on as it came
        time.sleep(period * slowness * share[how.get("effort", "full")])
        return push(self, *args, **how)

    alanet.AlanetStream.push = slow  # type: ignore[method-assign]  # that is the purpose


def watch(options: argparse.Namespace, line: str) -> tuple[dict[str, Any], dict[str, Sequence[float]]]:
    """Play a live line for the time asked for -> final counts; and over time: lag behind the clock, lateness at the
    screen and latency told (all ms), and memory (MB)."""
    gst = start_gstreamer(trace=True)
    pipeline = gst.parse_launch(line)
    element, bus = pipeline.get_by_name("n"), pipeline.get_bus()
    seen = {name: array("f") for name in ("lag", "screen", "told", "memory")}  # small: memory is what is measured

    def passed(_pad: object, info: Any) -> Any:  # noqa: ANN401  # gi ships no types
        clock = pipeline.get_clock()
        if clock is not None:
            seen["lag"].append((clock.get_time() - pipeline.get_base_time() - info.get_buffer().pts) / MS)
        return gst.PadProbeReturn.OK

    def heard(_pad: object, info: Any) -> Any:  # noqa: ANN401  # gi ships no types
        if info.get_event().type == gst.EventType.QOS:
            seen["screen"].append(info.get_event().parse_qos()[2] / MS)
        return gst.PadProbeReturn.OK

    element.get_static_pad("src").add_probe(gst.PadProbeType.BUFFER, passed)
    element.get_static_pad("src").add_probe(gst.PadProbeType.EVENT_UPSTREAM, heard)
    pipeline.set_state(gst.State.PLAYING)
    end, look = time.monotonic() + 60 * options.minutes, 0.0
    while (now := time.monotonic()) < end:
        message = bus.timed_pop_filtered(SECOND // 5, gst.MessageType.ERROR | gst.MessageType.LATENCY)
        if message is not None and message.type == gst.MessageType.ERROR:
            raise SystemExit(message.parse_error()[0].message)
        if message is not None:
            pipeline.recalculate_latency()
        if now >= look:  # once a second, whatever comes on the bus
            counts = statistics_of(element)
            seen["told"].append(counts["latency"] / MS)
            seen["memory"].append(memory())
            print(f"{end - now:5.0f} s left, {seen['memory'][-1]:6.1f} MB, {counts}", file=sys.stderr)
            look = now + 1
    counts = statistics_of(element)
    pipeline.set_state(gst.State.NULL)
    return counts, {name: values[len(values) // 10 :] for name, values in seen.items()}


def traced() -> list[float]:
    """What the latency tracer saw of the element, in ms; the first tenth is left out as in `watch`."""
    found = re.compile(r"element-latency, .*?element=\(string\)n,.*?time=\(guint64\)(\d+)")
    with TRACE.open(encoding="utf-8", errors="replace") as lines:
        every = [int(match[1]) / MS for line in lines if (match := found.search(line))]
    return every[len(every) // 10 :]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean, 95th percentile and most."""
    ordered = sorted(values)
    return {
        "mean": round(statistics.mean(ordered), 2),
        "p95": round(ordered[len(ordered) * 19 // 20], 2),
        "max": round(ordered[-1], 2),
    }


def live(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """A live source in front of the network: memory, lag, and the latency told against the tracer's."""
    width, height = options.size.split("x")
    properties = f"model={weights(options.model)} mode={options.mode} device={options.device}"
    line = (
        f"videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},"
        f"framerate={options.rate}/1 ! queue ! alanet name=n {properties} {options.more} ! queue ! {SCREEN}"
    )
    now, seen = watch(options, line)
    of_tracer, told, held = summary(traced()), statistics.mean(seen["told"]), seen["memory"]
    report: dict[str, Any] = {
        "counts": {key: now[key] for key in SHOWN},
        "stages-ms": {key: round(now[key] / MS, 2) for key in now if key.endswith(("-mean", "-p95"))},
        "lag-ms": summary(seen["lag"]),
        "late-at-the-screen": round(sum(late > 0 for late in seen["screen"]) / len(seen["screen"]), 4),
        "told-ms": round(told, 2),
        "tracer-ms": of_tracer,
        # A promise holds for every frame: with levels in turn, the frames that take longest are what counts.
        "told-over-tracer": {key: round(told / of_tracer[key], 3) for key in ("mean", "p95")},
        "memory-mb": {"after a tenth": round(held[0], 1), "end": round(held[-1], 1)},
    }
    return report, adds_up(now) and held[-1] - held[0] < 10


def overload(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """A network too slow by a factor, behind an unbounded queue."""
    slow_down(1 / options.rate, options.slowness)
    line = (
        f"videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,framerate={options.rate}/1 "
        f"! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! alanet name=n model={weights(options.model)} "
        f"device=cpu {options.more} ! queue ! {SCREEN}"
    )
    now, seen = watch(options, line)
    lags, told = summary(seen["lag"]), statistics.mean(seen["told"])
    counts = {key: now[key] for key in SHOWN}
    report = {"counts": counts, "lag-ms": lags, "told-ms": round(told, 1), "tracer-ms": summary(traced()),
              "memory-mb": round(seen["memory"][-1], 1)}  # fmt: skip
    return report, adds_up(now) and lags["max"] < 1000 * (8 + options.slowness) / options.rate + told


def seeks(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Random flushing seeks, forward and in reverse, from another thread while the network computes."""
    gst = start_gstreamer(trace=False)
    slow_down(0.003, 1.0)
    movie = Path(SCRATCH.name) / "movie.mkv"
    make = gst.parse_launch(
        "videotestsrc num-buffers=400 ! video/x-raw,format=I420,framerate=25/1,width=160,height=120 "
        f"! x264enc key-int-max=10 ! matroskamux ! filesink location={movie}"
    )
    make.set_state(gst.State.PLAYING)
    make.get_bus().timed_pop_filtered(60 * SECOND, gst.MessageType.EOS | gst.MessageType.ERROR)
    make.set_state(gst.State.NULL)
    pipeline = gst.parse_launch(
        f"filesrc location={movie} ! matroskademux ! avdec_h264 ! queue ! alanet name=n model={weights(options.model)} "
        f"device=cpu ! queue max-size-buffers=2 ! {SCREEN}"
    )
    pipeline.set_state(gst.State.PLAYING)
    pipeline.get_state(30 * SECOND)
    dice, failed, before = random.Random(options.seed), 0, memory()  # noqa: S311  # no secret depends on it
    for _ in range(options.count):
        how = gst.SeekFlags.FLUSH | dice.choice((gst.SeekFlags.KEY_UNIT, gst.SeekFlags.ACCURATE))
        at, set_ = dice.randrange(15_000) * MS, gst.SeekType.SET
        rate = dice.choice((1.0, 1.0, 2.0, -1.0))
        ends = (at, -1) if rate > 0 else (0, at + 100 * MS)
        failed += not pipeline.seek(rate, gst.Format.TIME, how, set_, ends[0], set_, ends[1])
        time.sleep(dice.random() * 0.05)
    error = pipeline.get_bus().pop_filtered(gst.MessageType.ERROR)
    alive = pipeline.get_state(60 * SECOND)[0] == gst.StateChangeReturn.SUCCESS
    now = statistics_of(pipeline.get_by_name("n"))
    pipeline.set_state(gst.State.NULL)
    gc.collect()
    report = {"seeks": options.count, "refused": failed, "error": error and error.parse_error()[0].message,
              "settled": alive, "counts": now, "memory-mb": {"before": before, "end": memory()}}  # fmt: skip
    return report, error is None and alive and adds_up(now) and memory() - before < 30


def caps(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Another size and rate every second."""
    gst = start_gstreamer(trace=False)
    pipeline = gst.parse_launch(
        "videotestsrc is-live=true ! capsfilter name=f caps=video/x-raw,width=64,height=48,framerate=30/1 ! queue "
        f"! alanet name=n model={weights(options.model)} device=cpu ! queue ! {SCREEN}"
    )
    pipeline.set_state(gst.State.PLAYING)
    sizes, held, changes = ((64, 48, 30), (37, 23, 25), (320, 180, 15), (1, 1, 30)), [], 0
    end, error = time.monotonic() + 60 * options.minutes, None
    while time.monotonic() < end and error is None:
        width, height, rate = sizes[changes % 4]
        text = f"video/x-raw,width={width},height={height},framerate={rate}/1"
        pipeline.get_by_name("f").set_property("caps", gst.Caps.from_string(text))
        error = pipeline.get_bus().timed_pop_filtered(SECOND, gst.MessageType.ERROR)
        changes += 1
        held.append(memory())
    now = statistics_of(pipeline.get_by_name("n"))
    pipeline.set_state(gst.State.NULL)
    settled = held[len(held) // 3 :]
    report = {"changes": changes, "error": error and error.parse_error()[0].message, "counts": now,
              "memory-mb": {"after a third": settled[0], "end": settled[-1]}}  # fmt: skip
    return report, error is None and adds_up(now) and settled[-1] - settled[0] < 10


def cycles(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Up to PLAYING and back to NULL, READY or PAUSED, over and over, with frames under way."""
    gst = start_gstreamer(trace=False)
    pipeline = gst.parse_launch(
        "videotestsrc ! video/x-raw,width=160,height=120,framerate=30/1 ! queue "
        f"! alanet name=n model={weights(options.model)} device={options.device} ! queue ! {SCREEN}"
    )
    rests, held, refused = (gst.State.NULL, gst.State.READY, gst.State.PAUSED), [], 0
    for cycle in range(options.count):
        for state in (gst.State.PLAYING, rests[cycle % 3]):
            pipeline.set_state(state)
            refused += pipeline.get_state(60 * SECOND)[0] != gst.StateChangeReturn.SUCCESS
            time.sleep(0.05)
        gc.collect()
        held.append(memory())
    pipeline.set_state(gst.State.NULL)
    error = pipeline.get_bus().pop_filtered(gst.MessageType.ERROR)
    settled = held[len(held) // 3 :]
    report = {"cycles": options.count, "refused": refused, "error": error and error.parse_error()[0].message,
              "memory-mb": {"after a third": settled[0], "end": settled[-1]}}  # fmt: skip
    return report, error is None and not refused and settled[-1] - settled[0] < 20


def crowd(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Many pipelines at once, on one network in memory."""
    gst = start_gstreamer(trace=False)
    line = (
        "videotestsrc num-buffers=60 ! video/x-raw,width=160,height=120,framerate=30/1 ! queue "
        f"! alanet name=n model={weights(options.model)} device={options.device} ! queue ! fakesink sync=false"
    )
    pipelines = [gst.parse_launch(line) for _ in range(options.count)]
    before = memory()
    for pipeline in pipelines:
        pipeline.set_state(gst.State.PLAYING)
    ends = gst.MessageType.EOS | gst.MessageType.ERROR
    messages = [pipeline.get_bus().timed_pop_filtered(600 * SECOND, ends) for pipeline in pipelines]
    counts = [statistics_of(pipeline.get_by_name("n")) for pipeline in pipelines]
    peak = memory()
    for pipeline in pipelines:
        pipeline.set_state(gst.State.NULL)
    ended = sum(message is not None and message.type == gst.MessageType.EOS for message in messages)
    report = {"pipelines": options.count, "ended": ended, "sharp": sum(one["sharp"] for one in counts),
              "threads": threading.active_count(), "memory-mb": {"before": before, "peak": peak}}  # fmt: skip
    return report, ended == options.count and all(one["sharp"] == 60 and adds_up(one) for one in counts)


RUNS = {"live": live, "overload": overload, "seeks": seeks, "caps": caps, "cycles": cycles, "crowd": crowd}
COUNTS = {"seeks": 500, "cycles": 100, "crowd": 20}


def main() -> int:
    """Run one of RUNS."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", choices=list(RUNS))
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--count", type=int)
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--mode", default="joint")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--slowness", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--more", default="", help="further properties of the element")
    options = parser.parse_args()
    options.count = options.count or COUNTS.get(options.run)
    report, fine = RUNS[options.run](options)
    print(json.dumps({"run": options.run, "fine": fine, **report}))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
