"""Two views of the same nodes as two clouds of points, before and after they are aligned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

FloatArray = npt.NDArray[np.float64]

CLICKS, TEXT = ("#0072B2", "o"), ("#E69F00", "x")
"""Colour and marker of the two views; in grey the first is dark and round, the second light and crossed."""


@dataclass(frozen=True)
class CloudPanel:
    """One pair of views.

    Attributes:
        title: Names the pair.
        clicks: Projected points of the side of the clicks, shape (point, 2).
        text: Projected points of the side of the text, shape (point, 2).
        centroids: Projected centroids of all nodes, clicks first; shape (2, 2).
        explained: Share of the variance that the two axes show.
        numbers: What is measured in all dimensions, by name.
    """

    title: str
    clicks: FloatArray
    text: FloatArray
    centroids: FloatArray
    explained: float
    numbers: Mapping[str, float]


def project(
    clicks: FloatArray, text: FloatArray, shown: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return both views of the nodes ``shown`` on the first two principal components of both views.

    Args:
        clicks: Unit rows, shape (node, dim).
        text: Unit rows of the same nodes.
        shown: Which nodes to return.

    Returns:
        Points of the clicks, points of the text, both centroids, and the share of variance explained.
    """
    from sklearn.decomposition import PCA

    analysis = PCA(n_components=2, svd_solver="covariance_eigh").fit(np.concatenate([clicks, text]))
    centroids = analysis.transform(np.stack([clicks.mean(axis=0), text.mean(axis=0)]))
    return (
        analysis.transform(clicks[shown]),
        analysis.transform(text[shown]),
        centroids,
        float(analysis.explained_variance_ratio_.sum()),
    )


def draw_clouds(canvas: Canvas, rows: Sequence[tuple[str, Sequence[CloudPanel]]]) -> None:
    """Draw a row of panels for each model, all to one scale, with the numbers under each panel."""
    grid = canvas.subplots(len(rows), len(rows[0][1]), squeeze=False)
    ends = [
        np.abs(points).max()
        for _, panels in rows
        for panel in panels
        for points in (panel.clicks, panel.text)
    ]
    reach = 1.06 * float(max(ends))
    for line, (name, panels) in zip(grid, rows, strict=True):
        for axes, panel in zip(line, panels, strict=True):
            _draw(axes, panel, reach)
            if axes is line[0]:
                axes.set_ylabel(name, fontsize=8)
    for axes, panel in zip(grid[0], rows[0][1], strict=True):
        axes.set_title(panel.title)
    handles, names = grid[0][0].get_legend_handles_labels()
    canvas.legend(handles, names, loc="outside lower center", ncols=3, markerscale=2.5, handletextpad=0.3)


def _draw(axes: Axes, panel: CloudPanel, reach: float) -> None:
    for points, (color, marker), name in (
        (panel.clicks, CLICKS, "from clicks"),
        (panel.text, TEXT, "from text"),
    ):
        axes.plot(
            points[:, 0],
            points[:, 1],
            color=color,
            marker=marker,
            markersize=1.8,
            markeredgewidth=0.0 if marker == "o" else 0.6,
            alpha=0.65,
            linestyle="none",
            label=name,
            rasterized=True,
        )
    axes.plot(panel.centroids[:, 0], panel.centroids[:, 1], color="black", linewidth=1.2, zorder=5)
    for centre, (color, marker) in zip(panel.centroids, (CLICKS, TEXT), strict=True):
        axes.plot(
            *centre,
            color=color,
            marker="o" if marker == "o" else "X",
            markersize=6.5,
            markeredgecolor="black",
            markeredgewidth=0.8,
            linestyle="none",
            zorder=6,
        )
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    axes.spines[["top", "right"]].set_visible(True)
    axes.set_xlabel(numbers_text(panel.numbers), fontsize=6.5, linespacing=1.25)


def numbers_text(numbers: Mapping[str, float]) -> str:
    """Return the numbers of a panel in two lines."""
    return (
        f"alignment {_short(numbers['alignment'])}  gap {_short(numbers['modality_gap'])}\n"
        f"uniformity {_short(numbers['uniformity_clicks'])} | {_short(numbers['uniformity_text'])}"
    )


def _short(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
