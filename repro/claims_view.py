"""The claims judged on the results that are here: as records, and as a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from repro.analysis import scores_of
from repro.claims.judging import Judgement, judge
from repro.claims.planning import PlannedClaim, plan
from repro.claims.records import Rule, load_claims
from repro.claims.wording import explain_test, untestable_words
from repro.layout import Layout
from repro.params import Params
from repro.readiness import evaluated_keys
from repro.results import CellResult, read_result
from repro.statistics.claims import finding_of
from repro.statistics.verdict import CORRECTION_NAMES, stars
from repro.tables.claims import ClaimRow, TestRow, claims_table
from repro.tables.model import Table
from repro.tables.provenance import provenance_notes


@dataclass(frozen=True)
class JudgedClaims:
    """Judgements, and what they rest on.

    Attributes:
        judgements: Claim after claim.
        cells: Results of the claims' cells that are there, by key.
        rule: How tests become a verdict.
    """

    judgements: tuple[Judgement, ...]
    cells: Mapping[str, CellResult]
    rule: Rule


def judged_claims_of(
    layout: Layout,
    params: Params,
    dataset: str | None = None,
    *,
    names: Sequence[str] = (),
    backbones: Sequence[str] = (),
    correction: str | None = None,
) -> JudgedClaims:
    """Return the judgement of every claim, reading only results that are there.

    Args:
        layout: The checkout; holds claims.yaml.
        params: The grid.
        dataset: A data set; None takes all of the grid.
        names: Claims, such as C1; empty means all.
        backbones: Backbones; empty means those on which the grid has a claim's candidate.
        correction: ``holm`` or ``bh``, over all tests of these claims; None takes that of params.yaml.

    Raises:
        ReproError: If claims.yaml or a name is wrong, or results are unreadable.
    """
    claims = load_claims(layout, params)
    places = plan(claims, params, names=names, datasets=[dataset] if dataset else (), backbones=backbones)
    found = read_results(layout, params, places)
    return judged(places, found, params, claims.rule, correction or params.statistics.correction)


def claims_table_of(
    layout: Layout,
    params: Params,
    dataset: str | None = None,
    *,
    names: Sequence[str] = (),
    backbones: Sequence[str] = (),
    correction: str | None = None,
    why: bool = False,
) -> Table:
    """Return the table of :func:`judged_claims_of`, whose arguments it takes.

    Args:
        why: Show every test and explain it in words, not only the one that each verdict hangs on.
    """
    found = judged_claims_of(layout, params, dataset, names=names, backbones=backbones, correction=correction)
    return table_of(found, params, why=why)


def read_results(
    layout: Layout, params: Params, places: Sequence[PlannedClaim], ready: Collection[str] | None = None
) -> dict[str, CellResult]:
    """Return the results of the claims' cells that are there, by key.

    Args:
        layout: The checkout.
        params: The grid.
        places: The claims.
        ready: Keys of the cells to read; None takes all that have been evaluated here.
    """
    wanted = list(dict.fromkeys(request.key for place in places for request in place.requests))
    keys = evaluated_keys(layout, params, wanted) if ready is None else ready
    return {key: read_result(layout, key, params.cells[key]) for key in keys}


def judged(
    places: Sequence[PlannedClaim],
    found: Mapping[str, CellResult],
    params: Params,
    rule: Rule,
    correction: str,
) -> JudgedClaims:
    """Return the judgements of planned claims with what they rest on; arguments as ``judge`` takes them."""
    requests = {request.key for place in places for request in place.requests}
    cells = {key: cell for key, cell in found.items() if key in requests}
    return JudgedClaims(tuple(judge(places, found, params, rule, correction)), cells, rule)


def table_of(claims: JudgedClaims, params: Params, *, why: bool = False) -> Table:
    """Return judged claims as a table; ``why`` shows and explains every test."""
    judgements, rule, alpha = claims.judgements, claims.rule, params.statistics.alpha
    metrics = list(dict.fromkeys(test.metric for judgement in judgements for test in judgement.tests))
    return claims_table(
        [_row(judgement, alpha) for judgement in judgements],
        every_test=why,
        alpha=alpha,
        notes=[
            *_reasons(judgements),
            *(_explained(judgements, alpha) if why else ()),
            _rule_note(rule, alpha),
            _family_note(judgements, params, rule),
            *provenance_notes([scores_of(cell, metrics) for cell in claims.cells.values()]),
        ],
    )


def _place(judgement: Judgement) -> str:
    if judgement.dataset is None:
        return "all places"
    return f"{judgement.dataset}/{judgement.backbone}"


def _reasons(judgements: Sequence[Judgement]) -> list[str]:
    """Return one sentence for each verdict; places of a claim that lack nothing but cells share one."""
    told = []
    lacking: dict[tuple[str, str], list[Judgement]] = {}
    for judgement in judgements:
        untestable = judgement.verdict == "cannot be tested here"
        if untestable and judgement.dataset is None:
            continue
        if untestable and judgement.missing and judgement.dataset is not None:
            lacking.setdefault((judgement.claim, judgement.dataset), []).append(judgement)
        else:
            told.append(f"{judgement.claim} {_place(judgement)}, {judgement.verdict}: {judgement.why}.")
    for (claim, dataset), members in lacking.items():
        missing = list(dict.fromkeys(key for member in members for key in member.missing))
        command = (
            members[0].command if len(members) == 1 else f"repro claims --claim {claim} --dataset {dataset}"
        )
        places = ", ".join(_place(member) for member in members)
        words = untestable_words(missing, command)
        told.append(f"{claim} {places}, cannot be tested here: {words}.")
    return told


def _explained(judgements: Sequence[Judgement], alpha: float) -> list[str]:
    return [
        f"{judgement.claim} {_place(judgement)}: {explain_test(test, alpha)}"
        for judgement in judgements
        if judgement.dataset is not None
        for test in judgement.tests
    ]


def _rule_note(rule: Rule, alpha: float) -> str:
    tie = " or a tie (shown to be smaller than the smallest effect of interest)"
    return (
        f"supported: {rule.supported_if} test of the claim is as claimed (p < {alpha:g}, corrected); contradicted: "
        f"{rule.contradicted_if} is shown to be the opposite{tie if rule.ties == 'contradict' else ''}; "
        "undecided: neither."
    )


def _family_note(judgements: Sequence[Judgement], params: Params, rule: Rule) -> str:
    tests = [test for judgement in judgements for test in judgement.tests]
    if not tests:
        return "No test could be made."
    size, method = tests[0].family_size, CORRECTION_NAMES[tests[0].correction]
    section = params.statistics
    return (
        "p: paired t-test over users, each averaged over seeds (between groups by training items, such as "
        f"1-3 − ≥13: Welch's t-test; under noise, such as clicks10: of what each side loses); {method} over all "
        f"{size} test{'s' * (size != 1)} of the claims shown. CI: "
        f"{100 * (1 - section.alpha):g}% bootstrap over users, {section.bootstrap_samples:,} samples (between "
        f"groups: Welch's). Detectable: smallest difference with {100 * rule.power:g} % power at the family's "
        f"strictest level, {section.alpha:g}/{max(size, 1)}."
    )


def _row(judgement: Judgement, alpha: float) -> ClaimRow:
    return ClaimRow(
        claim=judgement.claim,
        title=judgement.title,
        source=judgement.source,
        dataset=judgement.dataset,
        backbone=judgement.backbone,
        verdict=judgement.verdict,
        why=judgement.why,
        command=judgement.command,
        tests=tuple(
            TestRow(
                test, finding_of(test, alpha), stars(test.p_corrected), decides=test is judgement.deciding
            )
            for test in judgement.tests
        ),
    )
