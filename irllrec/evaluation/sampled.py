"""Metrics against a few sampled items, as much published work has them, without the luck of a draw.

Each test item is ranked alone against ``n`` items drawn from those the user never met. Such metrics are
inconsistent: they can order methods otherwise than the full ranking (Krichene and Rendle, KDD 2020). Given how many of
all candidates lie above a test item, the number of drawn ones above it is hypergeometric, so the mean over
all possible draws is known and nothing has to be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.special
import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.evaluation.metrics import parse_metric
from irllrec.evaluation.ranking import BLOCK_ENTRIES, user_blocks

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standings:
    """Where each test item stands among the items that its user never met.

    Attributes:
        owners: Shape (pair,), place of the pair's user among the ranked users, ascending.
        above: Shape (pair,), number of candidates that rank above the test item; equal scores by item index.
        candidates: Shape (pair,), number of candidates: items of none of the user's splits.
    """

    owners: npt.NDArray[np.int64]
    above: npt.NDArray[np.int64]
    candidates: npt.NDArray[np.int64]


@torch.no_grad()
def standings(
    user_embeddings: Float[Tensor, "user dim"],
    item_embeddings: Float[Tensor, "item dim"],
    *,
    users: npt.NDArray[np.integer],
    met: Sequence[Interactions],
    test: Interactions,
) -> Standings:
    """Return how many candidates rank above each test item.

    Args:
        user_embeddings: All users' embeddings.
        item_embeddings: All items' embeddings.
        users: Shape (ranked,), each with test items.
        met: Training and validation pairs; they are no candidates.
        test: The held-out pairs; another test item of the user is no candidate either.
    """
    item_count = item_embeddings.shape[0]
    known = [*(table.matrix() for table in met), test.matrix()]
    degrees = sum(table.user_degrees for table in met) + test.user_degrees
    block = max(1, BLOCK_ENTRIES // max(item_count, 1))
    owners, above = [], []
    for start, chosen in user_blocks(users, item_count):
        scores = (user_embeddings[torch.from_numpy(chosen)] @ item_embeddings.T).numpy()
        rows, items = known[-1][chosen].nonzero()
        order = np.lexsort((items, rows))
        rows, items = rows[order].astype(np.int64), items[order]
        own = scores[rows, items].copy()
        for matrix in known:
            scores[matrix[chosen].nonzero()] = -np.inf
        owners.append(rows + start)
        above += [
            _above(scores[rows[at : at + block]], own[at : at + block], items[at : at + block])
            for at in range(0, len(rows), block)
        ]
    pairs = np.concatenate([*owners, np.zeros(0, dtype=np.int64)])
    return Standings(
        pairs,
        np.concatenate([*above, np.zeros(0, dtype=np.int64)]),
        item_count - degrees[np.asarray(users)[pairs]],
    )


def expected_metrics(
    found: Standings, user_count: int, drawn: int, metrics: Sequence[str]
) -> list[FloatArray]:
    """Return each metric's mean over all draws of candidates, one value a user.

    A user's value is the mean over the user's test items, each alone among ``drawn`` candidates: recall and hit
    are whether it is within k, precision that over k, ndcg 1 / log2(1 + rank), mrr 1 / rank.

    Args:
        found: From :func:`standings`.
        user_count: Number of ranked users, each with a test item.
        drawn: Candidates drawn, without replacement; all of them where there are fewer.
        metrics: Names such as ``recall@20``.

    Returns:
        For each metric an array of shape (user,), in [0, 1].
    """
    deepest = max(parse_metric(metric)[1] for metric in metrics)
    chances = _chances(found, drawn, deepest)
    counts = np.bincount(found.owners, minlength=user_count)
    values = []
    for metric in metrics:
        name, cutoff = parse_metric(metric)
        worth = _worth(name, cutoff)
        total = np.bincount(found.owners, weights=chances[:, :cutoff] @ worth, minlength=user_count)
        values.append(total / np.maximum(counts, 1))
    return values


def _chances(found: Standings, drawn: int, deepest: int) -> FloatArray:
    """Return how likely 0, 1, … of the drawn candidates lie above each test item, shape (pair, deepest).

    The hypergeometric probabilities, from one table of log-factorials: a pair costs a look-up a rank.
    """
    total, above = found.candidates[:, None], found.above[:, None]
    sizes = np.minimum(drawn, total)
    logs = scipy.special.gammaln(np.arange(int(found.candidates.max(initial=0)) + 2, dtype=np.float64))
    logs = logs[1:]  # log n! at n

    def chosen(whole: npt.NDArray[np.int64], part: npt.NDArray[np.int64]) -> FloatArray:
        possible = (part >= 0) & (part <= whole)
        safe = np.where(possible, part, 0)
        return np.where(possible, logs[whole] - logs[safe] - logs[whole - safe], -np.inf)

    ranks = np.arange(deepest)[None, :]
    odds = chosen(above, ranks) + chosen(total - above, sizes - ranks) - chosen(total, sizes)
    return np.asarray(np.exp(odds))


def _worth(name: str, cutoff: int) -> FloatArray:
    """Return what a single relevant item at each rank is worth, shape (cutoff,)."""
    ranks = np.arange(1, cutoff + 1, dtype=np.float64)
    worth: FloatArray = {
        "recall": np.ones(cutoff),
        "hit": np.ones(cutoff),
        "precision": np.full(cutoff, 1.0 / cutoff),
        "ndcg": 1.0 / np.log2(ranks + 1.0),
        "mrr": 1.0 / ranks,
    }[name]
    return worth


def _above(
    scores: npt.NDArray[np.float32], own: npt.NDArray[np.float32], items: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """Return how many of each row's scores rank above the row's own one, shape (row,)."""
    columns = np.arange(scores.shape[1])
    equal_before = (scores == own[:, None]) & (columns < items[:, None])
    return np.asarray((scores > own[:, None]).sum(axis=1) + equal_before.sum(axis=1), dtype=np.int64)
