"""What an evaluation found, as JSON and as a table with the protocol below it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alanet_core.training.evaluate import METHODS, Row


def as_json(rows: Sequence[Row], **about: object) -> dict[str, Any]:
    """Plain values; a PSNR that is null belongs to pictures identical to their targets."""
    return {**about, "rows": [{**asdict(row), "gain": row.gain} for row in rows]}


def print_table(console: Console, rows: Sequence[Row], title: str, words: Sequence[str]) -> None:
    """The rows, PSNR and SSIM of each method, grouped by kind of input, and the protocol in words; 80 columns wide."""
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=0, show_edge=False)
    table.add_column("inputs", no_wrap=True)
    table.add_column("output", no_wrap=True)
    for name in (*METHODS, "gain", "frames"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for row in rows:
        if before not in (None, row.inputs):
            table.add_section()
        gain = "" if row.gain is None else f"{row.gain:+.2f}"
        cells = [_cell(row, name) for name in METHODS]
        table.add_row("" if before == row.inputs else row.inputs, row.output, *cells, gain, str(row.count))
        before = row.inputs
    console.print(table)
    for sentence in words:
        console.print(Text(sentence, style="dim"))


def _cell(row: Row, method: str) -> str:
    """PSNR and SSIM as papers print them, such as 33.71 .9429."""
    psnr, ssim = row.psnr[method], row.ssim[method]
    if psnr is None:
        return "identical"
    return f"{psnr:.2f}{'*' if row.pooled else ' '} {f'{ssim:.4f}'.removeprefix('0')}"
