"""Tests of a mean paired difference over users.

Glossary of shapes: ``seed`` training seeds, ``user`` users with test items, ``column`` independent
questions asked of the same users (a pair of variants and a metric).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

from repro.errors import ReproError

FloatArray = npt.NDArray[np.float64]

BLOCK_ELEMENTS = 4_000_000
"""Random numbers held at once: 32 MB as float64, whatever the number of users and samples."""


@dataclass(frozen=True)
class TestResult:
    """A test statistic and its two-sided p-value in [0, 1]."""

    __test__ = False

    statistic: float
    p_value: float


def check_same_users(first: npt.ArrayLike, second: npt.ArrayLike, names: tuple[str, str]) -> None:
    """Do nothing where both sides hold the same users in the same order.

    Args:
        first: User ids, shape (user,).
        second: User ids, shape (user,).
        names: What to call both sides in the error.

    Raises:
        ReproError: If the users differ; a paired test would then compare different people.
    """
    one, other = np.asarray(first), np.asarray(second)
    if one.shape == other.shape and bool((one == other).all()):
        return
    only = np.setxor1d(one, other)
    detail = f"user {only[0]} is in one only" if len(only) else "their order differs"
    raise ReproError(
        f"{names[0]} was evaluated on {len(one)} users and {names[1]} on {len(other)} ({detail}): "
        "evaluate both on the same split with `dvc repro`."
    )


def effect_size(differences: FloatArray) -> float:
    """Return d_z, the mean difference in units of its standard deviation over users.

    0 where every difference is 0 or there is one user only; ±inf where all differ alike.
    """
    if len(differences) < 2:
        return 0.0
    mean, spread = float(np.mean(differences)), _spread(differences)
    if spread == 0.0:
        return 0.0 if mean == 0.0 else math.copysign(math.inf, mean)
    return mean / spread


def paired_t(differences: FloatArray) -> TestResult:
    """Return the paired t-test of a zero mean difference; the p-value the tables report.

    Args:
        differences: One value a user, already averaged over seeds; shape (user,).

    Returns:
        p = 1 where every difference is 0 or there is one user only (nothing can be said), and
        p = 0 where all users differ by the same amount.
    """
    if len(differences) < 2:
        return TestResult(0.0, 1.0)
    if _spread(differences) == 0.0:
        mean = float(np.mean(differences))
        return TestResult(0.0, 1.0) if mean == 0.0 else TestResult(math.copysign(math.inf, mean), 0.0)
    result = scipy.stats.ttest_1samp(differences, 0.0)
    return TestResult(float(result.statistic), float(result.pvalue))


def randomisation_p_values(
    differences: FloatArray, samples: int, generator: np.random.Generator
) -> FloatArray:
    """Return Fisher's randomisation p-value of each column: are the signs exchangeable?

    Each sample flips the sign of each user's difference with probability one half; the p-value is
    ``(1 + #{|flipped mean| ≥ |observed mean|}) / (1 + samples)``, never 0. All columns see the same
    flips, so a p-value does not depend on what else is asked.

    Args:
        differences: Shape (user, column).
        samples: Number of sign patterns, ≥ 1.
        generator: Source of the flips.

    Returns:
        Shape (column,), in (0, 1]; 1 for a column of zeros.
    """
    users, columns = differences.shape
    totals = differences.sum(axis=0)
    tolerance = 1e-12 * np.abs(differences).sum(axis=0)
    reached = np.zeros(columns, dtype=np.int64)
    for size in sample_blocks(samples, users):
        packed = generator.integers(0, 256, size=(size, (users + 7) // 8), dtype=np.uint8)
        kept = np.unpackbits(packed, axis=1, count=users).astype(np.float64)
        flipped = 2.0 * (kept @ differences) - totals
        reached += (np.abs(flipped) >= np.abs(totals) - tolerance).sum(axis=0)
    return np.asarray((1.0 + reached) / (1.0 + samples), dtype=np.float64)


def wilcoxon(differences: FloatArray) -> TestResult:
    """Return Wilcoxon's signed-rank test, which the tables never use.

    It tests the symmetry of the differences, not their mean: with ten thousand users and many
    ties it rejects for differences in shape alone.

    Warns:
        UserWarning: Always, with that reason.
    """
    warnings.warn(
        "Wilcoxon's signed-rank test assumes symmetric differences; with thousands of users and "
        "many ties its type-I error is inflated. Trust the paired t and the randomisation test.",
        UserWarning,
        stacklevel=2,
    )
    if len(differences) < 2 or not differences.any():
        return TestResult(0.0, 1.0)
    result = scipy.stats.wilcoxon(differences, method="approx")
    return TestResult(float(result.statistic), float(result.pvalue))


def _spread(differences: FloatArray) -> float:
    """Return the standard deviation, 0 where it is rounding noise only."""
    spread = float(np.std(differences, ddof=1))
    largest = float(np.max(np.abs(differences)))
    return 0.0 if spread <= 1e-13 * largest else spread


def sample_blocks(samples: int, users: int) -> list[int]:
    """Return how many samples to draw at a time so that a block stays within memory."""
    size = max(1, min(samples, BLOCK_ELEMENTS // max(users, 1)))
    whole, rest = divmod(samples, size)
    return [size] * whole + ([rest] if rest else [])
