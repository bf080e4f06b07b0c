"""Splits: shares, what every user and item keeps in training, time, and randomness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irllrec.data.splitting import LEFT_OUT, TEST, TRAIN, VALID, split_by_ratio, split_by_time
from irllrec.errors import DataError


def _pairs(user_count: int, item_count: int, degree: int) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.Generator(np.random.PCG64(5))
    items = np.concatenate([draws.choice(item_count, degree, replace=False) for _ in range(user_count)])
    return np.repeat(np.arange(user_count), degree), items


def test_a_user_with_ten_items_gives_six_two_two_where_items_are_common() -> None:
    """Ten items of 3:1:1 are exactly 6, 2, 2; items are so common that none has to move."""
    users, items = _pairs(200, 12, 10)
    parts = split_by_ratio(users, items, (3, 1, 1), 1).parts
    for part, count in ((TRAIN, 6), (VALID, 2), (TEST, 2)):
        assert (np.bincount(users[parts == part], minlength=200) == count).all()


def test_the_shares_of_users_with_odd_degrees_are_met_on_average() -> None:
    """Of 7 items, 4.2, 1.4, 1.4 are expected; over 5,000 users the mean is within 0.03 of that."""
    users, items = _pairs(5000, 20, 7)
    parts = split_by_ratio(users, items, (3, 1, 1), 1).parts
    for part, expected in ((TRAIN, 4.2), (VALID, 1.4), (TEST, 1.4)):
        counts = np.bincount(users[parts == part], minlength=5000)
        assert abs(counts.mean() - expected) < 0.03
        assert set(counts.tolist()) <= {int(expected), int(expected) + 1}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=80, unique=True),
    st.tuples(st.integers(1, 9), st.integers(0, 5), st.integers(0, 5)),
    st.integers(0, 1000),
)
def test_every_held_out_user_and_item_is_seen_in_training(
    pairs: list[tuple[int, int]], ratio: tuple[int, int, int], seed: int
) -> None:
    users, items = np.array(pairs).T
    parts = split_by_ratio(users, items, ratio, seed).parts
    assert set(parts.tolist()) <= {TRAIN, VALID, TEST}
    assert set(users.tolist()) == set(users[parts == TRAIN].tolist())
    assert set(items.tolist()) == set(items[parts == TRAIN].tolist())


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    users, items = _pairs(50, 30, 8)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one = split_by_ratio(users, items, (3, 1, 1), 7).parts
    assert np.array_equal(one, split_by_ratio(users, items, (3, 1, 1), 7).parts)
    assert not np.array_equal(one, split_by_ratio(users, items, (3, 1, 1), 8).parts)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_user_with_one_item_only_trains() -> None:
    users, items = np.arange(40), np.zeros(40, dtype=np.int64)
    assert (split_by_ratio(users, items, (1, 5, 5), 3).parts == TRAIN).all()


@pytest.mark.parametrize("ratio", [(0, 1, 1), (3, -1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1)])
def test_an_impossible_ratio_is_refused(ratio: tuple[float, float, float]) -> None:
    users, items = _pairs(5, 6, 3)
    with pytest.raises(DataError, match="train above 0"):
        split_by_ratio(users, items, ratio, 1)


def test_time_cuts_at_two_moments_that_hold_for_all_users() -> None:
    """Ten clicks at times 0..9 under 3:1:1: up to 5 train, 6 and 7 validate, 8 and 9 test."""
    users, items = np.zeros(10, dtype=np.int64), np.zeros(10, dtype=np.int64)
    stamps = np.array([9, 0, 8, 1, 7, 2, 6, 3, 5, 4])
    parts = split_by_time(users, items, stamps, (3, 1, 1)).parts
    assert parts[np.argsort(stamps)].tolist() == [TRAIN] * 6 + [VALID] * 2 + [TEST] * 2


def test_clicks_of_one_moment_are_never_torn_apart() -> None:
    users, items = np.zeros(10, dtype=np.int64), np.zeros(10, dtype=np.int64)
    stamps = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 3])
    parts = split_by_time(users, items, stamps, (3, 1, 1)).parts
    for stamp in range(4):
        assert len(set(parts[stamps == stamp].tolist())) == 1


def test_held_out_clicks_without_a_past_are_left_out_and_counted() -> None:
    """User 1 and item 2 first appear after the cut, so these two clicks cannot be ranked."""
    users = np.array([0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    items = np.array([0, 1, 0, 1, 0, 1, 0, 1, 2, 0])
    split = split_by_time(users, items, np.arange(10), (3, 1, 1))
    assert split.parts.tolist() == [TRAIN] * 6 + [LEFT_OUT, VALID, LEFT_OUT, TEST]
    assert split.left_out == 2


def test_a_time_split_that_leaves_a_part_empty_is_refused() -> None:
    users, items = np.zeros(10, dtype=np.int64), np.zeros(10, dtype=np.int64)
    with pytest.raises(DataError, match="leaves nothing for valid"):
        split_by_time(users, items, np.zeros(10), (3, 1, 1))
