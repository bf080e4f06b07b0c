"""Noise studies and sensitivities from results made by hand: tests, tables, figures, what is left out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import scipy.stats

from irllrec.data.storage import write_json
from repro.cell_entries import entry_of
from repro.cell_requests import CellRequest, checked
from repro.errors import ReproError
from repro.figures.model import rendered
from repro.grid import cell_inputs, ensure_cells
from repro.layout import Layout
from repro.noise_tables import noise_tables
from repro.noise_view import noise_figure_of, noise_figures_of, noise_studies_of
from repro.params import Cell, load_params
from repro.results import CellResult
from repro.robustness import ABSOLUTE, RELATIVE, Curve, NoiseStudy, study
from repro.sensitivity import Point, points_of, read_change, sensitivities, usual_of
from repro.sensitivity_tables import sensitivity_tables
from repro.sensitivity_view import sensitivities_of, sensitivity_figures
from repro.statistics.verdict import stars
from repro.tables.render import render

ROOT = Path(__file__).resolve().parents[2]
PARAMS = load_params(ROOT / "params.yaml").model_copy(
    update={
        "statistics": load_params(ROOT / "params.yaml").statistics.model_copy(
            update={"bootstrap_samples": 300, "randomisation_samples": 200}
        )
    }
)
USERS = 120
OURS = CellRequest("demo", "lightgcn", "irllrec")
BASE = CellRequest("demo", "lightgcn", "base")
GENERATOR = np.random.default_rng(11)
LEVEL = GENERATOR.gamma(2.0, 0.1, size=(2, USERS))


def _result(request: CellRequest, recall: np.ndarray, seeds: tuple[int, ...] = (2023, 2024)) -> CellResult:
    cell = Cell.model_validate(entry_of(request, {}, cell_inputs(request)))
    noise = {"clicks": cell.click_noise, "text": cell.text_noise, "fake_interactions": 90}
    return CellResult(
        key=request.key,
        cell=cell,
        seeds=np.array(seeds),
        users=np.arange(USERS),
        train_degrees=np.ones(USERS, dtype=np.int64),
        run={"mask": "train", "settings": "default", **({"noise": noise} if cell.is_noisy else {})},
        timings={},
        folder=Path("nowhere"),
        prepared=Path("nowhere"),
        _stored={"recall@20": recall, "ndcg@20": recall / 2},
    )


def _curve(clean: CellRequest, level: np.ndarray, kept: Mapping[int, float], spread: float = 0.002) -> Curve:
    """A variant that keeps these shares of its metric, on average."""
    generator = np.random.default_rng(len(clean.objective))
    noisy = {
        share: _result(
            replace(clean, click_noise=share), level * factor + generator.normal(0, spread, level.shape)
        )
        for share, factor in kept.items()
    }
    return Curve(_result(clean, level), noisy)


@pytest.fixture(scope="module")
def found() -> NoiseStudy:
    """irllrec loses 5 and 10 %, base 5 and 30 % of half the level."""
    curves = [_curve(BASE, LEVEL / 2, {10: 0.95, 20: 0.7}), _curve(OURS, LEVEL, {10: 0.95, 20: 0.9})]
    return study("clicks", curves, ["recall@20", "ndcg@20"], PARAMS, "holm")


def test_each_change_is_paired_with_the_clean_cell(found: NoiseStudy) -> None:
    change = next(
        one
        for one in found.changes
        if (one.variant, one.share, one.comparison.metric) == ("irllrec", 20, "recall@20")
    )
    curve = found.curves[1]
    ours, clean = (cell.values("recall@20").mean(axis=0) for cell in (curve.noisy[20], curve.clean))
    expected = scipy.stats.ttest_rel(ours, clean)
    assert change.comparison.statistic == pytest.approx(expected.statistic)
    assert change.comparison.p_value == pytest.approx(expected.pvalue)
    assert change.comparison.family_size == 8
    assert change.comparison.improvement == pytest.approx(-0.1, abs=0.01)


def test_who_loses_less_is_a_paired_test_of_the_difference_of_differences(found: NoiseStudy) -> None:
    contrast = next(
        one
        for one in found.contrasts
        if (one.share, one.scale, one.comparison.metric) == (20, ABSOLUTE, "recall@20")
    )
    lost = [
        (curve.noisy[20].values("recall@20") - curve.clean.values("recall@20")).mean(axis=0)
        for curve in found.curves
    ]
    expected = scipy.stats.ttest_rel(lost[1], lost[0])
    c = contrast.comparison
    assert (c.statistic, c.p_value) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))
    assert (c.reference_mean, c.candidate_mean) == (
        pytest.approx(lost[0].mean()),
        pytest.approx(lost[1].mean()),
    )
    assert c.low < c.difference < c.high
    assert c.family_size == len(found.contrasts) == 8


def test_the_scale_decides_where_a_better_model_has_more_to_lose(found: NoiseStudy) -> None:
    """At 10 % both keep 95 %; of twice the level that is twice the loss, so only the absolute scale differs."""
    told = {
        one.scale: one.comparison
        for one in found.contrasts
        if one.share == 10 and one.comparison.metric == "recall@20"
    }
    assert told[ABSOLUTE].difference < 0
    assert stars(told[ABSOLUTE].p_corrected) == "***"
    assert told[RELATIVE].p_corrected > 0.05
    assert told[RELATIVE].difference == pytest.approx(0, abs=0.01)
    less = [one for one in found.contrasts if one.share == 20 and one.scale == RELATIVE]
    assert all(one.comparison.difference == pytest.approx(0.2, abs=0.02) for one in less)


def test_tables_say_who_loses_less_and_their_records_share_keys(found: NoiseStudy) -> None:
    first, second = noise_tables(found, PARAMS)
    text = render(second, "rich", 140)
    assert "loses less" in text
    assert "loses more" in text
    assert "10% 90, 20% 90" in " ".join(first.notes)
    assert "8 tests of this table" in " ".join(first.notes)
    assert {tuple(record) for table in (first, second) for record in table.records} == {
        tuple(first.records[0])
    }
    assert [record["question"] for record in first.records] == ["change"] * 8
    for form in ("md", "latex", "csv", "json"):
        assert render(first, form)


def test_a_variant_that_reads_no_text_is_flat_and_said_to_be() -> None:
    noisy = _result(replace(OURS, text_noise=20), LEVEL * 0.8)
    clean = _result(BASE, LEVEL / 2)
    curves = [Curve(clean, {20: clean}), Curve(_result(OURS, LEVEL), {20: noisy})]
    found = study("text", curves, ["recall@20"], PARAMS, "holm")
    assert {one.variant for one in found.changes} == {"irllrec"}
    contrast = next(one for one in found.contrasts if one.scale == RELATIVE)
    assert contrast.comparison.reference_mean == 0
    assert contrast.comparison.candidate_mean == pytest.approx(-0.2)
    assert "base reads no text vectors" in " ".join(noise_tables(found, PARAMS)[0].notes)
    records = noise_figure_of(found, PARAMS).records
    assert [record["mean"] for record in records if record["variant"] == "base"] == [
        pytest.approx(float(clean.values("recall@20").mean()), rel=1e-5)
    ] * 2


def test_cells_with_other_seeds_are_not_compared() -> None:
    curve = Curve(_result(OURS, LEVEL), {10: _result(replace(OURS, click_noise=10), LEVEL, seeds=(1, 2))})
    with pytest.raises(ReproError, match="with the seeds 2023, 2024 and .*clicks10 with 1, 2"):
        study("clicks", [curve], ["recall@20"], PARAMS, "holm")


def test_the_figure_holds_every_point_and_says_its_numbers(found: NoiseStudy) -> None:
    figure = noise_figure_of(found, PARAMS)
    assert figure.name == "noise-clicks-demo-lightgcn"
    assert len(figure.records) == 2 * 2 * 3
    assert "irllrec goes from" in figure.alt
    assert "is shown to lose a smaller share than base" in figure.alt
    assert "--kind clicks --share 10,20" in figure.command
    assert rendered(figure, "png") == rendered(figure, "png")
    assert rendered(figure, "svg").startswith(b"<?xml")


def _line(values: Mapping[float, float], setting: str = "itm_weight") -> tuple[Any, ...]:
    """Points of irllrec whose metric is its level times a factor, the plain cell among them."""
    requests = {value: checked(PARAMS, replace(OURS, settings=((setting, value),))) for value in values}
    points = [
        Point((value,), _result(request, LEVEL * values[value]))
        for value, request in sorted(requests.items())
    ]
    plain = next(point.cell for point in points if point.cell.key == OURS.key)
    return (f"objective.{setting}",), plain, usual_of(PARAMS, OURS, [f"objective.{setting}"]), points


def test_each_value_is_compared_with_the_cell_as_it_is_and_the_best_is_marked() -> None:
    [one] = sensitivities([_line({1e-4: 1.0, 0.01: 1.1, 1.0: 0.5})], ["recall@20"], PARAMS, "holm")
    assert [one.is_plain(point) for point in one.points] == [True, False, False]
    assert one.marks("recall@20") == ["second", "best", ""]
    [table] = sensitivity_tables([one], PARAMS)
    text = render(table, "rich", 140)
    assert "as in the grid" in text
    assert "objective.itm_weight (the cell has 0.0001)" in text
    assert "choosing a setting by them is not tuning" in " ".join(table.notes)
    assert "over all 2 tests" in " ".join(table.notes)
    verdicts = [record["verdict"] for record in table.records]
    assert verdicts == ["", "better", "worse"]
    assert [record["as_in_grid"] for record in table.records] == ["yes", "", ""]
    [figure] = sensitivity_figures([one], PARAMS)
    assert "between" in figure.alt
    assert "--set objective.itm_weight=0.0001,0.01,1" in figure.command
    assert rendered(figure, "png")


def test_two_settings_make_a_grid_with_the_cell_marked() -> None:
    names, requests = points_of(PARAMS, OURS, [("intents", (64, 128)), ("kd_weight", (0.01, 0.1))])
    assert names == ("objective.intents", "objective.kd_weight")
    assert requests[128, 0.01] == OURS
    assert requests[64, 0.1].variant == "irllrec-at-intents-64-kd-weight-0p1"
    points = [
        Point(values, _result(request, LEVEL * (1 + 0.1 * place)))
        for place, (values, request) in enumerate(requests.items())
    ]
    plain = next(point.cell for point in points if point.cell.key == OURS.key)
    [one] = sensitivities([(names, plain, (128, 0.01), points)], ["recall@20"], PARAMS, "holm")
    [table] = sensitivity_tables([one], PARAMS)
    assert table.columns == ("objective.intents ↓  objective.kd_weight →", "0.01", "0.1")
    assert "◂" in render(table, "rich", 100)
    assert len(table.records) == 4
    [figure] = sensitivity_figures([one], PARAMS)
    assert "best" in figure.alt
    assert "--grid" in figure.command
    assert rendered(figure, "png")


def test_a_line_holds_the_value_that_the_cell_has_though_it_was_not_named() -> None:
    _, requests = points_of(PARAMS, OURS, [("layers", (1, 2))])
    assert list(requests) == [(1,), (2,), (3,)]
    assert requests[(3,)] == OURS
    _, requests = points_of(PARAMS, OURS, [("text_dimension", (16, 32))])
    assert list(requests) == [(16,), (32,), (64,)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("intents", "write a setting and its values"),
        ("=3", "write a setting"),
        ("intents=a,b", "write a setting"),
    ],
)
def test_an_unreadable_change_is_refused(text: str, words: str) -> None:
    with pytest.raises(ReproError, match=words):
        read_change(text)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([("itn", (1,))], "--set itn: lightgcn under irllrec has no such setting: choose from"),
        ([("intents", (128,))], "has these values of objective.intents anyway: name others"),
        ([("intents", tuple(range(1, 62)))], "61 combinations, more than 60"),
        ([("intents", (1,)), ("objective.intents", (2,))], "is given twice"),
    ],
)
def test_an_impossible_line_is_refused(changes: list[tuple[str, tuple[int, ...]]], words: str) -> None:
    with pytest.raises(ReproError, match=words):
        points_of(PARAMS, OURS, changes)


def _stored(layout: Layout, request: CellRequest, recall: np.ndarray) -> None:
    """Put a cell into the grid with these results."""
    [key] = ensure_cells(layout, [request])
    cell = load_params(layout.params).cells[key]
    folder = layout.run(cell.dataset, cell.backbone, cell.variant)
    folder.mkdir(parents=True)
    columns = {
        "seed": np.repeat([2023, 2024], USERS),
        "user": np.tile(np.arange(USERS), 2),
        "train_degree": np.ones(2 * USERS, dtype=np.int64),
    }
    metrics = {name: recall.reshape(-1) for name in ("recall@20", "ndcg@20")}
    pyarrow.parquet.write_table(pa.table({**columns, **metrics}), folder / "per_user.parquet")
    write_json(folder / "run.json", {"settings": "default"})
    write_json(folder / "metrics.json", {"mask": "train"})


def test_views_show_what_is_evaluated_and_nothing_where_there_is_nothing(checkout: Layout) -> None:
    shutil.copy(ROOT / "params.yaml", checkout.params)
    params = load_params(checkout.params)
    assert noise_studies_of(checkout, params, "demo") == []
    assert noise_figures_of(checkout, params, "demo") == []
    assert sensitivities_of(checkout, params, "demo") == []
    for request, factor in (
        (OURS, 1.0),
        (BASE, 0.5),
        (replace(OURS, click_noise=10), 0.9),
        (replace(BASE, click_noise=10), 0.4),
        (replace(OURS, click_noise=10, text_noise=10), 0.8),
        (replace(OURS, drop=("TRAN",), text_noise=10), 0.8),
        (replace(OURS, settings=(("intents", 64),)), 0.95),
        (replace(OURS, settings=(("layers", 2),)), 0.9),
        (replace(OURS, settings=(("intents", 64), ("layers", 2))), 0.85),
    ):
        _stored(checkout, request, LEVEL * factor)
    params = load_params(checkout.params)
    [clicks] = noise_studies_of(checkout, params, "demo")  # the text noise has no clean cell beside it
    assert (clicks.kind, [curve.variant for curve in clicks.curves]) == ("clicks", ["base", "irllrec"])
    assert [list(curve.noisy) for curve in clicks.curves] == [[10], [10]]
    shapes = {one.settings: len(one.points) for one in sensitivities_of(checkout, params, "demo")}
    assert shapes == {
        ("objective.intents",): 2,
        ("backbone.layers",): 2,
        ("backbone.layers", "objective.intents"): 4,
    }
    assert [
        figure.name for figure in sensitivity_figures(sensitivities_of(checkout, params, "demo"), params)
    ] == [
        "sensitivity-demo-lightgcn-irllrec",
        "sensitivity-demo-lightgcn-irllrec-backbone-layers-objective-intents",
    ]
