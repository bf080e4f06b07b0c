"""Words on figures: labels at the ends of lines, and text by strangers made harmless."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAND_IN = "□"
"""Stands for a character that the figures' font lacks."""

_HINTED = 1.05
"""Letters that start at whole pixels, as in a PNG, make a line up to so much wider than its outlines."""


def spread(wanted: npt.ArrayLike, gap: float, low: float = 0.0, high: float = 1.0) -> npt.NDArray[np.float64]:
    """Return positions nearest to the wanted ones, in the sense of least squares, at least ``gap`` apart.

    Args:
        wanted: Shape (label,).
        gap: Least distance of neighbours.
        low: Least position.
        high: Greatest position; where the labels do not fit, they exceed it upwards.
    """
    from scipy.optimize import isotonic_regression

    positions = np.asarray(wanted, dtype=np.float64)
    if not len(positions):
        return positions
    order = np.argsort(positions, kind="stable")
    steps = gap * np.arange(len(positions))
    fitted = isotonic_regression(positions[order] - steps).x
    fitted = np.maximum(np.minimum(fitted, high - steps[-1]), low)
    placed = np.empty_like(positions)
    placed[order] = fitted + steps
    return placed


@dataclass(frozen=True)
class EndLabel:
    """A label beside the end of a line, at the data point (x, y)."""

    text: str
    x: float
    y: float
    color: str


def label_ends(axes: Axes, labels: Sequence[EndLabel], height: float, size: float = 7) -> None:
    """Write labels to the right of the axes, none upon another, each tied to the end of its line.

    Args:
        axes: Their limits are final.
        labels: What to write.
        height: Of the axes, about; inches.
        size: Of the font, points.
    """
    if not labels:
        return
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = to_axes.transform([(label.x, label.y) for label in labels])
    places = spread(ends[:, 1], 1.25 * size / 72 / height)
    for label, end, place in zip(labels, ends, places, strict=True):
        axes.plot(
            [end[0], 1.03],
            [end[1], place],
            transform=axes.transAxes,
            color=label.color,
            linewidth=0.5,
            linestyle=":",
            clip_on=False,
        )
        axes.text(
            1.04,
            place,
            label.text,
            transform=axes.transAxes,
            fontsize=size,
            color=label.color,
            verticalalignment="center",
            parse_math=False,
        )


def drawable(text: str) -> str:
    """Return text by strangers as one line that the figures' font can draw.

    Control and invisible characters go, and a character that the font lacks becomes :data:`STAND_IN`. Draw
    it with ``parse_math=False``: a dollar sign is a dollar sign.
    """
    from irllrec.text.evidence import single_line

    known = _characters()
    return "".join(sign if ord(sign) in known else STAND_IN for sign in single_line(text))


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return how wide one line of text is drawn at most, inches.

    Args:
        text: Without line breaks.
        size: Of the font, points.
        weight: ``normal`` or ``bold``.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    properties = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, properties, ismath=False)
    return _HINTED * float(width) / 72


def wrapped(text: str, width: float, most_lines: int, size: float, weight: str = "normal") -> list[str]:
    """Return text in lines that are no wider than asked; … says that the rest is left out.

    Args:
        text: What :func:`drawable` returned.
        width: Inches; at least that of a few letters.
        most_lines: At least 1.
        size: Of the font, points.
        weight: Of the font.
    """
    lines: list[str] = []
    line = ""
    for word in text.split() or ["–"]:
        if len(lines) > most_lines:
            break
        longer = f"{line} {word}".strip()
        if text_width(longer, size, weight) <= width:
            line = longer
            continue
        lines += [line] if line else []
        line = word
        while len(lines) <= most_lines and (cut := _fitting(line, width, size, weight)) < len(line):
            lines.append(line[:cut])
            line = line[cut:]
    lines += [line] if line else []
    if len(lines) <= most_lines:
        return lines
    last = lines[most_lines - 1]
    while last and text_width(last + " …", size, weight) > width:
        last = last[:-1]
    return [*lines[: most_lines - 1], last.rstrip(" ,·") + " …"]


def _fitting(word: str, width: float, size: float, weight: str) -> int:
    """Return how many letters of a word fit, at least one."""
    counts = range(1, len(word) + 1)
    return max(1, bisect_right(counts, width, key=lambda count: text_width(word[:count], size, weight)))


@cache
def _characters() -> frozenset[int]:
    """Return the code points of the font that matplotlib brings along."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap())
