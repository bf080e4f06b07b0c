"""What deviations cost: which cells are compared, in which direction, and what is written of it."""

import csv
import importlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from irllrec.backbones.interface import Backbone
from irllrec.data.interactions import Interactions
from irllrec.data.sampling import TripleSampler
from irllrec.fidelity import DEVIATIONS
from irllrec.graph import BipartiteGraph
from irllrec.recommender import Recipe, build
from irllrec.seeding import Draws, torch_stream
from irllrec.types import Batch, NodeText
from repro import cli
from repro.cell_requests import CellRequest
from repro.deviations import PRICES, Case, check_deviations, plan, without_runs
from repro.deviations_page import BEGIN, END, write_effects
from repro.errors import ReproError
from repro.grid import ensure_cells
from repro.layout import Layout
from repro.params import Cell, Params, load_params
from repro.pricing import deviation_rows, identical, seed_spread, sides
from repro.redraws import draw_spreads
from repro.results import CellResult, read_result
from repro.stages.evaluate import evaluate_cell
from repro.stages.train import train_cell
from repro.tables.deviations import DeviationRow

ROOT = Path(__file__).resolve().parents[2]
PARAMS = load_params(ROOT / "params.yaml")
METRICS = ["recall@20", "ndcg@20"]


def _result(request: CellRequest, recall: list[list[float]], **override: object) -> CellResult:
    """A cell with these values of recall@20, shape (seed, user), and half of them as ndcg@20."""
    values = np.asarray(recall)
    names = {"dataset": request.dataset, "backbone": request.backbone, "objective": request.objective}
    cell = Cell.model_validate(
        {
            **names,
            "variant": request.variant,
            "inputs": "data",
            "override": {"turned": request.turned, **override},
        }
    )
    return CellResult(
        key=request.key,
        cell=cell,
        seeds=np.arange(2023, 2023 + len(values)),
        users=np.arange(values.shape[1]),
        train_degrees=np.ones(values.shape[1], dtype=np.int64),
        run={"commit": "0123456789abcdef", "mask": "train", "settings": "default", "fidelity": "paper"},
        timings={},
        folder=Path("nowhere"),
        prepared=Path("nowhere"),
        _stored={"recall@20": values, "ndcg@20": values / 2},
    )


def _case(deviation: str, params: Params = PARAMS) -> Case:
    (case,) = plan(params, [deviation], ["demo"], [])
    return case


def _priced(case: Case, plain: list[list[float]], turned: list[list[float]]) -> list[DeviationRow]:
    pairs = zip(case.cells, (plain, turned), strict=True)
    found = {request.key: _result(request, values) for request, values in pairs}
    return deviation_rows([case], found, METRICS, PARAMS, "holm", {})[0]


def test_every_deviation_has_a_price_or_says_why_not() -> None:
    assert tuple(PRICES) == DEVIATIONS
    assert [name for name, price in PRICES.items() if not price.objective] == ["D-06"]


def _released_on(kind: type[Backbone]) -> dict[str, bool]:
    """Which deviations of single backbones the release has on this one."""
    release = kind.release
    return {
        "D-01": "irllrec" in release.objectives and not release.components >= {"pair", "tran", "itm"},
        "D-02": bool(release.objective),
        "D-07": kind.noisy_evaluation is not Backbone.noisy_evaluation,
        "D-08": release.masks_late,
        "D-09": bool(release.backbone),
        "D-10": not release.pair_negatives,
    }


def test_a_deviation_is_priced_exactly_where_the_backbones_say_that_the_release_has_it() -> None:
    modules = {name: f"irllrec.backbones.{name.replace('-', '_')}" for name in PARAMS.backbones}
    kinds = {name: importlib.import_module(module).BACKBONE for name, module in modules.items()}
    has = {name: _released_on(kind) for name, kind in kinds.items() if issubclass(kind, Backbone)}
    assert {"lightgcn", "simgcl", "bigcf"} <= set(has)
    assert {
        name: {deviation: PRICES[deviation].shows_on(name) for deviation in found}
        for name, found in has.items()
    } == has


def test_a_switch_is_the_cell_against_itself_with_that_one_switch_turned() -> None:
    switches = [name for name, price in PRICES.items() if price.kind == "switch"]
    params = PARAMS.model_copy(update={"backbones": {**PARAMS.backbones, "simgcl": {}, "bigcf": {}}})
    for case in plan(params, switches, ["demo"], []):
        plain, turned = case.cells
        assert turned == replace(plain, turned=(case.deviation,))
        assert plain.turned == ()


def test_other_backbones_are_priced_where_the_deviation_shows() -> None:
    params = PARAMS.model_copy(update={"backbones": {**PARAMS.backbones, "sgl": {}, "simgcl": {}}})
    cases = plan(params, ["D-01", "D-02", "D-03"], ["demo"], ["sgl", "simgcl"])
    assert [(case.deviation, case.backbone) for case in cases if case.cells] == [
        ("D-01", "sgl"),
        ("D-01", "simgcl"),
        ("D-03", "sgl"),
        ("D-03", "simgcl"),
    ]
    (missing,) = [case.missing for case in cases if not case.cells]
    assert missing == "it shows on lightgcn only: leave out --backbone"


@pytest.mark.parametrize(
    ("deviation", "changes", "missing"),
    [
        (
            "D-03",
            {"text": None},
            "demo has no text, which irllrec reads: see `repro data import demo --help`",
        ),
        ("D-11", {"seeds": (2023,)}, "put more under datasets.demo.seeds in params.yaml"),
    ],
)
def test_what_this_data_set_cannot_price_is_named_with_the_command(
    deviation: str, changes: dict[str, object], missing: str
) -> None:
    demo = PARAMS.datasets["demo"].model_copy(update=changes)
    case = _case(deviation, PARAMS.model_copy(update={"datasets": {"demo": demo}}))
    assert case.cells == ()
    assert missing in case.missing
    assert case.missing.endswith(f"run `repro deviations --dataset demo --only {deviation}`")


def test_a_backbone_that_the_grid_lacks_is_named_with_the_command() -> None:
    lightgcn = {"lightgcn": PARAMS.backbones["lightgcn"]}
    case = _case("D-07", PARAMS.model_copy(update={"backbones": lightgcn}))
    assert case.missing == (
        "params.yaml has no backbone bigcf: add its line under `backbones`, "
        "then run `repro deviations --dataset demo --only D-07`"
    )


def test_a_missing_run_is_named_with_the_command_also_for_another_backbone() -> None:
    params = PARAMS.model_copy(update={"backbones": {**PARAMS.backbones, "sgl": {}}})
    (case,) = plan(params, ["D-05"], ["demo"], ["sgl"])
    assert without_runs(case, ["demo-sgl-irllrec"]).missing == (
        "no run that is up to date of demo-sgl-irllrec-d05: "
        "run `repro deviations --dataset demo --only D-05 --backbone sgl`"
    )
    assert without_runs(case, ["demo-sgl-irllrec", "demo-sgl-irllrec-d05"]) == case


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((["D-03"], ["nowhere"], []), "no data set 'nowhere'"),
        ((["D-03"], ["demo"], ["resnet"]), "no backbone 'resnet'"),
    ],
)
def test_an_unknown_name_is_refused(arguments: tuple[list[str], ...], sentence: str) -> None:
    with pytest.raises(ReproError, match=sentence):
        plan(PARAMS, *arguments)


def test_an_unknown_deviation_is_refused_and_none_means_all() -> None:
    with pytest.raises(ReproError, match="no deviation 'D-13': choose from D-01 to D-12"):
        check_deviations(["d-02", "D-13"])
    assert check_deviations(["d-05", "D-02"]) == ["D-02", "D-05"]
    assert check_deviations([]) == list(DEVIATIONS)


@pytest.mark.parametrize(
    ("fidelity", "turned_before", "released"),
    [("paper", (), "turned"), ("code", (), "plain"), ("paper", ("D-03",), "plain")],
)
def test_the_released_side_is_the_candidate_whichever_cell_it_is(
    fidelity: str, turned_before: tuple[str, ...], released: str
) -> None:
    case = _case("D-03")
    plain, turned = case.cells
    found = {
        plain.key: _result(plain, [[0.1, 0.2]], turned=turned_before),
        turned.key: _result(turned, [[0.3, 0.4]]),
    }
    pair = sides(PARAMS.model_copy(update={"fidelity": fidelity}), case, found)
    assert pair.candidate.key == (turned.key if released == "turned" else plain.key)
    assert {pair.candidate.key, pair.reference.key} == {plain.key, turned.key}


def test_the_price_is_released_minus_paper_over_users_averaged_over_seeds() -> None:
    """Paper: users (.2, .4) on average over seeds; released: (.1, .4). Difference -.05, half for ndcg."""
    rows = _priced(_case("D-03"), plain=[[0.1, 0.4], [0.3, 0.4]], turned=[[0.1, 0.3], [0.1, 0.5]])
    assert [(row.metric, row.seeds) for row in rows] == [(name, (2023, 2024)) for name in METRICS]
    assert [row.compared.difference for row in rows] == pytest.approx([-0.05, -0.025])
    assert not any(row.identical for row in rows)


def test_equal_results_are_told_as_equal_for_every_user_and_equal_means_are_not() -> None:
    assert _priced(_case("D-12"), [[0.1, 0.4]], [[0.1, 0.4]])[0].note == "equal for every user and seed"
    assert _priced(_case("D-12"), [[0.1, 0.4]], [[0.4, 0.1]])[0].note == ""


def test_the_family_of_tests_is_the_whole_table() -> None:
    """Two switches with two metrics are four tests; seeds and what does not run are none."""
    cases = [_case(name) for name in ("D-03", "D-05", "D-06", "D-11")]
    generator = np.random.default_rng(1)
    requests = {request for case in cases for request in case.cells}
    found = {
        request.key: _result(request, generator.random((2, 30)).tolist())
        for request in sorted(requests, key=lambda request: request.key)
    }
    rows, comparisons = deviation_rows(cases, found, METRICS, PARAMS, "holm", {})
    assert [c.family_size for c in comparisons] == [4] * 4
    assert [row.deviation for row in rows] == ["D-03"] * 2 + ["D-05"] * 2 + ["D-06"] + ["D-11"] * 4
    smallest = min(comparisons, key=lambda c: c.p_value)
    assert smallest.p_corrected == pytest.approx(min(1.0, 4 * smallest.p_value))


def test_the_spread_over_seeds_is_that_of_their_means() -> None:
    """Means of the seeds: .2 and .4; their standard deviation with n - 1 is sqrt(.02)."""
    case = _case("D-11")
    cell = _result(case.cells[0], [[0.1, 0.3], [0.3, 0.5]])
    assert seed_spread(cell, "recall@20") == pytest.approx(0.02**0.5)
    rows, comparisons = deviation_rows(
        [case], {r.key: replace(cell, key=r.key) for r in case.cells}, METRICS, PARAMS, "holm", {}
    )
    assert comparisons == []
    assert rows[0].mean == pytest.approx(0.3)
    assert rows[0].note == "±0.1414 over seeds"


def _unmeasured() -> str:
    """The page as it is tracked, but with nothing measured yet."""
    before, _, rest = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8").partition(BEGIN)
    body, _, after = rest.partition(END)
    lines = [line for line in body.splitlines() if not line.startswith("- `")]
    emptied = [
        re.sub(r"\| [^|]* \|$", "| not measured: nothing ran |", line) if line.startswith("| D-") else line
        for line in lines
    ]
    return f"{before}{BEGIN}{chr(10).join(emptied)}\n{END}{after}"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    copy = tmp_path / "deviations.md"
    copy.write_text(_unmeasured(), encoding="utf-8")
    return copy


def _effects(page: Path) -> dict[str, str]:
    """The last column of the page's measured table."""
    body = page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("| D-")]
    return {cells[0].strip(): cells[-1].strip() for cells in rows}


def _rows(dataset: str, difference: float) -> list[DeviationRow]:
    """Rows of all deviations, of which D-03 alone is measured."""
    case = _case("D-03")
    plain = [[0.2, 0.4, 0.6]]
    priced = _priced(case, plain, [[value + difference for value in plain[0]]])[:1]
    unmeasured = [
        DeviationRow(name, "", dataset, "–", missing=f"no runs of {name}")
        for name in DEVIATIONS
        if name != "D-03"
    ]
    return [*(replace(row, dataset=dataset) for row in priced), *unmeasured]


def test_effects_are_written_into_the_last_column_and_nowhere_else(page: Path) -> None:
    before = page.read_text(encoding="utf-8")
    write_effects(
        page, _rows("shop", 0.1), {"shop": "`repro deviations --dataset shop --write`; seeds 2023."}
    )
    after = page.read_text(encoding="utf-8")
    assert after.partition(BEGIN)[0] == before.partition(BEGIN)[0]
    assert after.partition(END)[2] == before.partition(END)[2]
    effects = _effects(page)
    assert "shop, lightgcn/irllrec: R@20 +0.1000 [" in effects["D-03"]
    without = {line.rpartition(" | ")[0] for line in before.splitlines() if line.startswith("| D-")}
    assert {line.rpartition(" | ")[0] for line in after.splitlines() if line.startswith("| D-")} == without
    assert after.count("- `shop`: `repro deviations --dataset shop --write`; seeds 2023.\n") == 1


def test_writing_the_same_effects_again_changes_nothing(page: Path) -> None:
    write_effects(page, _rows("shop", 0.1), {"shop": "first."})
    once = page.read_bytes()
    write_effects(page, _rows("shop", 0.1), {"shop": "first."})
    assert page.read_bytes() == once


def test_new_effects_replace_those_of_their_data_set_only(page: Path) -> None:
    write_effects(page, _rows("shop", 0.1), {"shop": "first."})
    write_effects(page, _rows("market", 0.2), {"market": "second."})
    write_effects(page, _rows("shop", 0.3), {"shop": "third."})
    effect = _effects(page)["D-03"]
    assert "market, lightgcn/irllrec: R@20 +0.2000" in effect
    assert "shop, lightgcn/irllrec: R@20 +0.3000" in effect
    assert "+0.1000" not in effect
    text = page.read_text(encoding="utf-8")
    assert "- `market`: second.\n- `shop`: third.\n" in text
    assert "first." not in text


def test_a_row_priced_alone_leaves_the_others_and_where_they_are_from(page: Path) -> None:
    write_effects(page, _rows("shop", 0.1), {"shop": "first."})
    write_effects(page, _rows("market", 0.2), {"market": "second."})
    before = _effects(page)
    spread = [
        DeviationRow(
            "D-11",
            "",
            "shop",
            "lightgcn/irllrec",
            metric="recall@20",
            seeds=(1, 2),
            mean=0.3,
            seed_spread=0.01,
        )
    ]
    for _ in range(2):
        write_effects(page, spread, {"shop": "third."}, ["D-11"])
        after = _effects(page)
        assert after.pop("D-11") == "shop, lightgcn/irllrec: R@20 0.3000 ± 0.0100 over 2 seeds"
        assert after == {name: effect for name, effect in before.items() if name != "D-11"}
        text = page.read_text(encoding="utf-8")
        assert "- `market`: second.\n- `shop`: first.\n- `shop`, D-11: third.\n" in text
    write_effects(page, _rows("shop", 0.3), {"shop": "fourth."})
    assert "third." not in page.read_text(encoding="utf-8")


def test_a_row_without_any_measurement_says_what_is_missing(page: Path) -> None:
    write_effects(page, _rows("shop", 0.1), {"shop": "first."})
    assert _effects(page)["D-04"].endswith("not measured: no runs of D-04")


def test_a_page_without_markers_is_refused_with_the_fix(tmp_path: Path) -> None:
    page = tmp_path / "deviations.md"
    page.write_text("# nothing here\n", encoding="utf-8")
    with pytest.raises(ReproError, match="git checkout -- deviations.md"):
        write_effects(page, _rows("shop", 0.1), {"shop": "first."})


def test_the_tracked_page_has_a_row_for_every_deviation_and_lists_every_pair() -> None:
    page = ROOT / "docs" / "deviations.md"
    assert tuple(_effects(page)) == DEVIATIONS
    text = page.read_text(encoding="utf-8")
    assert [name for name, price in PRICES.items() if f"{price.why} |\n" not in text] == []


def test_regularising_a_frozen_teacher_changes_the_loss_and_no_gradient() -> None:
    """Why the price of D-12 is exactly 0: the loss grows by λ‖W_teacher‖², which no parameter enters."""
    generator = np.random.default_rng(3)
    train = Interactions.from_pairs(generator.integers(0, 12, 80), generator.integers(0, 9, 80), 12, 9)
    text = NodeText(torch.randn(21, 7, generator=torch.Generator().manual_seed(1)), torch.ones(21, 5))
    batch = Batch.of(*next(iter(TripleSampler(train, batch_size=64, seed=1).epoch(1))))
    recipe = Recipe(
        backbone="lightgcn",
        objective="irllrec",
        backbone_settings=PARAMS.backbones["lightgcn"],
        objective_settings={**PARAMS.objectives["irllrec"], "regularization": 0.1},
        embedding_size=4,
    )
    losses, gradients = [], []
    for turned in (frozenset[str](), frozenset({"D-12"})):
        recommender = build(replace(recipe, turned=turned), BipartiteGraph(train), text, 1)
        terms = recommender.terms(batch, Draws(torch_stream(1, "step")))
        loss = sum(term.value * term.weight for term in terms.values())
        loss.backward()
        losses.append(loss.item())
        trained = [p for p in recommender.parameters() if p.requires_grad]
        gradients.append([p.grad.clone() for p in trained])
    assert losses[1] > losses[0] + 0.01
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def _trained(layout: Layout, request: CellRequest) -> tuple[Params, CellResult]:
    """Train and evaluate one cell of a small checkout."""
    (key,) = ensure_cells(layout, [request])
    params = load_params(layout.params)
    train_cell(layout, params, key)
    evaluate_cell(layout, params, key)
    return params, read_result(layout, key, params.cells[key])


def test_a_noisy_evaluation_done_again_gives_other_figures(small: Layout) -> None:
    params, noisy = _trained(small, CellRequest("demo", "bigcf", "base", turned=("D-07",)))
    spreads = draw_spreads(small, params, noisy, METRICS, evaluations=3)
    assert all(0 < spread < 0.2 for spread in spreads.values())
    assert draw_spreads(small, params, noisy, METRICS, evaluations=3) == spreads


def test_an_evaluation_without_noise_gives_the_same_figures_every_time(small: Layout) -> None:
    params, quiet = _trained(small, CellRequest("demo", "bigcf", "base"))
    assert draw_spreads(small, params, quiet, METRICS, evaluations=3) == {"recall@20": 0.0, "ndcg@20": 0.0}


def test_a_model_that_is_gone_is_named(small: Layout) -> None:
    params, quiet = _trained(small, CellRequest("demo", "lightgcn", "base"))
    (quiet.folder / "model" / "seed-2024.safetensors").unlink()
    with pytest.raises(ReproError, match="seed-2024.safetensors is missing: bring it with `dvc checkout`"):
        draw_spreads(small, params, quiet, METRICS)


@pytest.mark.slow
def test_trained_with_and_without_the_teacher_in_the_norm_results_are_identical(small: Layout) -> None:
    plain = CellRequest("demo", "lightgcn", "irllrec")
    params, first = _trained(small, plain)
    _, second = _trained(small, replace(plain, turned=("D-12",)))
    (case,) = plan(params, ["D-12"], ["demo"], [])
    found = {first.key: first, second.key: second}
    assert identical(sides(params, case, found), METRICS)
    rows, comparisons = deviation_rows([case], found, METRICS, params, "holm", {})
    assert [c.difference for c in comparisons] == [0.0, 0.0]
    assert {row.note for row in rows} == {"equal for every user and seed"}


PIPELINE = """\
stages:
  evaluate:
    foreach: ${cells}
    do:
      cmd:
      - mkdir -p runs/${item.dataset}/${item.backbone}
      - >-
        cp -r measured/${item.dataset}/${item.backbone}/${item.variant}
        runs/${item.dataset}/${item.backbone}/
      deps:
      - measured/${item.dataset}/${item.backbone}/${item.variant}
      outs:
      - runs/${item.dataset}/${item.backbone}/${item.variant}
"""
"""A pipeline whose evaluation takes over results that lie beside it."""


@pytest.fixture
def measured(small: Layout) -> Layout:
    """A checkout whose results of D-09 and D-11 lie beside it; the turned cell is not in its grid yet."""
    before = small.params.read_text(encoding="utf-8")
    plain = CellRequest("demo", "lightgcn", "irllrec")
    for request in (CellRequest("demo", "lightgcn", "base"), plain, replace(plain, turned=("D-09",))):
        _trained(small, request)
    small.params.write_text(before, encoding="utf-8")
    (small.root / "runs").rename(small.root / "measured")
    (small.root / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (small.root / ".dvc").mkdir()
    (small.root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    small.deviations_page.parent.mkdir()
    small.deviations_page.write_text(_unmeasured(), encoding="utf-8")
    return small


@pytest.mark.slow
def test_what_is_missing_is_announced_run_priced_and_written(measured: Layout, monkeypatch, capsys) -> None:
    monkeypatch.setenv("REPRO_VERBOSITY", "")
    words = ["deviations", "--dataset", "demo", "--only", "D-09", "--only", "D-11", "--format", "csv"]
    assert cli.run(words) == 0
    answer = capsys.readouterr()
    assert "Running 3 stages through DVC" in answer.err
    assert "evaluate@demo-lightgcn-irllrec-d09" in answer.err
    assert load_params(measured.params).cells["demo-lightgcn-irllrec-d09"].override.turned == ("D-09",)
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["candidate"] for row in rows[:2]] == ["demo/lightgcn/irllrec-d09"] * 2
    assert [row["tests_in_family"] for row in rows[:2]] == ["2", "2"]
    assert all(float(row["seed_spread"]) > 0 for row in rows[2:])

    assert cli.run([*words, "--no-run"]) == 0
    assert capsys.readouterr().out == answer.out
    write = ["deviations", "--dataset", "demo", "--no-run", "--write", "--format", "csv"]
    assert cli.run(write) == 0
    effects = _effects(measured.deviations_page)
    assert effects["D-09"].startswith("demo, lightgcn/irllrec: R@20 ")
    assert "over 2 seeds" in effects["D-11"]
    assert effects["D-05"].startswith("not measured: no run that is up to date of demo-lightgcn-irllrec-d05")
    once = measured.deviations_page.read_bytes()
    assert (
        b"- `demo`: `repro deviations --dataset demo --write`; seeds 2023, 2024; p corrected over 2 tests"
        in once
    )
    assert cli.run(write) == 0
    assert measured.deviations_page.read_bytes() == once


def test_writing_only_some_deviations_is_refused(checkout: Layout, monkeypatch, capsys) -> None:
    monkeypatch.setenv("REPRO_ROOT", str(checkout.root))
    assert cli.run(["deviations", "--dataset", "demo", "--only", "D-03", "--write"]) == 1
    assert "leave out --only" in capsys.readouterr().err


def test_without_runs_every_row_says_what_is_missing(checkout: Layout, monkeypatch, capsys) -> None:
    monkeypatch.setenv("REPRO_ROOT", str(checkout.root))
    before = checkout.params.read_bytes()
    assert cli.run(["deviations", "--dataset", "demo", "--no-run", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["deviation"] for row in rows] == list(DEVIATIONS)
    assert all(row["missing"] for row in rows)
    assert checkout.params.read_bytes() == before
