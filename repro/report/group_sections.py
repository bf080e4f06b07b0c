"""The section on who gains: users and items in groups."""

from __future__ import annotations

from functools import partial

from repro.errors import ReproError
from repro.groupings import read_grouping
from repro.report.evidence import Evidence
from repro.report.model import Section
from repro.report.shelf import Shelf
from repro.strata_tables import strata_tables
from repro.strata_view import strata_figures, stratified_of
from repro.stratified import Stratified

_GROUPINGS = {
    "users": "Users by training items",
    "cold": "Cold users",
    "items": "Items by popularity",
}
"""``--by`` of `repro sparsity` and what it is in words."""

_TABLES = ("groups", "tests")


def groups_section(evidence: Evidence) -> Section | None:
    """Return who gains: each variant against base in groups, and whether the gain differs between them."""
    shelf = Shelf(evidence.layout, "groups", "Who gains")
    for name in evidence.datasets:
        for by, words in _GROUPINGS.items():
            found = shelf.attempt(f"{words} on {name}", partial(_stratified, evidence, name, by))
            if found is not None:
                _show(shelf, evidence, found, name, by)
    return shelf.section()


def _stratified(evidence: Evidence, dataset: str, by: str) -> Stratified:
    found = stratified_of(evidence.layout, evidence.params, dataset, read_grouping(by, None))
    if found is None:
        raise ReproError(
            f"no backbone has both base and a variant beside it: run `repro sparsity --dataset {dataset}`."
        )
    return found


def _show(shelf: Shelf, evidence: Evidence, found: Stratified, dataset: str, by: str) -> None:
    variants = dict.fromkeys(cut.pair.candidate.cell.variant for cut in found.cuts)
    words = [f"repro sparsity --dataset {dataset}", *(f"--by {by}" for _ in range(by != "users"))]
    command = " ".join([*words, *(f"--variant {variant}" for variant in variants)])
    for kind, table in zip(_TABLES, strata_tables(found, evidence.params), strict=False):
        title = f"{_GROUPINGS[by]}, {dataset}" + (": tests between groups" if kind == "tests" else "")
        shelf.put(f"{by}-{dataset}-{kind}", title, command, table, folded=by != "users")
    shelf.figures(strata_figures(found, evidence.params), dataset)
