"""What a test shows of a claim, how tests combine, and what could have been detected."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from repro.statistics.claims import (
    ClaimTest,
    Combination,
    correct_claims,
    deciding,
    detectable_difference,
    finding_of,
    overall,
    tied_p_value,
    verdict_of,
)
from repro.statistics.equivalence import equivalence_p_value

RULE = Combination("every", "any", ties_contradict=True)
S, C, U, X = "supported", "contradicted", "undecided", "cannot be tested here"


def made(difference=0.01, p=0.001, p_tied=1.0, *, sign=1, users=100, name="a − b"):
    """Return a test with these figures, all else unremarkable and not yet corrected."""
    return ClaimTest(
        name=name,
        candidate="a",
        reference="b",
        metric="recall@20",
        sign=sign,
        user_count=users,
        seed_count=3,
        candidate_mean=0.2 + difference,
        reference_mean=0.2,
        difference=difference,
        low=difference - 0.01,
        high=difference + 0.01,
        seeds_low=difference - 0.02,
        seeds_high=difference + 0.02,
        effect_size=0.1,
        standard_error=0.005,
        degrees_of_freedom=users - 1.0,
        statistic=2.0,
        p_value=p,
        margin=0.001,
        p_tied=p_tied,
    )


def corrected_alone(test):
    (found,) = correct_claims([test], "holm", alpha=0.05, power=0.8)
    return found


@pytest.mark.parametrize("users", [60, 1873, 10_000])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 138])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_detectable_difference_has_the_power_that_statsmodels_says(users, alpha, power):
    """The exact power, by the noncentral t with the far tail left out."""
    spread = 0.21
    found = detectable_difference(spread / math.sqrt(users), users - 1, alpha=alpha, power=power)
    exact = TTestPower().power(found / spread, users, alpha / 2, alternative="larger")
    assert exact == pytest.approx(power, abs=0.015)


def test_the_detectable_difference_by_hand():
    """With very many users: (1.9600 + 0.8416) standard errors."""
    assert detectable_difference(0.01, 1e9, alpha=0.05, power=0.8) == pytest.approx(0.028016, abs=1e-5)


def test_what_was_not_tested_could_detect_nothing():
    assert math.isnan(detectable_difference(math.nan, 5.0, alpha=0.05, power=0.8))
    assert math.isnan(detectable_difference(0.1, math.nan, alpha=0.05, power=0.8))
    assert detectable_difference(0.0, 5.0, alpha=0.05, power=0.8) == 0.0


@pytest.mark.parametrize("margin", [0.001, 0.02, 0.2])
@pytest.mark.parametrize("shift", [0.0, 0.01, -0.03])
def test_a_tie_from_an_estimate_is_the_tie_from_the_values(margin, shift):
    values = np.random.default_rng(1).normal(shift, 0.1, 400)
    error = float(values.std(ddof=1)) / 20.0
    found = tied_p_value(float(values.mean()), error, 399.0, margin)
    assert found == pytest.approx(equivalence_p_value(values, margin))


def test_a_tie_without_spread_is_decided_by_the_difference():
    assert tied_p_value(0.0005, 0.0, 10.0, 0.001) == 0.0
    assert tied_p_value(0.002, 0.0, 10.0, 0.001) == 1.0
    assert tied_p_value(0.0, math.nan, 10.0, 0.001) == 1.0


@pytest.mark.parametrize(
    ("test", "finding"),
    [
        (made(0.01), "as claimed"),
        (made(-0.01), "opposite"),
        (made(-0.01, sign=-1), "as claimed"),
        (made(0.01, sign=-1), "opposite"),
        (made(0.01, p=0.2), "open"),
        (made(0.0002, p=0.2, p_tied=0.01), "tied"),
        (made(0.0002, p=0.01, p_tied=0.01), "as claimed"),
        (made(-0.0002, p=0.01, p_tied=0.01), "opposite"),
    ],
)
def test_what_one_test_shows(test, finding):
    assert finding_of(corrected_alone(test), 0.05) == finding


def test_the_family_is_corrected_together_and_empty_tests_do_not_count():
    """Of p 0.01, 0.04 and one that is none, Holm makes 0.02, 0.04 and leaves 1."""
    tests = [made(p=0.01, p_tied=0.5), made(p=0.04, p_tied=0.6), made(p=0.001, users=1)]
    found = correct_claims(tests, "holm", alpha=0.05, power=0.8)
    assert [test.p_corrected for test in found] == pytest.approx([0.02, 0.04, 1.0])
    assert [test.p_tied_corrected for test in found] == pytest.approx([1.0, 1.0, 1.0])
    assert {test.family_size for test in found} == {2}
    strictest = detectable_difference(0.005, 99.0, alpha=0.025, power=0.8)
    assert found[0].detectable == pytest.approx(strictest)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        (["as claimed", "as claimed"], S),
        (["as claimed", "open"], U),
        (["as claimed", "opposite"], C),
        (["as claimed", "tied"], C),
        (["open"], U),
        ([], X),
    ],
)
def test_a_claim_of_many_tests_needs_all_and_falls_with_one(findings, verdict):
    assert verdict_of(findings, RULE) == verdict


def test_other_rules_combine_otherwise():
    anyone = Combination("any", "every", ties_contradict=True)
    assert verdict_of(["as claimed", "opposite"], anyone) == S
    assert verdict_of(["tied", "opposite"], anyone) == C
    assert verdict_of(["open", "opposite"], anyone) == U
    milder = dataclasses.replace(RULE, ties_contradict=False)
    assert verdict_of(["as claimed", "tied"], milder) == U


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [(["as claimed"], X), (["open"], X), (["opposite"], C), ([], X)],
)
def test_with_missing_tests_a_claim_can_only_fall(findings, verdict):
    assert verdict_of(findings, RULE, complete=False) == verdict


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [([S, S], S), ([S, X], S), ([S, U], U), ([S, C], C), ([X, X], X), ([U, X, C], C)],
)
def test_places_that_cannot_be_tested_have_no_say(verdicts, verdict):
    assert overall(verdicts, RULE) == verdict


def test_a_verdict_hangs_on_the_test_that_explains_it():
    clear, weak = made(0.03, 1e-9, name="clear"), made(0.01, 0.002, name="weak")
    wrong = made(-0.02, 1e-4, name="wrong")
    tie = made(0.0001, 0.9, 1e-6, name="tie")
    tests = correct_claims([clear, weak, wrong, tie], "holm", alpha=0.05, power=0.8)
    assert deciding(tests[:2], S, 0.05) is tests[1]
    assert deciding(tests, C, 0.05) is tests[2]
    assert deciding([*tests[:2], tests[3]], C, 0.05) is tests[3]
    assert deciding(tests[:3], U, 0.05) is tests[2]
    assert deciding([], X, 0.05) is None
