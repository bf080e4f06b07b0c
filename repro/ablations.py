"""What each component of irllrec contributes, and whether it could contribute at all."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis import Pair, ablation_pairs, compare, family_note, scores_of
from repro.assembly import STARS_NOTE, comparison_row, interval_note
from repro.components import (
    MOMENTS,
    SCOPES,
    gradient_share,
    loss_share,
    parameter_difference,
    released,
    terms_of,
    why_nothing_changes,
)
from repro.params import Params
from repro.results import CellResult
from repro.statistics.comparison import correct_family
from repro.tables.comparisons import ComparisonRow, comparison_table
from repro.tables.model import Scalar, Table, figures
from repro.tables.provenance import provenance_notes
from repro.training_notes import training_notes

_COLUMNS = ("loss share", "gradient", "released", "parameters")


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
    for pair in pairs:
        facts, shown = _facts(pair), _shown(pair)
        sections.setdefault(_heading(pair), []).extend(
            comparison_row(
                found[pair.candidate.name, metric], (label_of(pair),), params, facts=facts, extra=shown
            )
            for metric in metrics
        )
    compared = {cell.key: cell for pair in pairs for cell in (pair.reference, pair.candidate)}
    return comparison_table(
        "Ablation: difference = without − whole; negative means that the component helps",
        list(sections.items()),
        ("variant",),
        ("whole", "without"),
        notes=[
            f"{STARS_NOTE}; ▼ marks a value below the whole model. " + family_note(comparisons, params),
            interval_note(params),
            "Of the whole model: loss share = weighted terms that the component is or feeds, over the loss; "
            "gradient = their norm over the loss's, on the backbone's parameters, at the start → at the best "
            "epoch (≤ where terms are added up). Released: whether the released code computes them on this "
            "backbone. Parameters: without − whole.",
            *_warnings(pairs),
            *training_notes(list(compared.values())),
            *provenance_notes([scores_of(cell, metrics) for cell in compared.values()]),
        ],
        alpha=params.statistics.alpha,
        extra_columns=_COLUMNS,
    )


def label_of(pair: Pair) -> str:
    """Return what is left out, that what TRAN feeds was kept where it was, or which text is read."""
    cell = pair.candidate.cell
    if cell.text:
        return ", ".join(["text: " + cell.text, *(f"w/o {name}" for name in cell.drop)])
    kept = " (kept in ITM)" if cell.override.objective.get("keep_coupled") else ""
    return "w/o " + ", ".join(cell.drop) + kept


def _heading(pair: Pair) -> str:
    cell = pair.reference.cell
    varied = f" / {cell.variant}" if cell.is_variation else ""
    return f"{cell.dataset} / {cell.backbone}{varied}"


def _touched(pair: Pair) -> tuple[str, ...]:
    """Return the components that the ablated cell lacks or feeds with another text."""
    cell = pair.candidate.cell
    return (*cell.drop, *(("TEXT",) if cell.text else ()))


def _facts(pair: Pair) -> dict[str, Scalar]:
    whole, without, drop = pair.reference.run, pair.candidate.run, _touched(pair)
    facts: dict[str, Scalar] = {
        "dropped": " ".join(pair.candidate.cell.drop),
        "text": pair.candidate.cell.text,
        "whole_variant": pair.reference.cell.variant,
        "loss_share": figures(loss_share(whole, drop)),
    }
    for scope in SCOPES:
        for moment in MOMENTS:
            share = gradient_share(whole, drop, moment, scope)
            facts[f"gradient_share_{scope}_{moment}"] = figures(share)
    return facts | {
        "released": released(whole, drop),
        "parameter_difference": parameter_difference(whole, without),
        "warning": why_nothing_changes(whole, without),
    }


def _shown(pair: Pair) -> tuple[str, ...]:
    whole, drop = pair.reference.run, _touched(pair)
    start, best = (gradient_share(whole, drop, moment) for moment in MOMENTS)
    bound = "≤" if len(terms_of(drop)) > 1 and start is not None else ""
    parameters = parameter_difference(whole, pair.candidate.run)
    return (
        _percent(loss_share(whole, drop)),
        "–" if start is None else f"{bound}{_percent(start)} → {_percent(best)}",
        released(whole, drop) or "–",
        "–" if parameters is None else f"{parameters:+,}" if parameters else "0",
    )


def _percent(share: float | None) -> str:
    """Return a share as per cent with two figures."""
    if share is None:
        return "–"
    return f"{100 * share:.2g}%" if share < 1 else f"{100 * share:.0f}%"


def _warnings(pairs: Sequence[Pair]) -> list[str]:
    told = []
    for pair in pairs:
        reason = why_nothing_changes(pair.reference.run, pair.candidate.run)
        if reason:
            told.append(f"Warning: {label_of(pair)} in {_heading(pair)}: {reason}.")
    return told
