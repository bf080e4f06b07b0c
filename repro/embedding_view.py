"""The figures of embeddings: how far text lies from clicks before and after alignment, with the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from irllrec.evaluation.geometry import alignment, modality_gap, uniformity, unit
from irllrec.seeding import stream
from repro.figure_material import Material, NotDrawableError, ours_and_base, plural
from repro.figures.clouds import CloudPanel, FloatArray, draw_clouds, project
from repro.figures.model import COLUMN_WIDTH, Figure
from repro.tables.model import Record, figures
from repro.trained import trained, unaligned

if TYPE_CHECKING:
    from irllrec.recommender import Recommender

PAIRS = {
    "profiles": ("interaction", "profile"),
    "intents": ("interaction_intent", "text_intent"),
}
"""Pairs of representations that IRLLRec aligns: from clicks, from text."""

_MOST_POINTS = 600
_HEIGHT = 4.15
_MODELS = ("before", "after")


@dataclass(frozen=True)
class Gap:
    """One pair of views of one side's nodes in one model.

    Attributes:
        model: ``before`` or ``after``.
        pair: A key of :data:`PAIRS`.
        clicks: Unit rows, shape (node, dim).
        text: Unit rows of the same nodes.
        numbers: alignment, modality_gap, uniformity_clicks, uniformity_text.
    """

    model: str
    pair: str
    clicks: FloatArray
    text: FloatArray
    numbers: Mapping[str, float]


def embedding_figures(material: Material) -> list[Figure]:
    """Return the gap between clicks and text of users, and of items, before and after alignment.

    Raises:
        NotDrawableError: If weights of irllrec or base are not here.
        ReproError, IrllrecError: If they cannot be used.
    """
    ours, base = ours_and_base(material)
    shared = [int(seed) for seed in ours.seeds if seed in base.seeds]
    if not shared:
        raise NotDrawableError(f"{ours.name} and {base.name} share no seed: train both with `dvc repro`.")
    seed = shared[0]
    models = {
        "before": unaligned(material.layout, material.params, ours, base, seed),
        "after": trained(material.layout, material.params, ours, seed),
    }
    user_count = models["after"].backbone.graph.user_count
    sides = {"users": slice(None, user_count), "items": slice(user_count, None)}
    found = {
        side: [gap for name, model in models.items() for gap in gaps_of(name, model, rows)]
        for side, rows in sides.items()
    }
    if not all(found.values()):
        raise NotDrawableError(f"{ours.name} aligns no text with clicks: there is no gap to draw.")
    return [_figure(material, side, gaps, seed) for side, gaps in found.items()]


def gaps_of(name: str, recommender: Recommender, rows: slice) -> list[Gap]:
    """Return the pairs of views that a recommender has of some nodes; those without a direction are left out."""
    told = recommender.representations()
    gaps = []
    for pair, (first, second) in PAIRS.items():
        if first not in told or second not in told:
            continue
        clicks, text = (unit(told[kind][rows].numpy()) for kind in (first, second))
        known = ~(np.isnan(clicks).any(axis=1) | np.isnan(text).any(axis=1))
        clicks, text = clicks[known], text[known]
        numbers = {
            "alignment": alignment(clicks, text),
            "modality_gap": modality_gap(clicks, text),
            "uniformity_clicks": uniformity(clicks),
            "uniformity_text": uniformity(text),
        }
        gaps.append(Gap(name, pair, clicks, text, numbers))
    return gaps


def _figure(material: Material, side: str, gaps: Sequence[Gap], seed: int) -> Figure:
    panels = {(gap.model, gap.pair): _panel(gap, material, side) for gap in gaps}
    rows = [
        (
            {"before": "before: text unaligned", "after": "after: irllrec"}[model],
            [panel for (of, _), panel in panels.items() if of == model],
        )
        for model in _MODELS
    ]
    return Figure(
        name=f"embeddings-{side}-{material.place}",
        title=f"Clicks and text of the {side}: {material.backbone} on {material.dataset}",
        alt=_alt(side, gaps),
        caption=_caption(side, gaps, panels, seed),
        command=material.command("embeddings"),
        size=(COLUMN_WIDTH, _HEIGHT if len(rows[0][1]) > 1 else 1.6 * _HEIGHT),
        records=tuple(_record(side, gap, panels[gap.model, gap.pair], seed) for gap in gaps),
        draw=lambda canvas: draw_clouds(canvas, rows),
    )


def _panel(gap: Gap, material: Material, side: str) -> CloudPanel:
    count = len(gap.clicks)
    shown = np.arange(count)
    if count > _MOST_POINTS:
        draws = stream(material.params.statistics.seed, "shown nodes", material.dataset, side)
        shown = np.sort(draws.choice(count, _MOST_POINTS, replace=False))
    clicks, text, centroids, explained = project(gap.clicks, gap.text, shown)
    titles = {"profiles": "interactions and profiles", "intents": "intents of clicks and text"}
    return CloudPanel(titles[gap.pair], clicks, text, centroids, explained, gap.numbers)


def _alt(side: str, gaps: Sequence[Gap]) -> str:
    told = []
    for pair in dict.fromkeys(gap.pair for gap in gaps):
        before, after = (gap.numbers for gap in gaps if gap.pair == pair)
        told.append(
            f"Between {pair} and clicks the modality gap goes from {before['modality_gap']:.3f} to "
            f"{after['modality_gap']:.3f} and alignment, the mean squared distance, from "
            f"{before['alignment']:.3f} to {after['alignment']:.3f}."
        )
    return f"Two clouds of {side} in each panel, before and after alignment. " + " ".join(told)


def _caption(side: str, gaps: Sequence[Gap], panels: Mapping[tuple[str, str], CloudPanel], seed: int) -> str:
    explained = [panel.explained for panel in panels.values()]
    shown = max(len(panel.clicks) for panel in panels.values())
    return (
        f"{shown:,} of {plural(len(gaps[0].clicks), side[:-1])}, seed {seed}. Each panel has its own principal "
        "components (PCA, deterministic) of both views' unit vectors; the two axes show "
        f"{100 * min(explained):.0f} to {100 * max(explained):.0f} % of the variance, all panels have one scale. "
        "Large marks are centroids. Before: base's trained embeddings, text through the towers with which "
        "irllrec's training began. The numbers are from all nodes and all dimensions: alignment, the mean squared "
        "distance of a node's two vectors, and uniformity, clicks | text (Wang & Isola 2020); gap, the distance of "
        "the centroids (Liang et al. 2022). Lower alignment and gap are closer, lower uniformity is more even."
    )


def _record(side: str, gap: Gap, panel: CloudPanel, seed: int) -> Record:
    return {
        "side": side,
        "model": gap.model,
        "pair": gap.pair,
        "nodes": len(gap.clicks),
        "seed": seed,
        **{name: figures(value) for name, value in gap.numbers.items()},
        "variance_shown": figures(panel.explained),
        "centroid_clicks_x": figures(float(panel.centroids[0, 0])),
        "centroid_clicks_y": figures(float(panel.centroids[0, 1])),
        "centroid_text_x": figures(float(panel.centroids[1, 0])),
        "centroid_text_y": figures(float(panel.centroids[1, 1])),
    }
