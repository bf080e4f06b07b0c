"""The verdicts on the claims, and the tests behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from repro.claims.judging import Judgement
from repro.claims_view import claims_table_of, judgements_of
from repro.report.evidence import Evidence, attempt
from repro.report.model import Judged, Section, Verdict
from repro.report.shelf import Shelf


def judged_claims(evidence: Evidence) -> tuple[Judged, ...]:
    """Return every claim with its verdict on each data set; none where claims.yaml cannot be read.

    Each data set is a family of tests of its own, as `repro claims --dataset` has it.
    """
    titles: dict[str, tuple[str, str]] = {}
    verdicts: dict[str, list[Verdict]] = {}
    for name in evidence.datasets:
        found, _ = attempt(
            evidence.layout, "Verdicts", partial(judgements_of, evidence.layout, evidence.params, name)
        )
        by_claim: dict[str, list[Judgement]] = {}
        for judgement in found or ():
            by_claim.setdefault(judgement.claim, []).append(judgement)
        for claim, members in by_claim.items():
            titles[claim] = members[0].title, members[0].source
            verdicts.setdefault(claim, []).append(_over_backbones(members, name))
    return tuple(
        Judged(f"claim-{claim.lower()}", claim, *titles[claim], tuple(found))
        for claim, found in verdicts.items()
    )


def tests_section(evidence: Evidence) -> Section | None:
    """Return every test of every claim, data set by data set."""
    shelf = Shelf(evidence.layout, "claims", "The tests behind the verdicts")
    for name in evidence.datasets:
        shelf.table(
            f"tests-{name}",
            f"Claims on {name}",
            f"repro claims --dataset {name} --why",
            partial(claims_table_of, evidence.layout, evidence.params, name, why=True),
            folded=True,
        )
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
