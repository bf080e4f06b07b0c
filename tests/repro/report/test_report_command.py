"""``repro report``: what it shows of a half-run grid, what it refuses, and that equal results are equal bytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from repro import cli, engine
from repro.layout import Layout
from repro.params import load_params
from repro.report import page as page_module
from repro.report.contents import write_report
from repro.report.model import Report
from tests.repro.report.reading import read

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def project(written_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A grid of two data sets without cards, of which one cell has no results and one broken ones."""
    root = tmp_path_factory.mktemp("reported") / "project"
    shutil.copytree(written_project, root)
    for name in ("claims.yaml", "data/published", "data/sources.yaml"):
        source, target = ROOT / name, root / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    for card in root.glob("data/prepared/*/card.json"):
        card.unlink()
    (root / "runs/demo/lightgcn/rlmrec-gen/per_user.parquet").unlink()
    (root / "runs/demo/lightgcn/irllrec-no-itm/per_user.parquet").write_bytes(b"no parquet")
    return Layout(root)


@pytest.fixture(scope="module")
def written(project: Layout) -> tuple[Report, Path]:
    out = project.root / "report.html"
    return write_report(
        project, load_params(project.params), ["demo", "shop"], out, ["demo-lightgcn-base"]
    ), out


def gaps_of(report: Report) -> dict[str, str]:
    return {gap.what: gap.why for section in report.sections for gap in section.gaps}


@pytest.mark.slow
def test_what_is_there_is_shown_in_order_verdicts_first(written: tuple[Report, Path]) -> None:
    report, out = written
    titles = [heading.text.removesuffix("# Link to " + heading.text) for heading in _root(out).all("h2")]
    assert [title.partition("#")[0].strip() for title in titles][:3] == [
        "Verdicts",
        "The tests behind the verdicts",
        "Main results",
    ]
    main = next(
        part for section in report.sections for part in section.parts if part.anchor == "results-main"
    )
    assert [block.title.split()[0] for block in main.table.blocks] == ["demo", "shop"]
    assert main.command == "repro table main --dataset demo --dataset shop"


@pytest.mark.slow
def test_what_is_missing_is_named_with_its_command(written: tuple[Report, Path]) -> None:
    report, out = written
    gaps = gaps_of(report)
    assert "demo-lightgcn-rlmrec-gen: not evaluated yet: run `repro report" in gaps["1 cells of the grid"]
    assert "dvc repro" in gaps["Cell demo-lightgcn-irllrec-no-itm"]
    assert "`dvc repro prepare@demo`" in gaps["Card of demo"]
    assert "`repro sweep" in gaps["Every trial"]
    assert str(written[1].parent) not in out.read_text(encoding="utf-8")


@pytest.mark.slow
def test_results_out_of_date_are_named_in_the_first_paragraphs(written: tuple[Report, Path]) -> None:
    assert any("Out of date: the results of demo-lightgcn-base" in words for words in written[0].lead)


@pytest.mark.slow
def test_the_first_sentence_counts_the_verdicts_that_are_shown(written: tuple[Report, Path]) -> None:
    report, _ = written
    for place, name in enumerate(("demo", "shop")):
        outcomes = [claim.verdicts[place].verdict for claim in report.claims]
        for word in set(outcomes):
            assert f"{outcomes.count(word)} {word}" in report.lead[0].lower().split(f"on {name}, ")[1]


@pytest.mark.slow
def test_anchors_are_unique_over_all_data_sets(written: tuple[Report, Path]) -> None:
    anchors = [node.attributes["id"] for node in _root(written[1]).everything if "id" in node.attributes]
    assert len(anchors) == len(set(anchors))


@pytest.mark.slow
def test_equal_results_are_equal_bytes(written: tuple[Report, Path], project: Layout, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(project.root, moved)
    layout = Layout(moved)
    params = load_params(layout.params)
    write_report(layout, params, ["demo", "shop"], moved / "again.html", ["demo-lightgcn-base"])
    assert (moved / "again.html").read_bytes() == written[1].read_bytes()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--dataset", "nosuch"], "has no data set 'nosuch': choose demo, shop"),
        (["--out", "."], "is a folder: name a file in it"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_runs(
    project: Layout, monkeypatch: pytest.MonkeyPatch, capsys: Any, words: list[str], sentence: str
) -> None:
    monkeypatch.setenv("REPRO_ROOT", str(project.root))
    assert cli.run(["report", "--no-run", *words]) == 1
    answer = capsys.readouterr()
    assert sentence in answer.err and answer.err.count("\n") == 1
    assert answer.out == ""


def test_without_any_results_the_command_to_run_is_named(
    project: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(project.root / name, tmp_path / name)
    monkeypatch.setenv("REPRO_ROOT", str(tmp_path))
    assert cli.run(["report", "--dataset", "shop", "--no-run"]) == 1
    assert "`repro table main --dataset shop`" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_the_answer_is_the_path_and_a_cut_short_write_leaves_the_old_report(
    project: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("REPRO_ROOT", str(project.root))
    monkeypatch.setattr(engine, "stale_stages", lambda *_: [])
    out = tmp_path / "deep" / "report.html"
    assert cli.run(["report", "--dataset", "shop", "--no-run", "--out", str(out)]) == 0
    answer = capsys.readouterr()
    assert answer.out == f"{out}\n"
    assert out.as_uri() in answer.err
    before = out.read_bytes()

    def interrupted(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("repro.report.contents.page", interrupted)
    assert cli.run(["report", "--dataset", "shop", "--no-run", "--out", str(out)]) == 130
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]
    assert page_module.page is not interrupted


def _root(path: Path) -> Any:
    return read(path.read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>"))
