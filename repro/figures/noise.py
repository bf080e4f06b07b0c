"""Noise curves: each method's metric over the share of noise, and what share of its clean value is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.figures.model import PAGE_WIDTH, Figure, record_of
from repro.figures.style import Look, looks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_ROW, _FRAME = 1.9, 0.5
"""Height of a metric's panels, and of legend and axis title; inches."""


@dataclass(frozen=True)
class NoiseMark:
    """One method at one share of noise on one metric.

    Attributes:
        metric: Such as ``recall@20``.
        variant: The method.
        share: Per cent; 0 is the clean model, which has no change.
        mean: Its metric.
        difference: From clean.
        low, high: Interval of the difference.
        relative: The difference as a share of the clean value.
        relative_low, relative_high: Interval of that.
        p_corrected: Of the difference; 1 at share 0.
    """

    metric: str
    variant: str
    share: int
    mean: float
    difference: float = 0.0
    low: float = 0.0
    high: float = 0.0
    relative: float = 0.0
    relative_low: float = 0.0
    relative_high: float = 0.0
    p_corrected: float = 1.0


def noise_figure(
    name: str,
    title: str,
    marks: Sequence[NoiseMark],
    *,
    axis: str,
    caption: str,
    told: str,
    command: str,
    alpha: float,
) -> Figure:
    """Return two panels for each metric: its value, and its change as a share of the clean value.

    Args:
        name: Stem of the files.
        title: One line.
        marks: Every metric, method and share, share 0 among them, in the order in which they are drawn.
        axis: What the share is of.
        caption: What a reader must know.
        told: Sentences for the text alternative behind those computed from the marks.
        command: What makes the figure.
        alpha: Level below which a mark is full.
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
        draw=lambda canvas: _draw(canvas, marks, metrics, axis, alpha),
    )


def _alt(marks: Sequence[NoiseMark], metric: str, axis: str) -> str:
    shown = [mark for mark in marks if mark.metric == metric]
    shares = sorted({mark.share for mark in shown})
    sentences = [f"{metric} with {', '.join(str(share) for share in shares)} % {axis}."]
    for variant in dict.fromkeys(mark.variant for mark in shown):
        line = sorted((mark for mark in shown if mark.variant == variant), key=lambda mark: mark.share)
        sentences.append(
            f"{variant} goes from {line[0].mean:.4f} to {line[-1].mean:.4f} ({100 * line[-1].relative:+.1f} %)."
        )
    return " ".join(sentences)


def _draw(
    canvas: Canvas, marks: Sequence[NoiseMark], metrics: Sequence[str], axis: str, alpha: float
) -> None:
    grid = canvas.subplots(len(metrics), 2, squeeze=False, sharex=True)
    shares = sorted({mark.share for mark in marks})
    for (left, right), metric in zip(grid, metrics, strict=True):
        shown = [mark for mark in marks if mark.metric == metric]
        for variant, look in looks_of(list(dict.fromkeys(mark.variant for mark in shown))).items():
            line = [mark for mark in shown if mark.variant == variant]
            clean = next(mark.mean for mark in line if mark.share == 0)
            _draw_line(left, line, look, [m.mean for m in line], _band(line, clean), alpha)
            relative = [(100 * m.relative_low, 100 * m.relative_high) for m in line]
            _draw_line(right, line, look, [100 * m.relative for m in line], relative, alpha)
        right.axhline(0, color="black", linewidth=0.6)
        left.set_ylabel(metric, parse_math=False)
        right.set_ylabel(f"change of {metric}, %", parse_math=False)
    for axes in grid[-1]:
        axes.set_xticks(shares)
        axes.set_xlabel(f"{axis}, %")
    handles, labels = grid[0][0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 4))


def _band(line: Sequence[NoiseMark], clean: float) -> list[tuple[float, float]]:
    """Return the interval of the change, around the clean value."""
    return [(clean + mark.low, clean + mark.high) for mark in line]


def _draw_line(
    axes: Axes,
    line: Sequence[NoiseMark],
    look: Look,
    values: Sequence[float],
    band: Sequence[tuple[float, float]],
    alpha: float,
) -> None:
    """Draw a curve with its band; hollow marks are not shown to differ from clean."""
    shares = [mark.share for mark in line]
    axes.fill_between(
        shares,
        [low for low, _ in band],
        [high for _, high in band],
        color=look.color,
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(
        shares, values, color=look.color, linestyle=look.dashes, marker=look.marker, label=line[0].variant
    )
    for mark, value in zip(line, values, strict=True):
        if mark.share and mark.p_corrected >= alpha:
            axes.plot(
                mark.share, value, color=look.color, marker=look.marker, markerfacecolor="white", linestyle=""
            )
