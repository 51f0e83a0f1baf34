"""What an evaluation found, as JSON and as a table with the protocol below it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alanet_core.training.evaluate import METHODS, Row


def as_json(rows: Sequence[Row], **about: object) -> dict[str, Any]:
    """Plain values; a PSNR that is null belongs to pictures identical to their targets."""
    return {**about, "rows": [{**asdict(row), "gain": row.gain} for row in rows]}


def print_table(console: Console, rows: Sequence[Row], title: str, words: Sequence[str]) -> None:
    """The rows, PSNR and SSIM of each method, grouped by kind of input, and the protocol in words."""
    table = Table(title=title, title_justify="left")
    table.add_column("inputs")
    table.add_column("output", no_wrap=True)
    for name in (*METHODS, "gain", "frames"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for row in rows:
        if before not in (None, row.inputs):
            table.add_section()
        cells = [f"{_psnr(row, name)} {row.ssim[name]:.4f}".replace(" 0.", " .") for name in METHODS]
        gain = "" if row.gain is None else f"{row.gain:+.2f}"
        table.add_row("" if before == row.inputs else row.inputs, row.output, *cells, gain, str(row.count))
        before = row.inputs
    console.print(table)
    for sentence in words:
        console.print(Text(sentence, style="dim"))


def _psnr(row: Row, method: str) -> str:
    value = row.psnr[method]
    return "identical" if value is None else f"{value:.2f}{'*' if row.pooled else ' '}"
