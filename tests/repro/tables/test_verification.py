"""``repro verify``: each verdict can come out, and a missing side is told with its reason."""

from __future__ import annotations

import csv
import dataclasses
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from repro.analysis import read_cells
from repro.commands import verify
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import load_params
from repro.tables.published import PublishedRow, read_published
from repro.tables.render import FORMATS, render
from repro.verification import Selection, verification_table_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def project(written_project):
    layout = Layout(written_project)
    params = load_params(layout.params)
    cells = {cell.name: cell for cell in read_cells(layout, params, params.cells)}
    return params, cells


def mean(cells, name):
    return float(cells[name].values("recall@20").mean())


def verified(project, figures, *, cells=None):
    """Return (the table, its records by dataset/backbone/variant) for published recall@20 values."""
    params, known = project
    published = {
        tuple(name.split("/")): PublishedRow("mine", {"recall@20": v}) for name, v in figures.items()
    }
    table = verification_table_of(
        list((cells or known).values()),
        published,
        ["recall@20"],
        params,
        selection=Selection(),
        correction="holm",
        tolerance=0.03,
    )
    return table, {f"{row['dataset']}/{row['backbone']}/{row['variant']}": row for row in table.records}


def test_a_value_near_the_published_one_is_reproduced(project):
    _, cells = project
    ours = mean(cells, "demo/lightgcn/base")
    _, rows = verified(project, {"demo/lightgcn/base": round(ours * 1.01, 6)})
    row = rows["demo/lightgcn/base"]
    assert (row["verdict"], row["why"]) == ("reproduced", "within 3 %")
    assert row["relative_difference"] == pytest.approx(1 / 1.01 - 1, rel=1e-3)
    assert row["low"] < ours < row["high"]
    assert (row["interval_over"], row["seeds"]) == ("seeds", 3)


def test_a_gain_of_the_published_sign_and_another_size_holds_the_direction(project):
    """Published: 4 % over base; ours is far more, since irllrec was written as a better model."""
    _, cells = project
    base, ours = mean(cells, "demo/lightgcn/base"), mean(cells, "demo/lightgcn/irllrec")
    figures = {"demo/lightgcn/base": base, "demo/lightgcn/irllrec": base * 1.04}
    row = verified(project, figures)[1]["demo/lightgcn/irllrec"]
    assert row["verdict"] == "direction holds"
    assert row["effect_ratio"] == pytest.approx((ours - base) / (0.04 * base), rel=1e-4)
    assert row["delta_ri"] == pytest.approx(0.04 - (ours - base) / base, rel=1e-4)


def test_a_significant_gain_of_the_other_sign_contradicts(project):
    """shop's irllrec was written as worse than its base; published it is better."""
    _, cells = project
    base, ours = mean(cells, "shop/lightgcn/base"), mean(cells, "shop/lightgcn/irllrec")
    assert ours < base
    figures = {"shop/lightgcn/base": base, "shop/lightgcn/irllrec": base * 1.04}
    row = verified(project, figures)[1]["shop/lightgcn/irllrec"]
    assert (row["verdict"], row["why"]) == ("contradicted", "significant gain of the other sign")
    assert row["effect_ratio"] < 0


def test_a_base_that_is_far_off_contradicts(project):
    _, cells = project
    _, rows = verified(project, {"demo/lightgcn/base": mean(cells, "demo/lightgcn/base") * 1.5})
    assert rows["demo/lightgcn/base"]["verdict"] == "contradicted"


def test_a_cell_of_ours_that_no_paper_has_says_so(project):
    _, rows = verified(project, {"shop/lightgcn/base": 0.1})
    assert rows["shop/lightgcn/irllrec"]["verdict"] == "no published number"
    assert rows["shop/lightgcn/irllrec"]["why"] == "an extension, no published cell"
    assert rows["demo/lightgcn/irllrec"]["why"] == "no paper used this data set"
    assert "demo/lightgcn/irllrec-no-itm" not in rows


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("steam/lightgcn/base", "the data set steam is not here"),
        ("demo/resnet/base", "no backbone resnet here"),
        ("demo/lightgcn/kar", "no variant kar here"),
        ("shop/lightgcn/rlmrec-con", "not in the grid"),
    ],
)
def test_a_published_cell_that_is_missing_here_names_the_reason(project, name, why):
    _, rows = verified(project, {name: 0.1})
    assert (rows[name]["verdict"], rows[name]["why"]) == ("cannot test here", why)
    assert rows[name]["ours"] is None


def test_one_seed_is_told_as_such_and_its_interval_decides_nothing(project):
    """The value is 5 % off and inside the interval over users, which both sides share."""
    _, cells = project
    cell = cells["demo/lightgcn/base"]
    values = cell.values("recall@20")[:1]
    alone = dataclasses.replace(cell, seeds=cell.seeds[:1], _stored={"recall@20": values})
    figures = {"demo/lightgcn/base": float(values.mean()) * 1.05}
    table, rows = verified(project, figures, cells={alone.name: alone})
    row = rows["demo/lightgcn/base"]
    assert row["interval_over"] == "users"
    assert row["low"] < row["published"] < row["high"]
    assert row["verdict"] == "contradicted"
    assert "one seed; users [" in render(table, "md")


def test_a_model_without_randomness_gets_no_empty_interval_over_seeds(project):
    """Three equal seeds, as EASE gives them: the interval is that over users."""
    _, cells = project
    cell = cells["demo/lightgcn/base"]
    values = np.repeat(cell.values("recall@20")[:1], len(cell.seeds), axis=0)
    equal = dataclasses.replace(cell, _stored={"recall@20": values})
    table, rows = verified(project, {"demo/lightgcn/base": 0.5}, cells={equal.name: equal})
    row = rows["demo/lightgcn/base"]
    assert row["interval_over"] == "users"
    assert row["low"] < row["ours"] < row["high"]
    assert "same in every seed; users [" in render(table, "md")


def test_the_ranking_of_methods_is_compared_on_each_data_set(project):
    """Published in our order, then with the two ends exchanged: τ 1, and (1 − 2) / 3."""
    _, cells = project
    names = [f"demo/lightgcn/{variant}" for variant in ("base", "rlmrec-con", "irllrec")]
    same = dict(zip(names, (0.1, 0.2, 0.3), strict=True))
    assert sorted(names, key=lambda name: mean(cells, name)) == names
    table, rows = verified(project, same)
    assert (rows[names[0]]["kendall_tau"], rows[names[0]]["ranked_methods"]) == (1.0, 3)
    assert any("Ranking of 3 methods on demo, recall@20: Kendall τ 1.00" in note for note in table.notes)
    other = dict(zip(names, (0.2, 0.3, 0.1), strict=True))
    assert verified(project, other)[1][names[0]]["kendall_tau"] == pytest.approx(-1 / 3, abs=1e-5)


def test_irllrec_on_a_data_set_of_its_paper_and_on_steam(project):
    """Its table's figures are not kept here; steam is RLMRec's, so irllrec on it is an extension."""
    params, cells = project
    template = cells["shop/lightgcn/irllrec"]
    moved = {
        name: dataclasses.replace(template, cell=template.cell.model_copy(update={"dataset": name}))
        for name in ("amazon", "steam")
    }
    published = read_published(ROOT / "data" / "published")
    table = verification_table_of(
        list(moved.values()),
        published,
        ["recall@20"],
        params,
        selection=Selection(backbones=("lightgcn",)),
        correction="holm",
        tolerance=0.03,
    )
    why = {row["dataset"]: row["why"] for row in table.records if row["variant"] == "irllrec"}
    assert why["amazon"] == "IRLLRec's own table is not among the figures kept here"
    assert why["steam"] == "an extension, no published cell"


@pytest.fixture(scope="module")
def published_project(written_project, tmp_path_factory):
    """A copy of the project with the published figures beside it."""
    root = tmp_path_factory.mktemp("verified") / "copy"
    shutil.copytree(written_project, root)
    shutil.copytree(ROOT / "data" / "published", root / "data" / "published")
    return root


def call(root, line):
    """Return what the command printed; its error is raised as it is."""
    app = typer.Typer()
    app.command("verify")(verify.verify)
    app.command("other")(lambda: None)
    result = CliRunner().invoke(app, line.split(), env={"REPRO_ROOT": str(root), "COLUMNS": "140"})
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_is_printed_without_running_anything(published_project, form):
    text = call(published_project, f"verify --dataset demo --dataset amazon --format {form}")
    assert "cannot test here" in text
    assert "no published number" in text


def test_a_method_that_papers_list_beside_a_backbone_is_a_backbone_here(published_project):
    """DMRec's alpharec stands under lightgcn; here it is the base of the backbone alpharec."""
    line = "verify --dataset amazon --metric recall@20 --published-source dmrec --format csv"
    rows = list(csv.DictReader(io.StringIO(call(published_project, line))))
    assert {"alpharec", "mult-vae"} <= {row["backbone"] for row in rows}
    assert ("lightgcn", "kar", "no variant kar here") in {
        (row["backbone"], row["variant"], row["why"]) for row in rows
    }


def test_csv_holds_every_cell_and_both_options_narrow_it(published_project):
    line = "verify --backbone lightgcn --metric recall@20 --published-source rlmrec --format csv"
    rows = list(csv.DictReader(io.StringIO(call(published_project, line))))
    assert {row["backbone"] for row in rows} == {"lightgcn"}
    assert {row["metric"] for row in rows} == {"recall@20"}
    assert {row["source"] for row in rows} == {"", "rlmrec-www2024-table1"}
    assert {row["dataset"] for row in rows} == {"demo", "shop", "amazon", "yelp", "steam"}
    figures = {row["dataset"]: row["published"] for row in rows if row["variant"] == "base"}
    assert figures["amazon"] == "0.1411"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("verify --dataset nowhere", "no data set 'nowhere', neither in params.yaml nor among the published"),
        ("verify --backbone resnet", "no backbone 'resnet'"),
        ("verify --published-source mine", "no figures of the source 'mine': choose dmrec"),
        ("verify --tolerance 200", "--tolerance is 200: give per cent"),
    ],
)
def test_mistakes_are_refused(published_project, line, sentence):
    with pytest.raises(ReproError, match=sentence):
        call(published_project, line)
