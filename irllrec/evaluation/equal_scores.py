"""What the order of equal scores decides: lists with test items first or last among equals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.evaluation.ranking import user_blocks


@dataclass(frozen=True)
class Ties:
    """Two lists a user that differ in nothing but the order of equal scores.

    Attributes:
        first: Shape (ranked, length), test items first among equals, then by item index; -1 past the end.
        last: Shape (ranked, length), test items last among equals.
        at_cut: Shape (ranked, length): whether the item at each rank and the next one have equal scores, so
            that a cut after this rank parts them.
    """

    first: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]
    at_cut: npt.NDArray[np.bool_]


@torch.no_grad()
def rank_with_ties(
    user_embeddings: Float[Tensor, "user dim"],
    item_embeddings: Float[Tensor, "item dim"],
    *,
    users: npt.NDArray[np.integer],
    masked: Sequence[Interactions],
    test: Interactions,
    length: int,
) -> Ties:
    """Return the lists of both extremes; only users with equal scores near the top are sorted whole.

    Args:
        user_embeddings: All users' embeddings.
        item_embeddings: All items' embeddings.
        users: Shape (ranked,), whose lists are wanted.
        masked: Tables whose pairs are never listed.
        test: The held-out pairs.
        length: Items a list, ≥ 1.
    """
    item_count = item_embeddings.shape[0]
    depth = min(length, item_count)
    first = np.full((len(users), length), -1, dtype=np.int32)
    last = first.copy()
    at_cut = np.zeros((len(users), length), dtype=bool)
    hidden, relevant = [table.matrix() for table in masked], test.matrix()
    for start, chosen in user_blocks(users, item_count):
        scores = (user_embeddings[torch.from_numpy(chosen)] @ item_embeddings.T).numpy()
        for matrix in hidden:
            scores[matrix[chosen].nonzero()] = -np.inf
        best = torch.topk(torch.from_numpy(scores), min(depth + 1, item_count), dim=1)
        values, listed = best.values.numpy(), best.indices.numpy()[:, :depth]
        equal = (values[:, :-1] == values[:, 1:]) & np.isfinite(values[:, 1:])
        at_cut[start : start + len(chosen), : equal.shape[1]] = equal
        plain = np.where(np.isneginf(values[:, :depth]), -1, listed)
        first[start : start + len(chosen), :depth] = plain
        last[start : start + len(chosen), :depth] = plain
        for row in np.flatnonzero(equal.any(axis=1)):
            wanted = np.zeros(item_count, dtype=bool)
            wanted[relevant[[chosen[row]]].nonzero()[1]] = True
            for lists, key in ((first, ~wanted), (last, wanted)):
                order = np.lexsort((key, -scores[row]))[:depth]
                lists[start + row, :depth] = np.where(np.isneginf(scores[row][order]), -1, order)
    return Ties(first, last, at_cut)
