"""Comparisons within groups and between them: tables, records, figures, and what the commands print."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from statsmodels.regression.linear_model import OLS

from irllrec.data.storage import load_interactions
from repro.analysis import read_cells
from repro.figures.model import rendered
from repro.figures.style import look_of, looks_of
from repro.groupings import read_grouping
from repro.layout import Layout
from repro.params import load_params
from repro.strata_tables import groups_table, interaction_table, strata_tables
from repro.strata_view import strata_figures, strata_figures_of, stratified_of
from repro.stratified import ABSOLUTE, RELATIVE, stratify
from repro.tables.render import render

GROUPS = "0,4,8,16"


@pytest.fixture(scope="module")
def project(written_project):
    """Layout, parameters and the results of base and irllrec on demo."""
    layout = Layout(written_project)
    params = load_params(layout.params)
    cells = read_cells(layout, params, ["demo-lightgcn-base", "demo-lightgcn-irllrec"])
    return layout, params, cells


@pytest.fixture(scope="module")
def by_users(project):
    _, params, cells = project
    return stratify(cells, read_grouping("users", GROUPS).of(cells[0]), ["recall@20"], params, "holm")


@pytest.fixture(scope="module")
def by_items(project):
    _, params, cells = project
    return stratify(cells, read_grouping("items", "0,10,30").of(cells[0]), ["recall@20"], params, "holm")


def differences_of(cells, metric="recall@20"):
    base, model = cells
    return (model.values(metric) - base.values(metric)).mean(axis=0)


def test_groups_hold_all_users_and_are_compared_within(project, by_users):
    _, params, cells = project
    records = groups_table(by_users, params).records
    assert [row["group"] for row in records] == ["0-3", "4-7", "8-15", "≥16"]
    assert sum(row["users"] for row in records) == 240
    inside = cells[0].train_degrees < 4
    assert records[0]["difference"] == pytest.approx(differences_of(cells)[inside].mean(), rel=1e-4)
    assert records[0]["tests_in_family"] == 4
    assert records[0]["improvement_low"] < records[0]["improvement"] < records[0]["improvement_high"]


def test_an_empty_group_is_shown_as_empty_and_takes_no_part_between_groups(project):
    _, params, cells = project
    found = stratify(cells, read_grouping("users", "0,8,5000").of(cells[0]), ["recall@20"], params, "holm")
    table = groups_table(found, params)
    assert (table.records[2]["users"], table.records[2]["verdict"]) == (0, "no users")
    assert table.records[0]["tests_in_family"] == 2
    assert interaction_table(found, params).records[0]["dense_group"] == "8-4999"
    for form in ("rich", "json", "latex", "md", "csv"):
        render(table, form)


def test_the_contrast_between_users_is_scipys(project, by_users):
    _, params, cells = project
    sparse, dense = (
        differences_of(cells)[inside] for inside in (cells[0].train_degrees < 4, cells[0].train_degrees >= 16)
    )
    expected = scipy.stats.ttest_ind(sparse, dense, equal_var=False)
    row = interaction_table(by_users, params).records[0]
    assert (row["sparse_group"], row["dense_group"], row["scale"]) == ("0-3", "≥16", ABSOLUTE)
    assert (row["sparse_users"], row["dense_users"]) == (len(sparse), len(dense))
    assert row["sparse_minus_dense"] == pytest.approx(sparse.mean() - dense.mean(), rel=1e-5)
    assert row["sparse_minus_dense_p"] == pytest.approx(expected.pvalue, rel=1e-4)
    assert row["tests_in_family"] == 5
    assert row["sparse_minus_dense_p_corrected"] >= row["sparse_minus_dense_p"]


def test_the_slope_is_statsmodels_on_log_degree(project, by_users):
    _, params, cells = project
    degrees = np.column_stack([np.ones(240), np.log2(1.0 + cells[0].train_degrees)])
    fit = OLS(differences_of(cells), degrees).fit(cov_type="HC3", use_t=True)
    row = interaction_table(by_users, params).records[0]
    assert row["slope"] == pytest.approx(fit.params[1], rel=1e-5)
    assert row["slope_p"] == pytest.approx(fit.pvalues[1], rel=1e-4)


def test_the_relative_scale_compares_shares_of_each_groups_base(project, by_users):
    _, params, cells = project
    gains = []
    for inside in (cells[0].train_degrees < 4, cells[0].train_degrees >= 16):
        base = cells[0].values("recall@20").mean(axis=0)[inside].mean()
        gains.append(differences_of(cells)[inside].mean() / base)
    relative = interaction_table(by_users, params).records[1]
    assert relative["scale"] == RELATIVE
    assert relative["sparse_minus_dense"] == pytest.approx(gains[0] - gains[1], rel=1e-4)
    assert relative["slope"] is None


def test_groups_of_items_compare_the_users_who_have_items_there(project, by_items):
    layout, params, cells = project
    train = load_interactions(layout.prepared("demo") / "train.npz")
    test = load_interactions(layout.prepared("demo") / "test.npz")
    rare = train.item_degrees < 10
    owners = np.unique(test.users[rare[test.items]])
    row = groups_table(by_items, params).records[0]
    assert (row["group"], row["users"]) == ("0-9", len(owners))
    assert row["test_items"] == len(np.unique(test.items[rare[test.items]]))
    values = [np.nanmean(cell.values_on("recall@20", rare)) for cell in cells]
    assert row["reference_mean"] == pytest.approx(values[0], rel=1e-4)
    assert row["candidate_mean"] == pytest.approx(values[1], rel=1e-4)


def test_a_user_in_several_groups_of_items_is_one_cluster(project, by_items):
    """The contrast's error is that of a regression clustered by user, with one degree of freedom a user less."""
    _, params, cells = project
    ends = (by_items.grouping.groups[0], by_items.grouping.groups[-1])
    values, owners, sparse = [], [], []
    for number, group in enumerate(ends):
        users = np.flatnonzero(group.users)
        base, model = (cell.values_on("recall@20", group.items)[:, users].mean(axis=0) for cell in cells)
        values.append(model - base)
        owners.append(users)
        sparse.append(np.full(len(users), 1.0 - number))
    owners = np.unique(np.concatenate(owners), return_inverse=True)[1]
    design = np.column_stack([np.ones(len(owners)), np.concatenate(sparse)])
    fit = OLS(np.concatenate(values), design).fit(cov_type="cluster", cov_kwds={"groups": owners}, use_t=True)
    row = interaction_table(by_items, params).records[0]
    assert row["sparse_minus_dense"] == pytest.approx(fit.params[1], rel=1e-4)
    assert row["sparse_minus_dense_p"] == pytest.approx(fit.pvalues[1], rel=1e-3)


@pytest.mark.parametrize("winners", ["sparse users", "dense users"])
def test_a_planted_gain_is_told_in_words(project, winners):
    _, params, (base, model) = project
    gaining = (base.train_degrees < 8) == (winners == "sparse users")
    planted = replace(model, _stored={"recall@20": 0.5 * base.values("recall@20") + 0.3 * gaining})
    grouping = read_grouping("users", "0,8").of(base)
    found = stratify([base, planted], grouping, ["recall@20"], params, "holm")
    table = interaction_table(found, params)
    assert [row["verdict"] for row in table.records] == [winners, winners]
    assert "F" not in table.columns
    (figure,) = strata_figures(found, params)
    assert f"The absolute gain of irllrec in recall@20 is shown to be larger for {winners}." in figure.alt


def test_equal_models_differ_between_no_groups(project):
    _, params, cells = project
    same = replace(cells[1], _stored={"recall@20": cells[0].values("recall@20")})
    grouping = read_grouping("users", GROUPS).of(cells[0])
    found = stratify([cells[0], same], grouping, ["recall@20"], params, "holm")
    table = interaction_table(found, params)
    assert {row["verdict"] for row in table.records} == {"not shown"}
    assert {row["sparse_minus_dense_p"] for row in table.records} == {1.0}
    for each in strata_tables(found, params):
        render(each, "json")


def test_a_base_without_a_hit_has_no_relative_gain(project):
    _, params, cells = project
    nothing = replace(cells[0], _stored={"recall@20": np.zeros_like(cells[0].values("recall@20"))})
    found = stratify(
        [nothing, cells[1]], read_grouping("users", GROUPS).of(nothing), ["recall@20"], params, "holm"
    )
    assert [one.scale for one in found.interactions] == [ABSOLUTE]
    table = groups_table(found, params)
    assert table.records[0]["improvement_low"] is None
    render(table, "csv")


def test_a_figure_holds_the_numbers_of_the_table(project, by_users):
    _, params, _ = project
    (figure,) = strata_figures(by_users, params)
    rows = groups_table(by_users, params).records
    drawn = [mark for mark in figure.records if mark["variant"] == "irllrec"]
    for name, column in (
        ("group", "group"),
        ("users", "users"),
        ("mean", "candidate_mean"),
        ("difference", "difference"),
        ("low", "low"),
        ("high", "high"),
        ("p_corrected", "p_corrected"),
    ):
        assert [mark[name] for mark in drawn] == [row[column] for row in rows], name
    bases = [mark["mean"] for mark in figure.records if mark["variant"] == "base"]
    assert bases == [row["reference_mean"] for row in rows]
    assert f"{rows[0]['users']:,} users" in figure.alt
    assert f"{rows[0]['difference']:+.4f}" in figure.alt
    assert "3 seeds" in figure.caption


@pytest.mark.parametrize("kind", ["by_users", "by_items"])
def test_a_figure_draws_bars_of_users_and_a_line_a_method(project, request, kind):
    found = request.getfixturevalue(kind)
    (figure,) = strata_figures(found, project[1])
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=figure.size, layout="constrained")
    figure.draw(canvas)
    means, differences, sizes = canvas.axes
    assert [bar.get_height() for bar in sizes.patches] == [
        group.user_count for group in found.grouping.groups
    ]
    drawn = {line.get_label(): list(line.get_ydata()) for line in means.lines}
    marks = figure.records
    for variant in ("base", "irllrec"):
        expected = [mark["mean"] for mark in marks if mark["variant"] == variant]
        assert drawn[variant] == pytest.approx(expected, rel=1e-5)
    points = [line.get_ydata()[0] for line in differences.lines if line.get_marker() == "o"]
    assert points == pytest.approx([m["difference"] for m in marks if m["variant"] == "irllrec"], rel=1e-5)
    assert rendered(figure, "png") == rendered(figure, "png")


def test_methods_without_a_look_of_their_own_are_told_apart():
    variants = ["base", "irllrec-no-itm", "rlmrec-con", "irllrec", "irllrec-no-ia", "irllrec-fast"]
    looks = looks_of(variants)
    assert list(looks) == variants
    assert len({look.marker for look in looks.values()}) == len({look.color for look in looks.values()}) == 6
    assert looks["irllrec"] == look_of("irllrec")


def test_a_figure_is_drawn_although_a_group_is_empty(project):
    _, params, cells = project
    found = stratify(cells, read_grouping("users", "0,8,5000").of(cells[0]), ["recall@20"], params, "holm")
    (figure,) = strata_figures(found, params)
    assert rendered(figure, "svg").startswith(b"<?xml")
    assert [mark["mean"] for mark in figure.records if mark["group"] == "≥5000"] == [None, None]


def test_a_report_gets_tables_and_figures_of_what_is_there(project):
    layout, params, _ = project
    found = stratified_of(layout, params, "demo", read_grouping("users", "published"))
    assert found is not None
    tables = strata_tables(found, params)
    assert [table.title.partition(":")[0] for table in tables] == ["Sparsity", "Sparsity × method"]
    shown = {row["candidate"] for row in tables[0].records}
    assert shown == {f"demo/lightgcn/{name}" for name in ("rlmrec-con", "rlmrec-gen", "irllrec")}
    (figure,) = strata_figures_of(layout, params, "demo", "quantiles")
    assert figure.name == "sparsity-demo-lightgcn-quantiles"
    assert strata_figures_of(layout, params, "demo", by="cold")[0].name == "cold-demo-lightgcn"


def test_a_report_gets_nothing_where_nothing_can_be_compared(project, tmp_path):
    layout, params, _ = project
    for variant in ("base", "irllrec"):
        folder = Layout(tmp_path).run("shop", "lightgcn", variant)
        shutil.copytree(layout.run("shop", "lightgcn", variant), folder)
    shutil.copytree(layout.prepared("shop"), Layout(tmp_path).prepared("shop"))
    here = Layout(tmp_path)
    wanted = read_grouping("users", "published")
    assert stratified_of(here, params, "shop", wanted) is not None
    (here.run("shop", "lightgcn", "base") / "per_user.parquet").unlink()
    assert stratified_of(here, params, "shop", wanted) is None
    assert strata_figures_of(here, params, "shop") == []
