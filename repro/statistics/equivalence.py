"""Is a difference shown to be smaller than what matters? In both directions, or only for the worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from statsmodels.stats.weightstats import DescrStatsW

from repro.errors import ReproError
from repro.statistics.paired import FloatArray, effect_size


@dataclass(frozen=True)
class Margin:
    """The smallest difference that matters.

    Attributes:
        value: In (0, 1): a difference of a metric, or a share of the reference's mean.
        relative: Whether it is a share. That mean is then taken as it was measured.
    """

    value: float
    relative: bool = False

    def size(self, reference_mean: float) -> float:
        """Return the difference that it is beside this mean; 0 where a share of nothing is meant."""
        return self.value * abs(reference_mean) if self.relative else self.value

    def __str__(self) -> str:
        return f"{100 * self.value:g} %" if self.relative else f"{self.value:g}"


def read_margin(text: str) -> Margin:
    """Return the margin that a person wrote: ``0.001``, or ``1%`` of the reference's mean.

    Raises:
        ReproError: If it is neither, or not above 0 and below 1 (100 %).
    """
    digits, percent, rest = text.strip().partition("%")
    try:
        value = float(digits) / (100 if percent else 1)
    except ValueError:
        value = 0.0
    if rest or not 0 < value < 1:
        raise ReproError(
            f"the margin {text!r} is no difference of a metric: write a fraction between 0 and 1, for example "
            "0.001, or a share of B's mean, for example 1%."
        )
    return Margin(value, relative=bool(percent))


def equivalence_p_value(differences: FloatArray, margin: float) -> float:
    """Return TOST's p-value: small when the mean difference is shown to lie within ±margin.

    Args:
        differences: One value a user, shape (user,).
        margin: Smallest effect of interest, absolute, > 0.

    Returns:
        The larger of both one-sided p-values; 1 with one user; where all users differ alike, 0 or
        1 as that difference lies within the margin or not.
    """
    if len(differences) < 2:
        return 1.0
    if _all_alike(differences):
        return 0.0 if abs(float(np.mean(differences))) < margin else 1.0
    return float(DescrStatsW(differences).ttost_mean(-margin, margin)[0])


def not_worse_p_value(differences: FloatArray, margin: float) -> float:
    """Return the p-value of non-inferiority: small when the mean is shown to lie above −margin.

    The paired t-test, one-sided, of the differences plus the margin.

    Args:
        differences: Candidate − reference, one value a user, shape (user,); higher is better.
        margin: Smallest loss of interest, absolute, ≥ 0.

    Returns:
        1 with one user; where all users differ alike, 0 or 1 as that difference lies above −margin
        or not.
    """
    if len(differences) < 2:
        return 1.0
    if _all_alike(differences):
        return 0.0 if float(np.mean(differences)) > -margin else 1.0
    return float(DescrStatsW(differences).ttest_mean(-margin, alternative="larger")[1])


def _all_alike(differences: FloatArray) -> bool:
    size = effect_size(differences)
    return not np.isfinite(size) or (size == 0.0 and not differences.any())
