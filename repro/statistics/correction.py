"""Corrected p-values over a declared family of tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from statsmodels.stats.multitest import multipletests

from repro.errors import ReproError
from repro.statistics.paired import FloatArray

METHODS = {"holm": "holm", "bh": "fdr_bh"}


def corrected(p_values: Sequence[float], method: str) -> FloatArray:
    """Return the p-values corrected over all of them; shape (test,), each in [0, 1].

    Args:
        p_values: Every test of the family, shape (test,).
        method: ``holm`` (the chance of any false star) or ``bh`` (the share of false stars).

    Raises:
        ReproError: If the method is unknown.
    """
    if method not in METHODS:
        raise ReproError(f"the correction {method!r} is unknown: choose {' or '.join(METHODS)}.")
    if not len(p_values):
        return np.zeros(0)
    return np.asarray(multipletests(p_values, method=METHODS[method])[1], dtype=np.float64)
