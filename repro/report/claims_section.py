"""The verdicts on the claims, and the tests behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from repro.claims.judging import Judgement
from repro.claims_view import JudgedClaims, judged_claims_of, table_of
from repro.report.evidence import Evidence, attempt
from repro.report.model import Gap, Judged, Section, Verdict
from repro.report.shelf import Shelf


@dataclass(frozen=True)
class ClaimsOfDataset:
    """What was judged on one data set, or the gap where claims.yaml or results cannot be read."""

    dataset: str
    found: JudgedClaims | None
    gaps: tuple[Gap, ...]


def judge_claims(evidence: Evidence) -> list[ClaimsOfDataset]:
    """Return the claims judged on each data set.

    Each data set is a family of tests of its own, as `repro claims --dataset` has it.
    """
    layout, params = evidence.layout, evidence.params
    return [
        ClaimsOfDataset(
            name, *attempt(layout, f"Claims on {name}", partial(judged_claims_of, layout, params, name))
        )
        for name in evidence.datasets
    ]


def verdicts_of(judged: Sequence[ClaimsOfDataset]) -> tuple[Judged, ...]:
    """Return every claim with its verdict on each data set."""
    titles: dict[str, tuple[str, str]] = {}
    verdicts: dict[str, list[Verdict]] = {}
    for one in judged:
        by_claim: dict[str, list[Judgement]] = {}
        for judgement in one.found.judgements if one.found else ():
            by_claim.setdefault(judgement.claim, []).append(judgement)
        for claim, members in by_claim.items():
            titles[claim] = members[0].title, members[0].source
            verdicts.setdefault(claim, []).append(_over_backbones(members, one.dataset))
    return tuple(
        Judged(f"claim-{claim.lower()}", claim, *titles[claim], tuple(found))
        for claim, found in verdicts.items()
    )


def tests_section(judged: Sequence[ClaimsOfDataset], evidence: Evidence) -> Section | None:
    """Return every test of every claim, data set by data set."""
    shelf = Shelf(evidence.layout, "claims", "The tests behind the verdicts")
    for one in judged:
        title, command = f"Claims on {one.dataset}", f"repro claims --dataset {one.dataset} --why"
        for gap in one.gaps:
            shelf.gap(gap.what, gap.why)
        if one.found is not None:
            make = partial(table_of, one.found, evidence.params, why=True)
            shelf.table(f"tests-{one.dataset}", title, command, make, folded=True)
    return shelf.section()


def _over_backbones(members: Sequence[Judgement], dataset: str) -> Verdict:
    """Return the verdict on a data set; over several backbones the one that stands first."""
    first, *rest = (_verdict(judgement, dataset) for judgement in members)
    command = f"repro claims --claim {members[0].claim} --dataset {dataset}" if rest else first.command
    return Verdict(first.place, first.verdict, first.figures, first.why, command, tuple(rest))


def _verdict(judgement: Judgement, dataset: str) -> Verdict:
    return Verdict(
        place=dataset if judgement.backbone is None else f"{dataset}/{judgement.backbone}",
        verdict=judgement.verdict,
        figures=_figures(judgement),
        why=_sentence(judgement.why),
        command=judgement.command,
    )


def _figures(judgement: Judgement) -> str:
    """Return what ``why`` does not say of the test that a verdict hangs on; difference and p stand there."""
    test = judgement.deciding
    if test is None or judgement.verdict == "cannot be tested here":
        return ""
    seeds = test.seed_count
    effect = "" if math.isnan(test.effect_size) else f"d_z {test.effect_size:.2f}, "
    return f"{effect}{test.user_count:,} users, {seeds} seed{'s' * (seeds != 1)}"


def _sentence(words: str) -> str:
    text = words.strip()
    return text and f"{text[0].upper()}{text[1:].rstrip('.')}."
