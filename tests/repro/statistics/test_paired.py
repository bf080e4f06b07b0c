"""Tests over users: hand values, agreement with scipy, degenerate input, false positives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from repro.errors import ReproError
from repro.statistics.paired import (
    check_same_users,
    effect_size,
    paired_t,
    randomisation_p_values,
    wilcoxon,
)


def test_effect_size_is_mean_over_standard_deviation():
    """Mean of 1, 2, 3 is 2 and their standard deviation 1."""
    assert effect_size(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.0)


def test_paired_t_by_hand():
    """1, 2, 3: t = 2 / (1/√3) = 3.4641 with two degrees of freedom; p = 0.0741799."""
    result = paired_t(np.array([1.0, 2.0, 3.0]))
    assert result.statistic == pytest.approx(math.sqrt(12))
    assert result.p_value == pytest.approx(0.0741799, abs=1e-6)


def test_paired_t_agrees_with_scipy_on_two_columns():
    generator = np.random.default_rng(1)
    one, other = generator.random(300), generator.random(300)
    expected = scipy.stats.ttest_rel(one, other)
    result = paired_t(one - other)
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.p_value == pytest.approx(expected.pvalue)


def test_equal_models_have_p_one_and_no_effect():
    zeros = np.zeros(50)
    assert paired_t(zeros).p_value == 1.0
    assert effect_size(zeros) == 0.0
    assert randomisation_p_values(zeros[:, None], 99, np.random.default_rng(0))[0] == 1.0


def test_one_user_proves_nothing():
    one = np.array([0.4])
    assert paired_t(one).p_value == 1.0
    assert effect_size(one) == 0.0
    assert randomisation_p_values(one[:, None], 99, np.random.default_rng(0))[0] == 1.0


def test_the_same_shift_for_every_user_is_certain():
    """0.3 − 0.1 is not exactly 0.2 in every user: rounding noise is no spread."""
    shift = np.array([0.3, 0.5, 0.7]) - np.array([0.1, 0.3, 0.5])
    assert paired_t(shift).p_value == 0.0
    assert effect_size(shift) == math.inf
    assert effect_size(-shift) == -math.inf


def test_randomisation_agrees_with_scipys_exact_sign_flips():
    """With 10 users all 1,024 sign patterns can be listed; 40,000 draws come within 4 errors."""
    differences = np.random.default_rng(3).normal(0.4, 1.0, 10)
    exact = scipy.stats.permutation_test(
        (differences,),
        lambda x, axis: np.abs(np.mean(x, axis=axis)),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative="greater",
    ).pvalue
    ours = randomisation_p_values(differences[:, None], 40_000, np.random.default_rng(4))[0]
    assert abs(ours - exact) < 4 * math.sqrt(exact * (1 - exact) / 40_000)


def test_randomisation_is_never_zero():
    differences = np.full((200, 1), 0.5)
    assert randomisation_p_values(differences, 99, np.random.default_rng(0))[0] == pytest.approx(1 / 100)


def test_randomisation_does_not_depend_on_the_other_questions():
    values = np.random.default_rng(5).normal(0.05, 1.0, (500, 6))
    together = randomisation_p_values(values, 400, np.random.default_rng(6))
    alone = randomisation_p_values(values[:, [3]], 400, np.random.default_rng(6))
    assert together[3] == alone[0]


def test_same_seed_same_p_and_other_seed_other_p():
    values = np.random.default_rng(7).normal(0.05, 1.0, (300, 1))
    draws = [randomisation_p_values(values, 1000, np.random.default_rng(seed))[0] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_global_generator_is_untouched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    randomisation_p_values(np.ones((9, 1)), 50, np.random.default_rng(0))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_false_positives_under_the_null_are_as_many_as_promised():
    """1,000 null data sets at level 0.05: the 99.9 % binomial interval is [29, 74]."""
    null = np.random.default_rng(8).exponential(size=(200, 1000)) * np.random.default_rng(9).choice(
        [-1, 1], size=(200, 1000)
    )
    low, high = scipy.stats.binom.interval(0.999, 1000, 0.05)
    randomised = randomisation_p_values(null, 999, np.random.default_rng(10))
    assert low <= (randomised < 0.05).sum() <= high
    assert low <= sum(paired_t(column).p_value < 0.05 for column in null.T) <= high


def test_wilcoxon_warns_about_itself():
    differences = np.random.default_rng(11).normal(0.1, 1.0, 60)
    with pytest.warns(UserWarning, match="type-I error is inflated"):
        result = wilcoxon(differences)
    assert result.p_value == pytest.approx(scipy.stats.wilcoxon(differences, method="approx").pvalue)


def test_different_users_are_refused_by_name():
    with pytest.raises(ReproError, match=r"first was evaluated on 2 users and second on 2 \(user 2 is"):
        check_same_users([1, 2], [1, 3], ("first", "second"))


def test_another_order_of_users_is_refused():
    with pytest.raises(ReproError, match="their order differs"):
        check_same_users([1, 2], [2, 1], ("first", "second"))
