"""Alignment of two views of the same nodes over a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from irllrec.losses.contrastive import floored_contrast, info_nce, unit_rows
from irllrec.types import Batch


@dataclass(frozen=True)
class BatchRows:
    """The distinct rows of a batch and how often each stands in it.

    A batch of 4096 pairs names far fewer users and items; equal rows give equal losses, so each is
    computed once and weighted by its count.

    Attributes:
        users: Distinct users, ascending. ``user_counts``: their counts.
        items: Distinct items, positives and negatives together, ascending.
        positives: Positions in ``items`` of the distinct positives, with ``positive_counts``.
        negatives: Positions in ``items`` of the distinct negatives, with ``negative_counts``.
    """

    users: Int[Tensor, "distinct"]
    user_counts: Int[Tensor, "distinct"]
    items: Int[Tensor, "item_row"]
    positives: Int[Tensor, "positive_row"]
    positive_counts: Int[Tensor, "positive_row"]
    negatives: Int[Tensor, "negative_row"]
    negative_counts: Int[Tensor, "negative_row"]

    @classmethod
    def of(cls, batch: Batch) -> BatchRows:
        """Return the distinct rows of ``batch``."""
        users, user_counts = torch.unique(batch.users, return_counts=True)
        positives, positive_counts = torch.unique(batch.positive_items, return_counts=True)
        negatives, negative_counts = torch.unique(batch.negative_items, return_counts=True)
        items = torch.unique(torch.cat([positives, negatives]))
        return cls(
            users=users,
            user_counts=user_counts,
            items=items,
            positives=torch.searchsorted(items, positives),
            positive_counts=positive_counts,
            negatives=torch.searchsorted(items, negatives),
            negative_counts=negative_counts,
        )


def pairwise_alignment(
    users: Float[Tensor, "distinct dim"],
    items: Float[Tensor, "item_row dim"],
    other_users: Float[Tensor, "user dim"],
    other_items: Float[Tensor, "item_row dim"],
    rows: BatchRows,
    temperature: float,
    *,
    negatives: bool = True,
) -> Float[Tensor, ""]:
    """Return the sum of three InfoNCE terms: batch users, positives, negatives.

    Users are contrasted against *all* users given of the other view, positives against the batch's
    positives, negatives against the batch's negatives. Every view is made unit-norm here.

    Args:
        users: Users of the anchor view, the rows ``rows.users`` only.
        items: Items of the anchor view, the rows ``rows.items`` only.
        other_users: Users of the candidate view: all of them, or the rows ``rows.users`` only.
        other_items: Items of the candidate view, the rows ``rows.items`` only.
        negatives: False leaves the third term out.

    Source: RLMRec's contrastive alignment; IRLLRec's profile term and IA-pair use the same form.
    """
    users, items = unit_rows(users), unit_rows(items)
    other_users, other_items = unit_rows(other_users), unit_rows(other_items)
    # As many candidates as anchors are the same users in the same order.
    matched = other_users if len(other_users) == len(users) else other_users[rows.users]
    total = info_nce(users, matched, other_users, temperature, row_counts=rows.user_counts)
    sides = [(rows.positives, rows.positive_counts), (rows.negatives, rows.negative_counts)]
    for positions, counts in sides if negatives else sides[:1]:
        candidates = other_items[positions]
        total = total + info_nce(
            items[positions],
            candidates,
            candidates,
            temperature,
            row_counts=counts,
            candidate_counts=counts,
        )
    return total


def profile_alignment(
    users: Float[Tensor, "user dim"],
    items: Float[Tensor, "item dim"],
    tower: Callable[[Tensor], Tensor],
    vectors: Float[Tensor, "node text"],
    rows: BatchRows,
    temperature: float,
    *,
    batch_users_only: bool = False,
) -> Float[Tensor, ""]:
    """Return the pairwise alignment of embeddings with the text vectors of the same nodes.

    Args:
        users: All users' embeddings.
        items: All items' embeddings.
        tower: Projects text vectors to embeddings; it sees only the rows that the loss reads.
        vectors: Text vectors of all nodes, users first.
        batch_users_only: Contrast users against the batch's users instead of all.

    Source: RLMRec-Con, and the profile term of IRLLRec.
    """
    user_count = users.shape[0]
    return pairwise_alignment(
        users[rows.users],
        items[rows.items],
        tower(vectors[rows.users] if batch_users_only else vectors[:user_count]),
        tower(vectors[user_count + rows.items]),
        rows,
        temperature,
    )


def view_contrast(
    first: Float[Tensor, "node dim"],
    second: Float[Tensor, "node dim"],
    user_count: int,
    rows: BatchRows,
    temperature: float,
    *,
    negatives: bool,
) -> Float[Tensor, ""]:
    """Return the InfoNCE of two views of the same nodes over the batch's users, positives, negatives.

    Denominators run over all users and over all items of the second view, which are made unit-norm
    here as the first view's rows are.

    Args:
        first: The anchors' view.
        second: The candidates' view.
        user_count: Where the items start.
        negatives: False leaves the batch's negatives out.

    Source: self-supervised graph learning (Wu et al., SIGIR 2021), as METHOD states it for SGL, SimGCL.
    """
    candidates = unit_rows(second)
    users, items = candidates[:user_count], candidates[user_count:]
    sides = [
        (rows.users, rows.user_counts, users, 0),
        (rows.items[rows.positives], rows.positive_counts, items, user_count),
        (rows.items[rows.negatives], rows.negative_counts, items, user_count),
    ]
    total = torch.zeros((), dtype=first.dtype, device=first.device)
    for chosen, counts, table, offset in sides if negatives else sides[:2]:
        anchors = unit_rows(first[offset + chosen])
        total = total + info_nce(anchors, table[chosen], table, temperature, row_counts=counts)
    return total


def translation_alignment(
    text_intents: Float[Tensor, "anchor dim"],
    nodes: Float[Tensor, "node dim"],
    text_noise: Float[Tensor, "anchor dim"] | None,
    node_noise: Float[Tensor, "node dim"] | None,
    sampled: Int[Tensor, "anchor"] | None = None,
) -> Float[Tensor, ""]:
    """Return the noisy alignment of text intents with embeddings over all nodes, τ = 1.

    ``T' = T ⊙ (1 + ε_1)``, ``E' = E ⊙ (1 + ε_2)``, then the floored contrast of ``T'`` against all
    ``E'``. A noise of None is zero noise.

    Args:
        text_intents: Of the anchors: all nodes, or the sampled ones.
        nodes: Embeddings of all nodes.
        text_noise: ε_1.
        node_noise: ε_2.
        sampled: The anchors; None takes all nodes. Over a uniform sample the value is unbiased.

    Source: IRLLRec's translation alignment, L_tran.
    """
    if text_noise is not None:
        text_intents = text_intents * (1 + text_noise)
    if node_noise is not None:
        nodes = nodes * (1 + node_noise)
    candidates = unit_rows(nodes)
    matched = candidates if sampled is None else candidates[sampled]
    return floored_contrast(unit_rows(text_intents), matched, candidates, 1.0)
