"""Metrics beyond accuracy: worked by hand, and against definitions that look at every pair."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irllrec.data.interactions import Interactions
from irllrec.evaluation.beyond_accuracy import coverage, diversity, gini, novelty, popularity

TRAIN = Interactions.from_pairs([0, 1, 2, 3, 0, 1, 2], [0, 0, 0, 0, 1, 1, 2], user_count=8, item_count=5)
"""Eight users; items 0 to 4 have 4, 2, 1, 0 and 0 of them."""


def test_novelty_by_hand():
    """-log2 of 4/8, 2/8 and 1/8 is 1, 2 and 3 bits; item 3, which nobody has, counts as one user's."""
    lists = np.asarray([[0, 1], [1, 2], [3, 2], [2, -1]])
    assert novelty(lists, TRAIN) == pytest.approx([1.5, 2.5, 3.0, 3.0])


def test_popularity_by_hand():
    lists = np.asarray([[0, 1], [1, 2], [3, 2], [0, -1]])
    assert popularity(lists, TRAIN) == pytest.approx([3.0, 1.5, 0.5, 4.0])


def test_diversity_by_hand():
    """Cosines of (1,0), (0,2), (3,3): 0, 1/√2 and 1/√2; opposite vectors are as far apart as can be."""
    vectors = np.asarray([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [-4.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    lists = np.asarray([[0, 1, 2], [0, 3, -1], [0, 0, -1], [4, 0, -1], [4, 4, -1], [1, -1, -1]])
    expected = [1 - 2 / math.sqrt(2) / 3, 2.0, 0.0, 1.0, 1.0, 0.0]
    assert diversity(lists, vectors) == pytest.approx(expected, abs=1e-12)


def test_coverage_and_gini_by_hand():
    """Counts 2, 1, 1, 0 of four items: Gini = (-3·0 - 1·1 + 1·1 + 3·2) / (4·4) = 0.375."""
    lists = np.asarray([[0, 1], [0, 2]])
    assert coverage(lists, 4) == 0.75
    assert gini(lists, 4) == pytest.approx(0.375)


def test_gini_is_zero_for_equal_exposure_and_largest_for_one_item():
    assert gini(np.asarray([[0, 1], [2, 3]]), 4) == 0.0
    assert gini(np.asarray([[2], [2]]), 4) == pytest.approx(3 / 4)


def test_empty_lists_have_the_values_that_are_documented():
    nothing = np.full((2, 3), -1)
    vectors = np.ones((5, 2))
    assert novelty(nothing, TRAIN).tolist() == popularity(nothing, TRAIN).tolist() == [0.0, 0.0]
    assert diversity(nothing, vectors).tolist() == [0.0, 0.0]
    assert (coverage(nothing, 5), gini(nothing, 5), coverage(nothing, 0)) == (0.0, 0.0, 0.0)


@st.composite
def _cases(draw):
    """Lists of different length over a small catalogue, with degrees and vectors, some of them zero."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    item_count, user_count, depth = draw(st.tuples(st.integers(2, 9), st.integers(1, 7), st.integers(1, 6)))
    lists = np.full((user_count, depth), -1)
    for row in lists:
        length = generator.integers(0, min(depth, item_count) + 1)
        row[:length] = generator.permutation(item_count)[:length]
    held = np.argwhere(generator.random((user_count, item_count)) < 0.3)
    train = Interactions.from_pairs(held[:, 0], held[:, 1], user_count, item_count)
    vectors = generator.normal(size=(item_count, 3)) * (generator.random((item_count, 1)) < 0.8)
    return lists, train, vectors


@given(_cases())
@settings(max_examples=150, deadline=None)
def test_all_agree_with_definitions_that_look_at_each_item_and_pair(case):
    lists, train, vectors = case
    found = novelty(lists, train), popularity(lists, train), diversity(lists, vectors)
    for user, row in enumerate(lists):
        listed = [int(item) for item in row if item >= 0]
        holders = [int((train.items == item).sum()) for item in listed]
        surprise = [-math.log2(max(count, 1) / train.user_count) for count in holders]
        distances = [1 - _cosine(vectors[a], vectors[b]) for a, b in itertools.combinations(listed, 2)]
        for values, parts in zip(found, (surprise, holders, distances), strict=True):
            assert values[user] == pytest.approx(np.mean(parts) if parts else 0.0, abs=1e-9)
    counts = [sum(item in row for row in lists.tolist()) for item in range(train.item_count)]
    assert coverage(lists, train.item_count) == pytest.approx(sum(c > 0 for c in counts) / len(counts))
    gaps = sum(abs(a - b) for a in counts for b in counts)
    expected = gaps / (2 * len(counts) * sum(counts)) if sum(counts) else 0.0
    assert gini(lists, train.item_count) == pytest.approx(expected, abs=1e-12)


def _cosine(one, other):
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / norms) if norms else 0.0


def test_blocks_of_users_change_nothing(monkeypatch):
    generator = np.random.default_rng(4)
    lists = np.argsort(generator.random((40, 30)), axis=1)[:, :12]
    vectors = generator.normal(size=(30, 16)).astype(np.float32)
    whole = diversity(lists, vectors)
    monkeypatch.setattr("irllrec.evaluation.beyond_accuracy.BLOCK_ENTRIES", 50)
    assert diversity(lists, vectors) == pytest.approx(whole, abs=1e-14)
