"""Under every table stands where each row's settings come from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repro.ablations import ablation_table_of
from repro.analysis import read_cells
from repro.assembly import main_table_of, pair_table_of
from repro.groupings import read_grouping
from repro.layout import Layout
from repro.params import load_params
from repro.strata_tables import groups_table
from repro.stratified import stratify


@pytest.fixture(scope="module")
def project(written_project):
    layout = Layout(written_project)
    params = load_params(layout.params)
    few = params.statistics.model_copy(update={"bootstrap_samples": 100, "randomisation_samples": 100})
    params = params.model_copy(update={"statistics": few})
    variants = ("base", "irllrec", "irllrec-no-text", "irllrec-no-itm")
    keys = [f"demo-lightgcn-{variant}" for variant in variants]
    cells = read_cells(layout, params, keys)
    return params, cells


def _tables(params, cells):
    found = {cell.cell.variant: cell for cell in cells}
    few = [found["base"], found["irllrec"]]
    metrics = ["recall@20"]
    quartiles = read_grouping("users", "quantiles").of(few[0])
    return {
        "main": main_table_of(cells, metrics, params, "holm", None),
        "ablation": ablation_table_of(cells, metrics, params, "holm"),
        "sparsity": groups_table(stratify(few, quartiles, metrics, params, "holm"), params),
        "compare": pair_table_of(*few, metrics, params, correction="holm", why=False, wilcoxon=False),
    }


def _with_settings(cells, labels):
    return [
        replace(cell, run={**cell.run, "settings": labels.get(cell.cell.variant, "default")})
        for cell in cells
    ]


@pytest.mark.parametrize("label", ["default", "published for yelp"])
def test_settings_are_named_under_all_four_tables_also_when_all_are_alike(project, label):
    params, cells = project
    alike = _with_settings(cells, {cell.cell.variant: label for cell in cells})
    for name, table in _tables(params, alike).items():
        assert f"settings {label};" in " ".join(table.notes), name


def test_rows_that_differ_in_their_settings_are_told_apart(project):
    params, cells = project
    mixed = _with_settings(cells, {"irllrec": "tuned (20 trials)", "irllrec-no-itm": "published"})
    tables = _tables(params, mixed)
    for name in ("main", "sparsity", "compare"):
        notes = " ".join(tables[name].notes)
        assert "default (base" in notes, name
        assert "tuned (20 trials) (irllrec)" in notes, name
    ablation = " ".join(tables["ablation"].notes)
    assert "tuned (20 trials) (irllrec), default (irllrec-no-text), published (irllrec-no-itm)" in ablation


def test_unequal_tuning_budgets_are_named_in_a_sentence(project):
    params, cells = project
    uneven = _with_settings(cells, {"irllrec": "tuned (20 trials)", "base": "tuned (1 trial)"})
    tables = _tables(params, uneven)
    for name in ("main", "sparsity", "compare"):
        notes = " ".join(tables[name].notes)
        assert "Tuning budgets are unequal, in trials: 1 for base, 20 for irllrec;" in notes, name


def test_equal_tuning_budgets_need_no_sentence(project):
    params, cells = project
    even = _with_settings(cells, {"irllrec": "tuned (20 trials)", "base": "tuned (20 trials)"})
    for table in _tables(params, even).values():
        assert "budgets" not in " ".join(table.notes)
