"""What each deviation of the release costs: the differences between the cells that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from irllrec.fidelity import as_released
from repro.analysis import Pair, compare, facts_of, family_note, scores_of
from repro.assembly import STARS_NOTE, interval_note
from repro.deviations import Case
from repro.params import Params
from repro.results import CellResult
from repro.statistics.comparison import Comparison, correct_family
from repro.statistics.verdict import CORRECTION_NAMES, stars, verdict
from repro.tables.deviations import DeviationRow, deviations_table
from repro.tables.model import Table
from repro.tables.provenance import provenance_notes

DrawSpreads = Mapping[str, Mapping[str, float]]
"""Key of a cell whose evaluation is noisy → metric → standard deviation between evaluations."""


def sides(params: Params, case: Case, found: Mapping[str, CellResult]) -> Pair:
    """Return (as released, as in the paper) of a switch, whichever of the two is the turned cell."""
    plain, turned = (found[request.key] for request in case.cells)
    override = plain.cell.override
    followed = as_released(override.fidelity or params.fidelity, frozenset(override.turned))
    return Pair(plain, turned) if case.deviation in followed else Pair(turned, plain)


def identical(pair: Pair, metrics: Sequence[str]) -> bool:
    """Return whether both sides have the same values of all metrics for every user and seed."""
    return all(
        np.array_equal(pair.candidate.values(metric), pair.reference.values(metric)) for metric in metrics
    )


def seed_spread(cell: CellResult, metric: str) -> float:
    """Return the standard deviation over seeds of the metric's mean over users; needs two seeds."""
    return float(np.std(cell.seed_values(metric), ddof=1))


def deviation_rows(
    cases: Sequence[Case],
    found: Mapping[str, CellResult],
    metrics: Sequence[str],
    params: Params,
    correction: str,
    draw_spreads: DrawSpreads,
) -> tuple[list[DeviationRow], list[Comparison]]:
    """Return the rows of the table, and the comparisons that are its family of tests.

    Args:
        cases: What is priced; the cells of each are in ``found``.
        found: Results by key.
        metrics: What is compared.
        params: Holds the tests' settings.
        correction: ``holm`` or ``bh``, over the whole table.
        draw_spreads: For D-07.
    """
    switches = [case for case in cases if case.cells and case.price.kind == "switch"]
    pairs = {case: sides(params, case, found) for case in switches}
    asked = [(pair, metric) for pair in pairs.values() for metric in metrics]
    comparisons = correct_family(compare(asked, params), correction)
    answers = {(c.candidate, c.reference, c.metric): c for c in comparisons}
    rows: list[DeviationRow] = []
    for case in cases:
        blank = DeviationRow(case.deviation, case.price.what, case.dataset, case.place, missing=case.missing)
        if case in pairs:
            pair = pairs[case]
            names = pair.candidate.name, pair.reference.name
            told = [answers[*names, metric] for metric in metrics]
            rows += _switch_rows(blank, pair, told, params, draw_spreads.get(pair.candidate.key, {}))
        elif case.cells:
            rows += _seed_rows(blank, [found[request.key] for request in case.cells], metrics)
        else:
            rows.append(blank)
    return rows, comparisons


def _switch_rows(
    blank: DeviationRow,
    pair: Pair,
    comparisons: Sequence[Comparison],
    params: Params,
    draws: Mapping[str, float],
) -> list[DeviationRow]:
    same = identical(pair, [c.metric for c in comparisons])
    seeds = tuple(int(seed) for seed in pair.candidate.seeds)
    return [
        replace(
            blank,
            metric=c.metric,
            compared=c,
            verdict=verdict(c, params.statistics.alpha),
            stars=stars(c.p_corrected),
            seeds=seeds,
            draw_spread=draws.get(c.metric),
            identical=same,
        )
        for c in comparisons
    ]


def _seed_rows(
    blank: DeviationRow, cells: Sequence[CellResult], metrics: Sequence[str]
) -> list[DeviationRow]:
    return [
        replace(
            blank,
            place=f"{cell.cell.backbone}/{cell.cell.variant}",
            metric=metric,
            seeds=tuple(int(seed) for seed in cell.seeds),
            mean=float(cell.values(metric).mean()),
            seed_spread=seed_spread(cell, metric),
        )
        for cell in cells
        for metric in metrics
    ]


def deviations_table_of(
    rows: Sequence[DeviationRow],
    comparisons: Sequence[Comparison],
    cases: Sequence[Case],
    cells: Sequence[CellResult],
    params: Params,
) -> Table:
    """Return the table with its caption: tests, intervals, why each pair, what is missing, provenance.

    Args:
        rows: What :func:`deviation_rows` returned.
        comparisons: Likewise.
        cases: What was priced.
        cells: Every cell that was read.
        params: Holds the tests' settings.
    """
    metrics = list(dict.fromkeys(row.metric for row in rows if row.metric))
    reasons = {case.deviation: case.price.why for case in cases if case.cells}
    missing = dict.fromkeys(f"{_subject(row)} not measured: {row.missing}." for row in rows if row.missing)
    return deviations_table(
        rows,
        notes=[
            f"{STARS_NOTE}; ▼ marks a value below the paper's side. " + family_note(comparisons, params),
            interval_note(params)
            + " '… with seeds': seeds resampled, too; D-11 says how far they lie apart. A "
            "switch that changes which random numbers are drawn (D-01, D-08, D-09) is judged by that interval.",
            *(f"{deviation}: {reason}." for deviation, reason in reasons.items()),
            *missing,
            *provenance_notes([scores_of(cell, metrics) for cell in cells]),
        ],
        alpha=params.statistics.alpha,
    )


def _subject(row: DeviationRow) -> str:
    place = "" if row.place == "–" else f", {row.place}"
    return f"{row.deviation} ({row.dataset}{place})"


def source_of(dataset: str, rows: Sequence[DeviationRow], cells: Sequence[CellResult], command: str) -> str:
    """Return where the figures of a data set are from: command, seeds, tests, settings and commit."""
    there = [cell for cell in cells if cell.cell.dataset == dataset]
    if not there:
        return f"`{command}`; no runs yet."
    parts = [f"`{command}`"]
    seeds = sorted({int(seed) for cell in there for seed in cell.seeds})
    parts.append(f"seed{'s' * (len(seeds) != 1)} {', '.join(str(seed) for seed in seeds)}")
    tested = [row.compared for row in rows if row.compared is not None]
    if tested:
        method = CORRECTION_NAMES[tested[0].correction]
        parts.append(f"p corrected over {tested[0].family_size} tests ({method})")
    for fact in ("settings", "training", "mask", "commit"):
        values = dict.fromkeys(facts_of(cell.run)[fact] for cell in there)
        parts.append(f"{fact} {' and '.join(values)}")
    return "; ".join(parts) + "."
