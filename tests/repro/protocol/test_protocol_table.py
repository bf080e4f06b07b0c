"""`repro protocol` on results of a real small pipeline: rows, notes, forms, figures, refusals."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Sequence

import pytest

from repro.analysis import Pair, read_cells
from repro.cli import run
from repro.figures.model import rendered
from repro.layout import Layout
from repro.params import Params, load_params
from repro.protocol_view import protocol_figures_of, sensitivity_of, table_of
from repro.resplitting import copy_raw, join_grid
from repro.stages import embed, evaluate, prepare, summarize, train
from repro.tables.model import Table
from repro.tables.render import FORMATS, render

LINE = ("protocol", "--dataset", "demo", "--no-run")


def _table(
    layout: Layout,
    params: Params,
    variant: str = "irllrec",
    against: str = "base",
    metric: str | None = None,
) -> Table:
    cells = read_cells(layout, params, [f"demo-lightgcn-{name}" for name in (variant, against)])
    found = {cell.cell.variant: cell for cell in cells}
    pair = Pair(found[variant], found[against])
    return table_of(sensitivity_of(layout, params, pair, metric, params.statistics.correction), params)


def _notes(table: Table) -> str:
    return " ".join(table.notes)


def test_there_is_one_row_a_choice_and_the_notes_count_them(trained: Layout, params: Params) -> None:
    table = _table(trained, params)
    switches = [record["switch"] for record in table.records]
    assert switches[0] == "standing protocol"
    assert set(switches[1:]) == {
        "mask",
        "cut-off",
        "metric",
        "recall divides by",
        "mean over",
        "users",
        "equal scores",
        "candidates",
        "training seeds",
    }
    stays = sum(record["against_standing"] == "stays" for record in table.records)
    assert f"stays under {stays} of {len(table.records) - 1} choices" in _notes(table)
    assert f"Holm over all {len(table.records)} tests" in _notes(table)
    assert "All 240 combinations" in _notes(table)
    assert "Order of the 3 methods here by recall@20: all items" in _notes(table)
    assert "0 with irllrec and 0 with base, of" in _notes(table)


def test_sampled_candidates_need_a_catalogue_that_is_large_enough(trained: Layout, params: Params) -> None:
    options = [record["option"] for record in _table(trained, params).records]
    assert "1 + 99 sampled" in options
    assert "1 + 999 sampled" not in options


def test_without_models_the_rows_that_need_scores_are_missing_and_named(
    trained: Layout, params: Params
) -> None:
    for variant in ("base", "irllrec"):
        shutil.rmtree(trained.run("demo", "lightgcn", variant) / "model")
    table = _table(trained, params)
    switches = {record["switch"] for record in table.records}
    assert not {"equal scores", "candidates"} & switches
    assert {"mask", "users", "training seeds"} <= switches
    assert "Not judged: equal scores: test items first" in _notes(table)
    assert "no trained models of demo/lightgcn/irllrec and demo/lightgcn/base are here" in _notes(table)
    assert "are left out: the stored lists are too short" in _notes(table)


def test_users_whose_shortened_lists_end_too_early_are_left_out_and_counted(
    trained: Layout, params: Params
) -> None:
    for variant in ("base", "irllrec"):
        shutil.rmtree(trained.run("demo", "lightgcn", variant) / "model")
    table = _table(trained, params, metric="recall@100")
    (row,) = [record for record in table.records if record["switch"] == "mask"]
    standing = table.records[0]
    assert isinstance(row["users_left_out"], int)
    assert row["users_left_out"] > 0
    assert row["users"] == standing["users"] - row["users_left_out"]  # type: ignore[operator]
    assert f"left out on both sides: train+valid items {row['users_left_out']} users" in _notes(table)


def test_another_claim_can_be_asked(trained: Layout, params: Params) -> None:
    table = _table(trained, params, variant="rlmrec-con", against="irllrec", metric="ndcg@10")
    assert table.title == "Protocol: demo/lightgcn/rlmrec-con − irllrec"
    assert table.records[0]["metric"] == "ndcg@10"
    assert "recall divides by" not in {record["switch"] for record in table.records}


def test_nothing_is_there_where_a_side_has_no_results(trained: Layout, params: Params) -> None:
    shutil.rmtree(trained.run("demo", "lightgcn", "base"))
    assert protocol_figures_of(trained, params, "demo") == []


def test_every_form_can_be_printed(trained: Layout, params: Params) -> None:
    table = _table(trained, params)
    for form in FORMATS:
        assert "train+valid" in render(table, form, 80)
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert len(rows) == len(table.records)


def test_figures_say_in_words_what_they_show(trained: Layout, params: Params) -> None:
    choices, curve = protocol_figures_of(trained, params, "demo")
    table = _table(trained, params)
    assert len(choices.records) == len(table.records)
    assert choices.alt == table.notes[0]
    assert len(curve.records) == 240
    improvements = [record["improvement_percent"] for record in curve.records]
    assert improvements == sorted(improvements)  # type: ignore[type-var]
    assert choices.name == "protocol-demo-lightgcn"
    for figure in (choices, curve):
        assert rendered(figure, "png")[:4] == b"\x89PNG"
        assert figure.command.startswith("repro protocol --dataset demo --backbone lightgcn")


def test_results_on_another_split_get_a_row_of_their_own(trained: Layout, params: Params) -> None:
    assert "needs retraining: `repro data resplit demo --seed 2024`, then `repro compare" in _notes(
        _table(trained, params)
    )
    copy_raw(trained, "demo", 2024)
    keys = join_grid(trained, "demo", 2024, ["lightgcn"])
    for stage in (prepare, summarize, embed):
        stage.main(["demo-split2024"])
    changed = load_params(trained.params)
    for key in (key for key in keys if key.endswith(("-base", "-irllrec"))):
        train.train_cell(trained, changed, key)
        evaluate.main([key])
    table = _table(trained, changed)
    (row,) = [record for record in table.records if record["switch"] == "split seed"]
    assert row["candidate"] == "demo-split2024/lightgcn/irllrec"
    assert row["option"] == "2024, other users"
    assert "`repro data resplit demo --seed 2025`" in _notes(table)


def _refused(capsys: pytest.CaptureFixture[str], words: Sequence[str]) -> str:
    assert run(list(words)) == 1
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1, sentence
    return sentence


def test_the_command_prints_what_the_view_returns(
    trained: Layout, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*LINE, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == [dict(record) for record in _table(trained, params).records]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--variant", "base"], "--variant and --against are both base"),
        (["--metric", "novelty@20"], "novelty@20 has no better side, so no claim can be made on it"),
        (["--metric", "coverage@20"], "no users to pair"),
        (["--metric", "recall@200"], "cut-off from 1 to 100"),
        (["--variant", "nonsense"], "'nonsense'"),
    ],
)
def test_what_cannot_be_claimed_is_told_in_a_sentence(
    trained: Layout, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert sentence in _refused(capsys, [*LINE, *words])
