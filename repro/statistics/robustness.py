"""What a metric loses when the training data are polluted, and whether one model loses less than another."""

from __future__ import annotations

import numpy as np

from repro.statistics.paired import FloatArray


def changes(noisy: FloatArray, clean: FloatArray) -> FloatArray:
    """Return noisy − clean of every seed and user, shape (seed, user) as both sides."""
    return np.asarray(noisy - clean, dtype=np.float64)


def relative_changes(noisy: FloatArray, clean: FloatArray) -> FloatArray | None:
    """Return values whose mean is the relative change ``r = mean(noisy) / mean(clean) − 1``.

    Single users have no relative change where their clean metric is 0. What a user contributes to r is
    its linearisation, ``r + (noisy − (1 + r) · clean) / mean(clean)``: a paired t-test of these values is
    the delta-method test of a ratio of means, which counts the chance in the denominator, too.

    Args:
        noisy: Shape (seed, user).
        clean: Of the same seeds and users.

    Returns:
        Shape (seed, user); None where the clean mean is 0.
    """
    level = float(clean.mean())
    if level == 0.0:
        return None
    kept = float(noisy.mean()) / level
    return np.asarray(kept - 1.0 + (noisy - kept * clean) / level, dtype=np.float64)
