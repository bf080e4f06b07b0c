"""Full ranking: masking, ties, short lists, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from irllrec.data.interactions import Interactions
from irllrec.errors import EvaluationError
from irllrec.evaluation.ranking import rank_items, rank_scores, without_masked

NOTHING = Interactions.from_pairs([], [], 2, 5)


def _embeddings(scores: list[list[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return embeddings whose products are these scores: users one-hot, items the columns."""
    table = torch.tensor(scores)
    return torch.eye(len(scores)), table.T.contiguous()


def test_items_come_best_first() -> None:
    users, items = _embeddings([[0.1, 0.5, 0.3, 0.2, 0.4], [5.0, 4.0, 3.0, 2.0, 1.0]])
    lists = rank_items(users, items, users=np.array([0, 1]), masked=[NOTHING], length=3)
    assert lists.tolist() == [[1, 4, 2], [0, 1, 2]]


def test_training_items_never_appear() -> None:
    train = Interactions.from_pairs([0, 0, 1], [1, 4, 0], 2, 5)
    users, items = _embeddings([[0.1, 0.5, 0.3, 0.2, 0.4], [5.0, 4.0, 3.0, 2.0, 1.0]])
    lists = rank_items(users, items, users=np.array([0, 1]), masked=[train], length=3)
    assert lists.tolist() == [[2, 3, 0], [1, 2, 3]]


def test_every_masked_table_counts() -> None:
    train = Interactions.from_pairs([1], [0], 2, 5)
    valid = Interactions.from_pairs([1], [1], 2, 5)
    users, items = _embeddings([[1.0] * 4 + [0.0], [5.0, 4.0, 3.0, 2.0, 1.0]])
    lists = rank_items(users, items, users=np.array([1]), masked=[train, valid], length=2)
    assert lists.tolist() == [[2, 3]]


def test_equal_scores_are_ordered_by_item_even_across_the_end_of_the_list() -> None:
    """Items 1, 2, 3, 4 tie at 1; two of them fit after item 0, and those are 1 and 2."""
    users, items = _embeddings([[2.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 2.0, 1.0, 1.0]])
    lists = rank_items(users, items, users=np.array([0, 1]), masked=[], length=3)
    assert lists.tolist() == [[0, 1, 2], [2, 0, 1]]


def test_lists_of_large_random_ties_agree_with_a_full_stable_sort() -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randint(0, 4, (50, 200), generator=generator).float()
    lists = rank_items(torch.eye(50), scores.T.contiguous(), users=np.arange(50), masked=[], length=20)
    expected = np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(lists, expected)


def test_a_list_longer_than_the_unmasked_items_is_padded() -> None:
    train = Interactions.from_pairs([0, 0, 0], [0, 1, 2], 2, 5)
    users, items = _embeddings([[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    lists = rank_items(users, items, users=np.array([0]), masked=[train], length=7)
    assert lists.tolist() == [[4, 3, -1, -1, -1, -1, -1]]


def test_scores_that_are_not_finite_are_refused_by_user() -> None:
    users, items = _embeddings([[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, float("nan"), 3.0, 4.0, 5.0]])
    users = torch.nan_to_num(users)
    with pytest.raises(EvaluationError, match="not finite"):
        rank_items(users, items, users=np.array([1]), masked=[], length=2)


def test_a_constant_row_is_refused_by_user() -> None:
    users, items = _embeddings([[1.0, 2.0, 3.0, 4.0, 5.0], [3.0] * 5])
    with pytest.raises(EvaluationError, match="user 1 has the same score"):
        rank_items(users, items, users=np.array([0, 1]), masked=[], length=2)


def test_taking_masked_items_out_of_longer_lists_is_ranking_with_the_mask() -> None:
    """Random scores with ties; no user has more than 6 validation items, so 6 more are enough."""
    generator = np.random.default_rng(4)
    scores = torch.from_numpy(generator.integers(0, 5, (30, 40)).astype(np.float32))
    train, valid = (
        Interactions.from_pairs(np.repeat(np.arange(30), 6), generator.integers(0, 40, 180), 30, 40)
        for _ in range(2)
    )
    users = np.arange(0, 30, 2)

    def ranked(masked: list[Interactions], length: int) -> np.ndarray:
        return rank_scores(
            lambda chosen: scores[chosen].clone(), item_count=40, users=users, masked=masked, length=length
        )

    for length in (10, 38):
        found = without_masked(ranked([train], length + 6), users=users, masked=[train, valid], length=length)
        np.testing.assert_array_equal(found, ranked([train, valid], length))


def test_a_list_without_masked_items_ends_early_where_nothing_is_left() -> None:
    lists = np.array([[3, 1, -1, -1]], dtype=np.int32)
    masked = Interactions.from_pairs([0], [3], 2, 5)
    found = without_masked(lists, users=np.array([0]), masked=[masked], length=3)
    assert found.tolist() == [[1, -1, -1]]
