"""What is done in blocks gives what one block gives: look-ups of pairs, and the graph's values."""

from __future__ import annotations

import numpy as np
import pytest

from irllrec.data import interactions
from irllrec.data.interactions import Interactions
from irllrec.graph import BipartiteGraph, structure


@pytest.fixture
def table() -> Interactions:
    generator = np.random.default_rng(3)
    return Interactions.from_pairs(generator.integers(0, 40, 300), generator.integers(0, 25, 300), 40, 25)


def test_pairs_are_looked_up_in_blocks(table: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    there = set(zip(table.users.tolist(), table.items.tolist(), strict=True))
    users, items = np.divmod(np.arange(40 * 25).reshape(40, 25), 25)
    expected = [[(user, item) in there for item in range(25)] for user in range(40)]
    for block in (1, 33, 1 << 20):
        monkeypatch.setattr(interactions, "BLOCK_PAIRS", block)
        assert table.contains(users, items).tolist() == expected
        assert table.contains(users[:, :1], np.arange(25)).tolist() == expected
        assert table.contains(users.reshape(-1), items.reshape(-1)).tolist() == [
            one for row in expected for one in row
        ]
    assert bool(table.contains(*next(iter(there))))
    assert table.contains(np.array([], dtype=int), np.array([], dtype=int)).tolist() == []


def test_the_graph_is_normalised_in_blocks(table: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BipartiteGraph(table)
    monkeypatch.setattr(structure, "BLOCK_EDGES", 17)
    np.testing.assert_array_equal(BipartiteGraph(table).values.numpy(), whole.values.numpy())
