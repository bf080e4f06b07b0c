"""What a run has to do, and how the machine is shared."""

import pytest

from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Params, load_params
from repro.running.pace import Left, Pace, longest_first
from repro.running.planning import (
    Selection,
    job_count,
    ready_tables,
    select,
    shared_stages,
    stale_steps,
    thread_share,
    visible_gpus,
)

BASE, INTENT, POP = "demo-lightgcn-base", "demo-lightgcn-irllrec", "demo-pop-base"


@pytest.fixture
def params(checkout: Layout) -> Params:
    return load_params(checkout.params)


def test_the_whole_grid_is_selected_unless_something_is_named(params: Params) -> None:
    assert select(params) == Selection(tuple(params.cells), True)
    assert select(params, ["demo/lightgcn/base", POP]) == Selection((BASE, POP), False)
    assert select(params, backbones=["pop", "ease"]).keys == (POP, "demo-ease-base")


def test_an_objective_brings_its_variations_along(params: Params) -> None:
    assert select(params, objectives=["irllrec"]).keys == (INTENT, f"{INTENT}-no-text")


def test_conditions_hold_together(params: Params) -> None:
    assert select(params, datasets=["demo"], backbones=["lightgcn"], objectives=["base"]).keys == (BASE,)
    with pytest.raises(ReproError, match="no cell of the grid is all that at once"):
        select(params, backbones=["pop"], objectives=["irllrec"])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"names": ["demo-lightgcn-bse"]}, "no cell 'demo-lightgcn-bse': `repro grid show` lists them"),
        ({"datasets": ["amazon"]}, "no cell of the data set 'amazon': choose demo"),
        ({"backbones": ["sgl"]}, "no cell of the backbone 'sgl': choose ease, itemknn, lightgcn, pop"),
        ({"objectives": ["gen"]}, "no cell of the objective 'gen': choose base"),
    ],
)
def test_an_unknown_name_is_refused_with_those_there_are(
    params: Params, given: dict[str, list[str]], sentence: str
) -> None:
    with pytest.raises(ReproError, match=sentence):
        select(params, **given)


def test_what_cells_share_comes_first_and_text_only_where_it_is_read(params: Params) -> None:
    stale = ["generate@demo", "prepare@demo", "summarize@demo", "code-train", f"train@{BASE}"]
    plain = shared_stages(params, select(params, [BASE]), stale)
    assert plain == ["prepare@demo", "code-train", "code-evaluate"]
    with_text = shared_stages(params, select(params, [INTENT]), stale)
    assert with_text == ["prepare@demo", "embed@demo", "code-train", "code-evaluate"]


def test_nothing_is_shared_first_when_only_cells_and_tables_are_out_of_date(params: Params) -> None:
    stale = [f"train@{BASE}", "compare@demo", "tabulate@demo"]
    assert shared_stages(params, select(params), stale) == []


def test_the_whole_grid_makes_all_that_is_no_cell_as_well(params: Params) -> None:
    assert shared_stages(params, select(params), ["relate@demo"])[-1] == "relate@demo"
    assert shared_stages(params, select(params, [POP]), ["relate@other"]) == []


def test_a_cell_runs_what_is_out_of_date_and_what_follows_from_it(params: Params) -> None:
    asked = select(params, [BASE, INTENT, POP])
    stale = [f"train@{BASE}", f"evaluate@{POP}"]
    assert stale_steps(asked, stale) == {
        BASE: [f"train@{BASE}", f"evaluate@{BASE}"],
        POP: [f"evaluate@{POP}"],
    }


def test_changed_code_of_a_kind_makes_every_cell_stale(params: Params) -> None:
    assert set(stale_steps(select(params), ["code-train"])) == set(params.cells)


def test_tables_wait_until_every_cell_of_their_data_set_is_up_to_date(params: Params) -> None:
    tables = ["compare@demo", "tabulate@demo"]
    assert ready_tables(params, tables) == tables
    assert ready_tables(params, [f"evaluate@{POP}", *tables]) == []
    assert ready_tables(params, ["prepare@demo", *tables]) == [], "not prepared: nothing there to read"


def test_cores_are_shared_equally_and_everybody_has_one() -> None:
    assert [thread_share(None, jobs, available=8) for jobs in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]
    assert thread_share(5, 3, available=8) == 5


def test_no_more_workers_are_started_than_there_are_cells_but_as_many_as_are_asked_for() -> None:
    free = 64 << 30
    assert job_count(None, None, 1, free) == 1
    assert job_count(None, 10_000, 5, free) == 1
    assert job_count(7, None, 2, free) == 7
    assert job_count(None, None, 5, free=1 << 30) == 1


def test_gpus_are_those_that_the_environment_leaves_and_none_for_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert visible_gpus("auto") == ("0", "2")
    assert visible_gpus("cpu") == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus("cuda") == ()


def test_the_longest_cell_is_started_first_after_those_nobody_knows() -> None:
    pace = Pace({"short": 10.0, "new": None, "long": 90.0})
    assert longest_first(pace, ["short", "new", "long"]) == ["new", "long", "short"]


def test_what_is_left_follows_the_pace_of_this_machine_and_never_less_than_the_longest_cell() -> None:
    """10 s expected, 20 s taken: everything takes twice as long; 180 s on one of two lanes is 180 s, not 100."""
    pace = Pace({"first": 10.0, "short": 10.0, "long": 90.0})
    assert pace.left(["short", "long"], {}, 2) == Left(90.0, is_all=True)
    pace.note("first", 20.0)
    assert pace.left(["short", "long"], {}, 2) == Left(180.0, is_all=True)
    assert pace.left(["short"], {"long": 150.0}, 2) == Left(30.0, is_all=True)
    assert pace.left([], {}, 2) == Left(0.0, is_all=True)


def test_what_is_left_is_not_known_before_anything_like_it_was_trained() -> None:
    base, full = ("shop", "base"), ("shop", "irllrec")
    pace = Pace(dict.fromkeys(("other", "new", "dear")), {"other": base, "new": base, "dear": full})
    assert pace.left(["new"], {}, 1) is None
    pace.note("other", 12.0)
    assert pace.left(["new"], {}, 1) == Left(12.0, is_all=True)
    assert pace.left(["dear"], {}, 1) is None


def test_what_is_left_is_at_least_what_is_known_where_nothing_like_a_cell_was_trained() -> None:
    pace = Pace({"short": 10.0, "dear": None}, {"short": ("shop", "base"), "dear": ("shop", "irllrec")})
    assert str(pace.left(["short", "dear"], {}, 1)) == "at least 10 s"
    assert str(pace.left(["short"], {"dear": 500.0}, 1)) == "at least 10 s"
    pace.note("dear", 600.0)
    assert str(pace.left(["short"], {}, 1)) == "about 10 s"
