#!/usr/bin/env python3
"""Runs `alanet enhance` over every video of some folders, reads the results back, and says what was kept.

    scripts/check_clips.py FOLDER... [--model identity] [--seconds S] [--out TABLE.md]

For each file: 2N frames; every sharp frame's time as in the input and every middle at the midpoint, exactly; the same
end, within one output frame; the packets of sound and subtitles byte for byte, at the same times; pixel format, colour
tags, pixel shape and rotation as they were. Frames and packets are read with PyAV, tags with ffprobe. `identity` is a
network that changes nothing, for checking all that lies around a network in little time; its middle is the mean of two.
Exit code 1 where anything differs.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

import alanet_core as alanet

SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".m4v", ".avi", ".ts"}
TAGS = (
    "pix_fmt",
    "width",
    "height",
    "color_range",
    "color_space",
    "color_transfer",
    "color_primaries",
    "chroma_location",
)
COPIED = ("audio", "subtitle")


@dataclass
class Facts:
    """What a file holds. times, end: of the shown frames, and when the last is over, in seconds; copied: packets."""

    times: list[Fraction]
    end: Fraction
    container_seconds: float
    copied: dict[str, list[tuple[Fraction | None, bytes]]]
    tags: dict[str, Any]


@dataclass
class Result:
    """One row of the table. checks: what was looked at -> whether it was kept."""

    file: str
    seconds: float
    frames_in: int = 0
    frames_out: int = 0
    checks: dict[str, bool] = field(default_factory=dict)
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether all was kept."""
        return bool(self.checks) and all(self.checks.values())


def main() -> int:
    """Check, print the table -> exit code."""
    args = _arguments()
    files = sorted(path for folder in args.folders for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        print("check_clips: no video in these folders", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        model = args.model
        if model == "identity":
            model = str(work / "identity.safetensors")
            alanet.save(model, alanet.identity_model())
        results = []
        for path in files:
            results.append(check(path, work / f"{path.stem}{args.suffix or path.suffix}", model, args))
            print(_line(results[-1]), file=sys.stderr, flush=True)
    table = _table(results, args)
    print(table)
    if args.out:
        args.out.write_text(table + "\n")
    if args.json:
        args.json.write_text(json.dumps([dataclasses.asdict(result) for result in results], indent=2) + "\n")
    return 0 if all(result.good for result in results) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default="identity", help="identity, a preset or a .safetensors file")
    parser.add_argument("--mode", default="joint", choices=("joint", "interpolate"))
    parser.add_argument("--seconds", type=Fraction, help="only the beginning of each file")
    parser.add_argument("--suffix", help="of the results, such as .mov (default: as the input)")
    parser.add_argument("--preset", help="of the encoder; ultrafast saves time")
    parser.add_argument("--out", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write the figures here as JSON")
    return parser.parse_args()


def check(source: Path, target: Path, model: str, args: argparse.Namespace) -> Result:
    """Enhance one file and compare."""
    command = [sys.executable, "-m", "alanet_core.cli.main", "enhance", str(source), str(target)]
    command += ["--model", model, "--mode", args.mode, "--overwrite"]
    command += ["--duration", str(float(args.seconds))] if args.seconds else []
    command += ["--preset", args.preset] if args.preset else []
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result = Result(source.name, round(time.monotonic() - begun, 1))
    if done.returncode:
        result.note = f"exit {done.returncode}: {done.stderr.strip()}"
        return result
    before, after = facts(source, args.seconds), facts(target, None)
    target.unlink()
    _compare(before, after, result, whole=args.seconds is None)
    result.note = "; ".join(line.removeprefix("alanet: ") for line in done.stderr.splitlines())
    return result


def facts(path: Path, seconds: Fraction | None) -> Facts:
    """Read a file to its end, or those frames and packets that begin before `seconds`."""
    times: list[Fraction] = []
    copied: dict[str, list[tuple[Fraction | None, bytes]]] = defaultdict(list)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        base = Fraction(video.time_base.numerator, video.time_base.denominator)
        length = Fraction(0)
        beyond = None
        for packet in container.demux():
            if packet.stream.index == video.index and isinstance(packet.stream, type(video)):
                for frame in video.decode(packet) if packet.size else ():
                    assert frame.pts is not None
                    times.append(frame.pts * base)
                    length = frame.duration * base
            elif packet.size and packet.stream.type in COPIED:
                unit = Fraction(packet.time_base.numerator, packet.time_base.denominator)
                stamp = None if packet.pts is None else packet.pts * unit
                copied[f"{packet.stream.type} {packet.stream.index}"].append((stamp, bytes(packet)))
        for frame in video.decode(None):
            assert frame.pts is not None
            times.append(frame.pts * base)
            length = frame.duration * base
        end = times[-1] + length
        if video.duration is not None and times[-1] < (stated := ((video.start_time or 0) + video.duration) * base):
            end = min(end, stated)  # an edit list ends the last frame early
        total = (container.duration or 0) / 1e6
    if seconds is not None:
        beyond = next((moment for moment in times if moment >= seconds), end)
        times = [moment for moment in times if moment < seconds]
        copied = defaultdict(list, {k: [p for p in v if p[0] is None or p[0] < seconds] for k, v in copied.items()})
    return Facts(times, beyond if beyond is not None else end, total, dict(copied), _tags(path))


def _tags(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_streams", "-of", "json", str(path)]
    stream = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["streams"][0]
    tags = {name: stream.get(name, "unknown") for name in TAGS}
    shape = stream.get("sample_aspect_ratio", "1:1")
    tags["pixel shape"] = "1:1" if shape in ("0:1", "N/A") else shape
    tags["rotation"] = next(
        (data["displaymatrix"] for data in stream.get("side_data_list", ()) if "displaymatrix" in data), ""
    )
    return tags


def _compare(before: Facts, after: Facts, result: Result, *, whole: bool) -> None:
    n = len(before.times)
    result.frames_in, result.frames_out = n, len(after.times)
    wanted = [(a + b) / 2 for a, b in zip(before.times, [*before.times[1:], before.end], strict=True)]
    frame = (before.end - before.times[0]) / (2 * n)
    result.checks = {
        "2N frames": len(after.times) == 2 * n,
        "sharp times": after.times[::2] == before.times,
        "middle times": after.times[1::2] == wanted,
        "end": abs(after.end - before.end) <= frame,
        "copied bytes": _bytes(after) == _bytes(before),
        "copied times": _stamps(after) == _stamps(before),
    }
    if whole:
        ends = min(
            abs(after.container_seconds - before.container_seconds), abs(after.container_seconds - float(before.end))
        )
        result.checks["duration"] = ends <= float(frame)
    for name, tag in before.tags.items():
        # H.264 and H.265 cannot leave the place of chroma open: what is not stated is at the left.
        open_before = name == "chroma_location" and tag in ("unknown", "unspecified")
        result.checks[name] = after.tags[name] == tag or (open_before and after.tags[name] == "left")


def _bytes(found: Facts) -> list[list[bytes]]:
    return [[data for _, data in packets] for packets in found.copied.values()]


def _stamps(found: Facts) -> list[list[Fraction | None]]:
    return [[stamp for stamp, _ in packets] for packets in found.copied.values()]


def _line(result: Result) -> str:
    bad = [name for name, good in result.checks.items() if not good]
    verdict = "good" if result.good else f"DIFFERS in {', '.join(bad)}" if bad else "FAILED"
    return (
        f"{result.file}: {result.frames_in} -> {result.frames_out} frames, {verdict}, {result.seconds} s {result.note}"
    )


def _table(results: list[Result], args: argparse.Namespace) -> str:
    part = f"the first {float(args.seconds)} s" if args.seconds else "whole files"
    lines = [
        f"`scripts/check_clips.py`, model {args.model}, mode {args.mode}, {part}:",
        "",
        "| file | frames | sharp | middle | end | sound | pixels, colours, rotation | notes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        checks = result.checks
        groups = (
            ("sharp times",),
            ("middle times",),
            ("end", "duration"),
            ("copied bytes", "copied times"),
            (*TAGS, "pixel shape", "rotation"),
        )
        cells = ["yes" if checks and all(checks.get(name, True) for name in group) else "NO" for group in groups]
        lines.append(
            f"| {result.file} | {result.frames_in} -> {result.frames_out} | {' | '.join(cells)} | {result.note} |"
        )
    good = sum(result.good for result in results)
    return "\n".join([*lines, "", f"{good} of {len(results)} files kept everything."])


if __name__ == "__main__":
    sys.exit(main())
