"""The statistics where nothing is to be found, on values like those of real rankings.

A user's recall is a share of few test items, most often 0, and both methods and all seeds agree on most of
it: discrete, skewed, full of ties. 500 pairs of equal methods are simulated; what an honest procedure at 5 % exceeds
once in a thousand is the bound everywhere.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from repro.statistics.bootstrap import difference_interval, resampled_means
from repro.statistics.claims import tied_p_value
from repro.statistics.comparison import Question, Settings, Streams, answer, correct_family
from repro.statistics.correction import corrected
from repro.statistics.equivalence import Margin, equivalence_p_value
from repro.statistics.interaction import group_contrast
from repro.statistics.paired import paired_t

RUNS, USERS, SEEDS, ALPHA = 500, 300, 2, 0.05
FEWEST, MOST = scipy.stats.binom.ppf([0.0005, 0.9995], RUNS, ALPHA)
"""10 to 43 of 500 at 5 %."""


def recall_like(generator, shape, *, lift=0.0):
    """Return recalls of users with 1 to 8 test items, equal in distribution unless lifted; in [0, 1].

    Each user has an own chance of a hit, 0 for a third; each method and seed hits by itself.

    Args:
        generator: Source of the draws.
        shape: (run, method, seed, user).
        lift: Added to the first method's chance wherever there is one.
    """
    runs, _, _, users = shape
    items = generator.integers(1, 9, (runs, 1, 1, users))
    chance = generator.beta(0.8, 4.0, (runs, 1, 1, users)) * (generator.random((runs, 1, 1, users)) > 1 / 3)
    chance = np.broadcast_to(chance, shape).copy()
    chance[:, 0] = np.where(chance[:, 0] > 0, np.minimum(chance[:, 0] + lift, 1.0), 0.0)
    return generator.binomial(np.broadcast_to(items, shape), chance) / items


def true_difference(lift):
    """Return the mean difference that a lift makes: two thirds of the users get it, all but one in 10⁵ whole."""
    return 2 / 3 * lift


def p_values_of(differences):
    """Return the paired t's p-value of every row, shape (run,): what ``paired_t`` returns row by row."""
    return scipy.stats.ttest_1samp(differences, 0.0, axis=-1).pvalue


def test_the_simulated_recalls_look_like_recalls():
    values = recall_like(np.random.default_rng(1), (20, 2, SEEDS, USERS))
    assert 0.5 < (values == 0).mean() < 0.9
    assert 0.05 < values.mean() < 0.2
    differences = values.mean(axis=2)[:, 0] - values.mean(axis=2)[:, 1]
    assert 0.3 < (differences == 0).mean() < 0.8


def test_equal_methods_differ_as_seldom_as_promised():
    values = recall_like(np.random.default_rng(2), (RUNS, 2, SEEDS, USERS)).mean(axis=2)
    rejected = sum(paired_t(pair[0] - pair[1]).p_value < ALPHA for pair in values)
    assert FEWEST <= rejected <= MOST


@pytest.mark.parametrize("method_count", [4, 11])
def test_a_family_of_equal_methods_has_any_star_as_seldom_as_promised(method_count):
    """Each family compares one method with all others, as claim C1 does: tests that depend on each other."""
    values = recall_like(np.random.default_rng(method_count), (RUNS, method_count, 1, USERS))[:, :, 0]
    p_values = p_values_of(values[:, :1] - values[:, 1:])
    assert p_values[0, 0] == pytest.approx(paired_t(values[0, 0] - values[0, 1]).p_value)
    smallest = np.minimum(p_values.min(axis=1) * (method_count - 1), 1.0)  # Holm's first step
    assert [corrected(family, "holm").min() for family in p_values[:10]] == pytest.approx(smallest[:10])
    assert (p_values < ALPHA).any(axis=1).sum() > MOST  # uncorrected, the promise is broken
    assert (smallest < ALPHA).sum() <= MOST


def test_whole_families_as_tables_make_them_keep_their_promise():
    """The same through the code that tables and claims use, resampling and all, on 40 families of four."""
    generator = np.random.default_rng(5)
    settings = Settings(ALPHA, Margin(0.001), bootstrap_samples=100, randomisation_samples=100)
    names = ("a", "b", "c", "d")
    questions = [Question("a", other, "recall@20") for other in names[1:]]
    most = scipy.stats.binom.ppf(0.9995, 40, ALPHA)
    false_families = 0
    for family in recall_like(generator, (40, len(names), SEEDS, 120)):
        values = {name: {"recall@20": side} for name, side in zip(names, family, strict=True)}
        streams = Streams(*(np.random.default_rng(generator.integers(2**32)) for _ in range(3)))
        found = correct_family(answer(values, questions, settings, streams), "holm")
        false_families += any(comparison.p_corrected < ALPHA for comparison in found)
    assert false_families <= most


@pytest.mark.parametrize("lift", [0.0, 0.04])
def test_the_bootstrap_interval_covers_the_true_difference(lift):
    """95 % of 500 are 460 to 489."""
    generator = np.random.default_rng(6)
    truth = true_difference(lift)
    covered = 0
    for pair in recall_like(generator, (RUNS, 2, SEEDS, USERS), lift=lift):
        stacked = np.ascontiguousarray(pair.reshape(2 * SEEDS, USERS).T)
        draws = resampled_means(stacked, 400, generator)
        low, high = difference_interval(draws[:, :SEEDS], draws[:, SEEDS:], USERS, ALPHA)
        covered += low <= truth <= high
    fewest, most = scipy.stats.binom.ppf([0.0005, 0.9995], RUNS, 1 - ALPHA)
    assert fewest <= covered <= most


def test_ties_are_found_where_methods_are_equal():
    """A margin of six standard errors leaves no doubt: every equal pair of 500 is shown to be tied."""
    values = recall_like(np.random.default_rng(7), (RUNS, 2, SEEDS, USERS)).mean(axis=2)
    differences = values[:, 0] - values[:, 1]
    margin = 6 * float(differences.std()) / np.sqrt(USERS)
    assert all(equivalence_p_value(row, margin) < ALPHA for row in differences)


def test_no_more_ties_than_promised_where_the_difference_is_the_margin():
    """The margin is the true difference, so that a tie there is false."""
    generator = np.random.default_rng(8)
    margin = true_difference(0.05)
    values = recall_like(generator, (RUNS, 2, SEEDS, USERS), lift=0.05).mean(axis=2)
    differences = values[:, 0] - values[:, 1]
    assert sum(equivalence_p_value(row, margin) < ALPHA for row in differences) <= MOST


def test_sparse_and_dense_users_of_equal_methods_differ_as_seldom_as_promised():
    """Groups of unequal size, as quartiles with ties are; the contrast and its tie at the margin alike."""
    values = recall_like(np.random.default_rng(9), (RUNS, 2, SEEDS, USERS)).mean(axis=2)
    groups = np.repeat([0, 1, 2, 3], [120, 80, 60, 40])
    false, ties = 0, 0
    for pair in values:
        found = group_contrast(pair[0] - pair[1], groups).sparse_minus_dense
        false += found.p_value < ALPHA
        error = abs(found.value / found.statistic)
        ties += tied_p_value(found.value, error, found.degrees_of_freedom, 1e-9) < ALPHA
    assert FEWEST <= false <= MOST
    assert ties == 0
