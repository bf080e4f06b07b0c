"""Does a gain differ between groups? Against two libraries, by hand, under the null, and where it does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from repro.errors import ReproError
from repro.statistics.interaction import degree_trend, group_contrast, relative_gains

SIZES = (60, 240, 150, 50)
SPREADS = (0.30, 0.22, 0.15, 0.10)
"""Users a group and their standard deviations: the sparser, the more a metric of few test items jumps."""

RUNS = 500
BOUNDS = scipy.stats.binom.ppf([0.0005, 0.9995], RUNS, 0.05)
"""Bounds that 500 honest tests at 5 % leave once in a thousand times."""


def grouped(generator, shift=(0.0, 0.0, 0.0, 0.0)):
    """Skewed differences, many of them 0, with each group's own variance and mean; group and user."""
    groups = np.repeat(np.arange(4), SIZES)
    spread = np.repeat(SPREADS, SIZES)
    skewed = generator.gamma(2.0, 1.0, len(groups)) / math.sqrt(2.0) - math.sqrt(2.0)
    moved = generator.random(len(groups)) < 0.4
    return np.where(moved, skewed * spread, 0.0) + np.repeat(shift, SIZES), groups


def clustered(generator, gain=(0.0, 0.0, 0.0), share=0.8):
    """Up to three rows a user, a share of all, that have the user's own effect in common."""
    users = np.repeat(np.arange(150), 3)
    groups = np.tile(np.arange(3), 150)
    own = np.repeat(generator.normal(0.0, 0.3, 150), 3)
    values = own + generator.normal(0.0, 0.1, len(users)) + np.asarray(gain)[groups]
    kept = generator.random(len(users)) < share
    return values[kept], groups[kept], users[kept]


def test_the_analysis_of_variance_is_welchs_as_scipy_has_it():
    differences, groups = grouped(np.random.default_rng(1))
    found = group_contrast(differences, groups).any_difference
    parts = [differences[groups == number] for number in range(4)]
    expected = scipy.stats.f_oneway(*parts, equal_var=False)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.numerator_degrees, found.group_count) == (3.0, 4)


def test_sparse_minus_dense_by_hand():
    """Means 3 and 1, variances 1 and 4 over 3 and 4 users: t = 2 / √(1/3 + 1) = 1.732."""
    differences = np.array([2.0, 3.0, 4.0, 9.0, 9.5, -1.0, 3.0, 3.0, -1.0])
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    found = group_contrast(differences, groups)
    spread = math.sqrt(1.0 / 3.0 + (16.0 / 3.0) / 4.0)
    assert found.sparse_minus_dense.value == pytest.approx(2.0)
    assert found.sparse_minus_dense.statistic == pytest.approx(2.0 / spread)
    assert (found.counts, found.means, found.compared) == ((3, 2, 4), (3.0, 9.25, 1.0), (0, 2))


def test_the_contrast_is_welchs_as_scipy_has_it():
    differences, groups = grouped(np.random.default_rng(17), shift=(0.05, 0.0, 0.0, 0.0))
    found = group_contrast(differences, groups, alpha=0.1).sparse_minus_dense
    expected = scipy.stats.ttest_ind(differences[groups == 0], differences[groups == 3], equal_var=False)
    bounds = expected.confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.degrees_of_freedom == pytest.approx(expected.df)


def test_a_group_whose_users_all_differ_alike_is_compared_by_the_others_spread():
    """Nothing varies among the dense: t = (0.25 + 0.5) / (1 / √4 · s) with s of the sparse group only."""
    sparse, dense = np.array([0.1, 0.2, 0.3, 0.4]), np.full(90, -0.5)
    found = group_contrast(np.concatenate([sparse, dense]), np.repeat([0, 1], [4, 90])).sparse_minus_dense
    assert found.value == pytest.approx(0.75)
    assert found.statistic == pytest.approx(0.75 / (sparse.std(ddof=1) / 2.0))
    assert found.degrees_of_freedom == pytest.approx(3.0)


def test_two_groups_make_one_test():
    differences, groups = grouped(np.random.default_rng(2))
    pair = (groups == 0) | (groups == 3)
    found = group_contrast(differences[pair], groups[pair])
    assert found.any_difference.statistic == pytest.approx(found.sparse_minus_dense.statistic**2)
    assert found.any_difference.p_value == pytest.approx(found.sparse_minus_dense.p_value)


def test_the_order_of_users_does_not_matter():
    differences, groups = grouped(np.random.default_rng(3))
    order = np.random.default_rng(4).permutation(len(groups))
    first, second = group_contrast(differences, groups), group_contrast(differences[order], groups[order])
    assert first.counts == second.counts
    assert first.any_difference.p_value == pytest.approx(second.any_difference.p_value)


def test_the_slope_on_degree_by_hand():
    """1 + degree is 1, 2, 4, 8; differences fall by 0.1 for each doubling but for ±0.01 of noise."""
    differences = np.array([0.31, 0.19, 0.09, 0.01])
    x, y = np.arange(4.0), differences
    slope = ((x - 1.5) @ y) / ((x - 1.5) @ (x - 1.5))
    residuals = y - y.mean() - slope * (x - 1.5)
    leverage = 0.25 + (x - 1.5) ** 2 / 5.0
    error = math.sqrt((((x - 1.5) * residuals / (1 - leverage)) ** 2).sum()) / 5.0
    found = degree_trend(differences, [0, 1, 3, 7])
    assert found.value == pytest.approx(slope) == pytest.approx(-0.1)
    assert found.statistic == pytest.approx(slope / error)
    assert found.p_value == pytest.approx(2 * scipy.stats.t.sf(abs(slope / error), 2))


def test_relative_rows_have_the_relative_gain_as_their_mean():
    generator = np.random.default_rng(5)
    reference, groups = generator.random(40), np.repeat([0, 1], 20)
    differences = generator.normal(0.01, 0.1, 40)
    rows = relative_gains(differences, reference, groups)
    for number in (0, 1):
        inside = groups == number
        assert rows[inside].mean() == pytest.approx(differences[inside].mean() / reference[inside].mean())


def test_the_same_share_of_different_bases_is_no_relative_interaction():
    """Each user gains 10 % of a base that is three times as high among dense users."""
    generator = np.random.default_rng(6)
    groups = np.repeat([0, 1], 400)
    reference = generator.random(800) * np.where(groups, 0.6, 0.2)
    differences = 0.1 * reference + generator.normal(0.0, 0.005, 800)
    absolute = group_contrast(differences, groups)
    relative = group_contrast(relative_gains(differences, reference, groups), groups)
    assert absolute.sparse_minus_dense.p_value < 1e-6
    assert absolute.sparse_minus_dense.high < 0.0
    assert relative.means == pytest.approx((0.1, 0.1), abs=0.01)
    assert relative.sparse_minus_dense.p_value > 0.05


def test_a_relative_interval_is_that_of_a_bootstrap():
    generator = np.random.default_rng(7)
    groups = np.repeat([0, 1], [150, 400])
    reference = generator.gamma(0.5, 0.2, 550)
    differences = generator.normal(0.01, 0.1, 550) + 0.2 * reference * (groups == 0)
    found = group_contrast(relative_gains(differences, reference, groups), groups).sparse_minus_dense
    draws = []
    for _ in range(4000):
        gains = []
        for number in (0, 1):
            rows = generator.choice(np.flatnonzero(groups == number), (groups == number).sum())
            gains.append(differences[rows].mean() / reference[rows].mean())
        draws.append(gains[0] - gains[1])
    low, high = np.quantile(draws, [0.025, 0.975])
    width = high - low
    assert found.low == pytest.approx(low, abs=0.1 * width)
    assert found.high == pytest.approx(high, abs=0.1 * width)


@pytest.mark.parametrize("kind", ["any", "contrast", "trend", "relative any", "relative contrast"])
def test_false_alarms_on_users_are_as_rare_as_promised(kind):
    generator = np.random.default_rng([8, *kind.encode()])
    degrees = np.repeat([3, 7, 14, 30], SIZES) + np.tile([0, 1], sum(SIZES) // 2)
    rejected = 0
    for _ in range(RUNS):
        differences, groups = grouped(generator)
        if kind == "trend":
            rejected += degree_trend(differences, degrees).p_value < 0.05
            continue
        if kind.startswith("relative"):
            reference = generator.gamma(2.0, 1.0, len(groups)) * np.repeat([0.05, 0.08, 0.1, 0.12], SIZES)
            differences = relative_gains(differences + 0.2 * reference, reference, groups)
        found = group_contrast(differences, groups)
        chosen = found.any_difference if kind.endswith("any") else found.sparse_minus_dense
        rejected += chosen.p_value < 0.05
    assert BOUNDS[0] <= rejected <= BOUNDS[1]


@pytest.mark.parametrize("kind", ["any", "contrast", "trend"])
def test_false_alarms_on_items_are_as_rare_as_promised(kind):
    generator = np.random.default_rng([9, *kind.encode()])
    rejected = 0
    for _ in range(RUNS):
        values, groups, users = clustered(generator)
        if kind == "trend":
            rejected += degree_trend(values, np.array([3, 10, 40])[groups], users=users).p_value < 0.05
            continue
        found = group_contrast(values, groups, users=users)
        chosen = found.any_difference if kind == "any" else found.sparse_minus_dense
        rejected += chosen.p_value < 0.05
    assert BOUNDS[0] <= rejected <= BOUNDS[1]


def test_rows_of_one_user_are_not_taken_for_several_users():
    """A user's own effect cancels in the contrast: as independent rows the test would be blunt."""
    generator = np.random.default_rng(10)
    values, groups, users = clustered(generator, gain=(0.05, 0.0, 0.0), share=1.0)
    assert group_contrast(values, groups, users=users).sparse_minus_dense.p_value < 1e-3
    assert group_contrast(values, groups).sparse_minus_dense.p_value > 0.05


def test_the_interval_of_the_contrast_covers():
    generator = np.random.default_rng(11)
    covered = 0
    for _ in range(RUNS):
        differences, groups = grouped(generator, shift=(0.05, 0.0, 0.0, 0.02))
        found = group_contrast(differences, groups).sparse_minus_dense
        covered += found.low <= 0.05 - 0.02 <= found.high
    low, high = scipy.stats.binom.ppf([0.0005, 0.9995], RUNS, 0.95)
    assert low <= covered <= high


@pytest.mark.parametrize(("shift", "sign"), [((0.08, 0.03, 0.01, 0.0), 1), ((0.0, 0.01, 0.03, 0.08), -1)])
def test_a_planted_interaction_is_found_with_its_direction(shift, sign):
    differences, groups = grouped(np.random.default_rng(12), shift)
    degrees = np.array([3, 7, 14, 30])[groups]
    found, slope = group_contrast(differences, groups), degree_trend(differences, degrees)
    assert found.any_difference.p_value < 0.01
    assert found.sparse_minus_dense.p_value < 0.01
    assert sign * found.sparse_minus_dense.value > 0
    assert slope.p_value < 0.01
    assert sign * slope.value < 0
    assert slope.low < slope.value < slope.high


def test_a_gain_that_all_groups_share_is_no_interaction():
    """Adding the same to every user moves no test of differences between groups."""
    differences, groups = grouped(np.random.default_rng(13))
    first, second = group_contrast(differences, groups), group_contrast(differences + 0.5, groups)
    assert second.any_difference.p_value == pytest.approx(first.any_difference.p_value)
    assert second.sparse_minus_dense.value == pytest.approx(first.sparse_minus_dense.value)


def test_groups_of_one_user_or_without_spread_are_left_out_of_the_analysis_of_variance():
    generator = np.random.default_rng(14)
    values = generator.normal(size=60)
    differences = np.concatenate([[5.0], np.zeros(4), values])
    groups = np.concatenate([[0], np.full(4, 1), np.repeat([2, 3], 30)])
    found = group_contrast(differences, groups)
    assert found.any_difference.group_count == 2
    assert found.compared == (1, 3)
    assert found.any_difference.p_value == pytest.approx(
        scipy.stats.ttest_ind(values[:30], values[30:], equal_var=False).pvalue
    )


@pytest.mark.parametrize("users", [None, np.array([0, 0, 1, 1, 2, 2])])
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_equal_differences_everywhere_show_nothing(value, users):
    differences, groups = np.full(6, value), np.tile([0, 1], 3)
    found = group_contrast(differences, groups, users=users)
    slope = degree_trend(differences, [1, 2, 1, 2, 1, 2], users=users)
    assert found.any_difference.p_value == found.sparse_minus_dense.p_value == slope.p_value == 1.0
    assert found.sparse_minus_dense.value == slope.value == 0.0


def test_one_group_can_be_compared_with_nothing():
    found = group_contrast(np.random.default_rng(15).normal(size=20), np.zeros(20, dtype=int))
    assert (found.any_difference.p_value, found.sparse_minus_dense.p_value) == (1.0, 1.0)
    assert found.compared == (0, 0)


def test_a_user_who_alone_decides_the_slope_shows_nothing():
    found = degree_trend(np.array([0.1, 0.2, 0.15, 0.9]), [4, 4, 4, 90])
    assert found.p_value == 1.0
    assert found.value > 0


def test_a_group_whose_reference_is_zero_has_no_relative_gain():
    generator = np.random.default_rng(16)
    groups = np.repeat([0, 1, 2], 30)
    reference = generator.random(90) * (groups > 0)
    rows = relative_gains(generator.normal(size=90), reference, groups)
    assert np.isnan(rows[:30]).all()
    assert group_contrast(rows, groups).groups == (1, 2)


@pytest.mark.parametrize(
    ("differences", "groups", "sentence"),
    [
        (np.zeros(3), np.zeros(2, dtype=int), "3 differences stand against 2"),
        (np.full(2, np.nan), np.zeros(2, dtype=int), "no user has a value"),
    ],
)
def test_rows_that_do_not_fit_are_refused(differences, groups, sentence):
    with pytest.raises(ReproError, match=sentence):
        group_contrast(differences, groups)
