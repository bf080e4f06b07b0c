"""Two one-sided tests: is the difference shown to be smaller than what matters?"""

from __future__ import annotations

import numpy as np
from statsmodels.stats.weightstats import DescrStatsW

from repro.statistics.paired import FloatArray, effect_size


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
    if not np.isfinite(size := effect_size(differences)) or (size == 0.0 and not differences.any()):
        return 0.0 if abs(float(np.mean(differences))) < margin else 1.0
    return float(DescrStatsW(differences).ttost_mean(-margin, margin)[0])
