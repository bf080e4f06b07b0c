"""Metrics against sampled items: by enumerating every draw, and where they order methods otherwise."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch

from irllrec.data.interactions import Interactions
from irllrec.evaluation.sampled import Standings, expected_metrics, standings

NAMES = ["recall@2", "hit@2", "precision@2", "ndcg@2", "mrr@2"]


def _pairs(rows, items, user_count, item_count):
    return Interactions.from_pairs(rows, items, user_count, item_count)


def test_standings_by_hand():
    """Of items 0 to 6 user 0 met 0, 1 (train), 2 (valid) and 3, 5 (test): candidates are 4 and 6.

    Scores 9 9 9 5 5 4 8: above item 3 is 6 alone (4 has the same score and a higher index), above 5 both.
    """
    scores = torch.tensor([[9.0, 9, 9, 5, 5, 4, 8]])
    train, valid, test = (_pairs([0] * len(items), items, 1, 7) for items in ([0, 1], [2], [3, 5]))
    found = standings(scores, torch.eye(7), users=np.arange(1), met=[train, valid], test=test)
    assert found.owners.tolist() == [0, 0]
    assert found.above.tolist() == [1, 2]
    assert found.candidates.tolist() == [2, 2]


def test_standings_of_blocks_are_those_of_counting(monkeypatch):
    monkeypatch.setattr("irllrec.evaluation.sampled.BLOCK_ENTRIES", 70)
    monkeypatch.setattr("irllrec.evaluation.ranking.BLOCK_ENTRIES", 70)
    generator = np.random.default_rng(2)
    scores = generator.integers(0, 6, (12, 20)).astype(np.float32)
    parts = generator.integers(0, 6, (12, 20))
    parts[:, 0] = 2
    train, valid, test = (_pairs(*np.nonzero(parts == part), 12, 20) for part in range(3))
    users = np.asarray([0, 2, 3, 5, 6, 11])
    found = standings(torch.tensor(scores), torch.eye(20), users=users, met=[train, valid], test=test)
    expected = []
    for place, user in enumerate(users):
        free = [item for item in range(20) if parts[user, item] > 2]
        for item in test.items_of(user).tolist():
            key = (-scores[user, item], item)
            expected.append((place, sum((-scores[user, one], one) < key for one in free), len(free)))
    assert list(zip(found.owners, found.above, found.candidates, strict=True)) == expected


@pytest.mark.parametrize("drawn", [1, 2, 3, 5, 9])
def test_the_expectation_is_the_mean_over_every_draw(drawn):
    """Two users, test items with 1 and 3, and with 0 of 5 candidates above them."""
    found = Standings(np.asarray([0, 0, 1]), np.asarray([1, 3, 0]), np.asarray([5, 5, 5]))
    values = dict(zip(NAMES, expected_metrics(found, 2, drawn, NAMES), strict=True))
    worth = {
        "recall@2": lambda rank: 1.0,
        "hit@2": lambda rank: 1.0,
        "precision@2": lambda rank: 0.5,
        "ndcg@2": lambda rank: 1 / math.log2(rank + 1),
        "mrr@2": lambda rank: 1 / rank,
    }
    for name, gain in worth.items():
        per_item = []
        for above in (1, 3, 0):
            draws = list(itertools.combinations(range(5), min(drawn, 5)))
            ranks = [1 + sum(place < above for place in draw) for draw in draws]
            per_item.append(np.mean([gain(rank) if rank <= 2 else 0.0 for rank in ranks]))
        assert values[name] == pytest.approx([np.mean(per_item[:2]), per_item[2]], abs=1e-12)


def test_chances_agree_with_scipy_for_catalogues_of_real_size():
    generator = np.random.default_rng(5)
    candidates = generator.integers(1_000, 9_000, 200)
    above = (candidates * generator.random(200) ** 3).astype(np.int64)
    found = Standings(np.arange(200), above, candidates)
    values = expected_metrics(found, 200, 999, ["recall@20"])[0]
    expected = scipy.stats.hypergeom.cdf(19, candidates, above, 999)
    assert values == pytest.approx(expected, abs=1e-9)


def test_sampling_can_turn_the_order_of_two_methods_round():
    """One method finds half of its items at once and loses the rest; the other is mediocre with all.

    Of 1,000 candidates 0 or 900 lie above the first one's items and 40 above all of the second one's: among all
    items only the first has hits within 20, against 99 sampled ones the second has them all.
    """
    owners = np.arange(10)
    candidates = np.full(10, 1_000)
    first = Standings(owners, np.asarray([0, 900] * 5), candidates)
    second = Standings(owners, np.full(10, 40), candidates)
    full = [expected_metrics(one, 10, 1_000, ["recall@20"])[0].mean() for one in (first, second)]
    few = [expected_metrics(one, 10, 99, ["recall@20"])[0].mean() for one in (first, second)]
    assert full == [0.5, 0.0]
    assert few[0] == pytest.approx(0.5)
    assert few[1] > 0.99
