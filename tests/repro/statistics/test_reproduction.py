"""Reproduction measures by hand, and that every verdict on a value can come out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repro.statistics.reproduction import (
    Gain,
    delta_relative_improvement,
    effect_ratio,
    judge,
    rank_correlation,
    seed_interval,
)


def test_the_interval_over_seeds_is_students() -> None:
    """Means 1, 2, 3: deviation 1, standard error 1/√3, t(0.975, 2) = 4.302653."""
    interval = seed_interval(np.array([1.0, 2.0, 3.0]), 0.05)
    half = 4.302653 / math.sqrt(3)
    assert interval == pytest.approx((2 - half, 2 + half), rel=1e-6)


def test_one_seed_has_no_interval_over_seeds() -> None:
    assert seed_interval(np.array([0.1]), 0.05) is None


def test_the_interval_over_seeds_holds_the_true_mean_as_often_as_it_says() -> None:
    """2,000 normal samples of 3 seeds: 95 % ± four standard errors of a share."""
    generator = np.random.default_rng(5)
    intervals = [seed_interval(sample, 0.05) for sample in generator.normal(0.1, 0.01, size=(2000, 3))]
    held = np.mean([low <= 0.1 <= high for low, high in filter(None, intervals)])
    assert abs(held - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


def test_the_effect_ratio_is_one_for_the_same_gain_and_negative_for_the_other_sign() -> None:
    assert effect_ratio(0.01, 0.02) == pytest.approx(0.5)
    assert effect_ratio(0.02, 0.02) == 1
    assert effect_ratio(-0.02, 0.02) == -1
    assert math.isnan(effect_ratio(0.02, 0.0))


def test_delta_ri_is_the_published_relative_gain_minus_ours() -> None:
    """Published 0.10 → 0.12 is 20 %; ours 0.20 → 0.21 is 5 %."""
    delta = delta_relative_improvement(advanced=0.21, base=0.20, published_advanced=0.12, published_base=0.10)
    assert delta == pytest.approx(0.15)


def test_rank_correlation_counts_pairs_in_the_same_order() -> None:
    """Of three pairs two stand in the same order and one in the other: (2 − 1) / 3."""
    found = rank_correlation([0.1, 0.2, 0.3], [0.2, 0.1, 0.3])
    assert found is not None
    assert (found.tau, found.method_count) == (pytest.approx(1 / 3), 3)
    reversed_ = rank_correlation([0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    assert reversed_ is not None
    assert reversed_.tau == pytest.approx(-1)


def test_there_is_no_rank_correlation_of_one_method_or_of_ties_only() -> None:
    assert rank_correlation([0.1], [0.1]) is None
    assert rank_correlation([0.1, 0.1], [0.1, 0.2]) is None


UP = Gain(ours=0.02, published=0.01, p_corrected=0.001)
UNSHOWN = Gain(ours=0.02, published=0.01, p_corrected=0.2)
DOWN = Gain(ours=-0.02, published=0.01, p_corrected=0.001)
NOWHERE = Gain(ours=0.02, published=0.0, p_corrected=0.001)


@pytest.mark.parametrize(
    ("ours", "interval", "gain", "verdict", "words"),
    [
        (0.103, None, None, "reproduced", "within 3 %"),
        (0.097, None, UNSHOWN, "reproduced", "within 3 %"),
        (0.110, (0.099, 0.121), None, "reproduced", "in the interval over seeds"),
        (0.110, (0.105, 0.115), UP, "direction holds", "same sign"),
        (0.110, (0.105, 0.115), UNSHOWN, "contradicted", "its gain is not significant"),
        (0.110, (0.105, 0.115), None, "contradicted", "no direction to compare"),
        (0.110, None, NOWHERE, "contradicted", "no direction to compare"),
        (0.100, (0.090, 0.110), DOWN, "contradicted", "significant gain of the other sign"),
    ],
)
def test_the_verdict_on_a_published_tenth(ours, interval, gain, verdict, words) -> None:
    """The last row: a value on the spot does not save a gain that goes the other way."""
    judgement = judge(ours, 0.1, interval=interval, gain=gain, alpha=0.05)
    assert judgement.verdict == verdict
    assert words in judgement.why


def test_the_tolerance_is_what_was_asked_for() -> None:
    assert judge(0.103, 0.1, interval=None, gain=None, alpha=0.05, tolerance=0.02).verdict == "contradicted"
    assert judge(0.104, 0.1, interval=None, gain=None, alpha=0.05, tolerance=0.05).verdict == "reproduced"
