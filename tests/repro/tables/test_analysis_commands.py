"""The analysis commands: what they refuse, and what they print after a pipeline has run."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest
import typer
from typer.testing import CliRunner

from repro.commands import ablation, compare, sparsity, table
from repro.errors import ReproError

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
        ("compare demo/lightgcn/base nonsense", "there is no cell 'nonsense'"),
        ("compare demo/lightgcn/base demo-lightgcn-base", "are the same cell"),
        ("compare demo/lightgcn/base shop/lightgcn/base", "of different data sets"),
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


def test_compare_takes_keys_and_paths_and_says_why(finished):
    root, _ = finished
    text = call(root, "compare demo-lightgcn-irllrec demo/lightgcn/base --why --no-run")
    assert "it earns ***, better than demo/lightgcn/base" in " ".join(text.split())


def test_ablation_runs_both_sides(finished):
    root, _ = finished
    text = call(root, "ablation --dataset demo --drop text")
    assert "w/o TEXT" in text
    assert "worse" in text
