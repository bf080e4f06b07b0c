"""The sections on what the results rest on: data, tuning, cost, deviations, provenance."""

from __future__ import annotations

from functools import partial

from irllrec.data.cards import card_rows
from irllrec.data.storage import read_json
from repro.analysis import chief_metrics
from repro.cell_provenance import provenance_table_of
from repro.deviations import check_deviations, plan, without_runs
from repro.errors import ReproError
from repro.overviews import datasets_table_of, efficiency_table_of
from repro.pricing import deviation_rows, deviations_table_of
from repro.redraws import spreads_of_noisy
from repro.report.evidence import Evidence
from repro.report.model import Section
from repro.report.shelf import Shelf
from repro.tables.listing import listing
from repro.tables.model import Table
from repro.text_audits import audit_rows, stored_audits
from repro.tuning.overview import stored_ledgers, tuning_table


def data_section(evidence: Evidence) -> Section | None:
    """Return the data sets with the card of each."""
    shelf = Shelf(evidence.layout, "data", "Data sets")
    layout, params = evidence.layout, evidence.params
    shelf.table(
        "sets",
        "Sizes",
        f"repro table datasets {evidence.options}",
        lambda: datasets_table_of(layout, params, evidence.datasets),
    )
    for name in evidence.datasets:
        shelf.table(
            f"card-{name}",
            f"Card of {name}",
            f"repro data card {name}",
            partial(_card, evidence, name),
            folded=True,
        )
    return shelf.section()


def deviations_section(evidence: Evidence) -> Section | None:
    """Return what each difference between the released code and the paper costs, as far as it was run."""
    shelf = Shelf(evidence.layout, "deviations", "Deviations from the released code")
    shelf.table(
        "effects",
        "What each costs",
        f"repro deviations {evidence.options}",
        lambda: _deviations(evidence),
        folded=True,
    )
    return shelf.section(
        "The paper and its released code differ in places. `fidelity: paper`, the default here, does what the "
        "paper says; each row turns one difference on its own. docs/deviations.md has the list."
    )


def tuning_section(evidence: Evidence) -> Section | None:
    """Return every trial of the tuning ledgers."""
    shelf = Shelf(evidence.layout, "tuning", "Tuning ledger")
    shelf.table(
        "trials",
        "Every trial",
        f"repro table tuning {evidence.options}",
        lambda: tuning_table(stored_ledgers(evidence.layout, evidence.datasets, (), ())),
        folded=True,
    )
    return shelf.section("Every trial that was made stands here, also those that led nowhere.")


def provenance_section(evidence: Evidence) -> Section | None:
    """Return how each cell was made and what it cost."""
    shelf = Shelf(evidence.layout, "provenance", "Provenance and cost")
    shelf.table(
        "cells", "Where each cell is from", evidence.command, lambda: provenance_table_of(evidence.cells)
    )
    shelf.table(
        "cost",
        "What training cost",
        f"repro table efficiency {evidence.options}",
        lambda: efficiency_table_of(evidence.cells),
    )
    for gap in evidence.gaps:
        shelf.gap(gap.what, gap.why)
    if evidence.absent:
        shelf.gap(
            f"{len(evidence.absent)} cells of the grid",
            f"{', '.join(evidence.absent)}: not evaluated yet: run `{evidence.command}` without --no-run.",
        )
    return shelf.section(
        "Costs are those of the machine that trained; all else here is computed from the per-user results."
    )


def _card(evidence: Evidence, name: str) -> Table:
    path = evidence.layout.prepared(name) / "card.json"
    if not path.is_file():
        raise ReproError(f"not prepared yet: run `dvc repro prepare@{name}`.")
    audits = stored_audits(evidence.layout, evidence.params, name)
    return listing(f"Data set {name}", ("what", "value"), card_rows(read_json(path)) + audit_rows(audits))


def _deviations(evidence: Evidence) -> Table:
    params, metrics = evidence.params, chief_metrics(evidence.params)
    read = [name for name in evidence.datasets if params.datasets[name].text is not None]
    if not read:
        raise ReproError("no data set here has text, without which the objectives in question do not run.")
    found = {cell.key: cell for cell in evidence.cells}
    cases = [without_runs(case, found) for case in plan(params, check_deviations(()), read, ())]
    spreads = spreads_of_noisy(evidence.layout, params, cases, found, metrics)
    correction = params.statistics.correction
    rows, comparisons = deviation_rows(cases, found, metrics, params, correction, spreads)
    keys = {request.key for case in cases for request in case.cells}
    shown = [cell for cell in evidence.cells if cell.key in keys]
    return deviations_table_of(rows, comparisons, cases, shown, params)
