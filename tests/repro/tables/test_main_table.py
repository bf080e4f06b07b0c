"""The tables over written runs: who is compared with whom, and what is marked."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import scipy.stats

from irllrec.data.storage import load_interactions, read_arrays
from repro.ablations import ablation_table_of
from repro.analysis import all_metrics, compare, main_questions, read_cells
from repro.assembly import main_table_of, pair_table_of, significance_table_of
from repro.components import loss_share
from repro.errors import ReproError
from repro.layout import Layout
from repro.overviews import datasets_table_of, efficiency_table_of
from repro.params import load_params
from repro.stages import compare as compare_stage
from repro.stages import tabulate as tabulate_stage
from repro.tables.published import PublishedRow
from repro.tables.render import render


@pytest.fixture(scope="module")
def project(written_project):
    layout = Layout(written_project)
    params = load_params(layout.params)
    return layout, params, {cell.name: cell for cell in read_cells(layout, params, params.cells)}


@pytest.fixture(scope="module")
def main(project):
    _, params, cells = project
    return main_table_of(list(cells.values()), all_metrics(params), params, "holm", None)


def row_of(table, dataset, variant, kind="value"):
    return next(
        row
        for row in table.records
        if (row["kind"], row["dataset"], row["variant"]) == (kind, dataset, variant)
    )


def test_every_variant_is_compared_with_base_and_irllrec_with_the_best_other(project, main):
    """demo: 3 variants × 6 metrics against base, irllrec against rlmrec-con × 6; shop: 6. In all 30."""
    _, _, cells = project
    asked = main_questions(list(cells.values()), ["recall@20"])
    names = {(pair.candidate.name, pair.reference.name) for pair, _ in asked}
    assert ("demo/lightgcn/irllrec", "demo/lightgcn/rlmrec-con") in names
    assert not any("-no-" in name for pair in names for name in pair)
    assert "Holm over all 30 tests" in " ".join(main.notes)


def test_means_are_over_all_seeds_and_users(project, main):
    layout, _, _ = project
    table = pyarrow.parquet.read_table(layout.run("demo", "lightgcn", "irllrec") / "per_user.parquet")
    expected = np.mean(table.column("recall@20").to_numpy())
    assert row_of(main, "demo", "irllrec")["recall@20"] == pytest.approx(expected, rel=1e-5)


def test_stars_come_from_scipys_t_test_and_statsmodels_order(project, main):
    """The smallest p of the family times 30 is its Holm p."""
    _, _, cells = project
    ours, base = cells["demo/lightgcn/irllrec"], cells["demo/lightgcn/base"]
    p = scipy.stats.ttest_rel(ours.values("ndcg@20").mean(axis=0), base.values("ndcg@20").mean(axis=0)).pvalue
    row = row_of(main, "demo", "irllrec")
    assert row["ndcg@20_stars"] == "***"
    assert row["ndcg@20_p_corrected"] == pytest.approx(30 * p, rel=1e-3)


def test_equal_model_gets_no_star_and_the_better_ones_do(main):
    assert row_of(main, "demo", "rlmrec-gen")["recall@20_stars"] == ""
    assert row_of(main, "demo", "rlmrec-con")["recall@20_stars"] == "***"


def test_best_and_second_are_marked_over_the_block(main):
    assert row_of(main, "demo", "irllrec")["recall@20_mark"] == "best"
    assert row_of(main, "demo", "rlmrec-con")["recall@20_mark"] == "second"
    assert row_of(main, "demo", "base")["recall@20_mark"] == ""


def test_a_model_below_its_base_is_seen_to_be(main):
    row = row_of(main, "shop", "irllrec", "improvement")
    assert row["recall@20"] < 0
    assert row["recall@20_versus"] == "base"
    text = render(main, "rich", 140)
    assert "***▼" in text
    assert "-51.10%***" in text or "%***" in text.split("shop")[1]


def test_improvement_is_against_the_best_other_variant(main):
    ours, other = row_of(main, "demo", "irllrec"), row_of(main, "demo", "rlmrec-con")
    row = row_of(main, "demo", "irllrec", "improvement")
    assert row["recall@20_versus"] == "rlmrec-con"
    assert row["recall@20"] == pytest.approx(ours["recall@20"] / other["recall@20"] - 1, rel=1e-3)


def test_provenance_stands_under_the_table(main):
    (line,) = [note for note in main.notes if note.startswith("Provenance")]
    for fact in ("summarizer extractive", "embedder lsa", "fidelity paper", "itm reading", "mask train"):
        assert fact in line
    assert "keep rate 0.8" in line
    assert "commit 0123456789+dirty" in line


def test_published_figures_stand_under_ours_and_gaps_say_so(project):
    _, params, cells = project
    published = {("demo", "lightgcn", "base"): PublishedRow("paper-table1", {"recall@20": 0.25})}
    table = main_table_of(
        [cells["demo/lightgcn/base"], cells["demo/lightgcn/irllrec"]],
        ["recall@20"],
        params,
        "holm",
        published,
    )
    assert row_of(table, "demo", "base", "published")["recall@20"] == 0.25
    assert row_of(table, "demo", "irllrec", "published")["source"] == "no published number"
    assert "no published number" in render(table, "rich", 100)


def test_any_cutoff_comes_from_the_stored_lists(project):
    """recall@50 = hits / test items and mrr@10 = 1 / rank of the first hit, counted user by user."""
    layout, _, cells = project
    cell = cells["demo/lightgcn/irllrec"]
    lists = read_arrays(cell.folder / "top_items.npz", "items")["items"][0]
    test = load_interactions(layout.prepared("demo") / "test.npz")
    for position, user in enumerate(cell.users[:40]):
        wanted = set(test.items_of(int(user)).tolist())
        hits = [rank for rank, item in enumerate(lists[position].tolist(), 1) if item in wanted]
        recall = sum(rank <= 50 for rank in hits) / len(wanted)
        reciprocal = 1 / hits[0] if hits and hits[0] <= 10 else 0.0
        assert cell.values("recall@50")[0, position] == pytest.approx(recall)
        assert cell.values("mrr@10")[0, position] == pytest.approx(reciprocal)


def test_ablation_tells_difference_share_and_negligible_weights(project):
    """Shares written: itm 2e-8 of the loss; TEXT feeds kd, pair, tran and itm, 0.1 in all."""
    _, params, cells = project
    table = ablation_table_of(list(cells.values()), ["recall@20"], params, "holm")
    by_drop = {row["dropped"]: row for row in table.records}
    assert by_drop["TEXT"]["verdict"] == "worse"
    assert by_drop["TEXT"]["loss_share"] == pytest.approx(0.1, abs=1e-6)
    assert by_drop["ITM"]["verdict"] == "undecided"
    warnings = [note for note in table.notes if note.startswith("Warning")]
    assert len(warnings) == 1
    assert "w/o ITM" in warnings[0]


def test_loss_share_is_unknown_where_no_run_told_it():
    assert loss_share({"per_seed": {"1": {}}}, ["ITM"]) is None


def test_comparison_explains_itself_and_warns_about_wilcoxon(project):
    _, params, cells = project
    sides = cells["demo/lightgcn/irllrec"], cells["demo/lightgcn/base"]
    table = pair_table_of(*sides, ["recall@20"], params, correction="holm", why=True, wilcoxon=True)
    text = render(table, "rich", 100)
    assert "type-I error is inflated" in text
    assert "it earns ***" in text
    assert table.records[0]["p_wilcoxon"] < 1e-6


def test_cells_with_other_users_are_refused(project, tmp_path):
    layout, params, _ = project
    shutil.copytree(layout.root, tmp_path / "copy")
    copy = Layout(tmp_path / "copy")
    path = copy.run("demo", "lightgcn", "irllrec") / "per_user.parquet"
    table = pyarrow.parquet.read_table(path)
    keep = table.column("user").to_numpy() != 7
    pyarrow.parquet.write_table(table.filter(keep), path)
    with pytest.raises(ReproError, match="user 7 is in one only"):
        read_cells(copy, params, params.cells)


def test_seeds_with_different_users_are_refused(project, tmp_path):
    layout, params, _ = project
    shutil.copytree(layout.root, tmp_path / "copy")
    copy = Layout(tmp_path / "copy")
    path = copy.run("demo", "lightgcn", "base") / "per_user.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(1), path)
    with pytest.raises(ReproError, match="different users"):
        read_cells(copy, params, ["demo-lightgcn-base"])


def test_missing_results_are_named_with_the_fix(project, tmp_path):
    _, params, _ = project
    with pytest.raises(ReproError, match=r"per_user\.parquet is missing: make it with `dvc repro`"):
        read_cells(Layout(tmp_path), params, ["demo-lightgcn-base"])


def test_truncated_results_are_named(project, tmp_path):
    layout, params, _ = project
    shutil.copytree(layout.root, tmp_path / "copy")
    copy = Layout(tmp_path / "copy")
    path = copy.run("demo", "lightgcn", "base") / "per_user.parquet"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ReproError, match="cannot be read"):
        read_cells(copy, params, ["demo-lightgcn-base"])


def test_the_same_question_has_the_same_answer_in_any_table(project):
    _, params, cells = project
    asked = main_questions(list(cells.values()), ["recall@20", "ndcg@20"])
    together = {(c.candidate, c.reference, c.metric): c for c in compare(asked, params)}
    (alone,) = compare(asked[:1], params)
    same = together[alone.candidate, alone.reference, alone.metric]
    assert (alone.low, alone.high) == pytest.approx((same.low, same.high))
    assert alone.p_randomisation == same.p_randomisation


def test_stages_write_the_same_bytes_twice(project, monkeypatch):
    layout, _, _ = project
    monkeypatch.setenv("REPRO_ROOT", str(layout.root))
    contents = []
    for _ in range(2):
        assert compare_stage.main(["demo"]) == 0
        assert tabulate_stage.main(["demo"]) == 0
        assert tabulate_stage.main([]) == 0
        contents.append({p.name: p.read_bytes() for p in sorted(layout.results.rglob("*.*"))})
        shutil.rmtree(layout.results)
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        "significance.csv",
        "main.csv",
        "main.md",
        "main.tex",
        "datasets.csv",
        "datasets.md",
    }


def test_significance_has_a_family_for_ablations_of_its_own(project):
    _, params, cells = project
    demo = [cell for name, cell in cells.items() if name.startswith("demo")]
    rows = list(
        csv.DictReader(io.StringIO(render(significance_table_of(demo, ["recall@20"], params, "holm"), "csv")))
    )
    assert {(row["family"], row["tests_in_family"]) for row in rows} == {("main", "4"), ("ablation", "2")}


def test_a_data_set_without_cells_has_an_empty_table(project):
    _, params, _ = project
    assert render(significance_table_of([], ["recall@20"], params, "holm"), "csv").startswith("candidate,")
    assert "No comparison was made" in render(main_table_of([], ["recall@20"], params, "holm", None), "md")


def test_data_sets_and_costs_are_tabulated(project):
    """240 × 150 cells; 12.5 s over 60 epochs are 0.208333 s an epoch."""
    layout, params, cells = project
    (demo, _) = datasets_table_of(layout, params, None).records
    assert demo["interactions"] == demo["train"] + demo["valid"] + demo["test"]
    assert demo["density"] == pytest.approx(demo["interactions"] / (240 * 150), rel=1e-5)
    cost = efficiency_table_of(list(cells.values())).records[0]
    assert (cost["seconds_per_epoch"], cost["peak_bytes"]) == (0.208333, 2**28)


def test_reading_tables_never_imports_torch(project):
    layout, _, _ = project
    code = (
        "import sys; from repro.stages.tabulate import main; main([]); "
        "assert not {'torch', 'dvc', 'sklearn'} & set(sys.modules), 'heavy'"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=root, env={"REPRO_ROOT": str(layout.root), "PATH": ""}
    )
    assert json.loads(
        render(main_table_of([], ["recall@20"], load_params(layout.params), "holm", None), "json")
    )
