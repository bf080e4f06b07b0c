"""Under a table stands which trainings ended before they had learned to rank."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repro.analysis import read_cells
from repro.assembly import main_table_of
from repro.layout import Layout
from repro.params import load_params
from repro.training_notes import training_notes


@pytest.fixture(scope="module")
def params(written_project):
    return load_params(Layout(written_project).params)


@pytest.fixture(scope="module")
def base(written_project, params):
    return read_cells(Layout(written_project), params, ["demo-lightgcn-base"])[0]


def _ended(
    cell, values, *, reason="patience", epochs=21, backbone="lightgcn", variant="base", dataset="demo"
):
    """Return the cell as if its seeds had ended with these best validation values."""
    records = {
        str(2023 + place): {"best_validation": value, "epochs": epochs + place, "stopping_reason": reason}
        for place, value in enumerate(values)
    }
    entry = cell.cell.model_copy(update={"backbone": backbone, "variant": variant, "dataset": dataset})
    hyperparameters = {**cell.run.get("hyperparameters", {}), "stop_on": "recall@20"}
    return replace(
        cell, cell=entry, run={**cell.run, "hyperparameters": hyperparameters, "per_seed": records}
    )


def test_seeds_that_patience_ended_below_pop_are_named_with_their_epochs(base):
    pop = _ended(base, [0.05, 0.05], reason="fitted", backbone="pop")
    good = _ended(base, [0.19, 0.20])
    bad = _ended(base, [0.05, 0.06, 0.04], variant="irllrec")
    (note,) = training_notes([pop, good, bad])
    assert note == (
        "Stopped early, on validation no better than pop, or more than a quarter below the row's best seed: "
        "demo/lightgcn/irllrec (2 of 3 seeds). Patience ended these seeds at epoch 21 to 23; with a longer one "
        "their rows may change."
    )
    elsewhere = _ended(base, [0.05, 0.05], reason="fitted", backbone="pop", dataset="shop")
    assert training_notes([elsewhere, good, bad])[0].count("seeds)") == 1, "0.04 is a third below 0.06"
    assert "(1 of 3 seeds)" in training_notes([elsewhere, good, bad])[0]


def test_without_pop_a_seed_far_below_the_best_of_its_row_is_named(base):
    uneven = _ended(base, [0.10, 0.17, 0.16], variant="irllrec")
    (note,) = training_notes([uneven])
    assert "demo/lightgcn/irllrec (1 of 3 seeds)" in note
    assert "pop" not in note
    assert "at epoch 21;" in note
    assert training_notes([_ended(base, [0.13, 0.17, 0.16])]) == [], (
        "0.13 is more than three quarters of 0.17"
    )


def test_other_endings_are_not_called_early(base):
    pop = _ended(base, [0.05], reason="fitted", backbone="pop")
    assert training_notes([pop]) == []
    (note,) = training_notes([pop, _ended(base, [0.01, 0.02], reason="max_epochs", epochs=6)])
    assert note == (
        "Ended by max_epochs, not by patience, so perhaps unfinished: demo/lightgcn/base (2 of 2 seeds), "
        "at epoch 6 to 7."
    )


def test_the_main_table_carries_the_note(base, params):
    few = params.model_copy(
        update={"statistics": params.statistics.model_copy(update={"bootstrap_samples": 100})}
    )
    rows = [_ended(base, [0.10, 0.17, 0.16]), _ended(base, [0.17, 0.17, 0.16], variant="irllrec")]
    notes = main_table_of(rows, ["recall@20"], few, "holm", None).notes
    assert [note for note in notes if note.startswith("Stopped early")] == training_notes(rows)
