"""Tests of claims: what each shows, how several become one verdict, and what could have been seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import scipy.stats

from repro.statistics.correction import corrected

Finding = Literal["as claimed", "opposite", "tied", "open"]
Verdict = Literal["supported", "contradicted", "undecided", "cannot be tested here"]
Quantifier = Literal["every", "any"]

VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "undecided", "cannot be tested here")


@dataclass(frozen=True)
class ClaimTest:
    """One test of a claim; ``difference`` is candidate − reference, as a fraction of 1.

    Attributes:
        name: What is compared, for people.
        candidate, reference: Both sides.
        metric: Of which metric.
        sign: +1 where the claim expects a difference above 0, −1 where below.
        user_count: Users that enter; fewer than 2 show nothing.
        seed_count: Fewest training seeds of a cell that enters.
        candidate_mean, reference_mean: Means of both sides.
        low, high: Interval of the difference over users.
        seeds_low, seeds_high: Over seeds × users; nan for a contrast of groups.
        effect_size: d_z: the difference over its standard deviation over users; for a contrast of groups
            over the root mean square of the groups' standard deviations.
        standard_error, degrees_of_freedom: Of the difference, by the t-test; nan where nothing varies.
        statistic, p_value: Of that test, two-sided.
        margin: Smallest effect of interest.
        p_tied: TOST's p-value of a difference within ±margin.
        p_corrected, p_tied_corrected, family_size, correction: Filled in by :func:`correct_claims`.
        detectable: Smallest difference found with the asked power at the family's strictest level.
    """

    name: str
    candidate: str
    reference: str
    metric: str
    sign: int
    user_count: int
    seed_count: int
    candidate_mean: float
    reference_mean: float
    difference: float
    low: float
    high: float
    seeds_low: float
    seeds_high: float
    effect_size: float
    standard_error: float
    degrees_of_freedom: float
    statistic: float
    p_value: float
    margin: float
    p_tied: float
    p_corrected: float = math.nan
    p_tied_corrected: float = math.nan
    family_size: int = 0
    correction: str = ""
    detectable: float = math.nan

    @property
    def has_claimed_sign(self) -> bool:
        """Whether the difference, significant or not, is on the claimed side of 0."""
        return self.sign * self.difference > 0


@dataclass(frozen=True)
class Combination:
    """How the findings of a claim become its verdict.

    Attributes:
        supported_if: Whether every test must come out as claimed, or any.
        contradicted_if: Whether every test must refute it, or any.
        ties_contradict: Whether a shown tie refutes a claimed difference, beside a shown opposite.
    """

    supported_if: Quantifier
    contradicted_if: Quantifier
    ties_contradict: bool


def correct_claims(tests: Sequence[ClaimTest], method: str, *, alpha: float, power: float) -> list[ClaimTest]:
    """Return the tests with p-values corrected over all of them, and what each could have detected.

    A test of fewer than two users is none: it keeps p = 1 and does not count.

    Args:
        tests: The declared family.
        method: ``holm`` or ``bh``.
        alpha: Level of the corrected tests; the strictest step of Holm's is alpha / family.
        power: Probability with which ``detectable`` would have been found.
    """
    real = [test.user_count > 1 for test in tests]
    size = sum(real)
    different = iter(
        corrected([test.p_value for test, is_real in zip(tests, real, strict=True) if is_real], method)
    )
    tied = iter(
        corrected([test.p_tied for test, is_real in zip(tests, real, strict=True) if is_real], method)
    )
    return [
        replace(
            test,
            p_corrected=float(next(different)) if is_real else 1.0,
            p_tied_corrected=float(next(tied)) if is_real else 1.0,
            family_size=size,
            correction=method,
            detectable=detectable_difference(
                test.standard_error, test.degrees_of_freedom, alpha=alpha / max(size, 1), power=power
            ),
        )
        for test, is_real in zip(tests, real, strict=True)
    ]


def detectable_difference(
    standard_error: float, degrees_of_freedom: float, *, alpha: float, power: float
) -> float:
    """Return the smallest difference that a two-sided t-test finds with this power.

    ``(t_{1−α/2} + t_{power}) · standard error`` (H. S. Bloom, Evaluation Review 1995). From 60 users on its
    power by the noncentral t, as statsmodels has it, is the asked one within 0.015.

    Args:
        standard_error: Of the difference, with the number of users and the spread that were had.
        degrees_of_freedom: Of the test.
        alpha: Its two-sided level.
        power: In (0.5, 1).

    Returns:
        In the units of the standard error; nan where that is.
    """
    if math.isnan(standard_error) or math.isnan(degrees_of_freedom):
        return math.nan
    critical = float(scipy.stats.t.ppf(1 - alpha / 2, degrees_of_freedom))
    return (critical + float(scipy.stats.t.ppf(power, degrees_of_freedom))) * standard_error


def tied_p_value(difference: float, standard_error: float, degrees_of_freedom: float, margin: float) -> float:
    """Return TOST's p-value from an estimate: small when the difference is shown to lie within ±margin.

    1 where the standard error is not known; where it is 0, 0 or 1 as the difference lies within or not.
    """
    if math.isnan(standard_error) or math.isnan(degrees_of_freedom):
        return 1.0
    if standard_error == 0.0:
        return 0.0 if abs(difference) < margin else 1.0
    return float(scipy.stats.t.sf((margin - abs(difference)) / standard_error, degrees_of_freedom))


def finding_of(test: ClaimTest, alpha: float) -> Finding:
    """Return what one corrected test shows of the claim."""
    if test.p_corrected < alpha and test.difference != 0:
        return "as claimed" if test.has_claimed_sign else "opposite"
    return "tied" if test.p_tied_corrected < alpha else "open"


def verdict_of(findings: Sequence[Finding], rule: Combination, *, complete: bool = True) -> Verdict:
    """Return the verdict that the findings amount to.

    Args:
        findings: Of every test that could be made.
        rule: How they combine.
        complete: Whether every test that the claim names could be made. A claim about every test cannot be
            supported by some of them, but one that refutes it is enough where ``any`` contradicts.
    """
    refuting = [found == "opposite" or (found == "tied" and rule.ties_contradict) for found in findings]
    holding = [found == "as claimed" for found in findings]
    if _holds(refuting, rule.contradicted_if, complete):
        return "contradicted"
    if _holds(holding, rule.supported_if, complete):
        return "supported"
    return "undecided" if complete and findings else "cannot be tested here"


def overall(verdicts: Sequence[Verdict], rule: Combination) -> Verdict:
    """Return the verdict over several places (data sets and backbones); those not testable have no say."""
    testable = [verdict for verdict in verdicts if verdict != "cannot be tested here"]
    if not testable:
        return "cannot be tested here"
    if _holds([verdict == "contradicted" for verdict in testable], rule.contradicted_if, True):
        return "contradicted"
    if _holds([verdict == "supported" for verdict in testable], rule.supported_if, True):
        return "supported"
    return "undecided"


def _holds(facts: Sequence[bool], quantifier: Quantifier, complete: bool) -> bool:
    return any(facts) if quantifier == "any" else complete and bool(facts) and all(facts)


def deciding(tests: Sequence[ClaimTest], verdict: Verdict, alpha: float) -> ClaimTest | None:
    """Return the test that a verdict hangs on, None where there is none.

    A supported claim hangs on its weakest test, a contradicted one on what refutes it most clearly (an
    opposite before a tie), any other on the test that is furthest from what is claimed.
    """
    if not tests:
        return None
    if verdict == "contradicted":
        opposite = [test for test in tests if finding_of(test, alpha) == "opposite"]
        if opposite:
            return min(opposite, key=lambda test: test.p_value)
        tied = [test for test in tests if finding_of(test, alpha) == "tied"]
        return min(tied or tests, key=lambda test: test.p_tied)
    return max(tests, key=_distance_from_claim)


def _distance_from_claim(test: ClaimTest) -> float:
    """Return the one-sided p-value against the claim: near 0 as claimed, near 1 the opposite."""
    return test.p_value / 2 if test.has_claimed_sign else 1 - test.p_value / 2
