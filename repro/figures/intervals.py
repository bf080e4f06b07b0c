"""Differences with their intervals, as bars or as dots: one row a comparison, one panel a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.figures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_ROW, _FRAME = 0.2, 0.85
"""Height of a row, and of title, ticks and axis name; inches."""
_MARKED, _BARE = 0.42, 0.1
"""Room beyond the intervals, in their span, on a side with stars and on one without."""


@dataclass(frozen=True)
class IntervalRow:
    """One difference.

    Attributes:
        label: Names the row.
        group: Heading above its rows; empty for none.
        look: How it is drawn.
        value: The difference.
        low: Lower bound of its interval, NaN where there is none.
        high: Upper bound.
        mark: Stars and arrow behind the interval.
        shown: Whether it is shown to differ from 0: a full mark, a hollow one otherwise.
    """

    label: str
    group: str
    look: Look
    value: float
    low: float
    high: float
    mark: str
    shown: bool


@dataclass(frozen=True)
class IntervalPanel:
    """One metric: its name, its rows, the same ones in every panel, and what is too small to matter."""

    title: str
    rows: tuple[IntervalRow, ...]
    margin: float = 0.0


def interval_height(rows: Sequence[IntervalRow]) -> float:
    """Return how high a figure of these rows is, inches."""
    return _FRAME + _ROW * len(_places(rows)[0])


def draw_intervals(canvas: Canvas, panels: Sequence[IntervalPanel], axis: str, *, bars: bool) -> None:
    """Draw the panels side by side.

    Args:
        canvas: What to draw on.
        panels: At least one; all with the same labels.
        axis: Name of the horizontal axes.
        bars: Bars from 0, otherwise dots.
    """
    labels, _ = _places(panels[0].rows)
    grid = canvas.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        _, places = _places(panel.rows)
        axes.set_title(panel.title, parse_math=False)
        axes.axvline(0, color="black", linewidth=0.8, zorder=2)
        if panel.margin:
            axes.axvspan(-panel.margin, panel.margin, color="#eeeeee", linewidth=0, zorder=0)
        for row, place in zip(panel.rows, places, strict=True):
            (_bar if bars else _dot)(axes, row, place)
        _frame(axes, panel)
        for row, place in zip(panel.rows, places, strict=True):
            _mark(axes, row, place)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    grid[0].set_yticks(range(len(labels)), [text for text, _ in labels], parse_math=False)
    for text, (_, heading) in zip(grid[0].get_yticklabels(), labels, strict=True):
        text.set_fontweight("bold" if heading else "normal")
    canvas.supxlabel(axis, fontsize=8)


def _places(rows: Sequence[IntervalRow]) -> tuple[list[tuple[str, bool]], list[int]]:
    """Return the lines of the figure (text, whether it is a heading), and the line of each row."""
    lines: list[tuple[str, bool]] = []
    places, group = [], ""
    for row in rows:
        if row.group != group:
            group = row.group
            lines.append((group, True))
        places.append(len(lines))
        lines.append((row.label, False))
    return lines, places


def _bar(axes: Axes, row: IntervalRow, place: int) -> None:
    look = row.look
    axes.barh(
        place,
        row.value,
        height=0.62,
        color=look.color,
        alpha=0.85 if row.shown else 0.4,
        hatch=look.hatch,
        edgecolor="black",
        linewidth=0.5,
    )
    if not math.isnan(row.low):
        errors = [[row.value - row.low], [row.high - row.value]]
        axes.errorbar(row.value, place, xerr=errors, color="black", elinewidth=0.9, capsize=2, capthick=0.9)


def _dot(axes: Axes, row: IntervalRow, place: int) -> None:
    look = row.look
    if not math.isnan(row.low):
        axes.plot([row.low, row.high], [place, place], color=look.color, linewidth=1.3, solid_capstyle="butt")
    axes.plot(
        row.value,
        place,
        color=look.color,
        marker=look.marker,
        markersize=5,
        markerfacecolor=look.color if row.shown else "white",
        markeredgewidth=1.1,
        linestyle="none",
        zorder=4,
    )


def _frame(axes: Axes, panel: IntervalPanel) -> None:
    """Set limits that leave room for the marks, and few ticks."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ends = [end for row in panel.rows for end in (row.low, row.high, row.value) if not math.isnan(end)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    width = (high - low) or 2e-3
    sides = {row.value < 0 for row in panel.rows if row.mark}
    left, right = (_MARKED if side in sides else _BARE for side in (True, False))
    axes.set_xlim(low - left * width, high + right * width)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))


def _signed(value: float) -> str:
    return "0" if value == 0 else f"{value:+.3g}".replace("-", "−")


def _mark(axes: Axes, row: IntervalRow, place: int) -> None:
    """Write stars behind the interval, on the side away from 0."""
    if not row.mark:
        return
    left = row.value < 0
    end = min(row.value, row.low) if left else max(row.value, row.high)
    axes.annotate(
        row.mark,
        (end, place),
        xytext=(-2 if left else 2, -0.5),
        textcoords="offset points",
        horizontalalignment="right" if left else "left",
        verticalalignment="center",
        fontsize=7,
    )
