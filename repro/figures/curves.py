"""Training curves: what falls and what rises from epoch to epoch, over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from repro.figures.labels import EndLabel, label_ends
from repro.figures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

HEIGHTS = (1.75, 1.6)
"""Of the two panels, about; inches."""


@dataclass(frozen=True)
class Curve:
    """One quantity by epoch.

    Attributes:
        name: Its label.
        look: How it is drawn.
        epochs: Shape (point,), ascending.
        values: Shape (seed, point); NaN where a seed had stopped.
        best: Epoch and value at which each seed's weights were taken; empty where that is not asked.
    """

    name: str
    look: Look
    epochs: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    best: tuple[tuple[int, float], ...] = ()

    @property
    def running(self) -> npt.NDArray[np.int64]:
        """Seeds in training at each point, shape (point,)."""
        return np.asarray((~np.isnan(self.values)).sum(axis=0))

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean over the seeds in training, shape (point,)."""
        return np.asarray(np.nanmean(self.values, axis=0))

    @property
    def low(self) -> npt.NDArray[np.float64]:
        """The lowest seed at each point, shape (point,)."""
        return np.asarray(np.nanmin(self.values, axis=0))

    @property
    def high(self) -> npt.NDArray[np.float64]:
        """The highest seed at each point, shape (point,)."""
        return np.asarray(np.nanmax(self.values, axis=0))


def draw_training(
    canvas: Canvas, terms: Sequence[Curve], validations: Sequence[Curve], titles: tuple[str, str], metric: str
) -> None:
    """Draw loss terms above, the validation metric below, over the same epochs.

    Args:
        canvas: What to draw on.
        terms: Weighted loss terms of one model.
        validations: The validation metric of each model.
        titles: Of the two panels.
        metric: The name of the lower axis.
    """
    upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=HEIGHTS)
    last = max(int(curve.epochs[-1]) for curve in (*terms, *validations))
    for axes, curves, title, height in zip(
        (upper, lower), (terms, validations), titles, HEIGHTS, strict=True
    ):
        axes.set_title(title, loc="left", parse_math=False)
        for curve in curves:
            _draw(axes, curve)
        axes.set_xlim(0, last)
        _scale(axes, curves) if axes is upper else _frame(axes, curves)
        ends = [EndLabel(c.name, c.epochs[-1], c.mean[-1], c.look.color) for c in curves]
        label_ends(axes, ends, 0.8 * height)
    upper.set_ylabel("weighted loss term")
    lower.set_ylabel(metric, parse_math=False)
    lower.set_xlabel("epoch")


def _draw(axes: Axes, curve: Curve) -> None:
    """Draw the mean and the range over seeds; thin where some had stopped."""
    look, all_run = curve.look, int((curve.running == len(curve.values)).sum())
    line = {"color": look.color, "linestyle": look.dashes}
    axes.fill_between(
        curve.epochs[:all_run],
        curve.low[:all_run],
        curve.high[:all_run],
        color=look.color,
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(curve.epochs[:all_run], curve.mean[:all_run], **line)
    if all_run < len(curve.epochs):
        start = max(all_run - 1, 0)
        axes.plot(curve.epochs[start:], curve.mean[start:], **line, linewidth=0.6)
    if curve.best:
        axes.plot(
            [epoch for epoch, _ in curve.best],
            [value for _, value in curve.best],
            color=look.color,
            marker=look.marker,
            markersize=4,
            markeredgecolor="white",
            markeredgewidth=0.5,
            linestyle="none",
            zorder=5,
        )


def _scale(axes: Axes, curves: Sequence[Curve]) -> None:
    """Scale the losses: terms differ by powers of ten, and some backbones have negative ones."""
    low = min(float(curve.low.min()) for curve in curves)
    high = max(float(curve.high.max()) for curve in curves)
    if low > 0:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.6, high * 1.6)
        return
    smallest = min(float(np.abs(curve.mean[curve.mean != 0]).min(initial=1.0)) for curve in curves)
    axes.set_yscale("symlog", linthresh=max(smallest, 1e-6))
    axes.set_ylim(1.6 * low if low < 0 else -smallest, high * 1.6 if high > 0 else smallest)


def _frame(axes: Axes, curves: Sequence[Curve]) -> None:
    low = min(float(curve.low.min()) for curve in curves)
    high = max(float(curve.high.max()) for curve in curves)
    room = 0.06 * (high - low or 1e-3)
    axes.set_ylim(low - room, high + room)
