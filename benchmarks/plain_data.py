"""Sampling and evaluation with loops over pairs and users."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from irllrec.data.interactions import Interactions

CHUNK_USERS = 1024


class PlainSampler:
    """Every training pair once an epoch with one item its user has not taken."""

    def __init__(self, train: Interactions, *, batch_size: int, seed: int) -> None:
        self.pairs = list(zip(train.users.tolist(), train.items.tolist(), strict=True))
        self.item_count, self.batch_size = train.item_count, batch_size
        self.random = random.Random(seed)
        self.taken: list[set[int]] = [set() for _ in range(train.user_count)]
        for user, item in self.pairs:
            self.taken[user].add(item)

    def epoch(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield batches of (users, positives, negatives)."""
        triples = []
        for user, item in self.pairs:
            negative = self.random.randrange(self.item_count)
            while negative in self.taken[user]:
                negative = self.random.randrange(self.item_count)
            triples.append((user, item, negative))
        self.random.shuffle(triples)
        for start in range(0, len(triples), self.batch_size):
            users, positives, negatives = np.array(triples[start : start + self.batch_size]).T
            yield users, positives, negatives


@torch.no_grad()
def evaluate(
    users: Tensor, items: Tensor, train: Interactions, test: Interactions, cutoffs: Sequence[int]
) -> dict[str, float]:
    """Return mean recall and NDCG over the users with test items, training items left out."""
    sums = {f"{metric}@{cutoff}": 0.0 for metric in ("recall", "ndcg") for cutoff in cutoffs}
    judged = np.flatnonzero(test.user_degrees > 0)
    seen = train.matrix()
    for start in range(0, len(judged), CHUNK_USERS):
        chunk = judged[start : start + CHUNK_USERS]
        scores = users[torch.from_numpy(chunk)] @ items.T
        scores[torch.from_numpy(seen[chunk].toarray()) > 0] = -torch.inf
        ranked = torch.argsort(scores, dim=1, descending=True, stable=True)[:, : max(cutoffs)].tolist()
        for user, best in zip(chunk.tolist(), ranked, strict=True):
            relevant = set(test.items_of(user).tolist())
            for cutoff in cutoffs:
                hits = [rank for rank, item in enumerate(best[:cutoff]) if item in relevant]
                gain = sum(1 / math.log2(rank + 2) for rank in hits)
                ideal = sum(1 / math.log2(rank + 2) for rank in range(min(cutoff, len(relevant))))
                sums[f"recall@{cutoff}"] += len(hits) / len(relevant)
                sums[f"ndcg@{cutoff}"] += gain / ideal
    return {name: total / len(judged) for name, total in sums.items()}
