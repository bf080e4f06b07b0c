"""The analysis commands: what they refuse, and what they print after a pipeline has run."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest
import scipy.stats
import typer
from typer.testing import CliRunner

from repro.analysis import read_cells
from repro.commands import ablation, compare, sparsity, table
from repro.errors import ReproError
from repro.groupings import read_grouping
from repro.layout import Layout
from repro.params import load_params
from repro.strata_view import strata_figures
from repro.stratified import stratify

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


def build_app():
    app = typer.Typer()
    app.add_typer(table.app, name="table")
    app.command("ablation")(ablation.ablation)
    app.command("sparsity")(sparsity.sparsity)
    app.command("compare")(compare.compare)
    return app


def call(root, line):
    """Return what the command printed; its error is raised as it is."""
    result = CliRunner().invoke(build_app(), line.split(), env={"REPRO_ROOT": str(root), "COLUMNS": "100"})
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("table main --format html", "choose one of rich, md, latex, csv, json"),
        ("table main --metrics recall@500", "cut-off from 1 to 100"),
        ("table main --metrics auc@5", "the metric 'auc@5' is unknown"),
        ("table main --correction bonferroni", "choose holm or bh"),
        ("table main --dataset nowhere", "no data set 'nowhere'"),
        ("table main --backbone resnet", "no backbone 'resnet'"),
        ("table datasets --dataset nowhere", "no data set 'nowhere'"),
        ("ablation --drop FOO", "no component 'FOO'"),
        ("ablation --drop GSL --no-run", "leave out --no-run"),
        ("ablation --drop ITM --fidelity release", "no fidelity 'release': choose code or paper"),
        ("ablation --drop ITM --itm auto", "no form of ITM 'auto': choose code or reading"),
        ("ablation --drop ITM --fidelity code --no-run", "demo-lightgcn-irllrec-code-no-itm"),
        ("ablation --drop ITM --itm code --no-run", "demo-lightgcn-irllrec-itm-code-no-itm"),
        ("ablation --drop TRAN --keep-coupled --no-run", "demo-lightgcn-irllrec-no-tran-coupled"),
        ("sparsity --dataset demo --by sessions", "choose --by users, items, cold"),
        ("sparsity --dataset demo --by cold --groups 0,5", "set their bound with --cold N"),
        ("sparsity --dataset demo --cold 3", "--cold 3 goes with --by cold"),
        ("sparsity --dataset nowhere", "no data set 'nowhere'"),
        ("compare demo/lightgcn/base nonsense", "there is no cell 'nonsense'"),
        ("compare demo/lightgcn/base demo-lightgcn-base", "are the same cell"),
        ("compare demo/lightgcn/base shop/lightgcn/base", "of different data sets"),
        ("compare demo/lightgcn/irllrec demo/lightgcn/base --margin x", "the margin 'x' is no difference"),
        (
            "compare demo/lightgcn/irllrec demo/lightgcn/base --margin -0.1",
            "write a fraction between 0 and 1",
        ),
        ("compare demo/lightgcn/irllrec demo/lightgcn/base --margin 0", "for example 0.001, or a share of B"),
    ],
)
def test_mistakes_are_refused_with_the_fix_before_anything_runs(written_project, line, sentence):
    with pytest.raises(ReproError, match=sentence):
        call(written_project, line)


def test_unreadable_groups_are_refused_before_anything_runs(written_project):
    with pytest.raises(Exception, match="do not rise"):
        call(written_project, "sparsity --dataset demo --groups 5,5")


@pytest.fixture(scope="module")
def finished(written_project, tmp_path_factory):
    """A checkout whose pipeline has run once, through `repro table main`."""
    root = tmp_path_factory.mktemp("checkout") / "copy"
    shutil.copytree(written_project, root)
    (root / "runs").rename(root / "measured")
    (root / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (root / "data" / "raw" / "shop").mkdir(parents=True)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    text = call(root, "table main")
    return root, text


def test_main_table_runs_what_is_missing_and_prints(finished):
    _, text = finished
    assert "irllrec" in text
    assert "vs best other" in text
    assert max(map(len, text.splitlines())) <= 100


def test_main_table_of_any_metric_reads_only(finished):
    root, _ = finished
    line = "table main --dataset demo --objective irllrec --metrics recall@50,mrr@10 --format csv --no-run"
    rows = list(csv.DictReader(io.StringIO(call(root, line))))
    assert [row["variant"] for row in rows] == ["base", "irllrec", "irllrec"]
    assert float(rows[1]["recall@50"]) > float(rows[0]["recall@50"])


def test_no_run_names_what_is_missing(finished):
    root, _ = finished
    with pytest.raises(ReproError, match="evaluate@demo-lightgcn-irllrec-no-itm"):
        call(root, "ablation --dataset demo --drop ITM --no-run")


def test_sparsity_prints_groups_with_sizes(finished):
    root, _ = finished
    document = json.loads(call(root, "sparsity --dataset demo --metrics recall@20 --format json --no-run"))
    assert [row["group"] for row in document["rows"]] == ["0-4", "5-9", "10-19", "≥20"]
    assert sum(row["users"] for row in document["rows"]) == 240


def test_sparsity_prints_the_tests_between_groups_under_the_groups(finished):
    root, _ = finished
    line = "sparsity --dataset demo --metrics recall@20 --groups 0,8 --no-run"
    plain = call(root, line)
    assert plain.index("Sparsity: demo") < plain.index("Sparsity × method: does the gain over base differ")
    rows = list(csv.DictReader(io.StringIO(call(root, f"{line} --format csv"))))
    assert [row["group"] for row in rows] == ["0-7", "≥8"]
    contrasts = {row["absolute_interaction_sparse_minus_dense"] for row in rows}
    assert len(contrasts) == 1
    difference = float(rows[0]["difference"]) - float(rows[1]["difference"])
    assert float(contrasts.pop()) == pytest.approx(difference, abs=1e-6)


@pytest.mark.parametrize(
    ("by", "title", "groups"),
    [("items", "Item popularity: demo", 4), ("cold", "Cold users: demo", 2)],
)
def test_sparsity_by_items_and_by_cold_users(finished, by, title, groups):
    root, _ = finished
    line = f"sparsity --dataset demo --by {by} --metrics recall@20 --no-run"
    assert title in call(root, line)
    document = json.loads(call(root, f"{line} --format json"))
    assert len(document["rows"]) == groups
    tests = 5 if groups > 2 else 2
    assert {row["absolute_interaction_tests_in_family"] for row in document["rows"]} == {tests}


def test_sparsity_draws_what_its_figures_command_says(finished, tmp_path):
    """Paths go to stderr, two files a backbone; the command in the figure makes the same figure."""
    root, _ = finished
    line = "sparsity --dataset demo --by cold --cold 7 --variant rlmrec-con --metrics recall@20 --no-run"
    line += f" --folder {tmp_path}"
    result = CliRunner().invoke(build_app(), line.split(), env={"REPRO_ROOT": str(root)})
    paths = [tmp_path / f"cold-demo-lightgcn-7.{form}" for form in ("png", "pdf")]
    assert [path for path in map(str, paths) if path not in result.stderr] == []
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    params = load_params(root / "params.yaml")
    cells = read_cells(Layout(root), params, ["demo-lightgcn-base", "demo-lightgcn-rlmrec-con"])
    found = stratify(cells, read_grouping("cold", cold=7).of(cells[0]), ["recall@20"], params, "holm")
    (figure,) = strata_figures(found, params)
    again = figure.command.removeprefix("repro ").replace("--figure", "--no-run --figure")
    call(root, again)
    assert (root / "results" / "figures" / paths[0].name).read_bytes() == paths[0].read_bytes()


def test_compare_takes_keys_and_paths_and_says_why(finished):
    root, _ = finished
    text = call(root, "compare demo-lightgcn-irllrec demo/lightgcn/base --why --no-run")
    assert "it earns ***, better than demo/lightgcn/base" in " ".join(text.split())


def test_compare_with_a_margin_tests_that_the_first_is_not_worse(finished):
    """The p-values are scipy's on the stored values of users; rlmrec-gen is base with other noise."""
    root, _ = finished
    line = (
        "compare demo/lightgcn/rlmrec-gen demo/lightgcn/base --margin 2% --metrics recall@20,ndcg@20 --no-run"
    )
    document = json.loads(call(root, f"{line} --format json"))
    params = load_params(root / "params.yaml")
    keys = ["demo-lightgcn-base", "demo-lightgcn-rlmrec-gen"]
    base, model = read_cells(Layout(root), params, keys)
    for row in document["rows"]:
        differences = (model.values(row["metric"]) - base.values(row["metric"])).mean(axis=0)
        margin = 0.02 * base.values(row["metric"]).mean()
        above, below = (
            scipy.stats.ttest_1samp(differences, bound, alternative=side).pvalue
            for bound, side in ((-margin, "greater"), (margin, "less"))
        )
        assert (row["margin"], row["margin_share"]) == (pytest.approx(margin, rel=1e-5), 0.02)
        assert row["p_not_worse"] == pytest.approx(above, rel=1e-5)
        assert row["p_tied"] == pytest.approx(max(above, below), rel=1e-5)
        assert row["p_not_worse"] <= row["p_not_worse_corrected"] <= 2.001 * row["p_not_worse"]
    told = " ".join(document["notes"])
    assert "shown to differ by less than ±2 % of B's mean (TOST" in told
    assert "not worse than B by 2 % of B's mean or more, corrected alike: R@20 " in told


@pytest.mark.parametrize(
    ("sides", "margin", "note", "sentence"),
    [
        (
            "irllrec base",
            "1%",
            "R@20 shown not worse by more than 1 %",
            "Shown: demo/lightgcn/irllrec is not worse",
        ),
        (
            "base irllrec",
            "0.001",
            "R@20 not shown",
            "Not shown: demo/lightgcn/base may be worse by 0.001 or more",
        ),
    ],
)
def test_compare_says_in_words_whether_the_margin_is_kept(finished, sides, margin, note, sentence):
    root, _ = finished
    first, second = (f"demo/lightgcn/{name}" for name in sides.split())
    line = f"compare {first} {second} --margin {margin} --metrics recall@20 --no-run"
    plain = " ".join(call(root, line).split())
    assert note in plain
    assert "p not worse" in plain
    assert sentence not in plain
    assert sentence in " ".join(call(root, f"{line} --why").split())


def test_compare_without_a_margin_has_neither_column_nor_figures_of_it(finished):
    root, _ = finished
    line = "compare demo-lightgcn-irllrec demo/lightgcn/base --no-run"
    rows = list(csv.DictReader(io.StringIO(call(root, f"{line} --format csv"))))
    assert rows
    assert not {"margin", "margin_share", "p_tied", "p_not_worse", "p_not_worse_corrected"} & set(rows[0])
    assert "not worse" not in call(root, line)
    with_margin = list(csv.DictReader(io.StringIO(call(root, f"{line} --margin 0.002 --format csv"))))
    assert [(row["margin"], row["margin_share"]) for row in with_margin] == [("0.002", "")] * len(rows)


def test_ablation_runs_both_sides(finished):
    root, _ = finished
    text = call(root, "ablation --dataset demo --drop text")
    assert "w/o TEXT" in text
    assert "worse" in text
