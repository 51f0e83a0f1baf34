"""`alanet doctor`: what is here, what is not, and the one line that mends it."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from alanet_core._version import __version__

if TYPE_CHECKING:
    from alanet_core.cli.probes import Check

STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}


def add_parser(sub: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to argparse's subparsers."""
    parser = sub.add_parser(
        "doctor",
        help="say what is installed, what is not, and how to mend it",
        description="Looks at Python, PyTorch, the processor and the kernels for it, CUDA, PyAV, the models' weights, "
        "VapourSynth, GStreamer and ffmpeg. Exit code 1 when something is broken or something that `alanet enhance` "
        "needs is missing.",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report on stdout -> 0, or 1 when something is broken or lacks that is needed."""
    checks = examine()
    healthy = all(check.status == "ok" or (check.status == "missing" and not check.required) for check in checks)
    if args.json:
        report = {"alanet": __version__, "healthy": healthy, "checks": [asdict(check) for check in checks]}
        json.dump(report, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        show(checks)
    return 0 if healthy else 1


def examine() -> list["Check"]:
    """Ask every probe."""
    from alanet_core.cli import hosts, probes

    every = (
        probes.python,
        probes.pytorch,
        probes.cpu,
        probes.kernels,
        probes.cuda,
        probes.pyav,
        probes.weights,
        hosts.vapoursynth,
        hosts.vspipe,
        hosts.gstreamer,
        probes.ffmpeg,
    )
    return [check for probe in every for check in probe()]


def show(checks: "Sequence[Check]") -> None:
    """One line a check, and below it the remedy of what is not ok."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"alanet {__version__}")
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = Text(f"{check.status:8}", style=STYLES[check.status])
        line.append(f"{check.name:{width}}  {check.detail}", style="default")
        console.print(line)
        if check.remedy and check.status != "ok":
            console.print(Text(f"{'':{8 + width}}  -> {check.remedy}", style="dim"))
