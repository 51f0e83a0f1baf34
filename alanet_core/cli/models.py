"""`alanet models`: what ships, what it costs on a frame of a given size, and what is known of its quality."""

import argparse
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from alanet_core.config import ModelConfig
    from alanet_core.presets import Preset


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model.

    gflop: operations for an input frame, in 10^9, a multiply-add being two; encode, sharp and middle together.
    peak_bytes: predicted memory of one stream. card: what the file beside the weights says; {} for an untrained model.
    """

    name: str
    default: bool
    trained: bool
    summary: str
    window: int
    parameters: int
    gflop: float
    peak_bytes: int
    card: dict[str, Any]


def add_parser(sub: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to argparse's subparsers."""
    parser = sub.add_parser(
        "models",
        help="list the models that ship, their cost and their memory",
        description="Lists the presets. Cost and memory are predicted for frames of --size on the device at hand.",
    )
    parser.add_argument("--size", type=_size, default=(1920, 1080), metavar="WxH", help="of a frame (1920x1080)")
    parser.add_argument("--device", default="auto", help="whose usual precision memory is predicted for (auto)")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the list on stdout -> 0."""
    from alanet_core.presets import find_device, find_dtype, presets

    device = find_device(args.device)
    dtype = find_dtype("auto", device)
    rows = [_row(preset, args.size, dtype) for preset in presets().values()]
    precision = str(dtype).removeprefix("torch.")
    if args.json:
        shape = {"width": args.size[0], "height": args.size[1], "precision": precision, "device": device.type}
        print(json.dumps({**shape, "models": [asdict(row) for row in rows]}, indent=2))
    else:
        _print_table(rows, args.size, f"{precision} on {device.type}")
    return 0


def _row(preset: "Preset", size: tuple[int, int], dtype: "torch.dtype") -> Row:
    from alanet_core.memory import estimate_memory
    from alanet_core.presets import DEFAULT

    parameters, operations = count(preset.config, size[1], size[0])
    return Row(
        name=preset.name,
        default=preset.name == DEFAULT,
        trained=preset.trained,
        summary=preset.summary,
        window=preset.config.window,
        parameters=parameters,
        gflop=round(operations / 1e9, 1),
        peak_bytes=estimate_memory(preset.config, size[1], size[0], dtype),
        card=preset.card,
    )


def count(config: "ModelConfig", height: int, width: int) -> tuple[int, int]:
    """Parameters, and the operations of all products for one input frame, counted without computing them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from alanet_core.frames import Canvas
    from alanet_core.latent import Window
    from alanet_core.model import Alanet

    canvas = Canvas(height, width, config.multiple)
    with torch.device("meta"), torch.no_grad():
        model = Alanet(config)
        frame = torch.empty(1, 3, canvas.rows, canvas.columns)
        with FlopCounterMode(display=False) as counter:
            latent = model.encode(frame, canvas.area)
            z = model.attend(Window((latent.core,) * config.window, latent.core))
            assert z.sharp is not None
            assert z.middle is not None
            motion = model.match(latent, latent)
            model.generate_sharp(z.sharp, (latent, latent, latent), (motion, motion))
            model.generate_middle(z.middle, (latent, latent), motion)
    return sum(weight.numel() for weight in model.parameters()), counter.get_total_flops()


def _print_table(rows: list[Row], size: tuple[int, int], where: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "trained", "W"):
        table.add_column(heading, no_wrap=True)
    for heading in ("parameters", "GFLOP", "memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row.name}{' (default)' if row.default else ''}",
            "yes" if row.trained else "NO",
            str(row.window),
            f"{row.parameters / 1e6:.2f} M",
            f"{row.gflop:,.0f}",
            f"{row.peak_bytes / 2**20:,.0f} MiB",
        )
    console = Console(highlight=False)
    console.print(table)
    for row in rows:
        console.print(f"{row.name}: {row.summary}")
    console.print(
        f"GFLOP for an input frame of {size[0]}x{size[1]}, and memory in {where}; Python and torch come on top."
    )
    if any(not row.trained for row in rows):
        console.print("A model that is not trained is refused unless --allow-untrained is given.")
    for row in rows:
        for line in _figures(row.card):
            console.print(f"{row.name}: {line}")


def _figures(card: dict[str, Any]) -> list[str]:
    """What the weights' card says of quality, a line each; [] where nothing has been measured yet."""
    figures = card.get("figures", {})
    if not isinstance(figures, dict):
        return [str(figures)]
    return [f"{name}: {value}" for name, value in figures.items()]


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or 0 in (int(match[1]), int(match[2])):
        raise argparse.ArgumentTypeError(f"must be WIDTHxHEIGHT such as 1920x1080, got {text!r}")
    return int(match[1]), int(match[2])
