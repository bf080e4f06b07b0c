"""What a cell that was never trained is expected to cost."""

from __future__ import annotations

import pytest

from repro.kinship import expected_cost
from repro.params import Cell


def _cell(dataset: str, backbone: str, objective: str, variant: str = "") -> Cell:
    return Cell(
        dataset=dataset,
        backbone=backbone,
        objective=objective,
        variant=variant or objective,
        inputs="data/prepared/demo/train.npz",
        code="irllrec/objectives/base.py",
        backbone_code="irllrec/backbones/mf.py",
    )


CELLS = {
    "asked": _cell("shop", "lightgcn", "irllrec", "irllrec-d02"),
    "whole": _cell("shop", "lightgcn", "irllrec"),
    "without": _cell("shop", "lightgcn", "irllrec", "irllrec-no-itm"),
    "other-backbone": _cell("shop", "mf", "irllrec"),
    "other-objective": _cell("shop", "lightgcn", "base"),
    "neither": _cell("shop", "pop", "base"),
    "other-data": _cell("amazon", "lightgcn", "irllrec"),
}


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ({"asked": 5.0, "whole": 600.0}, 5.0),
        ({"whole": 600.0, "without": 400.0, "other-backbone": 80.0, "other-objective": 7.0}, 500.0),
        ({"other-backbone": 80.0, "other-objective": 7.0, "neither": 1.0}, 80.0),
        ({"other-objective": 7.0, "neither": 1.0}, 7.0),
        ({"neither": 1.0, "other-data": 9000.0}, 1.0),
        ({"other-data": 9000.0}, None),
    ],
)
def test_the_nearest_kin_on_the_data_set_tells(costs: dict[str, float], expected: float | None) -> None:
    known = {key: costs.get(key) for key in CELLS}
    assert expected_cost(CELLS, "asked", known) == expected


def test_another_objective_tells_nothing_where_it_is_not_wanted() -> None:
    known = {"other-objective": 7.0, "neither": 1.0}
    assert expected_cost(CELLS, "asked", known, same_objective=True) is None
