"""Verdicts and tests of claims in whole sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from repro.shortened import first_few
from repro.statistics.claims import ClaimTest, Verdict, finding_of
from repro.statistics.verdict import CORRECTION_NAMES


def supported_words(tests: Sequence[ClaimTest], weakest: ClaimTest) -> str:
    """Return what carries a supported claim, and what takes something from it."""
    words = f"{_count(len(tests))} as claimed; the weakest is {_told(weakest)}"
    unsure = [test for test in tests if _sign_may_change(test)]
    if unsure:
        words += f"; with other seeds the sign could change in {len(unsure)} of {len(tests)}"
    if any(test.seed_count < 2 for test in tests):
        words += "; with one seed nothing is known of others"
    return words


def contradicted_words(tests: Sequence[ClaimTest], strongest: ClaimTest, alpha: float) -> str:
    """Return what refutes a claim."""
    findings = [finding_of(test, alpha) for test in tests]
    opposite, tied = findings.count("opposite"), findings.count("tied")
    parts = [f"{opposite} shown to be the opposite"] if opposite else []
    parts += [f"{tied} shown to be within ±{strongest.margin:g}"] if tied else []
    kept = findings.count("as claimed")
    parts += [f"{kept} as claimed"] if kept else []
    return f"of {_count(len(tests))} {', '.join(parts)}; the clearest is {_told(strongest)}"


def undecided_words(tests: Sequence[ClaimTest], furthest: ClaimTest, alpha: float, power: float) -> str:
    """Return how far the tests came, and what difference they could have shown."""
    findings = [finding_of(test, alpha) for test in tests]
    parts = [
        f"{findings.count(finding)} {words}"
        for finding, words in (
            ("as claimed", "as claimed"),
            ("opposite", "shown to be the opposite"),
            ("tied", "tied"),
            ("open", "open"),
        )
        if finding in findings
    ]
    words = f"of {_count(len(tests))} {', '.join(parts)}; furthest from the claim is {_told(furthest)}"
    if not math.isnan(furthest.detectable):
        words += (
            f"; with {furthest.user_count:,} users {100 * power:g} % power begins at a difference of "
            f"{furthest.detectable:.4f}, and the smallest of interest is {furthest.margin:g}"
        )
    return words


def untestable_words(missing: Sequence[str], command: str) -> str:
    """Return which cells are missing and what makes them."""
    if not missing:
        return "its test set or its groups hold fewer than two users"
    return f"no up-to-date results of the cell{'s' * (len(missing) != 1)} {first_few(missing, 4)}: run `{command}`"


def overall_words(places: Sequence[tuple[str, Verdict]]) -> str:
    """Return the verdicts of the places, each with where it holds."""
    told = []
    for verdict in dict.fromkeys(verdict for _, verdict in places):
        names = [name for name, one in places if one == verdict]
        told.append(f"{verdict} on {', '.join(names)}")
    return "; ".join(told)


def explain_test(test: ClaimTest, alpha: float) -> str:
    """Return one sentence that says what a test found."""
    if test.user_count < 2:
        return f"{test.name}, {test.metric}: {test.user_count} users; nothing can be tested."
    finding = {
        "as claimed": "as claimed",
        "opposite": "the opposite of what is claimed",
        "tied": f"a tie, within ±{test.margin:g}",
        "open": "neither a difference nor a tie is shown",
    }[finding_of(test, alpha)]
    return (
        f"{test.name}, {test.metric}: {test.candidate_mean:+.4f} against {test.reference_mean:+.4f}, so "
        f"{_told(test, named=False)}, t = {test.statistic:.2f}, {CORRECTION_NAMES[test.correction]} over "
        f"{test.family_size}, tie p = {test.p_tied_corrected:.2g}: {finding}."
    )


def _told(test: ClaimTest, *, named: bool = True) -> str:
    name = f"{test.name} on {test.metric}: " if named else ""
    bounds = "" if math.isnan(test.low) else f" [{test.low:+.4f}, {test.high:+.4f}]"
    return f"{name}{test.difference:+.4f}{bounds}, p = {test.p_corrected:.2g}"


def _sign_may_change(test: ClaimTest) -> bool:
    """Return whether the interval over seeds × users holds 0."""
    return test.seeds_low <= 0.0 <= test.seeds_high


def _count(tests: int) -> str:
    return f"{tests} test{'s' * (tests != 1)}"
