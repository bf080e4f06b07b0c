"""Node numbers of ids, and what is known of pairs, over millions of rows without an object a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Id

IndexArray = npt.NDArray[np.int64]


def numbered(ids: npt.NDArray[Any]) -> tuple[list[Id], IndexArray]:
    """Return the distinct ids in order and each row's place among them.

    Args:
        ids: Shape (row,), whole numbers or strings.

    Returns:
        The distinct ids, sorted as numbers where they are whole, else as strings by code point; and the
        node of each row, shape (row,).
    """
    if ids.dtype.kind in "iu":
        distinct, nodes = np.unique(ids, return_inverse=True)
        return distinct.tolist(), nodes.astype(np.int64, copy=False)
    import pyarrow

    # Only the distinct strings are sorted as Python sorts them.
    encoded = pyarrow.array(ids, type=pyarrow.large_string()).dictionary_encode()
    names: list[Id] = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda place: str(names[place]))
    node_of = np.empty(len(names), dtype=np.int64)
    node_of[order] = np.arange(len(names))
    return [names[place] for place in order], node_of[encoded.indices.to_numpy()]


@dataclass(frozen=True)
class PairParts:
    """Which part each user-item pair fell into.

    Attributes:
        codes: ``user * item_count + item`` of every distinct pair, ascending; shape (pair,).
        parts: The part of each; shape (pair,), int8.
        item_count: Number of items.
    """

    codes: IndexArray
    parts: npt.NDArray[np.int8]
    item_count: int

    @classmethod
    def of(
        cls, users: IndexArray, items: IndexArray, parts: npt.NDArray[np.int8], item_count: int
    ) -> PairParts:
        """Return the parts of these pairs; of a pair that stands twice, the first row's."""
        codes, first = np.unique(users * item_count + items, return_index=True)
        return cls(codes, parts[first], item_count)

    def __len__(self) -> int:
        return len(self.codes)

    def part(self, user: int, item: int) -> int | None:
        """Return the part of one pair; None for a pair that is not there."""
        code = user * self.item_count + item
        place = int(np.searchsorted(self.codes, code))
        if place == len(self.codes) or self.codes[place] != code:
            return None
        return int(self.parts[place])


def parts_named(names: npt.NDArray[Any], known: Sequence[str]) -> npt.NDArray[np.int8]:
    """Return each row's place among the ``known`` names, -1 for another name; shape (row,)."""
    found = np.full(len(names), -1, dtype=np.int8)
    for part, name in enumerate(known):
        found[names == name] = part
    return found
