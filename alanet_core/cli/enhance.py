"""`alanet enhance IN OUT`."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING

from alanet_core.config import MODES, PRECISIONS, SCENE_MODES, StreamConfig

if TYPE_CHECKING:
    from alanet_core.media import EnhanceReport, EnhanceSettings

IN_PART = 3  # exit code: what could be read of a damaged file has been delivered

EXAMPLES = """examples:
  alanet enhance holiday.mp4 holiday-sharp.mp4
  alanet enhance IN.mp4 OUT.mp4 --start 1:30 --duration 10      try ten seconds of it
  alanet enhance IN.mp4 OUT.mp4 --mode interpolate              keep the frames, add those between
  alanet enhance IN.mov OUT.mkv --lossless                      FFV1, for further work"""


def add_parser(sub: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to argparse's subparsers."""
    parser = sub.add_parser(
        "enhance",
        help="make a blurry, low-rate video sharp, at twice the rate",
        description="Reads a video file, removes its blur, doubles its frame rate, and writes it.\nSound, subtitles, "
        "chapters, colours, bit depth, rotation and times are kept. OUT appears when it is whole.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("IN", help="a video file")
    parser.add_argument("OUT", help="the file to write: .mp4, .mov, .mkv, .webm or .m4v")
    _add_work(parser.add_argument_group("what is done"))
    _add_network(parser.add_argument_group("with which network"))
    _add_output(parser.add_argument_group("how it is written"))
    parser.set_defaults(run=run)


def _add_work(group: argparse._ArgumentGroup) -> None:
    usual = StreamConfig()
    mode = (
        "joint: sharp frames and those between; deblur: sharp frames, same rate; interpolate: frames kept as they are"
    )
    group.add_argument("--mode", choices=MODES, default=usual.mode, help=f"{mode}, those between added (joint)")
    start = "begin here: seconds, or [H:]M:S; the output then begins at 0"
    group.add_argument("--start", type=_seconds, default=Fraction(0), metavar="TIME", help=start)
    group.add_argument("--duration", type=_seconds, metavar="TIME", help="how much to enhance (to the end)")
    threshold = f"two frames that differ more belong to two scenes; 0 looks for no cuts ({usual.scene_threshold})"
    group.add_argument("--scene-threshold", type=float, default=usual.scene_threshold, metavar="0..1", help=threshold)
    scene = "what stands between the frames of a cut: the last one again, the next one, or both blended"
    group.add_argument("--scene-mode", choices=SCENE_MODES, default=usual.scene_mode, help=f"{scene} (repeat)")


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", default="default", help="preset (see `alanet models`) or .safetensors file")
    group.add_argument("--window", type=int, metavar="W", help="refuse the model unless it was made for this window")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    group.add_argument("--precision", choices=PRECISIONS, default="auto", help="of the network's numbers (auto)")
    tile = "rows of a picture that are generated at a time, to save memory; 0 for all of it (0)"
    group.add_argument("--tile", type=int, default=0, metavar="ROWS", help=tile)
    group.add_argument("--allow-untrained", action="store_true", help="take a model that ships without training")


def _add_output(group: argparse._ArgumentGroup) -> None:
    codec = "FFmpeg's name of an encoder (H.264 for 8 bits, H.265 for more, VP9 or AV1 for .webm)"
    group.add_argument("--codec", help=codec)
    group.add_argument("--crf", type=float, help="quality, smaller is better (visually good)")
    group.add_argument("--preset", help="speed of the encoder, such as fast or slow (medium)")
    group.add_argument("--pix-fmt", help="FFmpeg's name of a pixel format (as IN)")
    group.add_argument("--lossless", action="store_true", help="FFV1, for .mkv")
    drop = "leave out sound and subtitles that OUT cannot hold, instead of refusing"
    group.add_argument("--drop-unsupported", action="store_true", help=drop)
    group.add_argument("-y", "--overwrite", action="store_true", help="replace OUT if it exists")
    group.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Enhance the file; report on stdout, notes and progress on stderr -> 0, or 3 when IN was damaged."""
    from alanet_core.media import Enhancement
    from alanet_core.presets import load

    os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 writes a page to stderr unless the environment forbids it

    with Enhancement(args.IN, args.OUT, _settings(args)) as work:
        model = load(
            args.model,
            device=args.device,
            precision=args.precision,
            window=args.window,
            allow_untrained=args.allow_untrained,
        )
        for note in work.notes:
            print(f"alanet: note: {note}", file=sys.stderr)
        if work.dropped:
            print(f"alanet: warning: left out: {', '.join(work.dropped)}", file=sys.stderr)
        with progress_bar("enhancing") as progress:
            report = work.run(model, progress)
    if report.damage:
        print(f"alanet: warning: IN is damaged ({report.damage}); OUT holds what could be read", file=sys.stderr)
    if args.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        print(_summary(report))
    return IN_PART if report.damage else 0


def _settings(args: argparse.Namespace) -> "EnhanceSettings":
    from alanet_core.media import EnhanceSettings

    return EnhanceSettings(
        stream=StreamConfig(
            mode=args.mode, scene_threshold=args.scene_threshold, scene_mode=args.scene_mode, tile=args.tile
        ),
        codec=args.codec,
        crf=args.crf,
        preset=args.preset,
        pix_fmt=args.pix_fmt,
        lossless=args.lossless,
        start=args.start,
        duration=args.duration,
        overwrite=args.overwrite,
        drop_unsupported=args.drop_unsupported,
    )


def _summary(report: "EnhanceReport") -> str:
    return (
        f"{report.target}: {report.frames_out} frames from {report.frames_in}, {report.width}x{report.height} "
        f"{report.codec} {report.pix_fmt}, in {report.seconds:.1f} s ({report.fps:.2f} input frames a second, "
        f"{report.model} on {report.device}, {report.precision})"
    )


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int | None], None] | None]:
    """A bar on stderr with frame rate and time left, as a callback (done, expected); None where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Input frames a second."""

        def render(self, task: Task) -> Text:
            """The rate of the last half minute."""
            return Text("" if task.speed is None else f"{task.speed:.2f} frames/s")

    columns = (f"{words}", BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(elapsed_when_finished=True))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, expected: bar.update(task, completed=done, total=max(done, expected) if expected else None)


def _seconds(text: str) -> Fraction:
    """Seconds, M:S or H:M:S, with decimals."""
    parts = text.split(":")
    try:
        if len(parts) > 3:
            raise ValueError(text)
        total = Fraction(0)
        for part in parts:
            total = total * 60 + Fraction(part)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"must be seconds or [H:]M:S, got {text!r}") from None
    return total
