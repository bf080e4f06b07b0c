"""Whole families of paired comparisons: every figure that is printed about a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from repro.statistics.bootstrap import (
    difference_interval,
    hierarchical_interval,
    relative_interval,
    resampled_means,
    seed_picks,
)
from repro.statistics.correction import corrected
from repro.statistics.equivalence import Margin, equivalence_p_value, not_worse_p_value
from repro.statistics.paired import FloatArray, effect_size, paired_t, randomisation_p_values


@dataclass(frozen=True)
class Question:
    """One comparison to make: candidate − reference on one metric."""

    candidate: str
    reference: str
    metric: str


@dataclass(frozen=True)
class Settings:
    """How to test; the section ``statistics`` of params.yaml."""

    alpha: float
    equivalence_margin: Margin
    bootstrap_samples: int
    randomisation_samples: int


@dataclass(frozen=True)
class Streams:
    """One random generator for each purpose, so that one never shifts another."""

    users: np.random.Generator
    seeds: np.random.Generator
    signs: np.random.Generator


@dataclass(frozen=True)
class Comparison:
    """A paired comparison over users; differences are candidate − reference, as fractions.

    ``low``/``high`` bound the mean difference over users, ``hierarchical_*`` over seeds × users, and
    ``improvement_*`` the difference as a share of the reference, over users.
    ``p_value`` is the paired t's, corrected over a family of ``family_size`` tests in
    ``p_corrected``; ``p_tied`` is TOST's and ``p_not_worse`` that of a loss smaller than the ``margin``,
    both corrected over the same family.
    """

    candidate: str
    reference: str
    metric: str
    user_count: int
    candidate_mean: float
    reference_mean: float
    difference: float
    low: float
    high: float
    hierarchical_low: float
    hierarchical_high: float
    effect_size: float
    statistic: float
    p_value: float
    p_randomisation: float
    margin: Margin
    p_tied: float
    p_not_worse: float
    p_corrected: float = math.nan
    p_tied_corrected: float = math.nan
    p_not_worse_corrected: float = math.nan
    family_size: int = 0
    correction: str = ""
    improvement_low: float = math.nan
    improvement_high: float = math.nan

    @property
    def margin_size(self) -> float:
        """The margin as a difference of this metric."""
        return self.margin.size(self.reference_mean)

    @property
    def improvement(self) -> float:
        """The difference as a share of the reference; nan where the reference is 0."""
        return self.difference / self.reference_mean if self.reference_mean else math.nan


Values = Mapping[str, Mapping[str, FloatArray]]
"""Name of a side → metric → values of shape (seed, user), the users the same everywhere."""


def answer(
    values: Values, questions: Sequence[Question], settings: Settings, streams: Streams
) -> list[Comparison]:
    """Return the comparison for every question, not yet corrected for their number.

    Users are averaged over seeds first and the tests run over users. All questions share one set
    of bootstrap draws and sign flips, which costs one pass over them however many there are.

    Args:
        values: Per-user values of each side.
        questions: What to compare; every name and metric stands in ``values``.
        settings: Margins and sample counts.
        streams: Random generators.
    """
    if not questions:
        return []
    used = list(dict.fromkeys((side, q.metric) for q in questions for side in (q.candidate, q.reference)))
    matrices = [values[side][metric] for side, metric in used]
    user_count = matrices[0].shape[1]
    if user_count == 0:
        return [_nobody(question, settings.equivalence_margin) for question in questions]
    stacked = np.concatenate(matrices, axis=0).T
    draws = resampled_means(np.ascontiguousarray(stacked), settings.bootstrap_samples, streams.users)
    ends = np.cumsum([len(matrix) for matrix in matrices])[:-1]
    draws_of = dict(zip(used, np.split(draws, ends, axis=1), strict=True))
    mean_of = {key: matrix.mean(axis=0) for key, matrix in zip(used, matrices, strict=True)}
    columns = [mean_of[q.candidate, q.metric] - mean_of[q.reference, q.metric] for q in questions]
    randomised = randomisation_p_values(
        np.stack(columns, axis=1), settings.randomisation_samples, streams.signs
    )
    picks = seed_picks(len(draws), max(len(matrix) for matrix in matrices), streams.seeds)
    answers = []
    for question, differences, p_randomisation in zip(questions, columns, randomised, strict=True):
        sides = (question.candidate, question.metric), (question.reference, question.metric)
        test = paired_t(differences)
        candidate, reference = (draws_of[side] for side in sides)
        bounds = difference_interval(candidate, reference, user_count, settings.alpha)
        wider = hierarchical_interval(candidate, reference, user_count, settings.alpha, picks)
        shares = relative_interval(candidate, reference, user_count, settings.alpha)
        reference_mean = float(mean_of[sides[1]].mean())
        margin = settings.equivalence_margin.size(reference_mean)
        answers.append(
            Comparison(
                candidate=question.candidate,
                reference=question.reference,
                metric=question.metric,
                user_count=user_count,
                candidate_mean=float(mean_of[sides[0]].mean()),
                reference_mean=reference_mean,
                difference=float(differences.mean()),
                low=bounds[0],
                high=bounds[1],
                hierarchical_low=wider[0],
                hierarchical_high=wider[1],
                effect_size=effect_size(differences),
                statistic=test.statistic,
                p_value=test.p_value,
                p_randomisation=float(p_randomisation),
                margin=settings.equivalence_margin,
                p_tied=equivalence_p_value(differences, margin),
                p_not_worse=not_worse_p_value(differences, margin),
                improvement_low=shares[0],
                improvement_high=shares[1],
            )
        )
    return answers


def correct_family(comparisons: Sequence[Comparison], method: str) -> list[Comparison]:
    """Return the comparisons with p-values corrected over all of them.

    A comparison over no user is no test: it keeps p = 1 and does not count.
    """
    tested = [comparison for comparison in comparisons if comparison.user_count > 0]
    different = iter(corrected([comparison.p_value for comparison in tested], method))
    tied = iter(corrected([comparison.p_tied for comparison in tested], method))
    not_worse = iter(corrected([comparison.p_not_worse for comparison in tested], method))
    return [
        replace(
            comparison,
            p_corrected=float(next(different)) if comparison.user_count else 1.0,
            p_tied_corrected=float(next(tied)) if comparison.user_count else 1.0,
            p_not_worse_corrected=float(next(not_worse)) if comparison.user_count else 1.0,
            family_size=len(tested),
            correction=method,
        )
        for comparison in comparisons
    ]


def _nobody(question: Question, margin: Margin) -> Comparison:
    """Return the comparison of an empty group of users: no means, p = 1."""
    return Comparison(
        candidate=question.candidate,
        reference=question.reference,
        metric=question.metric,
        user_count=0,
        candidate_mean=math.nan,
        reference_mean=math.nan,
        difference=math.nan,
        low=math.nan,
        high=math.nan,
        hierarchical_low=math.nan,
        hierarchical_high=math.nan,
        effect_size=0.0,
        statistic=0.0,
        p_value=1.0,
        p_randomisation=1.0,
        margin=margin,
        p_tied=1.0,
        p_not_worse=1.0,
    )
