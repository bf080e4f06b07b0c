"""What an ablation says of a component that could not matter, from run.json and from real runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from repro.ablations import ablation_table_of
from repro.analysis import read_cells
from repro.components import gradient_share, loss_share, parameter_difference, released, why_nothing_changes
from repro.grid import CellRequest, ensure_cells
from repro.layout import Layout
from repro.params import load_params
from repro.stages import evaluate, train

SHARES = {"bpr": 0.8, "kd": 0.1, "pair": 0.05, "tran": 0.03, "itm": 0.02}
WEIGHTS = {"kd_weight": 0.01, "pair_weight": 0.02, "tran_weight": 5e-4, "itm_weight": 1e-4}


def _run(*, terms: dict[str, float] = SHARES, weights: dict[str, float] = WEIGHTS, **rest: Any) -> Any:
    """Return a run.json of one seed; ``rest`` replaces or adds entries."""
    record = {
        "loss_shares": dict(terms),
        "gradient_norms": {
            "start": {
                "all": {"pair": 2.0, "tran": 1.0, "itm": 0.5, "total": 4.0},
                "backbone": {"pair": 1.0, "tran": 0.5, "itm": 0.0, "total": 2.0},
            },
            "best": {
                "all": {"pair": 0.2, "tran": 0.1, "itm": 0.1, "total": 0.1},
                "backbone": {"pair": 0.2, "tran": 0.1, "itm": 0.0, "total": 0.1},
            },
        },
    }
    return {
        "backbone": "simgcl",
        "drop": [],
        "itm": "reading",
        "hyperparameters": dict(weights),
        "released": {"objective": True, "components": ["kd", "pair"], "followed": [], "settings": {}},
        "per_seed": {"2023": record},
        **rest,
    }


def _without(*drop: str, **hyperparameters: Any) -> Any:
    return _run(drop=list(drop), hyperparameters={**WEIGHTS, **hyperparameters})


def test_a_component_that_works_earns_no_warning() -> None:
    for component in ("IA", "PAIR", "TRAN", "ITM", "PROFILE", "GSL", "MOMENTUM", "NOISE", "TEXT"):
        assert why_nothing_changes(_run(), _without(component)) is None


def test_a_term_that_the_release_never_computes_is_told_with_its_deviation() -> None:
    facts = {"objective": True, "components": ["kd", "pair"], "followed": ["D-01"], "settings": {}}
    whole = _run(terms={"bpr": 0.8, "kd": 0.1, "pair": 0.1}, released=facts)
    reason = why_nothing_changes(whole, _without("ITM"))
    assert reason is not None
    assert "(D-01), never computes the term itm on simgcl" in reason
    assert "changes nothing" in reason
    assert why_nothing_changes(whole, _without("MOMENTUM")) == reason
    assert why_nothing_changes(whole, _without("IA")) is None


def test_a_weight_of_zero_is_told() -> None:
    whole = _run(terms={"bpr": 0.9, "kd": 0.1}, weights={**WEIGHTS, "pair_weight": 0})
    reason = why_nothing_changes(whole, _without("PAIR"))
    assert reason == "the term pair has the weight 0 and is not computed, so dropping it changes nothing"


def test_the_weight_of_the_release_is_told() -> None:
    tiny = {"tran_weight": 1e-7, "itm_weight": 1e-7}
    facts = {"objective": True, "components": ["itm"], "followed": ["D-02"], "settings": tiny}
    whole = _run(weights={**WEIGHTS, **tiny}, released=facts)
    reason = why_nothing_changes(whole, _without("ITM"))
    assert reason is not None
    assert "the term itm has the weight 1e-07, which the release sets (D-02)" in reason
    own = why_nothing_changes(_run(weights={**WEIGHTS, **tiny}), _without("ITM"))
    assert own is not None
    assert "D-02" not in own


def test_a_share_too_small_for_a_float_is_told() -> None:
    reason = why_nothing_changes(_run(terms={"bpr": 1.0, "itm": 2e-8}), _without("ITM"))
    assert reason is not None
    assert "2.0e-08 of the loss" in reason


def test_translation_still_matters_through_matching_unless_it_is_kept_there() -> None:
    """λ_2 is 1e-7 and λ_3 is not: L_tran inside ITM is all that TRAN does."""
    whole = _run(weights={**WEIGHTS, "tran_weight": 1e-7})
    assert why_nothing_changes(whole, _without("TRAN")) is None
    reason = why_nothing_changes(whole, _without("TRAN", keep_coupled=True))
    assert reason is not None
    assert "the term tran has the weight 1e-07" in reason


def test_shares_are_those_of_the_terms_that_a_component_is_or_feeds() -> None:
    """By hand: pair + tran is 0.08 of the loss; their norms 1 + 0.5 over 2, then 0.2 + 0.1 over 0.1."""
    run = _run()
    assert loss_share(run, ["IA"]) == pytest.approx(0.08)
    assert gradient_share(run, ["IA"], "start") == pytest.approx(0.75)
    assert gradient_share(run, ["IA"], "best") == pytest.approx(3.0)
    assert gradient_share(run, ["ITM"], "start", "all") == pytest.approx(0.125)
    assert gradient_share(run, ["ITM"], "start", "backbone") == 0


def test_what_is_released_is_told_by_term() -> None:
    run = _run()
    assert [released(run, [name]) for name in ("PAIR", "IA", "ITM")] == ["yes", "in part", "no"]
    nowhere = _run(released={"objective": False, "components": [], "followed": [], "settings": {}})
    assert released(nowhere, ["PROFILE"]) == "no"


def test_runs_of_an_older_harness_tell_nothing() -> None:
    old = {"per_seed": {"2023": {}}}
    assert (loss_share(old, ["ITM"]), gradient_share(old, ["ITM"], "best"), released(old, ["ITM"])) == (
        None,
        None,
        None,
    )
    assert parameter_difference(old, {"parameter_count": 5}) is None
    assert why_nothing_changes(old, {"drop": ["ITM"]}) is None


def test_dropping_what_the_release_never_computes_gives_the_same_numbers_and_says_why(
    small: Layout,
) -> None:
    """D-01 on simgcl: both models are trained, and every value of every user is the same."""
    requests = [
        CellRequest("demo", "simgcl", "irllrec", drop, fidelity="code") for drop in ((), ("ITM",), ("PAIR",))
    ]
    keys = ensure_cells(small, requests)
    assert keys[0] == "demo-simgcl-irllrec-code"
    for key in keys:
        train.main([key])
        evaluate.main([key])
    params = load_params(small.params)
    table = ablation_table_of(read_cells(small, params, keys), ["recall@20"], params, "holm")
    rows = {row["dropped"]: row for row in table.records}
    assert rows["ITM"]["difference"] == 0
    assert rows["ITM"]["parameter_difference"] == 0
    assert rows["ITM"]["released"] == "no"
    assert "never computes the term itm on simgcl" in str(rows["ITM"]["warning"])
    assert rows["PAIR"]["warning"] is None
    assert rows["PAIR"]["parameter_difference"] < 0
    assert rows["PAIR"]["gradient_share_all_best"] > 0
    warnings = [note for note in table.notes if note.startswith("Warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith("Warning: w/o ITM in demo / simgcl / irllrec-code: the released code")


def test_a_run_tells_what_the_release_has_and_sets(small: Layout) -> None:
    (key,) = ensure_cells(small, [CellRequest("demo", "lightgcn", "irllrec", ("ITM",), fidelity="code")])
    train.main([key])
    run = json.loads((small.run("demo", "lightgcn", "irllrec-code-no-itm") / "run.json").read_text())
    assert run["released"]["components"] == ["itm", "kd", "pair", "tran"]
    assert run["released"]["settings"] == {"keep_rate": 1.0, "tran_weight": 1e-7, "itm_weight": 1e-7}
    assert run["hyperparameters"]["tran_weight"] == 1e-7
    for record in run["per_seed"].values():
        assert set(record["gradient_norms"]) == {"start", "best"}
        assert set(record["gradient_norms"]["best"]["all"]) == {"bpr", "reg", "kd", "pair", "tran", "total"}
