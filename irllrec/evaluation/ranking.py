"""Full ranking over all items, in blocks of users; nothing dense of user × item size is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.errors import EvaluationError

# Scores of one block: 16 MiB of float32.
BLOCK_ENTRIES = 1 << 22


@torch.no_grad()
def rank_items(
    user_embeddings: Float[Tensor, "user dim"],
    item_embeddings: Float[Tensor, "item dim"],
    *,
    users: npt.NDArray[np.integer],
    masked: Sequence[Interactions],
    length: int,
) -> npt.NDArray[np.int32]:
    """Return each user's best items by dot product, equal scores ordered by item index.

    Args:
        user_embeddings: All users' embeddings.
        item_embeddings: All items' embeddings.
        users: Shape (ranked,), whose lists are wanted.
        masked: Tables whose pairs are never listed: the training split, on request validation too.
        length: Items a list, ≥ 1.

    Returns:
        Shape (ranked, length), best first, -1 where a user has fewer unmasked items.

    Raises:
        EvaluationError: If a score is not finite, or a user's unmasked scores are all equal.
    """

    def block_scores(chosen: npt.NDArray[np.int64]) -> Tensor:
        return user_embeddings[torch.from_numpy(chosen).to(user_embeddings.device)] @ item_embeddings.T

    return rank_scores(
        block_scores, item_count=item_embeddings.shape[0], users=users, masked=masked, length=length
    )


@torch.no_grad()
def rank_scores(
    scores_of: Callable[[npt.NDArray[np.int64]], Tensor],
    *,
    item_count: int,
    users: npt.NDArray[np.integer],
    masked: Sequence[Interactions],
    length: int,
) -> npt.NDArray[np.int32]:
    """Return each user's best items by any scores, equal ones ordered by item index.

    Args:
        scores_of: Returns the scores of a block of users, shape (block, item); they are overwritten.
        item_count: Number of items.
        users: As in :func:`rank_items`, and so are ``masked``, ``length``, what is returned and raised.
        masked: See there.
        length: See there.
    """
    lists = np.full((len(users), length), -1, dtype=np.int32)
    depth = min(length, item_count)
    for start, chosen in user_blocks(users, item_count):
        scores = scores_of(chosen)
        _check(scores, chosen)
        for table in masked:
            rows, columns = _pairs_of(table, chosen)
            scores[rows.to(scores.device), columns.to(scores.device)] = -torch.inf
        lists[start : start + len(chosen), :depth] = _top(scores, depth).cpu().numpy()
    return lists


def user_blocks(
    users: npt.NDArray[np.integer], item_count: int
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield the users in blocks whose scores hold at most ``BLOCK_ENTRIES`` numbers, each with its start."""
    size = max(1, BLOCK_ENTRIES // max(item_count, 1))
    for start in range(0, len(users), size):
        yield start, np.asarray(users[start : start + size], dtype=np.int64)


def without_masked(
    lists: npt.NDArray[np.integer],
    *,
    users: npt.NDArray[np.integer],
    masked: Sequence[Interactions],
    length: int,
) -> npt.NDArray[np.int32]:
    """Return ranked lists without the items masked for their users, cut to ``length``.

    This is what ranking with these masks gives, as long as the lists hold ``length`` items more than
    any user has pairs in tables that were not masked before.

    Args:
        lists: Shape (ranked, longer), item indices best first, -1 where a list ends.
        users: Shape (ranked,), whose lists they are.
        masked: Tables whose pairs are taken out.
        length: Items of a resulting list.

    Returns:
        Shape (ranked, length), -1 where a list is shorter.
    """
    owners = np.broadcast_to(np.asarray(users, dtype=np.int64)[:, None], lists.shape)
    hidden = lists < 0
    for table in masked:
        hidden = hidden | table.contains(owners, lists)
    order = np.argsort(hidden, axis=1, kind="stable")[:, :length]
    kept = np.where(hidden, -1, lists)
    found = np.full((len(lists), length), -1, dtype=np.int32)
    found[:, : order.shape[1]] = np.take_along_axis(kept, order, axis=1)
    return found


def _check(scores: Tensor, users: npt.NDArray[np.int64]) -> None:
    lowest, highest = scores.amin(dim=1), scores.amax(dim=1)
    finite = torch.isfinite(lowest) & torch.isfinite(highest)
    if not bool(finite.all()):
        user = users[int((~finite).nonzero()[0])]
        raise EvaluationError(
            f"user {user} has scores that are not finite: the model diverged; lower the learning rate."
        )
    constant = lowest == highest
    if scores.shape[1] > 1 and bool(constant.any()):
        user = users[int(constant.nonzero()[0])]
        raise EvaluationError(
            f"user {user} has the same score for every item: such a ranking says nothing; "
            "check the model's embeddings."
        )


def _pairs_of(table: Interactions, users: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return (row in ``users``, item) of every pair these users have in the table."""
    counts = table.user_degrees[users]
    rows = np.repeat(np.arange(len(users)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = table.items[np.repeat(table.user_offsets[users], counts) + within]
    return torch.from_numpy(rows), torch.from_numpy(columns.astype(np.int64))


def _top(scores: Tensor, depth: int) -> Tensor:
    """Return the best ``depth`` columns of each row, ties by column, -1 for masked ones."""
    # One more than asked for: topk picks any of equal scores, so where a tie straddles the end the
    # whole row is sorted instead.
    values, columns = torch.topk(scores, min(depth + 1, scores.shape[1]), dim=1)
    straddling = (values[:, depth - 1] == values[:, -1]).nonzero()[:, 0]
    if values.shape[1] == depth:
        straddling = straddling[:0]
    values, columns = values[:, :depth], columns[:, :depth]
    by_column = columns.argsort(dim=1)
    columns = columns.gather(1, by_column)
    order = values.gather(1, by_column).argsort(dim=1, descending=True, stable=True)
    columns = columns.gather(1, order)
    if len(straddling):
        full = scores[straddling].argsort(dim=1, descending=True, stable=True)
        columns[straddling] = full[:, :depth]
    return torch.where(torch.isneginf(scores.gather(1, columns)), -1, columns)
