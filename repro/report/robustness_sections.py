"""The sections on what the results depend on: noise, settings, and choices of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from repro.analysis import Pair, by_backbone
from repro.errors import ReproError
from repro.figures.model import Figure
from repro.noise_tables import noise_tables
from repro.noise_view import noise_figure_of, noise_studies_of
from repro.protocol.drawing import figures_of
from repro.protocol_view import BASE, Sensitivity, sensitivity_of, table_of
from repro.report.evidence import Evidence
from repro.report.model import Section
from repro.report.shelf import Shelf
from repro.sensitivity_tables import sensitivity_tables
from repro.sensitivity_view import sensitivities_of, sensitivity_figures
from repro.tables.main import OURS
from repro.tables.model import Table

_FIGURE = " --figure"


def noise_section(evidence: Evidence) -> Section | None:
    """Return what is left of each method under fake clicks and perturbed text."""
    shelf = Shelf(evidence.layout, "noise", "Robustness to noise")
    params = evidence.params
    for name in evidence.datasets:
        what = f"Noise on {name}"
        studies = shelf.attempt(what, partial(noise_studies_of, evidence.layout, params, name))
        for study in studies or ():
            _show(shelf, noise_tables(study, params), noise_figure_of(study, params), name)
        if studies == []:
            shelf.gap(what, f"no cell with noise is evaluated: run `repro noise --dataset {name}`.")
    return shelf.section()


def sensitivity_section(evidence: Evidence) -> Section | None:
    """Return what other values of the settings do."""
    shelf = Shelf(evidence.layout, "sensitivity", "Sensitivity to settings")
    params = evidence.params
    for name in evidence.datasets:
        what = f"Settings on {name}"
        found = shelf.attempt(what, partial(sensitivities_of, evidence.layout, params, name))
        if found is None:
            continue
        figures = sensitivity_figures(found, params)
        for table, figure in zip(sensitivity_tables(found, params), figures, strict=True):
            _show(shelf, [table], figure, name)
        if not found:
            shelf.gap(
                what,
                f"no cell with a changed setting is evaluated: run `repro sensitivity --dataset {name}`.",
            )
    return shelf.section()


def protocol_section(evidence: Evidence) -> Section | None:
    """Return which choices of the protocol change the verdict on irllrec against base."""
    shelf = Shelf(evidence.layout, "protocol", "Choices of the protocol")
    for name in evidence.datasets:
        found = shelf.attempt(f"Protocol on {name}", partial(_protocol, evidence, name))
        if found is not None:
            figures = figures_of(found.pair, found.rows, found.combined, evidence.params)
            _show(shelf, [table_of(found, evidence.params)], figures[0], name)
            shelf.figures(figures[1:], name)
    return shelf.section()


def _protocol(evidence: Evidence, dataset: str) -> Sensitivity:
    params = evidence.params
    for cells in by_backbone(evidence.of(dataset)).values():
        found = {cell.cell.variant: cell for cell in cells}
        if OURS in found and BASE in found:
            pair = Pair(found[OURS], found[BASE])
            return sensitivity_of(evidence.layout, params, pair, None, params.statistics.correction)
    raise ReproError(
        f"no backbone has both {OURS} and {BASE} evaluated: run `repro protocol --dataset {dataset}`."
    )


def _show(shelf: Shelf, tables: Sequence[Table], figure: Figure, dataset: str) -> None:
    """Put up tables and the figure of the same numbers, whose command prints both."""
    command = figure.command.removesuffix(_FIGURE)
    for number, table in enumerate(tables, start=1):
        shelf.put(f"{figure.name}-{number}", table.title, command, table)
    shelf.figures([figure], dataset)
