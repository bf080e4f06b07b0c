"""Which stale stages concern some cells: DVC's answer by name, and ours out of all that it calls stale."""

import pytest

from repro.cell_requests import CellRequest
from repro.engine import FEW_TARGETS, bring_up_to_date, stale_for, stale_stages
from repro.errors import ReproError
from repro.grid import add_dataset, ensure_cells
from repro.layout import Layout
from repro.params import Params, load_params
from repro.workload import concerning

BASE, IRLLREC, POP = "demo-lightgcn-base", "demo-lightgcn-irllrec", "demo-pop-base"
KGIN = "demo-kgin-base"


@pytest.fixture
def params(project: Layout) -> Params:
    """The demo's cells, one that reads a knowledge graph, and a data set without texts; nothing was run."""
    ensure_cells(project, [CellRequest("demo", "kgin", "base")])
    add_dataset(project, "movie", {"origin": "imported", "split": {"how": "given"}, "seeds": [1]})
    return load_params(project.params)


@pytest.mark.parametrize("keys", [(BASE, POP), (POP, IRLLREC), (KGIN,)])
def test_out_of_all_that_is_stale_the_same_stages_are_found_as_by_name(
    project: Layout, params: Params, keys: tuple[str, ...]
) -> None:
    by_name = stale_stages(project, [f"evaluate@{key}" for key in keys])
    found = concerning(stale_stages(project), params, {key: params.cells[key] for key in keys})
    assert sorted(found) == sorted(by_name)
    assert f"train@{keys[0]}" in found


def test_tables_concern_every_cell_of_their_data_set_and_no_other(project: Layout, params: Params) -> None:
    stages = ["relate@demo", "compare@demo", "tabulate@demo"]
    found = stale_for(project, params, {POP: params.cells[POP]}, tables=True)
    assert sorted(found) == sorted(stale_stages(project, stages))
    assert {f"train@{BASE}", f"train@{KGIN}"} < set(found)
    assert "train@movie-lightgcn-base" in stale_stages(project)


def test_many_cells_are_asked_about_at_once(project: Layout, params: Params) -> None:
    keys = [key for key, cell in params.cells.items() if cell.dataset == "demo"]
    assert len(keys) > FEW_TARGETS
    with pytest.raises(ReproError, match="Not up to date: code-") as refusal:
        bring_up_to_date(project, keys, run=False)
    assert all(f"evaluate@{key}" in str(refusal.value) for key in keys)
    assert "movie" not in str(refusal.value)


def test_a_data_sets_changed_raw_file_concerns_its_own_cells_only(project: Layout, params: Params) -> None:
    movie = {"movie-lightgcn-base": params.cells["movie-lightgcn-base"]}
    stale = ["data/raw/movie.dvc", "data/raw/shop.dvc"]
    assert concerning(stale, params, movie) == ["data/raw/movie.dvc"]
    assert concerning(stale, params, {BASE: params.cells[BASE]}, tables=True) == []
