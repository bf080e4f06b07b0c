"""Groups of users or items: bars of their sizes, lines of each method, and differences to base beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.figures.model import PAGE_WIDTH, Figure, record_of
from repro.figures.style import looks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_ROW, _FRAME = 1.85, 0.45
"""Height of a metric's panels, and of the legend; inches."""
_BARS = "#d9d9d9"


@dataclass(frozen=True)
class StrataMark:
    """One method in one group on one metric.

    Attributes:
        metric: Such as ``recall@20``.
        group: The group's label, the sparsest first.
        users: Its number of users.
        variant: The method; ``base`` has no difference.
        mean: Its metric, NaN in a group without users.
        difference: Its mean difference to base, NaN for base.
        low: Lower bound of the difference's interval, NaN where there is none.
        high: Upper bound.
        p_corrected: Of the difference, NaN for base.
        stars: Marks of that.
    """

    metric: str
    group: str
    users: int
    variant: str
    mean: float
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_corrected: float = math.nan
    stars: str = ""


def strata_figure(
    name: str,
    title: str,
    marks: Sequence[StrataMark],
    *,
    axis: str,
    caption: str,
    told: str,
    command: str,
) -> Figure:
    """Return two panels for each metric: methods over groups, and their differences to base.

    Args:
        name: Stem of the files.
        title: One line.
        marks: Every metric, method and group, in the order in which they are drawn.
        axis: What the groups go by, in full words.
        caption: What else a reader must know.
        told: Sentences for the text alternative behind those computed from the marks.
        command: What makes the figure.
    """
    metrics = list(dict.fromkeys(mark.metric for mark in marks))
    return Figure(
        name=name,
        title=title,
        alt=" ".join([_alt(marks, metrics[0], axis), told]).strip(),
        caption=caption,
        command=command,
        size=(PAGE_WIDTH, _FRAME + _ROW * len(metrics)),
        records=tuple(record_of(mark) for mark in marks),
        draw=lambda canvas: _draw(canvas, marks, metrics, axis),
    )


def _alt(marks: Sequence[StrataMark], metric: str, axis: str) -> str:
    """Return the sizes of the groups and the first and last values of each method, from the marks."""
    shown = [mark for mark in marks if mark.metric == metric]
    sizes = {mark.group: mark.users for mark in shown}
    sentences = [
        f"Groups by {axis}: " + ", ".join(f"{group} ({n:,} users)" for group, n in sizes.items()) + "."
    ]
    for variant in dict.fromkeys(mark.variant for mark in shown):
        line = [mark for mark in shown if mark.variant == variant and not math.isnan(mark.mean)]
        if not line:
            continue
        first, last = line[0], line[-1]
        sentences.append(
            f"{metric} of {variant} is {first.mean:.4f} in {first.group} and {last.mean:.4f} in {last.group}"
            + (
                "."
                if math.isnan(first.difference)
                else f": {first.difference:+.4f} and {last.difference:+.4f} to base."
            )
        )
    return " ".join(sentences)


def _draw(canvas: Canvas, marks: Sequence[StrataMark], metrics: Sequence[str], axis: str) -> None:
    grid = canvas.subplots(len(metrics), 2, squeeze=False, sharex=True)
    groups = list(dict.fromkeys(mark.group for mark in marks))
    variants = list(dict.fromkeys(mark.variant for mark in marks))
    for (left, right), metric in zip(grid, metrics, strict=True):
        shown = [mark for mark in marks if mark.metric == metric]
        _draw_means(left, shown, groups, variants)
        _draw_differences(right, shown, groups, variants)
        left.set_ylabel(metric, parse_math=False)
        right.set_ylabel(f"{metric} − base", parse_math=False)
    for axes in grid[-1]:
        axes.set_xticks(range(len(groups)), groups)
        axes.set_xlabel(axis)
    handles, labels = grid[0][0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 6))


def _draw_means(
    axes: Axes, marks: Sequence[StrataMark], groups: Sequence[str], variants: Sequence[str]
) -> None:
    """Draw lines on the axes and the groups' sizes as bars behind them, on axes to the right."""
    sizes = {mark.group: mark.users for mark in marks}
    behind = axes.twinx()
    behind.bar(
        range(len(groups)),
        [sizes[group] for group in groups],
        width=0.6,
        color=_BARS,
        edgecolor="#999999",
        linewidth=0.5,
    )
    behind.set_ylabel("users")
    behind.spines["right"].set_visible(True)
    behind.grid(visible=False)
    behind.set_ylim(0, 1.25 * max([*sizes.values(), 1]))
    axes.set_zorder(behind.get_zorder() + 1)
    axes.patch.set_visible(False)
    for variant, look in looks_of(variants).items():
        found = {mark.group: mark.mean for mark in marks if mark.variant == variant}
        axes.plot(
            range(len(groups)),
            [found[group] for group in groups],
            color=look.color,
            marker=look.marker,
            linestyle=look.dashes,
            label=variant,
        )
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.margins(y=0.15)
    axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))


def _draw_differences(
    axes: Axes, marks: Sequence[StrataMark], groups: Sequence[str], variants: Sequence[str]
) -> None:
    """Draw each difference with its interval, the methods beside each other within a group."""
    axes.axhline(0, color="black", linewidth=0.8)
    compared = [
        variant
        for variant in variants
        if any(mark.variant == variant and not math.isnan(mark.difference) for mark in marks)
    ]
    step = min(0.2, 0.7 / max(len(compared), 1))
    for number, variant in enumerate(compared):
        look = looks_of(variants)[variant]
        shift = step * (number - (len(compared) - 1) / 2)
        for mark in marks:
            if mark.variant != variant or math.isnan(mark.difference):
                continue
            place = groups.index(mark.group) + shift
            if not math.isnan(mark.low):
                axes.plot([place, place], [mark.low, mark.high], color=look.color, linewidth=1.2)
            axes.plot(
                place,
                mark.difference,
                color=look.color,
                marker=look.marker,
                markersize=5,
                markerfacecolor=look.color if mark.stars else "white",
                linestyle="none",
            )
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.grid(visible=False, axis="x")
