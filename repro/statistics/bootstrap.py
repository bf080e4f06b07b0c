"""Bootstrap intervals of a mean difference, over users and over seeds × users."""

from __future__ import annotations

import math

import numpy as np

from repro.statistics.paired import FloatArray, sample_blocks


def resampled_means(values: FloatArray, samples: int, generator: np.random.Generator) -> FloatArray:
    """Return the mean of every column in each bootstrap sample of the users.

    A sample draws as many users as there are, with replacement; all columns see the same draw, so
    differences between columns stay paired.

    Args:
        values: Shape (user, column).
        samples: Number of bootstrap samples.
        generator: Source of the draws.

    Returns:
        Shape (sample, column).
    """
    users, columns = values.shape
    means = np.empty((samples, columns))
    start = 0
    for size in sample_blocks(samples, users):
        drawn = generator.integers(0, users, size=(size, users), dtype=np.int32)
        flat = (drawn + (np.arange(size, dtype=np.int64) * users)[:, None]).reshape(-1)
        times = np.bincount(flat, minlength=size * users).reshape(size, users)
        means[start : start + size] = times.astype(np.float64) @ values / users
        start += size
    return means


def interval(draws: FloatArray, alpha: float) -> tuple[float, float]:
    """Return the central 1 − alpha percentile interval of bootstrap draws, shape (sample,)."""
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def difference_interval(
    candidate: FloatArray, reference: FloatArray, users: int, alpha: float
) -> tuple[float, float]:
    """Return the interval of the mean difference over users, the trained seeds taken as given.

    Args:
        candidate: Resampled means, shape (sample, seed).
        reference: Resampled means of the same samples, shape (sample, seed).
        users: Number of users; with fewer than 2 the interval is (nan, nan).
        alpha: 1 − the coverage.
    """
    if users < 2:
        return math.nan, math.nan
    return interval(candidate.mean(axis=1) - reference.mean(axis=1), alpha)


def relative_interval(
    candidate: FloatArray, reference: FloatArray, users: int, alpha: float
) -> tuple[float, float]:
    """Return the interval of the mean difference as a share of the reference's mean, over users.

    Args:
        candidate: Resampled means, shape (sample, seed).
        reference: Resampled means of the same samples, shape (sample, seed).
        users: Number of users; with fewer than 2 the interval is (nan, nan), and so it is where the
            reference's mean is 0 in a sample.
        alpha: 1 − the coverage.
    """
    means = reference.mean(axis=1)
    if users < 2 or not (means > 0.0).all():
        return math.nan, math.nan
    return interval(candidate.mean(axis=1) / means - 1.0, alpha)


def hierarchical_interval(
    candidate: FloatArray, reference: FloatArray, users: int, alpha: float, picks: FloatArray
) -> tuple[float, float]:
    """Return the interval of the mean difference where the seeds, too, could have been others.

    In every bootstrap sample of the users the seeds of both sides are drawn with replacement, each
    side on its own, since runs of different variants share no weights. With one seed it shows the
    users' share only.

    Args:
        candidate: Resampled means, shape (sample, seed).
        reference: Resampled means of the same samples, shape (sample, seed).
        users: Number of users; with fewer than 2 the interval is (nan, nan).
        alpha: 1 − the coverage.
        picks: Uniform draws from :func:`seed_picks`.
    """
    if users < 2:
        return math.nan, math.nan
    return interval(_over_seeds(candidate, picks[0]) - _over_seeds(reference, picks[1]), alpha)


def seed_picks(samples: int, most_seeds: int, generator: np.random.Generator) -> FloatArray:
    """Return uniform draws in [0, 1) that choose seeds; shape (2 sides, sample, seed).

    Drawn once for a family, so that an interval does not depend on what else is asked.
    """
    return generator.random((2, samples, most_seeds))


def _over_seeds(means: FloatArray, picks: FloatArray) -> FloatArray:
    seeds = means.shape[1]
    chosen = (picks[:, :seeds] * seeds).astype(np.int64)
    return np.take_along_axis(means, chosen, axis=1).mean(axis=1)
