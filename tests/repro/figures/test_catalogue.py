"""The figures of a small demo that the pipeline trained: complete, alike each time, and never cut off."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from irllrec.data.storage import read_arrays, read_json
from repro.analysis import read_cells
from repro.cli import run
from repro.errors import ReproError
from repro.figures.model import Figure, rendered
from repro.figures_catalogue import KINDS, figures_of
from repro.figures_page import numbers_csv
from repro.layout import Layout
from repro.params import Params, load_params
from tests.repro.figures.bounds import cut_off, drawn, shown_texts

OWN = ("comparison", "training", "ablation", "gains", "embeddings", "case")
NAMES = [
    "comparison-demo",
    "training-demo-lightgcn",
    "ablation-demo-lightgcn",
    "gains-demo-lightgcn",
    "embeddings-users-demo-lightgcn",
    "embeddings-items-demo-lightgcn",
    "case-demo-lightgcn",
]


@pytest.fixture(scope="module")
def figures(trained_checkout: Path) -> dict[str, Figure]:
    layout = Layout(trained_checkout)
    found, absent = figures_of(layout, load_params(layout.params), "demo", kinds=OWN)
    assert absent == []
    return {figure.name: figure for figure in found}


def _run(*words: str) -> int:
    return run(["figures", *words])


def test_every_kind_is_drawn(figures: dict[str, Figure]) -> None:
    assert list(figures) == NAMES
    assert set(OWN) < set(KINDS)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_fits_one_column_and_cuts_no_text_off(figures: dict[str, Figure], name: str) -> None:
    canvas = drawn(figures[name])
    assert figures[name].size[0] <= 3.35
    assert cut_off(canvas) == []
    assert min(text.get_fontsize() for text in shown_texts(canvas)) >= 6


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_has_the_same_bytes_each_time(
    figures: dict[str, Figure], name: str, trained_checkout: Path
) -> None:
    layout = Layout(trained_checkout)
    kind = name.split("-", maxsplit=1)[0]
    again, _ = figures_of(layout, load_params(layout.params), "demo", kinds=[kind])
    same = next(figure for figure in again if figure.name == name)
    for form in ("png", "pdf", "svg"):
        assert rendered(same, form) == rendered(figures[name], form)
    assert numbers_csv(same) == numbers_csv(figures[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_says_in_words_and_numbers_what_it_shows(figures: dict[str, Figure], name: str) -> None:
    figure = figures[name]
    assert figure.alt.endswith(".")
    assert len(figure.alt) > 40
    assert len(figure.caption) > 80
    assert figure.command.startswith(f"repro figures {name.split('-', maxsplit=1)[0]} --dataset demo")
    assert figure.records
    assert len({tuple(record) for record in figure.records}) == 1
    assert all(
        not isinstance(value, float) or np.isfinite(value) for row in figure.records for value in row.values()
    )


def test_curves_are_the_means_of_the_history(figures: dict[str, Figure], trained_checkout: Path) -> None:
    history = pd.read_csv(trained_checkout / "runs/demo/lightgcn/irllrec/history.csv")
    rows = pd.DataFrame(figures["training-demo-lightgcn"].records)
    loss = rows[(rows["panel"] == "loss") & (rows["series"] == "bpr")].set_index("epoch")
    by_epoch = history.groupby("epoch")["bpr"]
    np.testing.assert_allclose(loss["mean"], by_epoch.mean(), rtol=1e-5)
    np.testing.assert_allclose(loss["low"], by_epoch.min(), rtol=1e-5)
    np.testing.assert_allclose(loss["high"], by_epoch.max(), rtol=1e-5)
    assert set(loss["seeds"]) == {2}
    assert set(rows[rows["panel"] == "loss"]["series"]) == {"bpr", "reg", "kd", "pair", "tran", "itm"}


def test_best_epochs_are_those_that_training_took(figures: dict[str, Figure], trained_checkout: Path) -> None:
    rows = pd.DataFrame(figures["training-demo-lightgcn"].records)
    for variant in ("base", "rlmrec-con", "irllrec"):
        told = read_json(trained_checkout / f"runs/demo/lightgcn/{variant}/run.json")["per_seed"]
        best = rows[(rows["panel"] == "best epoch of a seed") & (rows["series"] == variant)]
        assert list(best["epoch"]) == [seed["best_epoch"] for seed in told.values()]
        np.testing.assert_allclose(
            best["mean"], [seed["best_validation"] for seed in told.values()], rtol=1e-5
        )


def test_the_comparison_is_the_main_table_s(
    figures: dict[str, Figure], trained_checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from repro.assembly import significance_table_of

    layout = Layout(trained_checkout)
    params = load_params(layout.params)
    cells = read_cells(layout, params, [key for key in params.cells if "-no-" not in key])
    table = significance_table_of(cells, ["recall@20", "ndcg@20"], params, "holm")
    expected = {
        (r["candidate"], r["metric"]): r for r in table.records if str(r["reference"]).endswith("/base")
    }
    for record in figures["comparison-demo"].records:
        other = expected[record["candidate"], record["metric"]]
        for name in ("difference", "low", "high", "p_corrected", "stars", "tests_in_family"):
            assert record[name] == other[name], name


def test_the_ablation_is_its_own_family(figures: dict[str, Figure]) -> None:
    records = figures["ablation-demo-lightgcn"].records
    assert [(r["label"], r["metric"]) for r in records] == [("w/o ITM", "recall@20"), ("w/o ITM", "ndcg@20")]
    assert {r["tests_in_family"] for r in records} == {2}
    assert {r["reference"] for r in records} == {"demo/lightgcn/irllrec"}


def test_shares_of_users_are_counted(figures: dict[str, Figure], trained_checkout: Path) -> None:
    layout = Layout(trained_checkout)
    params = load_params(layout.params)
    base, ours = (
        cell.values("recall@20").mean(axis=0)
        for cell in read_cells(layout, params, ["demo-lightgcn-base", "demo-lightgcn-irllrec"])
    )
    higher, same = ((ours - base) > 1e-9).mean(), (np.abs(ours - base) <= 1e-9).mean()
    alt = figures["gains-demo-lightgcn"].alt
    assert f"irllrec gives {100 * higher:.1f} % of {len(base)} users a higher" in alt
    assert f"{100 * same:.1f} % the same" in alt


def test_gaps_are_those_of_the_stored_models(figures: dict[str, Figure], trained_checkout: Path) -> None:
    """After: the interaction side is the stored inference embedding, so the gap to zero text cannot hide."""
    from irllrec.evaluation.geometry import uniformity
    from irllrec.training.checkpoint import load_tensors

    for side in ("users", "items"):
        rows = pd.DataFrame(figures[f"embeddings-{side}-demo-lightgcn"].records).set_index(["model", "pair"])
        assert list(rows.index) == [
            (model, pair) for model in ("before", "after") for pair in ("profiles", "intents")
        ]
        for model, variant in (("before", "base"), ("after", "irllrec")):
            path = trained_checkout / f"runs/demo/lightgcn/{variant}/model/seed-2023.safetensors"
            stored = load_tensors(path)[0][f"inference/{side}"].numpy()
            told = rows.loc[(model, "profiles"), "uniformity_clicks"]
            assert told == pytest.approx(uniformity(stored), rel=1e-4)


def test_the_case_lists_what_the_evaluation_stored(
    figures: dict[str, Figure], trained_checkout: Path
) -> None:
    figure = figures["case-demo-lightgcn"]
    rows = pd.DataFrame(figure.records)
    user = figure.alt.split()[1].rstrip(",")
    users = pd.read_parquet(trained_checkout / "data/prepared/demo/users.parquet")
    titles = pd.read_parquet(trained_checkout / "data/prepared/demo/items.parquet")["title"]
    node = int(users.index[users["user_id"].astype(str) == user][0])
    test = np.load(trained_checkout / "data/prepared/demo/test.npz")
    arrays = read_arrays(
        trained_checkout / "runs/demo/lightgcn/irllrec/top_items.npz", "seeds", "users", "items"
    )
    items = arrays["items"][0, list(arrays["users"]).index(node)][:10]
    listed = rows[rows["part"] == "recommended by irllrec"]
    assert list(listed["text"]) == [titles[item] for item in items]
    found = {int(item) for u, item in zip(test["user"], test["item"], strict=True) if u == node}
    assert list(listed["hit"]) == [int(item in found) for item in items]
    lines = (trained_checkout / "data/text/demo/summaries.jsonl").read_text().splitlines()
    summary = next(one for one in map(json.loads, lines) if one["role"] == "user" and one["node"] == node)
    assert list(rows[rows["part"] == "text intent"]["text"]) == summary["intents"]


def test_the_command_writes_images_numbers_and_a_page(
    project: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("gains", "case", "--dataset", "demo", "--no-run", "--list-format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["figure"] for row in rows] == ["gains-demo-lightgcn", "case-demo-lightgcn"]
    folder = project.results / "figures" / "demo"
    stems = ("gains-demo-lightgcn", "case-demo-lightgcn")
    files = {f"{stem}.{form}" for stem in stems for form in ("png", "pdf", "csv")}
    assert {path.name for path in folder.iterdir()} == {*files, "figures.md"}
    page = (folder / "figures.md").read_text(encoding="utf-8")
    for stem in stems:
        assert f"]({stem}.png)" in page
        assert f"[{stem}.csv]({stem}.csv)" in page
    assert "`repro figures gains --dataset demo --backbone lightgcn`" in page


def test_figures_drawn_before_stay_on_the_page(project: Layout) -> None:
    assert _run("gains", "--dataset", "demo", "--no-run", "--format", "svg") == 0
    assert _run("training", "--dataset", "demo", "--no-run", "--format", "svg") == 0
    assert _run("training", "--dataset", "demo", "--no-run", "--format", "svg") == 0
    page = (project.results / "figures" / "demo" / "figures.md").read_text(encoding="utf-8")
    assert page.count("](gains-demo-lightgcn.svg)\n") == 1
    assert page.count("](training-demo-lightgcn.svg)\n") == 1


def test_the_named_folder_and_forms_are_used(project: Layout, tmp_path: Path) -> None:
    assert _run("gains", "-d", "demo", "--no-run", "--out", str(tmp_path / "here"), "--format", "svg") == 0
    assert sorted(path.suffix for path in (tmp_path / "here").iterdir()) == [".csv", ".md", ".svg"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("bars",), "there is no figure 'bars': choose from comparison, training"),
        (("--format", "jpg"), "the image format 'jpg' is unknown: choose from png, pdf, svg"),
        (("--list-format", "html"), "the format 'html' is unknown"),
        (("--dataset", "nowhere"), "There is no data set 'nowhere'"),
        (("--dataset", "demo", "--backbone", "mf"), "the grid has no cell of demo with mf"),
        (("case", "--dataset", "demo", "--user", "nobody"), "demo has no user 'nobody' among its 60"),
    ],
)
def test_a_mistake_is_one_sentence(
    project: Layout, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert _run(*words, "--no-run") == 1
    told = capsys.readouterr().err.strip()
    assert sentence in told
    assert "\n" not in told


def _without(*names: str) -> Callable[[Layout], None]:
    def remove(project: Layout) -> None:
        for name in names:
            path = project.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


RUNS = "runs/demo/lightgcn"


@pytest.mark.parametrize(
    ("spoil", "missing", "reason"),
    [
        (_without(f"{RUNS}/irllrec/model"), {"embeddings", "case"}, "only results were copied"),
        (_without(f"{RUNS}/base/model"), {"embeddings"}, "only results were copied"),
        (_without("data/text/demo"), {"embeddings", "case"}, "is missing"),
        (_without(f"{RUNS}/irllrec-no-itm"), {"ablation"}, "evaluate irllrec-no-itm with `dvc repro`"),
        (_without(f"{RUNS}/base"), {"comparison", "gains", "embeddings", "case"}, "base"),
        (
            _without(*(f"{RUNS}/{name}/history.csv" for name in ("base", "irllrec"))),
            {"training"},
            "history.csv",
        ),
    ],
)
def test_what_is_missing_hides_no_other_figure(
    project: Layout, settings: Params, spoil: Callable[[Layout], None], missing: set[str], reason: str
) -> None:
    spoil(project)
    found, absent = figures_of(project, settings, "demo", kinds=OWN)
    assert {one.figure.split("-")[0] for one in absent} == missing
    assert {figure.name.split("-")[0] for figure in found} == set(OWN) - missing
    assert all(reason in one.reason for one in absent)


def test_weights_of_other_settings_are_refused(project: Layout, settings: Params) -> None:
    source = project.root / RUNS / "base" / "model"
    target = project.root / RUNS / "irllrec" / "model"
    shutil.rmtree(target)
    shutil.copytree(source, target)
    _, absent = figures_of(project, settings, "demo", kinds=["case"])
    assert "its weights do not fit the settings in params.yaml" in absent[0].reason


def test_a_history_that_is_cut_is_refused(project: Layout, settings: Params) -> None:
    (project.root / RUNS / "irllrec" / "history.csv").write_text("seed,epoch\n1,1\n")
    _, absent = figures_of(project, settings, "demo", kinds=["training"])
    assert "lacks the column 'validation'" in absent[0].reason


def test_a_user_may_be_named(project: Layout, settings: Params) -> None:
    cell = read_cells(project, settings, ["demo-lightgcn-base"])[0]
    users = pd.read_parquet(project.prepared("demo") / "users.parquet")["user_id"]
    wanted = str(users[int(cell.users[3])])
    [figure], _ = figures_of(project, settings, "demo", kinds=["case"], user=wanted)
    assert figure.alt.startswith(f"User {wanted}, ")
    assert figure.name == f"case-demo-lightgcn-user-{cell.users[3]}"
    assert "named by hand" in figure.caption
    assert figure.command.endswith(f"--user {wanted}")


def test_text_by_strangers_is_drawn_and_written_as_it_is(project: Layout, settings: Params) -> None:
    """Dollar signs start no formula, tags and brackets no markup, and a very long word is not cut off."""
    hostile = "$\\frac{$ <script>x</script> ](http://x) | `a` \x1b[31m " + "W" * 150
    path = project.text("demo") / "summaries.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["intents"] = [hostile, "寿司", "$"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = project.prepared("demo") / "items.parquet"
    table = pd.read_parquet(items)
    table["title"] = hostile
    table.to_parquet(items)
    [figure], absent = figures_of(project, settings, "demo", kinds=["case"])
    assert absent == []
    canvas = drawn(figure)
    assert cut_off(canvas) == []
    assert any("$\\frac{$ <script>" in text.get_text() for text in shown_texts(canvas))
    assert rendered(figure, "pdf").startswith(b"%PDF")
    assert run(["figures", "case", "--dataset", "demo", "--no-run"]) == 0
    page = (project.results / "figures" / "demo" / "figures.md").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "\x1b" not in page
    assert re.findall(r"(?<!\\)\]\((.*?)\)", page) == [
        f"case-demo-lightgcn.{form}" for form in ("png", "png", "pdf", "csv")
    ]


def test_an_unreadable_result_is_an_error_not_an_empty_catalogue(project: Layout, settings: Params) -> None:
    (project.root / RUNS / "base" / "per_user.parquet").write_text("no parquet")
    with pytest.raises(ReproError, match="cannot be read"):
        figures_of(project, settings, "demo")
