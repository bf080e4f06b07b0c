"""Numbers of ids and parts of pairs, by hand and against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from irllrec.data.interactions import Interactions
from irllrec.data.numbering import PairParts, numbered, parts_named


def test_whole_ids_are_numbered_as_numbers_and_strings_by_code_point() -> None:
    assert [
        part if isinstance(part, list) else part.tolist() for part in numbered(np.array([10, 9, 10]))
    ] == [
        [9, 10],
        [1, 0, 1],
    ]
    ids, nodes = numbered(np.array(["é", "Z", "10", "9", "Z", "😀"], dtype=object))
    assert ids == ["10", "9", "Z", "é", "😀"]
    assert nodes.tolist() == [3, 2, 0, 1, 2, 4]


def test_strings_are_ordered_as_python_orders_them() -> None:
    generator = np.random.default_rng(1)
    words = ["".join(chr(c) for c in generator.integers(33, 0xD7FF, size=3)) for _ in range(500)]
    rows = np.asarray([words[place] for place in generator.integers(0, 500, size=3000)], dtype=object)
    ids, nodes = numbered(rows)
    assert ids == sorted(set(rows.tolist()))
    assert [ids[node] for node in nodes] == rows.tolist()


def test_no_ids_have_no_numbers() -> None:
    assert numbered(np.array([], dtype=object))[0] == []


def test_a_pair_has_the_part_of_its_row_and_others_have_none() -> None:
    users, items = np.array([1, 0, 1]), np.array([2, 1, 0])
    parts = PairParts.of(users, items, np.array([0, 2, 1], dtype=np.int8), 3)
    assert len(parts) == 3
    assert [parts.part(1, 2), parts.part(0, 1), parts.part(1, 0)] == [0, 2, 1]
    assert parts.part(0, 0) is None
    assert parts.part(1, 1) is None
    assert parts.part(7, 0) is None


def test_a_pair_that_stands_twice_counts_once() -> None:
    parts = PairParts.of(np.array([0, 0]), np.array([1, 1]), np.array([2, 0], dtype=np.int8), 3)
    assert (len(parts), parts.part(0, 1)) == (1, 2)


def test_names_that_are_not_known_are_told() -> None:
    names = np.array(["valid", "train", "tset"], dtype=object)
    assert parts_named(names, ("train", "valid", "test")).tolist() == [1, 0, -1]


@pytest.mark.parametrize("shuffled", [False, True])
def test_pairs_are_sorted_and_stand_once_whatever_their_order(shuffled: bool) -> None:
    generator = np.random.default_rng(2)
    users, items = generator.integers(0, 20, 300), generator.integers(0, 30, 300)
    if not shuffled:
        users, items = np.divmod(np.unique(users * 30 + items), 30)
    given = users.copy(), items.copy()
    table = Interactions.from_pairs(users, items, 20, 30)
    pairs = list(zip(table.users.tolist(), table.items.tolist(), strict=True))
    assert pairs == sorted(set(zip(users.tolist(), items.tolist(), strict=True)))
    np.testing.assert_array_equal(given, (users, items))
