"""What each component of irllrec contributes, and whether its weight lets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repro.analysis import Pair, ablation_pairs, compare, family_note, scores_of
from repro.assembly import STARS_NOTE, comparison_row, interval_note
from repro.overviews import per_seed
from repro.params import Params
from repro.results import CellResult
from repro.statistics.comparison import correct_family
from repro.tables.comparisons import ComparisonRow, comparison_table
from repro.tables.main import provenance_notes
from repro.tables.model import Table

NEGLIGIBLE_SHARE = 1e-6
"""A component whose terms are a smaller share of the loss cannot move a gradient in float32."""

TERMS = {
    "IA": ("pair", "tran"),
    "PAIR": ("pair",),
    "TRAN": ("tran",),
    "ITM": ("itm",),
    "PROFILE": ("kd",),
    "GSL": ("pair", "itm"),
    "MOMENTUM": ("itm",),
    "NOISE": ("tran", "itm"),
    "TEXT": ("kd", "pair", "tran", "itm"),
    "COT": ("kd", "pair", "tran", "itm"),
}
"""Component → the loss terms that it is, or that read it."""


def ablation_table_of(
    cells: Sequence[CellResult], metrics: Sequence[str], params: Params, correction: str
) -> Table:
    """Return the whole model against each ablated one; a negative difference says the part helps."""
    pairs = ablation_pairs(cells)
    comparisons = correct_family(
        compare([(pair, metric) for pair in pairs for metric in metrics], params), correction
    )
    found = {(c.candidate, c.metric): c for c in comparisons}
    sections: dict[str, list[ComparisonRow]] = {}
    warnings_told: list[str] = []
    for pair in pairs:
        cell = pair.candidate.cell
        label = "w/o " + ", ".join(cell.drop)
        share = loss_share(pair.reference.run, cell.drop)
        if share is not None and share < NEGLIGIBLE_SHARE:
            warnings_told.append(
                f"Warning: {label} in {cell.dataset}/{cell.backbone}: its terms are {share:.1e} of the loss; "
                "with such a weight, dropping it cannot matter."
            )
        facts = {"dropped": " ".join(cell.drop), "loss_share": share} | _parameter_facts(pair)
        shown = "–" if share is None else f"{100 * share:.2g}%"
        sections.setdefault(f"{cell.dataset} / {cell.backbone}", []).extend(
            comparison_row(found[pair.candidate.name, metric], (label,), params, facts=facts, extra=(shown,))
            for metric in metrics
        )
    scores = [scores_of(pair.reference, metrics) for pair in pairs[:1]]
    return comparison_table(
        "Ablation: difference = without − whole; negative means that the component helps",
        list(sections.items()),
        ("variant",),
        ("whole", "without"),
        notes=[
            f"{STARS_NOTE}; ▼ marks a value below the whole model. " + family_note(comparisons, params),
            interval_note(params),
            "Loss share: weighted terms that the component is or feeds, over the whole loss; whole model.",
            *warnings_told,
            *provenance_notes(scores),
        ],
        alpha=params.statistics.alpha,
        extra_columns=("loss share",),
    )


def loss_share(run: Mapping[str, Any], drop: Sequence[str]) -> float | None:
    """Return the share of the loss that dropped components are or feed, the mean over seeds.

    None where run.json tells no shares.
    """
    terms = {term for component in drop for term in TERMS.get(component, ())}
    told = [seed["loss_shares"] for seed in per_seed(run) if seed.get("loss_shares")]
    if not told or not terms:
        return None
    return float(np.mean([sum(float(shares.get(term, 0.0)) for term in terms) for shares in told]))


def _parameter_facts(pair: Pair) -> dict[str, int | None]:
    whole, without = (cell.run.get("parameter_count") for cell in (pair.reference, pair.candidate))
    if whole is None or without is None:
        return {"parameters_saved": None}
    return {"parameters_saved": int(whole) - int(without)}
