"""One claim under many protocols: a specification curve, and the choices one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.figures.labels import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_SHOWN, _NOT_SHOWN, _STANDING = "#0072B2", "#D55E00", "#000000"


@dataclass(frozen=True)
class Mark:
    """The claim under one protocol.

    Attributes:
        label: The protocol in a few words.
        improvement: The difference as per cent of the reference's mean.
        low: Lower end of its interval.
        high: Upper end.
        shown: Whether a difference remains shown after the correction.
        standing: Whether it is the protocol as it stands.
        options: Its option on every switch, one a switch.
        remark: What stands at the right, empty for nothing.
    """

    label: str
    improvement: float
    low: float
    high: float
    shown: bool
    standing: bool
    options: tuple[str, ...] = ()
    remark: str = ""


Switches = Sequence[tuple[str, tuple[str, ...]]]
"""Name of each switch, and its options from top to bottom."""


def curve_height(switches: Switches) -> float:
    """Return how high a specification curve with these switches is, inches."""
    return 2.3 + 0.15 * sum(len(options) for _, options in switches)


def draw_curve(canvas: Canvas, marks: Sequence[Mark], switches: Switches) -> None:
    """Draw all protocols in the order of their differences, and below each what it chose.

    Args:
        canvas: What to draw on.
        marks: In the order to draw, from left to right.
        switches: What the rows below show.
    """
    rows = sum(len(options) for _, options in switches)
    upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(2.0, 0.15 * rows))
    upper.axhline(0.0, color="black", linewidth=0.8)
    places = range(len(marks))
    upper.vlines(
        places, [mark.low for mark in marks], [mark.high for mark in marks], color="#bbbbbb", linewidth=0.8
    )
    for shown, color, marker, face, label in (
        (True, _SHOWN, "o", _SHOWN, "shown after the correction"),
        (False, _NOT_SHOWN, "s", "white", "not shown"),
    ):
        chosen = [place for place in places if marks[place].shown is shown and not marks[place].standing]
        if chosen:
            upper.plot(
                chosen,
                [marks[place].improvement for place in chosen],
                linestyle="none",
                marker=marker,
                markersize=2.6,
                color=color,
                markerfacecolor=face,
                markeredgewidth=0.6,
                label=label,
            )
    for place in (place for place in places if marks[place].standing):
        face = _STANDING if marks[place].shown else "white"
        upper.plot(
            [place],
            [marks[place].improvement],
            linestyle="none",
            marker="D",
            markersize=6,
            color=_STANDING,
            markerfacecolor=face,
            label="the standing protocol",
            zorder=5,
        )
        for axes in (upper, lower):
            axes.axvline(place, color=_STANDING, linewidth=0.6, linestyle=":", zorder=0)
    upper.set_ylabel("difference (% of the reference)")
    upper.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)
    upper.grid(visible=False, axis="x")
    _draw_options(lower, marks, switches)


def _draw_options(axes: Axes, marks: Sequence[Mark], switches: Switches) -> None:
    """Draw one row an option, with a tick for each protocol that chose it."""
    labels: list[str] = []
    for column, (name, options) in enumerate(switches):
        if column:
            axes.axhline(len(labels) - 0.5, color="#999999", linewidth=0.5)
        for option in options:
            row = len(labels)
            labels.append(f"{name}: {option}" if option == options[0] else option)
            for shown, color in ((True, _SHOWN), (False, _NOT_SHOWN)):
                chosen = [
                    place
                    for place, mark in enumerate(marks)
                    if mark.options[column] == option and mark.shown is shown
                ]
                low, high = (row - 0.36, row + 0.36) if shown else (row - 0.16, row + 0.16)
                axes.vlines(chosen, low, high, color=color, linewidth=0.9)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(-2, len(marks) + 1)
    axes.set_xlabel("protocols, in the order of their differences (short ticks: not shown)")
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)


def choices_height(marks: Sequence[Mark]) -> float:
    """Return how high a figure of these choices is, inches."""
    return 0.75 + 0.17 * len(marks)


def draw_choices(canvas: Canvas, marks: Sequence[Mark]) -> None:
    """Draw each choice as a point with its interval, one a row, and a word where the verdict changes.

    Args:
        canvas: What to draw on.
        marks: From top to bottom.
    """
    axes = canvas.subplots()
    axes.axvline(0.0, color="black", linewidth=0.8)
    for row, mark in enumerate(marks):
        color = _STANDING if mark.standing else _SHOWN if mark.shown else _NOT_SHOWN
        axes.plot([mark.low, mark.high], [row, row], color=color, linewidth=1.2)
        axes.plot(
            [mark.improvement],
            [row],
            marker="D" if mark.standing else "o" if mark.shown else "s",
            color=color,
            markerfacecolor=color if mark.shown else "white",
        )
        if mark.remark:
            axes.annotate(
                mark.remark,
                (1.01, row),
                xycoords=("axes fraction", "data"),
                fontsize=7,
                verticalalignment="center",
            )
        if mark.standing:
            axes.axvline(mark.improvement, color=_STANDING, linewidth=0.6, linestyle=":", zorder=0)
    axes.set_yticks(range(len(marks)), [drawable(mark.label) for mark in marks])
    axes.set_ylim(len(marks) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("difference (% of the reference); filled: shown after the correction")
