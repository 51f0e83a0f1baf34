"""What an evaluation found, as JSON and as a table with the protocol below it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alanet_core.training.evaluate import Findings, Row

_WITH_SSIM = 3  # methods that leave room for it in 80 columns; --json has it for all


def as_json(found: Findings, **about: object) -> dict[str, Any]:
    """Plain values; a PSNR that is null belongs to pictures identical to their targets."""
    rows = [{**asdict(row), "gain": row.gain} for row in found.rows]
    return {**about, "rows": rows, "flicker": [asdict(each) for each in found.flicker]}


def print_table(console: Console, found: Findings, title: str, words: Sequence[str], *, clips: bool = False) -> None:
    """PSNR of each method, SSIM where there is room, by kind of input; flicker; and the protocol in words.

    clips: a table for every clip as well, worst gain first.
    """
    console.print(_table(found.of(None), title))
    if clips:
        names = {row.clip for row in found.rows if row.clip is not None}
        for name in sorted(names, key=lambda name: min((row.gain or 0.0) for row in found.of(name))):
            console.print(_table(found.of(name), name or ""))
    for each in found.flicker:
        console.print(f"flicker, {each.inputs}: " + ", ".join(f"{name} {rms:.2f}" for name, rms in each.rms.items()))
    for sentence in words:
        console.print(Text(sentence, style="dim"))


def _table(rows: Sequence[Row], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=0, show_edge=False)
    table.add_column("inputs", no_wrap=True)
    table.add_column("output", no_wrap=True)
    methods = list(rows[0].psnr)
    for name in (*methods, "gain", "frames"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for row in rows:
        if before not in (None, row.inputs):
            table.add_section()
        gain = "" if row.gain is None else f"{row.gain:+.2f}"
        cells = [_cell(row, name, similar=len(methods) <= _WITH_SSIM) for name in methods]
        table.add_row("" if before == row.inputs else row.inputs, row.output, *cells, gain, str(row.count))
        before = row.inputs
    return table


def _cell(row: Row, method: str, *, similar: bool) -> str:
    """PSNR as papers print it, with SSIM where asked for: 33.71 .9429."""
    psnr, ssim = row.psnr[method], row.ssim[method]
    if psnr is None:
        return "same"
    return f"{psnr:.2f}{'*' if row.pooled else ' '}" + (f" {f'{ssim:.4f}'.removeprefix('0')}" if similar else "")
