"""`alanet demo`: makes a clip whose sharp original is known, enhances it as any file, and shows what came of it."""

import argparse
import json
import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from alanet_core.config import PRECISIONS
from alanet_core.errors import ConfigError, RefusedError, must

if TYPE_CHECKING:
    from torch import Tensor

    from alanet_core.cli.demo.clip import DemoClip

RATE = Fraction(15)  # of the clip; the enhanced one has 30
SIZE = (640, 352)  # the paper's
CRF = 8  # near lossless, so that what is measured is the network
BEFORE, AFTER, BOTH = "before.mp4", "after.mp4", "side-by-side.mp4"
PICTURE, FIGURE, REPORT = "side-by-side.png", "psnr.png", "report.json"
DETAIL = (0.38, 0.72)  # where the picture looks closer: the tram and its letters
ORANGE, BLUE = (232, 140, 60), (90, 190, 250)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Mean PSNR in dB of some of the frames: as they came (for a middle: the blend of its neighbours), and enhanced."""

    frames: str
    count: int
    before: float
    after: float


def add_parser(sub: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to argparse's subparsers."""
    parser = sub.add_parser(
        "demo",
        help="make a blurry clip, enhance it, and show what came of it",
        description="Draws a moving scene, makes a low-rate video of it whose every other frame is blurred, enhances "
        f"it with `alanet enhance`, and compares with the truth. Writes {BEFORE}, {AFTER}, {BOTH}, {PICTURE}, {FIGURE} "
        f"and {REPORT}; files of these names in OUT are replaced.",
    )
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder to write to (demo-output)")
    parser.add_argument("--frames", type=int, default=16, help="length of the low-rate clip (16)")
    parser.add_argument("--model", default="default", help="preset (see `alanet models`) or .safetensors file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="of the network's numbers (auto)")
    parser.add_argument("--allow-untrained", action="store_true", help="take a model that ships without training")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make, enhance, compare; the table on stdout -> 0."""
    from alanet_core.cli.demo.clip import draw, read_video, write_video
    from alanet_core.cli.enhance import progress_bar
    from alanet_core.media import EnhanceSettings, enhance_file
    from alanet_core.presets import load

    if args.frames < 3:
        raise ConfigError(must("frames", "3 or more", args.frames, "leave it out for 16"))
    model = load(args.model, device=args.device, precision=args.precision, allow_untrained=args.allow_untrained)
    out = _folder(args.out)
    clip = draw(args.frames, *SIZE)
    write_video(out / BEFORE, clip.inputs, RATE, crf=CRF)
    with progress_bar("enhancing") as progress:
        work = enhance_file(
            out / BEFORE, out / AFTER, model, settings=EnhanceSettings(overwrite=True, crf=CRF), progress=progress
        )  # fmt: skip
    before, after = list(read_video(out / BEFORE)), list(read_video(out / AFTER))
    rows = _show(out, clip, before, after)
    write_video(out / BOTH, _halves(before, after), 2 * RATE, crf=16)
    report = {"rows": [asdict(row) for row in rows], "work": work.to_dict(), "folder": str(out)}
    (out / REPORT).write_text(json.dumps(report, indent=2) + "\n")
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        _print_table(rows, out, work.fps)
    return 0


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedError(must("out", "a folder that can be written", str(out), f"{error.strerror}")) from error
    return out


def _show(out: Path, clip: "DemoClip", before: "list[Tensor]", after: "list[Tensor]") -> list[Row]:
    """Compare with the truth, write both pictures, and give the table's rows."""
    from alanet_core.cli.demo.figures import Curve, chart, detail, side_by_side
    from alanet_core.cli.demo.raster import save_png
    from alanet_core.training.metrics import psnr

    steps = range(len(clip.truth))
    blends = [before[s // 2] if s % 2 == 0 else (before[s // 2] + before[s // 2 + 1]) / 2 for s in steps]
    plain = [psnr(blends[s], clip.truth[s]) for s in steps]
    ours = [psnr(after[s], clip.truth[s]) for s in steps]
    kinds = ["middle" if s % 2 else "blurred" if clip.blurred[s // 2] else "sharp" for s in steps]
    shown = 2 * (len(clip.inputs) // 2 | 1)  # a blurred frame near the middle of the clip, and the middle after it
    rows = []
    for s, first in ((shown, "input"), (shown + 1, "blend of two inputs")):
        near = [
            (f"{first}: {plain[s]:.2f} dB", blends[s]),
            (f"ALANET: {ours[s]:.2f} dB", after[s]),
            ("truth", clip.truth[s]),
        ]
        rows += [near, [("", detail(rgb, DETAIL)) for _, rgb in near]]
    title = f"frame {shown // 2}: blurred; below: the frame between {shown // 2} and {shown // 2 + 1}"
    save_png(out / PICTURE, side_by_side(title, rows))
    curves = [
        Curve(name if kind == "blurred" else "", kind if values is ours else "", color, _points(kind, kinds, values))
        for name, color, values in (("input, blended between", ORANGE, plain), ("ALANET", BLUE, ours))
        for kind in ("blurred", "sharp", "middle")
    ]
    save_png(out / FIGURE, chart("PSNR of each output frame, by what came in", curves, "output frame"))
    return [_row(kind, kinds, plain, ours) for kind in ("blurred", "sharp", "middle")]


def _points(kind: str, kinds: list[str], values: list[float]) -> list[tuple[int, float]]:
    return [(step, min(db, 60.0)) for step, (its, db) in enumerate(zip(kinds, values, strict=True)) if its == kind]


def _row(kind: str, kinds: list[str], plain: list[float], ours: list[float]) -> Row:
    from alanet_core.training.metrics import PSNR_CEILING

    def mean(values: list[float]) -> float:
        chosen = [min(value, PSNR_CEILING) for value, its in zip(values, kinds, strict=True) if its == kind]
        return round(math.fsum(chosen) / len(chosen), 3)

    return Row(frames=kind, count=kinds.count(kind), before=mean(plain), after=mean(ours))


def _halves(before: "list[Tensor]", after: "list[Tensor]") -> "list[Tensor]":
    """Left half: the input, each frame twice; right half: the output; a white line between."""
    pictures = []
    for number, sharp in enumerate(after):
        picture = sharp.clone()
        middle = picture.shape[2] // 2
        picture[:, :, :middle] = before[number // 2][:, :, :middle]
        picture[:, :, middle - 1 : middle + 1] = 1.0
        pictures.append(picture)
    return pictures


def _print_table(rows: list[Row], out: Path, fps: float) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    words = {
        "blurred": ("blurred inputs", "input"),
        "sharp": ("sharp inputs", "input"),
        "middle": ("frames between", "blend"),
    }
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("PSNR against the truth", no_wrap=True)
    for heading in ("frames", "before is", "before", "after", "gain"):
        table.add_column(heading, justify="right")
    for row in rows:
        kind, baseline = words[row.frames]
        gain = f"{row.after - row.before:+.2f} dB"
        table.add_row(kind, str(row.count), baseline, f"{row.before:.2f} dB", f"{row.after:.2f} dB", gain)
    console = Console(highlight=False)
    console.print(table)
    console.print("Measured on the decoded files, so what H.264 loses counts too.")
    console.print(f"{fps:.2f} input frames a second, encoding included. Look at {out / PICTURE} and {out / BOTH}.")
