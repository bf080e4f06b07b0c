"""How far a metric moves when a noisy evaluation is done again: trained models ranked by fresh noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from irllrec.data.prepared import load_split
from irllrec.evaluation.metrics import parse_metric, per_user_metrics
from repro.deviations import Case
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Params
from repro.pricing import DrawSpreads, sides
from repro.results import CellResult

if TYPE_CHECKING:
    from torch import Tensor

    from irllrec.data.interactions import Interactions

EVALUATIONS = 5
"""Evaluations of each seed."""


def draw_spreads(
    layout: Layout, params: Params, cell: CellResult, metrics: Sequence[str], evaluations: int = EVALUATIONS
) -> dict[str, float]:
    """Return the standard deviation of each metric's mean over users between evaluations of one model.

    Variances are averaged over the seeds. 0 for a model whose evaluation draws nothing.

    Args:
        layout: The checkout.
        params: Holds the cell's settings.
        cell: A trained cell that reads no text.
        metrics: Names with cut-offs.
        evaluations: How often each seed's model is evaluated, ≥ 2.

    Raises:
        ReproError: If a trained model is missing.

    *Randomness*: the stream "evaluation again" of each seed.
    """
    from irllrec.evaluation.ranking import rank_items

    names = ("train", "valid", "test")
    splits = {name: load_split(layout.prepared(cell.cell.dataset), name) for name in names}
    masked = [splits["train"]] if cell.run.get("mask") == "train" else [splits["train"], splits["valid"]]
    length = max(parse_metric(metric)[1] for metric in metrics)

    def means(seed: int, number: int) -> list[float]:
        users, items = _redrawn(params, cell, splits["train"], seed, number)
        lists = rank_items(users, items, users=cell.users, masked=masked, length=length)
        values = per_user_metrics(lists, splits["test"], cell.users, list(metrics))
        return [float(values[metric].mean()) for metric in metrics]

    found = np.array([[means(int(seed), number) for number in range(evaluations)] for seed in cell.seeds])
    spreads = np.sqrt(found.var(axis=1, ddof=1).mean(axis=0))
    return dict(zip(metrics, spreads.tolist(), strict=True))


def spreads_of_noisy(
    layout: Layout,
    params: Params,
    cases: Sequence[Case],
    found: Mapping[str, CellResult],
    metrics: Sequence[str],
) -> DrawSpreads:
    """Return, for the cases of D-07 that have results, how far the released side's metrics move.

    Args:
        layout: The checkout.
        params: Holds the cells' settings.
        cases: What is priced.
        found: Results by key.
        metrics: Names with cut-offs.
    """
    noisy = [case for case in cases if case.deviation == "D-07" and case.cells]
    released = [sides(params, case, found).candidate for case in noisy]
    return {cell.key: draw_spreads(layout, params, cell, metrics) for cell in released}


def _redrawn(
    params: Params, cell: CellResult, train: Interactions, seed: int, number: int
) -> tuple[Tensor, Tensor]:
    """Return user and item embeddings of the stored model of one seed under fresh noise."""
    from irllrec.graph import BipartiteGraph
    from irllrec.recommender import build
    from irllrec.seeding import Draws, torch_stream
    from irllrec.training.checkpoint import load_tensors
    from repro.stages.train import recipe_of

    path = cell.folder / "model" / f"seed-{seed}.safetensors"
    if not path.is_file():
        raise ReproError(f"{path} is missing: bring it with `dvc checkout`, or train again with `dvc repro`.")
    tensors, _ = load_tensors(path)
    recommender = build(recipe_of(params, cell.cell), BipartiteGraph(train), None, seed)
    recommender.load_state_dict({name: t for name, t in tensors.items() if not name.startswith("inference/")})
    return recommender.embeddings(Draws(torch_stream(seed, "evaluation again", number)))
