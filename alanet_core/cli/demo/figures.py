"""The two pictures of a demo: what went in, what came out and the truth side by side; and PSNR frame by frame."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alanet_core.cli.demo.raster import GREY, INK, WHITE, Color, Picture, line, text_width, write

GAP = 10  # pixels between pictures
HEAD = 26  # pixels of a line of text
CROP = 3  # how many times a detail is enlarged

Cell = tuple[str, Tensor]
"""Words, and a picture [3, H, W] float, 0..1, that they stand above."""


def as_picture(rgb: Tensor) -> Picture:
    """[3, H, W] float -> [H, W, 3] uint8."""
    pixels = rgb.detach().float().clamp(0, 1).mul(255).round_().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())


def detail(rgb: Tensor, centre: tuple[float, float]) -> Tensor:
    """A part of the picture about `centre` (column and row as shares of it), enlarged to the picture's size."""
    height, width = rgb.shape[1:]
    rows, columns = -(-height // CROP), -(-width // CROP)
    top = min(max(0, round(centre[1] * height - rows / 2)), height - rows)
    left = min(max(0, round(centre[0] * width - columns / 2)), width - columns)
    part = rgb[:, top : top + rows, left : left + columns]
    return part.repeat_interleave(CROP, 1).repeat_interleave(CROP, 2)[:, :height, :width]


def side_by_side(title: str, rows: Sequence[Sequence[Cell]]) -> Picture:
    """A sheet of rows of pictures of one size, each with its words above it."""
    height, width = rows[0][0][1].shape[1:]
    columns = max(len(row) for row in rows)
    sheet = np.empty(
        (HEAD + GAP + len(rows) * (HEAD + height + GAP), GAP + columns * (width + GAP), 3), dtype=np.uint8
    )  # fmt: skip
    sheet[:] = INK
    write(sheet, title, GAP, GAP, WHITE)
    for number, row in enumerate(rows):
        top = HEAD + GAP + number * (HEAD + height + GAP)
        for place, (words, rgb) in enumerate(row):
            left = GAP + place * (width + GAP)
            write(sheet, words, left, top + 6, WHITE)
            sheet[top + HEAD : top + HEAD + height, left : left + width] = as_picture(rgb)
    return sheet


@dataclass(frozen=True)
class Curve:
    """What a chart shows. name: for the legend, "" for none; kind: written at its end; points: (frame, dB)."""

    name: str
    kind: str
    color: Color
    points: Sequence[tuple[int, float]]


def chart(title: str, curves: Sequence[Curve], ticks: str) -> Picture:
    """Curves over frames, in dB. ticks: what the numbers along the axis are."""
    sheet = np.empty((480, 960, 3), dtype=np.uint8)
    sheet[:] = INK
    frames = max(frame for curve in curves for frame, _ in curve.points)
    levels = [db for curve in curves for _, db in curve.points]
    axes = _Axes(frames, 5 * math.floor(min(levels) / 5), 5 * math.ceil(max(levels) / 5 + 0.01))
    write(sheet, title, axes.left, 16, WHITE)
    write(sheet, "DB", 12, axes.top - 26, GREY)
    write(sheet, ticks, axes.left, sheet.shape[0] - 20, GREY)
    for db in range(axes.low, axes.high + 1, 5):
        _, row = axes.place(0, db)
        line(sheet, (axes.left, row), (axes.right, row), (52, 56, 66), 1)
        write(sheet, str(db), axes.left - 12 - text_width(str(db)), round(row) - 7, GREY)
    for frame in range(0, frames + 1, max(1, -(-frames // 12))):
        column, row = axes.place(frame, axes.low)
        write(sheet, str(frame), round(column) - text_width(str(frame)) // 2, round(row) + 10, GREY)
    column = axes.left
    for curve in curves:
        if curve.name:
            line(sheet, (column, 58), (column + 26, 58), curve.color, 3)
            column = write(sheet, curve.name, column + 34, 52, curve.color) + 30
        _draw(sheet, axes, curve)
    return sheet


@dataclass(frozen=True)
class _Axes:
    frames: int
    low: int
    high: int
    left: int = 64
    right: int = 840
    top: int = 96
    bottom: int = 428

    def place(self, frame: float, db: float) -> tuple[float, float]:
        """(column, row) of a point."""
        across, up = frame / max(1, self.frames), (db - self.low) / (self.high - self.low)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)


def _draw(sheet: Picture, axes: _Axes, curve: Curve) -> None:
    places = [axes.place(frame, db) for frame, db in curve.points]
    for start, end in itertools.pairwise(places):
        line(sheet, start, end, curve.color, 2)
    for across, down in places:
        line(sheet, (across - 2, down - 2), (across + 2, down - 2), curve.color, 5)
    write(sheet, curve.kind, axes.right + 14, round(places[-1][1]) - 6, curve.color)
