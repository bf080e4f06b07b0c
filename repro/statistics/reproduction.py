"""How well a published number was reproduced: intervals, effect ratio, ΔRI, rank correlation, verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.stats

from repro.statistics.paired import FloatArray

Verdict = Literal["reproduced", "direction holds", "contradicted", "no published number", "cannot test here"]
VERDICTS: tuple[Verdict, ...] = (
    "reproduced",
    "direction holds",
    "contradicted",
    "no published number",
    "cannot test here",
)

TOLERANCE = 0.03
"""Relative distance up to which a value counts as the published one."""

_ROUNDING = 1e-9
"""Keeps a distance of exactly the tolerance inside it."""


@dataclass(frozen=True)
class Gain:
    """Advanced − base of one variant, ours and as published.

    Attributes:
        ours: Our mean difference to the base of the same backbone.
        published: The published one.
        p_corrected: Of the paired test of ours, corrected over the table.
    """

    ours: float
    published: float
    p_corrected: float


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on, in a few words."""

    verdict: Verdict
    why: str


def seed_interval(means: FloatArray, alpha: float) -> tuple[float, float] | None:
    """Return the 1 − alpha interval of the mean over training seeds, by Student's t.

    Args:
        means: One mean a seed, shape (seed,).
        alpha: 1 − the coverage.

    Returns:
        Lower and upper bound; None with fewer than two seeds, which tell nothing of their spread.
    """
    count = len(means)
    if count < 2:
        return None
    half = scipy.stats.t.ppf(1 - alpha / 2, count - 1) * np.std(means, ddof=1) / math.sqrt(count)
    return float(np.mean(means) - half), float(np.mean(means) + half)


def effect_ratio(reproduced: float, original: float) -> float:
    """Return ER: the mean improvement of the reproduction over that of the original.

    1 is the published effect, between 0 and 1 a smaller one, below 0 the opposite one; nan where the
    original improvement is 0.

    Args:
        reproduced: Mean of advanced − base over our users.
        original: The same difference of the published means.

    Source: Breuer et al., "How to Measure the Reproducibility of System-oriented IR Experiments",
    SIGIR 2020, as in repro_eval. Papers print means, so the mean of differences is here the
    difference of means.
    """
    return reproduced / original if original else math.nan


def relative_improvement(advanced: float, base: float) -> float:
    """Return RI = (advanced − base) / base; nan where base is 0."""
    return (advanced - base) / base if base else math.nan


def delta_relative_improvement(
    *, advanced: float, base: float, published_advanced: float, published_base: float
) -> float:
    """Return ΔRI = RI of the original − RI of the reproduction; 0 is the published effect.

    Source: as :func:`effect_ratio`. Negative where the reproduction improves more.
    """
    return relative_improvement(published_advanced, published_base) - relative_improvement(advanced, base)


@dataclass(frozen=True)
class RankCorrelation:
    """Kendall's τ-b between two orders of the same methods, with its p-value against no relation."""

    tau: float
    p_value: float
    method_count: int


def rank_correlation(ours: Sequence[float], published: Sequence[float]) -> RankCorrelation | None:
    """Return how well our order of methods agrees with the published one, 1 for the same order.

    None for fewer than two methods, or where one side has only ties.
    """
    if len(ours) < 2 or len(set(ours)) < 2 or len(set(published)) < 2:
        return None
    result = scipy.stats.kendalltau(ours, published)
    return RankCorrelation(float(result.statistic), float(result.pvalue), len(ours))


def judge(
    ours: float,
    published: float,
    *,
    interval: tuple[float, float] | None,
    gain: Gain | None,
    alpha: float,
    tolerance: float = TOLERANCE,
) -> Judgement:
    """Return the verdict on one value that both sides have.

    The first that applies: a significant gain of the other sign contradicts, whatever the value; a
    value within the interval over seeds or within the tolerance is reproduced; a significant gain of
    the published sign holds the direction; anything else contradicts.

    Args:
        ours: Our mean over seeds and users.
        published: The published value, above 0 for a relative distance.
        interval: Of our mean over seeds; None with one seed, where the tolerance decides alone. An
            interval over users is of no use here, since both sides ranked the same users.
        gain: Against the base of the same backbone; None for a base itself, or where one side has
            no base.
        alpha: Level of the gain's test.
        tolerance: Largest relative distance of a reproduced value.
    """
    shown = gain is not None and gain.p_corrected < alpha and gain.published != 0 and gain.ours != 0
    same_sign = gain is not None and (gain.ours > 0) == (gain.published > 0)
    if shown and not same_sign:
        return Judgement("contradicted", "significant gain of the other sign")
    distance = abs(ours - published) / published if published else math.inf
    if distance <= tolerance + _ROUNDING:
        return Judgement("reproduced", f"within {100 * tolerance:g} %")
    if interval is not None and interval[0] <= published <= interval[1]:
        return Judgement("reproduced", "in the interval over seeds")
    if shown:
        return Judgement("direction holds", "same sign, significant; other size")
    if gain is None or gain.published == 0:
        return Judgement("contradicted", "value differs; no direction to compare")
    return Judgement("contradicted", "value differs; its gain is not significant here")
