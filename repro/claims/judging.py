"""From the tests of claims to their verdicts, each with the reason in one sentence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from repro.claims.planning import PlannedClaim
from repro.claims.records import Rule
from repro.claims.testing import Results, run_tests
from repro.claims.wording import (
    contradicted_words,
    overall_words,
    supported_words,
    undecided_words,
    untestable_words,
)
from repro.params import Params
from repro.statistics.claims import (
    ClaimTest,
    Combination,
    Verdict,
    correct_claims,
    deciding,
    finding_of,
    overall,
    verdict_of,
)


@dataclass(frozen=True)
class Judgement:
    """What became of a claim at one place, or over all its places.

    Attributes:
        claim: C1, …
        title: The claim in one line.
        source: ``paper`` or ``ours``.
        dataset, backbone: The place; None over all places.
        verdict: One of the four.
        why: What it rests on, or why there is none; one sentence.
        tests: Every test that could be made, corrected over all claims shown.
        deciding: The test that the verdict hangs on; None where none could be made.
        missing: Keys of the cells whose results are missing.
        command: What makes it, and whatever is missing for it.
    """

    claim: str
    title: str
    source: str
    dataset: str | None
    backbone: str | None
    verdict: Verdict
    why: str
    tests: tuple[ClaimTest, ...]
    deciding: ClaimTest | None
    missing: tuple[str, ...]
    command: str


def judge(
    places: Sequence[PlannedClaim], found: Results, params: Params, rule: Rule, correction: str
) -> list[Judgement]:
    """Return the judgement of every planned claim, and one over its places where there are several.

    Args:
        places: The claims; those with a reason why they cannot be tested keep it.
        found: The results that are there, by key; tests without theirs are not made.
        params: Holds the level and how to resample.
        rule: How tests combine.
        correction: ``holm`` or ``bh``, over every test of these claims.
    """
    alpha = params.statistics.alpha
    made = run_tests(places, found, params)
    corrected = iter(
        correct_claims([test for tests in made for test in tests], correction, alpha=alpha, power=rule.power)
    )
    by_place = [tuple(next(corrected) for _ in tests) for tests in made]
    judged = [
        _judged(place, tests, found, rule, alpha) for place, tests in zip(places, by_place, strict=True)
    ]
    judgements = []
    for name in dict.fromkeys(judgement.claim for judgement in judged):
        members = [judgement for judgement in judged if judgement.claim == name]
        judgements += [_over_places(members, rule, alpha)] if len(members) > 1 else []
        judgements += members
    return judgements


def combination_of(rule: Rule) -> Combination:
    """Return the rule of claims.yaml as the statistics take it."""
    return Combination(rule.supported_if, rule.contradicted_if, rule.ties == "contradict")


def _judged(
    place: PlannedClaim, tests: tuple[ClaimTest, ...], found: Collection[str], rule: Rule, alpha: float
) -> Judgement:
    missing = tuple(request.key for request in place.requests if request.key not in found)
    testable = [test for test in tests if test.user_count > 1]
    findings = [finding_of(test, alpha) for test in testable]
    complete = bool(place.tests) and not missing
    verdict = verdict_of(findings, combination_of(rule), complete=complete)
    test = deciding(testable, verdict, alpha)
    if verdict == "cannot be tested here":
        why = place.reason or untestable_words(missing, place.command)
    elif test is None:  # a verdict rests on a test
        raise AssertionError(f"{place.name} is {verdict} without a test")
    elif verdict == "supported":
        why = supported_words(testable, test)
    elif verdict == "contradicted":
        why = contradicted_words(testable, test, alpha)
    else:
        why = undecided_words(testable, test, alpha, rule.power)
    return Judgement(
        claim=place.name,
        title=place.claim.title,
        source=place.claim.source,
        dataset=place.dataset,
        backbone=place.backbone,
        verdict=verdict,
        why=why,
        tests=tests,
        deciding=test,
        missing=missing,
        command=place.command,
    )


def _over_places(members: Sequence[Judgement], rule: Rule, alpha: float) -> Judgement:
    verdict = overall([member.verdict for member in members], combination_of(rule))
    tests = tuple(test for member in members for test in member.tests)
    agreeing = [member for member in members if member.verdict == verdict and member.deciding is not None]
    hinges = [member.deciding for member in agreeing if member.deciding is not None]
    first = members[0]
    return Judgement(
        claim=first.claim,
        title=first.title,
        source=first.source,
        dataset=None,
        backbone=None,
        verdict=verdict,
        why=overall_words([(f"{one.dataset}/{one.backbone}", one.verdict) for one in members]),
        tests=tests,
        deciding=deciding(hinges, verdict, alpha),
        missing=tuple(dict.fromkeys(key for member in members for key in member.missing)),
        command=f"repro claims --claim {first.claim}",
    )
