"""Intervals: coverage, agreement with scipy, the seeds' share."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from repro.statistics.bootstrap import (
    difference_interval,
    hierarchical_interval,
    interval,
    resampled_means,
    seed_picks,
)
from repro.statistics.paired import sample_blocks


def test_interval_agrees_with_scipys_percentile_bootstrap():
    values = np.random.default_rng(1).exponential(size=400)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(2)
    ).confidence_interval
    low, high = interval(resampled_means(values[:, None], 20_000, np.random.default_rng(3))[:, 0], 0.05)
    assert low == pytest.approx(expected.low, abs=0.004)
    assert high == pytest.approx(expected.high, abs=0.004)


def test_means_of_resampled_users_keep_columns_paired():
    """A column that is another plus 1 stays so in every sample."""
    values = np.random.default_rng(4).random((50, 1))
    draws = resampled_means(np.hstack([values, values + 1.0]), 300, np.random.default_rng(5))
    np.testing.assert_allclose(draws[:, 1] - draws[:, 0], 1.0)


def test_intervals_cover_the_truth_as_often_as_promised():
    """500 samples of 150 users, each skewed: between 91 % and 98 % of 95 % intervals hold the mean."""
    generator = np.random.default_rng(6)
    draws = resampled_means(generator.exponential(size=(150, 500)), 800, np.random.default_rng(7))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    assert 0.91 <= np.mean((low <= 1.0) & (high >= 1.0)) <= 0.98


def test_seeds_that_disagree_widen_the_hierarchical_interval():
    """Users alike, seeds at 0 and 1: over users the mean is fixed, over seeds anything in [0, 1]."""
    users = 100
    candidate = np.vstack([np.zeros(users), np.ones(users)]).T
    reference = np.zeros((users, 2))
    draws = resampled_means(np.hstack([candidate, reference]), 2000, np.random.default_rng(8))
    picks = seed_picks(2000, 2, np.random.default_rng(9))
    assert difference_interval(draws[:, :2], draws[:, 2:], users, 0.05) == (0.5, 0.5)
    assert hierarchical_interval(draws[:, :2], draws[:, 2:], users, 0.05, picks) == (0.0, 1.0)


def test_with_one_seed_both_intervals_agree():
    values = np.random.default_rng(10).random((80, 2))
    draws = resampled_means(values, 500, np.random.default_rng(11))
    picks = seed_picks(500, 1, np.random.default_rng(12))
    sides = draws[:, :1], draws[:, 1:]
    assert difference_interval(*sides, 80, 0.05) == hierarchical_interval(*sides, 80, 0.05, picks)


def test_one_user_has_no_interval():
    assert all(math.isnan(end) for end in difference_interval(np.ones((9, 1)), np.ones((9, 1)), 1, 0.05))


def test_blocks_hold_every_sample_and_stay_small():
    blocks = sample_blocks(5000, 20_000)
    assert sum(blocks) == 5000
    assert max(blocks) * 20_000 <= 4_000_000
