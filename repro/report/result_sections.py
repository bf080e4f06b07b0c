"""The sections on what was found: the main table, published figures, components."""

from __future__ import annotations

from functools import partial

from repro.ablations import ablation_table_of
from repro.analysis import all_metrics, chief_metrics
from repro.assembly import main_table_of, significance_table_of
from repro.errors import ReproError
from repro.report.evidence import Evidence
from repro.report.model import Section
from repro.report.shelf import Shelf
from repro.tables.model import Table
from repro.tables.published import read_published
from repro.verification import TOLERANCE, Selection, verification_table_of


def main_section(evidence: Evidence) -> Section | None:
    """Return the main table, and every comparison behind its stars."""
    shelf = Shelf(evidence.layout, "results", "Main results")
    params = evidence.params
    metrics, correction = all_metrics(params), params.statistics.correction
    shelf.table(
        "main",
        "Variants by metrics",
        f"repro table main {evidence.options}",
        lambda: main_table_of(evidence.cells, metrics, params, correction, None),
    )
    for name in evidence.datasets:
        shelf.table(
            f"significance-{name}",
            f"Every comparison on {name}",
            f"dvc repro compare@{name}",
            partial(significance_table_of, evidence.of(name), metrics, params, correction),
            folded=True,
        )
    shelf.catalogued(evidence, ("comparison", "gains"))
    return shelf.section()


def published_section(evidence: Evidence) -> Section | None:
    """Return ours against the published figures, where there are some for these data sets."""
    shelf = Shelf(evidence.layout, "published", "Against the published figures")
    shelf.table(
        "verdicts",
        "Ours and theirs",
        f"repro verify {evidence.options}",
        lambda: _verification(evidence),
    )
    return shelf.section()


def ablation_section(evidence: Evidence) -> Section | None:
    """Return what each component contributes."""
    shelf = Shelf(evidence.layout, "ablation", "Components")
    shelf.table(
        "components",
        "irllrec without one of its parts",
        f"repro table ablation {evidence.options}",
        lambda: _ablation(evidence),
    )
    shelf.catalogued(evidence, ("ablation",))
    return shelf.section()


def learning_section(evidence: Evidence) -> Section | None:
    """Return the figures of what happened inside the models."""
    shelf = Shelf(evidence.layout, "models", "Inside the models")
    shelf.catalogued(evidence, ("training", "embeddings", "case"))
    return shelf.section()


def _verification(evidence: Evidence) -> Table:
    params = evidence.params
    published = read_published(evidence.layout.published)
    known = {place[0] for place in published}
    if not known & set(evidence.datasets):
        raise ReproError(
            f"no paper's figures on {', '.join(evidence.datasets)} are kept in {evidence.layout.published}; "
            f"there are some on {', '.join(sorted(known))}: `repro data fetch` brings one of these."
        )
    return verification_table_of(
        evidence.cells,
        published,
        chief_metrics(params),
        params,
        selection=Selection(evidence.datasets),
        correction=params.statistics.correction,
        tolerance=TOLERANCE,
    )


def _ablation(evidence: Evidence) -> Table:
    params = evidence.params
    if not any(cell.cell.is_ablation for cell in evidence.cells):
        raise ReproError(
            f"no ablation has been evaluated: run `repro ablation --drop ITM --dataset {evidence.datasets[0]}`."
        )
    # Plain cells and ablations alike, as `repro table ablation` reads them.
    return ablation_table_of(evidence.cells, chief_metrics(params), params, params.statistics.correction)
