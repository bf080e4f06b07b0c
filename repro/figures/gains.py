"""Who gains: the distribution of per-user differences, and the shares of users better, equal and worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from repro.figures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_SHARES = (
    ("worse", "#D55E00", "//", "white"),
    ("equal", "#dddddd", "", "black"),
    ("better", "#0072B2", "", "white"),
)


@dataclass(frozen=True)
class Gain:
    """One variant's differences to base, one a user.

    Attributes:
        name: Its label.
        look: How it is drawn.
        differences: Each user averaged over seeds, shape (user,).
        by_seed: Of single seeds, shape (seed, user); no rows where they are not drawn.
    """

    name: str
    look: Look
    differences: npt.NDArray[np.float64]
    by_seed: npt.NDArray[np.float64]

    @property
    def shares(self) -> tuple[float, float, float]:
        """Shares of users that are worse, equal and better, which sum to 1."""
        signs = np.sign(self.differences)
        return tuple(float((signs == sign).mean()) for sign in (-1, 0, 1))  # type: ignore[return-value]


def cumulative(
    differences: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the distinct values in order, and the share of users with at most each."""
    values, counts = np.unique(differences, return_counts=True)
    return values, np.cumsum(counts) / len(differences)


def gain_height(gains: Sequence[Gain]) -> float:
    """Return how high a figure of these variants is, inches."""
    return 2.75 + 0.24 * len(gains)


def draw_gains(canvas: Canvas, gains: Sequence[Gain], span: tuple[float, float], axis: str) -> None:
    """Draw the distributions above, the shares below.

    Args:
        canvas: What to draw on.
        gains: At least one.
        span: Limits of the differences shown.
        axis: What differs, for the name of the axis.
    """
    from matplotlib.ticker import MaxNLocator

    upper, lower = canvas.subplots(2, 1, height_ratios=(1.75, 0.24 * len(gains) + 0.1))
    for gain in gains:
        for row in gain.by_seed:
            values, shares = cumulative(row)
            upper.plot(values, shares, color="#999999", linewidth=0.5, drawstyle="steps-post", zorder=1)
    for gain in gains:
        values, shares = cumulative(gain.differences)
        upper.plot(
            [span[0] - 1, *values, span[1] + 1],
            [0.0, *shares, 1.0],
            color=gain.look.color,
            linestyle=gain.look.dashes,
            drawstyle="steps-post",
            label=gain.name,
            zorder=3,
        )
    upper.axvline(0, color="black", linewidth=0.6)
    upper.set_xlim(span)
    upper.set_ylim(0, 1)
    upper.xaxis.set_major_locator(MaxNLocator(5))
    upper.set_xlabel(f"difference of a user's {axis} to base", parse_math=False)
    upper.set_ylabel("share of users up to it")
    upper.legend(loc="upper left", handlelength=2.4)
    _draw_shares(lower, gains)


def _draw_shares(axes: Axes, gains: Sequence[Gain]) -> None:
    for place, gain in enumerate(gains):
        start = 0.0
        for (name, color, hatch, ink), share in zip(_SHARES, gain.shares, strict=True):
            axes.barh(
                place,
                share,
                left=start,
                height=0.72,
                color=color,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.6,
            )
            if share >= 0.07:
                text = f"{name} {100 * share:.0f}%" if share >= 0.24 else f"{100 * share:.0f}%"
                box = {"facecolor": color, "edgecolor": "none", "pad": 0.8}
                axes.text(
                    start + share / 2,
                    place,
                    text,
                    color=ink,
                    fontsize=6.5,
                    ha="center",
                    va="center",
                    bbox=box,
                )
            start += share
    axes.set_yticks(range(len(gains)), [gain.name for gain in gains], parse_math=False)
    axes.set_ylim(len(gains) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.set_xlabel("worse | equal | better: share of users")
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
