"""Top-k metrics of single users, as fractions; averaging happens elsewhere.

All metrics read a ranked list and a set of test items. NumPy only, so tables need no torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Interactions
from irllrec.errors import EvaluationError

METRICS = ("recall", "ndcg", "precision", "hit", "mrr")
LARGEST_CUTOFF = 100
# Users whose hits are looked up at once: 50 MiB an array with lists of 100.
BLOCK_USERS = 1 << 16
FloatArray = npt.NDArray[np.float64]


def parse_metric(name: str) -> tuple[str, int]:
    """Return the metric and its cutoff: ``"recall@20"`` gives ``("recall", 20)``.

    Raises:
        EvaluationError: If the name is not ``<metric>@<k>`` with a known metric and 1 ≤ k ≤ 100.
    """
    match = re.fullmatch(r"([a-z]+)@(\d+)", name)
    if not match or match[1] not in METRICS or not 1 <= int(match[2]) <= LARGEST_CUTOFF:
        raise EvaluationError(
            f"there is no metric {name!r}: write one of {', '.join(METRICS)}, an @ and a cutoff "
            f"from 1 to {LARGEST_CUTOFF}, for example recall@20."
        )
    return match[1], int(match[2])


def per_user_metrics(
    top_items: npt.NDArray[np.integer],
    test: Interactions,
    users: npt.NDArray[np.integer],
    metrics: Sequence[str],
) -> dict[str, FloatArray]:
    """Return each metric for each user.

    Args:
        top_items: Shape (user, rank), item indices best first, -1 where the list is shorter.
        test: The held-out pairs.
        users: Shape (user,), whose lists they are; each must have test items.
        metrics: Names such as ``recall@20``; the cutoff may not exceed the length of the lists.

    Returns:
        For each name an array of shape (user,), in [0, 1]:
        recall = hits / |test items|, precision = hits / k, hit = any hit, mrr = 1 / rank of the
        first hit within k (0 if none), ndcg with the ideal over ``min(k, |test items|)``.

    Raises:
        EvaluationError: If a user has no test items or a cutoff exceeds the lists.
    """
    parsed = {name: parse_metric(name) for name in metrics}
    deepest = max((cutoff for _, cutoff in parsed.values()), default=1)
    if deepest > top_items.shape[1] and top_items.shape[1] < test.item_count:
        raise EvaluationError(
            f"the stored lists hold {top_items.shape[1]} items, too few for k = {deepest}: "
            f"choose k up to {top_items.shape[1]}."
        )
    relevant = test.user_degrees[users]
    if (relevant == 0).any():
        raise EvaluationError(
            f"user {users[relevant == 0][0]} has no test items: leave such users out of the mean."
        )
    values = {name: np.empty(len(users)) for name in parsed}
    for start in range(0, len(users), BLOCK_USERS):
        part = slice(start, start + BLOCK_USERS)
        hits = _hits(top_items[part, :deepest], test, users[part])
        for name, (metric, cutoff) in parsed.items():
            values[name][part] = _metric(metric, hits[:, :cutoff], cutoff, relevant[part])
    return values


def _hits(
    top_items: npt.NDArray[np.integer], test: Interactions, users: npt.NDArray[np.integer]
) -> FloatArray:
    """Return 1 where the listed item is one of the user's test items, else 0; shape (user, rank)."""
    owners = np.broadcast_to(np.asarray(users, dtype=np.int64)[:, None], top_items.shape)
    hits: FloatArray = (test.contains(owners, top_items) & (top_items >= 0)).astype(np.float64)
    return hits


def _metric(metric: str, hits: FloatArray, cutoff: int, relevant: npt.NDArray[np.int64]) -> FloatArray:
    if metric == "recall":
        return hits.sum(axis=1) / relevant
    if metric == "precision":
        return hits.sum(axis=1) / cutoff
    if metric == "hit":
        return hits.max(axis=1, initial=0.0)
    if metric == "mrr":
        first = hits.argmax(axis=1)
        return np.where(hits.any(axis=1), 1.0 / (first + 1.0), 0.0)
    discounts = 1.0 / np.log2(np.arange(2, cutoff + 2))
    ideal = np.cumsum(discounts)[np.minimum(relevant, cutoff) - 1]
    return (hits @ discounts[: hits.shape[1]]) / ideal
