"""How a metric depends on settings: lines over one, a heat map over two."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.figures.model import COLUMN_WIDTH, PAGE_WIDTH, Figure, record_of
from repro.figures.style import look_of
from repro.tables.model import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_ROW, _FRAME = 1.85, 0.35
_WIDE = 30
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""


@dataclass(frozen=True)
class SettingMark:
    """One value of a setting, or one pair, on one metric.

    Attributes:
        setting, value: The first setting, by section and name.
        second_setting, second_value: The second; empty and NaN on a line.
        metric: Such as ``recall@20``.
        mean: Over seeds and users.
        low, high: The plain cell's mean and the interval of the difference to it, NaN for the plain cell.
        p_corrected: Of that difference, NaN for the plain cell.
        is_usual: Whether the cell has the value.
    """

    setting: str
    value: float
    second_setting: str
    second_value: float
    metric: str
    mean: float
    low: float
    high: float
    p_corrected: float
    is_usual: bool


def line_figure(
    name: str,
    title: str,
    marks: Sequence[SettingMark],
    *,
    variant: str,
    caption: str,
    command: str,
    alpha: float,
) -> Figure:
    """Return a panel for each setting (across) and metric (down), with the interval of each difference.

    Args:
        name: Stem of the files.
        title: One line.
        marks: Every setting, metric and value, values ascending.
        variant: Whose look the line has.
        caption: What a reader must know.
        command: What makes the figure.
        alpha: Level below which a mark is full.
    """
    settings = list(dict.fromkeys(mark.setting for mark in marks))
    metrics = list(dict.fromkeys(mark.metric for mark in marks))
    width = COLUMN_WIDTH if len(settings) == 1 else PAGE_WIDTH

    def draw(canvas: Canvas) -> None:
        grid = canvas.subplots(len(metrics), len(settings), squeeze=False, sharey="row", sharex="col")
        for row, metric in zip(grid, metrics, strict=True):
            for axes, setting in zip(row, settings, strict=True):
                shown = [mark for mark in marks if (mark.setting, mark.metric) == (setting, metric)]
                _draw_line(axes, shown, variant, alpha)
            row[0].set_ylabel(metric, parse_math=False)
        for axes, setting in zip(grid[-1], settings, strict=True):
            axes.set_xlabel(setting, parse_math=False)

    return Figure(
        name=name,
        title=title,
        alt=_line_alt(marks, settings, metrics[0]),
        caption=caption,
        command=command,
        size=(width, _FRAME + _ROW * len(metrics)),
        records=tuple(_record(mark) for mark in marks),
        draw=draw,
    )


def heat_figure(
    name: str, title: str, marks: Sequence[SettingMark], *, caption: str, command: str, alpha: float
) -> Figure:
    """Return a heat map of two settings for each metric; arguments as :func:`line_figure`."""
    metrics = list(dict.fromkeys(mark.metric for mark in marks))

    def draw(canvas: Canvas) -> None:
        for axes, metric in zip(canvas.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
            _draw_heat(canvas, axes, [mark for mark in marks if mark.metric == metric], alpha)
            axes.set_title(metric, parse_math=False)

    count = len({mark.value for mark in marks})
    return Figure(
        name=name,
        title=title,
        alt=_heat_alt(marks, metrics[0]),
        caption=caption,
        command=command,
        size=(COLUMN_WIDTH * min(len(metrics), 2), 1.3 + 0.32 * count),
        records=tuple(_record(mark) for mark in marks),
        draw=draw,
    )


def _record(mark: SettingMark) -> Record:
    return {**record_of(mark), "is_usual": "yes" if mark.is_usual else ""}


def _line_alt(marks: Sequence[SettingMark], settings: Sequence[str], metric: str) -> str:
    sentences = []
    for setting in settings:
        shown = [mark for mark in marks if (mark.setting, mark.metric) == (setting, metric)]
        best, worst = (pick(shown, key=lambda mark: mark.mean) for pick in (max, min))
        sentences.append(
            f"Over {len(shown)} values of {setting}, {metric} lies between {worst.mean:.4f} (at {worst.value:g}) and "
            f"{best.mean:.4f} (at {best.value:g})."
        )
    return " ".join(sentences)


def _heat_alt(marks: Sequence[SettingMark], metric: str) -> str:
    shown = [mark for mark in marks if mark.metric == metric]
    best, worst = (pick(shown, key=lambda mark: mark.mean) for pick in (max, min))
    first, second = shown[0].setting, shown[0].second_setting
    return (
        f"{metric} over {first} and {second}: best {best.mean:.4f} at {best.value:g} and {best.second_value:g}, "
        f"worst {worst.mean:.4f} at {worst.value:g} and {worst.second_value:g}."
    )


def _draw_line(axes: Axes, line: Sequence[SettingMark], variant: str, alpha: float) -> None:
    look = look_of(variant)
    values = [mark.value for mark in line]
    positive = min(values) > 0
    if positive and max(values) / min(values) >= _WIDE:
        axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    elif positive and _doubles(values):
        axes.set_xscale("log", base=2)
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    else:
        axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.plot(values, [mark.mean for mark in line], color=look.color, linestyle=look.dashes, zorder=2)
    for mark in line:
        if mark.is_usual:
            axes.axhline(mark.mean, color="#999999", linewidth=0.6, linestyle=":")
            axes.plot(mark.value, mark.mean, color="black", marker="D", linestyle="", zorder=4)
            continue
        if not math.isnan(mark.low):
            axes.vlines(mark.value, mark.low, mark.high, color=look.color, linewidth=0.9, zorder=2)
        full = mark.p_corrected < alpha
        axes.plot(
            mark.value,
            mark.mean,
            color=look.color,
            marker=look.marker,
            markerfacecolor=look.color if full else "white",
            linestyle="",
            zorder=3,
        )


def _doubles(values: Sequence[float]) -> bool:
    """Return whether neighbours are about a constant factor apart."""
    factors = [after / before for before, after in itertools.pairwise(values)]
    return len(factors) > 1 and min(factors) >= 1.5 and max(factors) / min(factors) <= 1.5


def _draw_heat(canvas: Canvas, axes: Axes, marks: Sequence[SettingMark], alpha: float) -> None:
    rows = sorted({mark.value for mark in marks})
    columns = sorted({mark.second_value for mark in marks})
    found = {(mark.value, mark.second_value): mark for mark in marks}
    means = [[found[r, c].mean if (r, c) in found else math.nan for c in columns] for r in rows]
    image = axes.imshow(means, cmap="cividis", aspect="auto", origin="lower")
    low, high = image.get_clim()
    for y, r in enumerate(rows):
        for x, c in enumerate(columns):
            mark = found.get((r, c))
            if mark is None:
                continue
            dark = (mark.mean - low) / (high - low) < 0.5 if high > low else True
            text = (
                f"{mark.mean:.4f}"
                + ("*" if mark.p_corrected < alpha else "")
                + ("◂" if mark.is_usual else "")
            )
            axes.text(x, y, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
    axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
    axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
    axes.set_xlabel(marks[0].second_setting, parse_math=False)
    axes.set_ylabel(marks[0].setting, parse_math=False)
    axes.grid(visible=False)
    canvas.colorbar(image, ax=axes, format="%.3f")
