"""Columns beyond accuracy on results of a real small pipeline: values, tests, ranges, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats

from irllrec.data.prepared import load_split
from irllrec.data.storage import read_arrays
from repro.cli import run
from repro.layout import Layout
from repro.params import Params
from repro.results import CellResult, read_result

ASKED = "recall@20,coverage@20,novelty@20,gini@20,arp@20,diversity@20"
LINE = ("table", "main", "--dataset", "demo", "--backbone", "lightgcn", "--no-run", "--metrics")


def _cell(layout: Layout, params: Params, variant: str) -> CellResult:
    key = f"demo-lightgcn-{variant}"
    return read_result(layout, key, params.cells[key])


def _printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(list(words)) == 0
    return capsys.readouterr().out


@pytest.fixture
def trained_grid(trained: Layout) -> Layout:
    """The grid without the cell that was not trained."""
    text = trained.params.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in text if not line.startswith("  demo-lightgcn-rlmrec-gen:")]
    trained.params.write_text("".join(kept), encoding="utf-8")
    return trained


def test_values_of_users_are_those_of_their_lists(trained: Layout, params: Params) -> None:
    cell = _cell(trained, params, "irllrec")
    lists = read_arrays(cell.folder / "top_items.npz")["items"][:, :, :10]
    train = load_split(cell.prepared, "train")
    vectors = read_arrays(trained.vectors("demo"), "item_intent")["item_intent"].astype(np.float64)
    user, seed = 3, 1
    listed = lists[seed, user]
    holders = np.asarray([(train.items == item).sum() for item in listed])
    assert cell.values("arp@10")[seed, user] == pytest.approx(holders.mean())
    surprise = np.log2(train.user_count / np.maximum(holders, 1)).mean()
    assert cell.values("novelty@10")[seed, user] == pytest.approx(surprise)
    cosines = 1 - scipy.spatial.distance.pdist(vectors[listed], "cosine")
    assert cell.values("diversity@10")[seed, user] == pytest.approx(1 - cosines.mean(), abs=1e-9)
    shares = [len(np.unique(one)) / train.item_count for one in lists]
    assert cell.seed_values("coverage@10") == pytest.approx(shares)


def test_the_main_table_tests_values_of_users_and_shows_the_range_of_the_others(
    trained_grid: Layout, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(_printed(capsys, *LINE, ASKED, "--format", "json"))
    rows = {(row["kind"], row["variant"]): row for row in document["rows"]}
    base, ours = (_cell(trained_grid, params, name) for name in ("base", "irllrec"))
    row = rows["value", "irllrec"]
    for metric in ("coverage@20", "gini@20"):
        seeds = ours.seed_values(metric)
        assert row[metric] == pytest.approx(seeds.mean(), rel=1e-5)
        assert (row[f"{metric}_lowest_seed"], row[f"{metric}_highest_seed"]) == pytest.approx(
            (seeds.min(), seeds.max()), rel=1e-5
        )
        assert (row[f"{metric}_stars"], row[f"{metric}_p_corrected"]) == ("", None)
    for metric in ("novelty@20", "arp@20", "diversity@20"):
        difference = ours.values(metric).mean() - base.values(metric).mean()
        assert row[f"{metric}_difference"] == pytest.approx(difference, rel=1e-4)
        assert row[f"{metric}_p_corrected"] is not None
        assert rows["improvement", "irllrec"][metric] is None
    for metric in ASKED.split(",")[1:]:
        assert {one[f"{metric}_mark"] for key, one in rows.items() if key[0] == "value"} == {""}
    notes = " ".join(document["notes"])
    distinct = 4 * 2 + (rows["improvement", "irllrec"]["recall@20_versus"] != "base")
    assert f"Holm over all {distinct} tests of this table" in notes
    assert "none is best or second" in notes


def test_the_printed_table_has_units_people_can_read(
    trained_grid: Layout, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _printed(capsys, *LINE, ASKED)
    for header in ("Cov@20", "Nov@20", "Gini@20", "ARP@20", "Div@20"):
        assert header in text
    seeds = _cell(trained_grid, params, "base").seed_values("gini@20")
    assert f"{seeds.mean():.4f} [{seeds.min():.4f}, {seeds.max():.4f}]" in text


def test_without_text_vectors_diversity_is_a_dash_in_the_table_and_a_sentence_elsewhere(
    trained_grid: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_grid.vectors("demo").unlink()
    document = json.loads(_printed(capsys, *LINE, "recall@20,diversity@20", "--format", "json"))
    assert {row["diversity@20"] for row in document["rows"]} == {None}
    line = ["compare", "demo/lightgcn/irllrec", "demo/lightgcn/base", "--no-run", "--metrics", "diversity@20"]
    assert run(line) == 1
    assert "make them with `dvc repro embed@demo`" in capsys.readouterr().err


def test_compare_says_higher_and_lower_where_no_side_is_better(
    trained: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["compare", "demo/lightgcn/irllrec", "demo/lightgcn/base", "--no-run", "--metrics"]
    document = json.loads(_printed(capsys, *line, "arp@20,novelty@20", "--format", "json"))
    words = {row["metric"]: row["verdict"] for row in document["rows"]}
    assert set(words.values()) <= {"higher", "lower", "tied", "undecided"}
    assert set(words.values()) & {"higher", "lower"}


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [
        (
            "coverage@20",
            "so there are no users to pair: see it with `repro table main --metrics coverage@20`",
        ),
        ("diversity@1", "write diversity@2 or more"),
        ("serendipity@20", "beyond accuracy novelty, arp, diversity, coverage or gini"),
    ],
)
def test_what_cannot_be_paired_is_told_in_a_sentence(
    trained: Layout, capsys: pytest.CaptureFixture[str], metric: str, sentence: str
) -> None:
    line = ["compare", "demo/lightgcn/irllrec", "demo/lightgcn/base", "--no-run", "--metrics", metric]
    assert run(line) == 1
    assert sentence in capsys.readouterr().err
