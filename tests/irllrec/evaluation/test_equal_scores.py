"""Both orders of equal scores: against sorting everything, and what a cut parts."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from irllrec.data.interactions import Interactions
from irllrec.evaluation.equal_scores import rank_with_ties
from irllrec.evaluation.ranking import rank_items


def _scored(rows):
    """Return embeddings whose dot products are exactly these scores."""
    scores = torch.tensor(rows, dtype=torch.float32)
    return scores, torch.eye(scores.shape[1])


def _pairs(rows, items, user_count, item_count):
    return Interactions.from_pairs(rows, items, user_count, item_count)


def test_both_orders_by_hand():
    """Scores 2 1 1 1 0, test item 2: it is second at best and fourth at worst; the cut after 1 parts nothing."""
    users, items = _scored([[2, 1, 1, 1, 0]])
    nothing, test = _pairs([], [], 1, 5), _pairs([0], [2], 1, 5)
    ties = rank_with_ties(users, items, users=np.arange(1), masked=[nothing], test=test, length=4)
    assert ties.first.tolist() == [[0, 2, 1, 3]]
    assert ties.last.tolist() == [[0, 1, 3, 2]]
    assert ties.at_cut.tolist() == [[False, True, True, False]]


def test_masked_items_are_no_ties_and_stand_in_no_list():
    users, items = _scored([[1, 3, 2, 1]])
    train, test = _pairs([0, 0], [1, 2], 1, 4), _pairs([0], [3], 1, 4)
    ties = rank_with_ties(users, items, users=np.arange(1), masked=[train], test=test, length=6)
    assert ties.first.tolist() == [[3, 0, -1, -1, -1, -1]]
    assert ties.last.tolist() == [[0, 3, -1, -1, -1, -1]]
    assert ties.at_cut.tolist() == [[True, False, False, False, False, False]]


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_lists_are_those_of_sorting_all_items(seed, levels, length):
    generator = np.random.default_rng(seed)
    user_count, item_count = 4, 7
    scores = generator.integers(0, levels, (user_count, item_count))
    scores[:, 0] = levels  # never constant, which ranking refuses
    train, test = (
        _pairs(*np.nonzero(generator.random((user_count, item_count)) < 0.2), user_count, item_count)
        for _ in range(2)
    )
    ties = rank_with_ties(
        *_scored(scores), users=np.arange(user_count), masked=[train], test=test, length=length
    )
    for user in range(user_count):
        seen, wanted = set(train.items_of(user).tolist()), set(test.items_of(user).tolist())
        free = [item for item in range(item_count) if item not in seen]
        for lists, sign in ((ties.first, -1), (ties.last, 1)):
            expected = sorted(free, key=lambda item: (-scores[user, item], sign * (item in wanted), item))
            assert lists[user].tolist() == (expected + [-1] * length)[:length]
        ordered = sorted((int(scores[user, item]) for item in free), reverse=True)
        parted = [a == b for a, b in itertools.pairwise(ordered)]
        assert ties.at_cut[user].tolist() == (parted + [False] * length)[:length]


def test_without_equal_scores_both_orders_are_the_ranking(monkeypatch):
    monkeypatch.setattr("irllrec.evaluation.ranking.BLOCK_ENTRIES", 100)
    generator = torch.Generator().manual_seed(3)
    users, items = torch.randn(30, 8, generator=generator), torch.randn(40, 8, generator=generator)
    rows = np.random.default_rng(3)
    train = _pairs(np.repeat(np.arange(30), 3), rows.integers(0, 40, 90), 30, 40)
    test = _pairs(np.repeat(np.arange(30), 2), rows.integers(0, 40, 60), 30, 40)
    ties = rank_with_ties(users, items, users=np.arange(30), masked=[train], test=test, length=15)
    plain = rank_items(users, items, users=np.arange(30), masked=[train], length=15)
    assert not ties.at_cut.any()
    assert (ties.first == plain).all()
    assert (ties.last == plain).all()
