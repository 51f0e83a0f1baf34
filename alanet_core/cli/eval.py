"""`alanet eval`: how good a network is, by the paper's protocol, beside doing nothing and beside what others do."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from alanet_core.errors import ConfigError, must

if TYPE_CHECKING:
    from alanet_core.training.evaluate import EvalClip
    from alanet_core.training.protocol import Protocol

MADE_CLIPS = 6  # where nothing says how many


def add_parser(sub: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to argparse's subparsers."""
    parser = sub.add_parser(
        "eval",
        help="measure a model on high-rate clips, by the paper's protocol",
        description="Makes blurry low-rate clips from high-rate ones and compares the model's sharp and middle frames "
        "with the truth, for input that is all blurred, mixed and all sharp, beside the input as it is and other ways "
        "to make the frame between two. Without --clips or --photos, on clips that it draws itself.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--clips", type=Path, help="folder of high-rate clips: video files, or folders of PNG")
    source.add_argument("--photos", type=Path, help="folder of photographs to make clips of")
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="with --photos: only those that `alanet train` leaves out, by their names",
    )
    parser.add_argument("--model", default="default", help="preset or .safetensors file")
    parser.add_argument("--size", type=_size, default=(640, 352), metavar="WxH", help="default 640x352, as the paper")
    parser.add_argument("--frames", type=int, default=9, help="low-rate frames of each clip (9)")
    parser.add_argument("--length", type=int, default=11, help="high-rate frames of an exposure (11)")
    parser.add_argument("--stride", type=int, default=8, help="high-rate frames between two low-rate ones (8)")
    parser.add_argument("--limit", type=int, help=f"at most so many clips (all of --clips, else {MADE_CLIPS})")
    parser.add_argument("--seed", type=int, default=0, help="of made clips, and of which frames are blurred")
    parser.add_argument(
        "--inputs", nargs="+", choices=("blurred", "mixed", "sharp"), default=("blurred", "mixed", "sharp"), help="all"
    )
    parser.add_argument(
        "--dropped",
        action="store_true",
        help="drop every other frame of the clips and make it again: --length 1 --stride 2 --inputs sharp",
    )
    parser.add_argument(
        "--baselines",
        nargs="+",
        default=("blend",),
        help="blend, dis (needs OpenCV), mvtools (needs vspipe and vapoursynth-mvtools)",
    )
    parser.add_argument("--per-clip", action="store_true", help="a table for each clip as well")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--allow-untrained", action="store_true", help="measure a preset that ships untrained")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print on stdout -> 0."""
    from alanet_core.presets import load
    from alanet_core.training.baselines import baselines
    from alanet_core.training.evaluate import evaluate, stream_enhancer
    from alanet_core.training.protocol import Protocol
    from alanet_core.training.report import as_json, print_table

    if args.dropped:
        args.length, args.stride, args.inputs = 1, 2, ("sharp",)
    protocol = Protocol(size=args.size, frames=args.frames, length=args.length, stride=args.stride, seed=args.seed)
    if args.limit is not None and args.limit < 1:
        raise ConfigError(must("limit", "1 or more", args.limit, "leave it out for all clips"))
    if args.held_out and args.photos is None:
        raise ConfigError(must("held-out", "used with --photos", "neither clips nor none", "give --photos"))
    others = baselines(args.baselines)
    source, clips = _clips(args, protocol)
    model = load(args.model, device=args.device, precision=args.precision, allow_untrained=args.allow_untrained)
    began = time.monotonic()
    seen: list[EvalClip] = []
    with _progress() as progress:
        task = progress.add_task("reading")
        found = evaluate(
            stream_enhancer(model),
            _noting(clips, seen),
            protocol,
            kinds=args.inputs,
            others=others,
            progress=lambda name, kind: progress.update(task, description=f"{name}: {kind}"),
        )
    sizes = [(clip.frames.shape[3], clip.frames.shape[2]) for clip in seen]
    words = protocol.words(source, sizes)
    about = {
        "model": model.name,
        "device": str(model.device),
        "precision": str(model.dtype).removeprefix("torch."),
        "clips": [clip.name for clip in seen],
        "seconds": round(time.monotonic() - began, 1),
    }
    if args.json:
        json.dump(as_json(found, **about, protocol=words), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        title = f"{model.name} on {about['device']}, {about['precision']}"
        print_table(Console(highlight=False), found, title, words, clips=args.per_clip)
    return 0


def _clips(args: argparse.Namespace, protocol: "Protocol") -> "tuple[str, Iterator[EvalClip]]":
    """What to measure on, in words, and the clips themselves, made when they are asked for."""
    from alanet_core.training.clips import find_clips
    from alanet_core.training.photos import find_photos, is_held_out
    from alanet_core.training.sources import clips_drawn, clips_from_files, clips_from_photos

    count = args.limit or MADE_CLIPS
    if args.clips is not None:
        paths = find_clips(args.clips)[: args.limit]
        return f"from the middle of files of {args.clips.name}", clips_from_files(paths, protocol)
    if args.photos is None:
        return f"drawn by the project (seed {args.seed})", clips_drawn(count, protocol)
    photos = find_photos(args.photos)
    if args.held_out:
        photos = [path for path in photos if is_held_out(path)] or photos[-1:]
    which = "held-out photographs" if args.held_out else "photographs"
    return f"made from {len(photos)} {which} (seed {args.seed})", clips_from_photos(photos, count, protocol)


def _noting(clips: "Iterator[EvalClip]", seen: "list[EvalClip]") -> "Iterator[EvalClip]":
    """The same clips; of each, its name and first frame are kept."""
    from alanet_core.training.evaluate import EvalClip

    for clip in clips:
        seen.append(EvalClip(clip.name, clip.frames[:1].clone()))
        yield clip


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"size must be WIDTHxHEIGHT, got {text!r}; use 640x352")
    return int(width), int(height)


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
