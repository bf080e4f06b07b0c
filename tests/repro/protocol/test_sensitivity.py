"""A claim under many protocols: weights, verdicts, what becomes of them, and the combinations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from repro.params import load_params
from repro.protocol.models import Splits
from repro.protocol.rankings import Rankings
from repro.protocol.sensitivity import _outcome, combine, judge
from repro.protocol.settings import (
    DRAWN,
    Setting,
    changed_choices,
    combinations,
    standing_choice,
)
from repro.results import read_result

STANDING = Setting("recall", 20, "train")


@pytest.fixture
def sides(trained):
    params = load_params(trained.params)
    cells = [
        read_result(trained, f"demo-lightgcn-{name}", params.cells[f"demo-lightgcn-{name}"])
        for name in ("irllrec", "base")
    ]
    splits = Splits.read(cells[0].prepared)
    return tuple(Rankings(cell, splits, STANDING) for cell in cells)


def test_every_choice_differs_from_the_standing_protocol_in_one_switch():
    choices = changed_choices(STANDING, [2023, 2024], DRAWN)
    fields = ("metric", "cutoff", "mask", "counted", "averaging", "least_test_items", "ties", "drawn", "seed")
    for choice in choices:
        changed = [name for name in fields if getattr(choice.setting, name) != getattr(STANDING, name)]
        assert len(changed) == 1
    assert len({choice.setting for choice in choices}) == len(choices) == 1 + 4 + 4 + 1 + 1 + 1 + 2 + 2 + 2
    assert not [
        choice for choice in changed_choices(STANDING, [2023], ()) if choice.switch == "training seeds"
    ]


def test_combinations_hold_the_standing_protocol_and_each_once():
    settings = combinations(replace(STANDING, cutoff=15))
    assert len(settings) == len(set(settings)) == 2 * 6 * 6 * 2 * 2
    assert replace(STANDING, cutoff=15) in settings
    assert all(setting.counted == "all" or setting.metric == "recall" for setting in settings)


def test_a_mean_over_interactions_is_hits_over_test_items(sides, params):
    setting = replace(STANDING, averaging="interactions")
    rows = judge([(sides, standing_choice(STANDING)), (sides, standing_choice(setting))], params, "holm")
    relevant = sides[0].splits.test.user_degrees[sides[0].cell.users]
    for side, mean in zip(
        sides, (rows[1].comparison.candidate_mean, rows[1].comparison.reference_mean), strict=True
    ):
        hits = side.cell.values("recall@20") * relevant
        assert mean == pytest.approx(hits.sum() / (len(hits) * relevant.sum()))


def test_each_row_is_the_paired_t_test_over_its_users(sides, params):
    choices = [standing_choice(STANDING), *changed_choices(STANDING, [2023, 2024], [])]
    rows = judge([(sides, choice) for choice in choices], params, "holm")
    relevant = sides[0].splits.test.user_degrees[sides[0].cell.users]
    for row in rows:
        if row.choice.switch in ("mean over", "mask", "equal scores", "recall divides by"):
            continue
        setting = row.choice.setting
        chosen = relevant >= setting.least_test_items
        seeds = slice(None) if setting.seed is None else [[2023, 2024].index(setting.seed)]
        one, other = (side.cell.values(setting.name)[seeds][:, chosen].mean(axis=0) for side in sides)
        expected = scipy.stats.ttest_rel(one, other)
        assert row.comparison.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert row.comparison.difference == pytest.approx((one - other).mean())
        assert row.comparison.metric == setting.name
        assert row.comparison.user_count == chosen.sum()
        assert row.comparison.family_size == len(rows)
    assert rows[0].outcome == "standing"


@pytest.mark.parametrize(
    ("standing", "here", "outcome"),
    [
        ("better", "better", "stays"),
        ("tied", "undecided", "stays"),
        ("better", "undecided", "lost"),
        ("worse", "tied", "lost"),
        ("undecided", "worse", "gained"),
        ("better", "worse", "reversed"),
        ("worse", "better", "reversed"),
    ],
)
def test_what_becomes_of_a_verdict(standing, here, outcome):
    assert _outcome(standing, here) == outcome


def test_a_planted_gain_is_lost_under_one_seed_and_reversed_under_another(sides, params):
    """The candidate hits more by 0.2 with seed 2023 and less by 0.1 with 2024, every other user by chance."""
    generator = np.random.default_rng(8)
    users = len(sides[0].cell.users)
    noise = 0.02 * generator.normal(size=users)
    reference = np.tile(generator.random(users), (2, 1))
    shifts = np.stack([0.2 + noise, -0.1 + noise])
    for side, values in zip(sides, (reference + shifts, reference), strict=True):
        side._metrics["train", "index"] = {"recall@20": values}
        side._lengths["train"] = np.full((2, users), 100)
    choices = [
        choice for choice in changed_choices(STANDING, [2023, 2024], []) if choice.switch == "training seeds"
    ]
    rows = judge([(sides, choice) for choice in (standing_choice(STANDING), *choices)], params, "holm")
    assert [row.verdict for row in rows] == ["better", "better", "worse"]
    assert [row.outcome for row in rows] == ["standing", "stays", "reversed"]


def test_combinations_have_the_t_test_and_its_interval(sides, params):
    found = {one.setting: one for one in combine(sides, combinations(STANDING), params, "holm")}
    assert len(found) == 240
    one, other = (side.cell.values("ndcg@5").mean(axis=0) for side in sides)
    expected = scipy.stats.ttest_rel(one, other)
    low, high = expected.confidence_interval(0.95)
    here = found[Setting("ndcg", 5, "train")]
    assert (here.p_value, here.low, here.high) == pytest.approx((expected.pvalue, low, high), rel=1e-9)
    assert here.improvement == pytest.approx((one.mean() - other.mean()) / other.mean())
    assert all(one.p_corrected >= one.p_value for one in found.values())


def test_combinations_whose_lists_are_too_short_are_left_out(trained, params, sides):
    import shutil

    for side in sides:
        shutil.rmtree(side.cell.folder / "model")
    found = combine(sides, combinations(STANDING), params, "holm")
    assert {one.setting.cutoff for one in found if one.setting.mask == "train+valid"} == {5, 10, 20, 50}
    assert {one.setting.cutoff for one in found if one.setting.mask == "train"} == {5, 10, 20, 50, 100}
