"""Groups of users by the number of their training interactions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from irllrec.errors import ConfigurationError

PUBLISHED_BOUNDS = (0, 5, 10, 20)
"""Fixed interaction counts, as the papers of this family group users in their sparsity figures.

Their bounds differ from figure to figure and come with no code; these suit splits whose median
user has 7 (amazon) or 10 (yelp) training items, and leave no user out.
"""

QUANTILE_COUNT = 4


@dataclass(frozen=True)
class Stratum:
    """Users with at least ``lower`` and fewer than ``upper`` training items; None is no limit."""

    lower: int
    upper: int | None

    @property
    def label(self) -> str:
        """The bounds in words: ``0-4``, ``7``, ``≥20``."""
        if self.upper is None:
            return f"≥{self.lower}"
        return f"{self.lower}" if self.upper == self.lower + 1 else f"{self.lower}-{self.upper - 1}"

    def holds(self, degrees: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which users belong here; shape (user,)."""
        inside = degrees >= self.lower
        return inside if self.upper is None else inside & (degrees < self.upper)


def strata_of(degrees: npt.NDArray[np.int64], groups: str) -> list[Stratum]:
    """Return the groups, sparsest first; every user is in exactly one.

    Args:
        degrees: Training items of each user, shape (user,).
        groups: ``published`` (:data:`PUBLISHED_BOUNDS`), ``quantiles`` (four groups of about equal
            size; equal quartiles are merged), or own lower bounds such as ``0,5,10,20`` (a leading
            0 may be left out).

    Raises:
        ConfigurationError: If ``groups`` is neither a known word nor rising whole numbers.
    """
    if groups == "published":
        bounds = list(PUBLISHED_BOUNDS)
    elif groups == "quantiles":
        bounds = _quantile_bounds(degrees)
    else:
        bounds = _own_bounds(groups)
    return [Stratum(low, high) for low, high in zip(bounds, [*bounds[1:], None], strict=True)]


def _quantile_bounds(degrees: npt.NDArray[np.int64]) -> list[int]:
    """Return lower bounds at the quartiles: a user at a quartile belongs to the group above."""
    if not len(degrees):
        return [0]
    shares = np.arange(1, QUANTILE_COUNT) / QUANTILE_COUNT
    cuts = np.quantile(degrees, shares, method="higher")  # a count that is there, so that no group is empty
    lowest = int(degrees.min())
    return [lowest, *(int(cut) for cut in np.unique(cuts) if cut > lowest)]


def _own_bounds(groups: str) -> list[int]:
    allowed = "choose `published`, `quantiles` or rising whole numbers such as 0,5,10,20"
    try:
        bounds = [int(part) for part in groups.split(",")]
    except ValueError:
        raise ConfigurationError(f"the groups {groups!r} cannot be read: {allowed}.") from None
    if bounds[0] > 0:
        bounds.insert(0, 0)
    if bounds[0] < 0 or any(low >= high for low, high in itertools.pairwise(bounds)):
        raise ConfigurationError(f"the groups {groups!r} do not rise from 0 on: {allowed}.")
    return bounds
