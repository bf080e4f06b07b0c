"""The interaction table: who clicked what, as sorted unique index pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from irllrec.errors import DataError

SPLITS = ("train", "valid", "test")
Id = int | str
IntArray = npt.NDArray[np.int32]

# Pairs looked up at once: four arrays of 8 MiB.
BLOCK_PAIRS = 1 << 20


@dataclass(frozen=True)
class Interactions:
    """User-item pairs, unique and sorted by (user, item).

    Attributes:
        users: Shape (edge,), int32, each in ``[0, user_count)``.
        items: Shape (edge,), int32, each in ``[0, item_count)``.
        user_count: Number of users of the data set, with or without pairs here.
        item_count: Number of items of the data set, with or without pairs here.
    """

    users: IntArray
    items: IntArray
    user_count: int
    item_count: int

    @classmethod
    def from_pairs(
        cls, users: npt.ArrayLike, items: npt.ArrayLike, user_count: int, item_count: int
    ) -> Interactions:
        """Return the table of these pairs, sorted, with duplicates counted once.

        Raises:
            DataError: If the arrays differ in length or an index is out of range.
        """
        user_array = np.asarray(users, dtype=np.int64).reshape(-1)
        item_array = np.asarray(items, dtype=np.int64).reshape(-1)
        if len(user_array) != len(item_array):
            raise DataError(
                f"{len(user_array)} users stand against {len(item_array)} items: give one item for each user."
            )
        for name, values, count in (("user", user_array, user_count), ("item", item_array, item_count)):
            if len(values) and (values.min() < 0 or values.max() >= count):
                bad = values[(values < 0) | (values >= count)][0]
                raise DataError(f"{name} index {bad} is outside 0..{count - 1}: check the id mapping.")
        codes = _distinct(user_array * item_count + item_array)
        return cls(
            users=(codes // max(item_count, 1)).astype(np.int32),
            items=(codes % max(item_count, 1)).astype(np.int32),
            user_count=user_count,
            item_count=item_count,
        )

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """``user * item_count + item`` of every pair, ascending; shape (edge,)."""
        return self.users.astype(np.int64) * self.item_count + self.items

    @cached_property
    def user_degrees(self) -> npt.NDArray[np.int64]:
        """Number of items of each user; shape (user,)."""
        return np.bincount(self.users, minlength=self.user_count)

    @cached_property
    def item_degrees(self) -> npt.NDArray[np.int64]:
        """Number of users of each item; shape (item,)."""
        return np.bincount(self.items, minlength=self.item_count)

    @cached_property
    def user_offsets(self) -> npt.NDArray[np.int64]:
        """Where each user's items start in ``items``; shape (user + 1,)."""
        return np.concatenate([[0], np.cumsum(self.user_degrees)])

    def items_of(self, user: int) -> IntArray:
        """Return the items of one user, ascending; empty for a user without pairs."""
        return self.items[self.user_offsets[user] : self.user_offsets[user + 1]]

    def contains(self, users: npt.ArrayLike, items: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return for each given pair whether it is in the table; shape as ``users``."""
        user_array, item_array = np.broadcast_arrays(np.asarray(users), np.asarray(items))
        found = np.zeros(user_array.shape, dtype=bool)
        if not len(self.codes) or not found.size:
            return found
        if not found.ndim:
            return self._has(user_array, item_array)
        rows = max(1, BLOCK_PAIRS * len(found) // found.size)
        for start in range(0, len(found), rows):
            part = slice(start, start + rows)
            found[part] = self._has(user_array[part], item_array[part])
        return found

    def _has(self, users: npt.NDArray[Any], items: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        wanted = users.astype(np.int64) * self.item_count + items
        position = np.minimum(np.searchsorted(self.codes, wanted), len(self.codes) - 1)
        return np.asarray(self.codes[position] == wanted)

    def matrix(self) -> scipy.sparse.csr_array:
        """Return the binary user × item matrix, float32."""
        values = np.ones(len(self), dtype=np.float32)
        return scipy.sparse.csr_array(
            (values, (self.users, self.items)), shape=(self.user_count, self.item_count)
        )


def _distinct(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the codes ascending and each once; the array given may be overwritten.

    Stored tables are in order already, and ``np.unique`` would hash every entry before it sorts.
    """
    if len(codes) < 2 or bool((codes[1:] > codes[:-1]).all()):
        return codes
    codes.sort()
    return codes[np.concatenate([[True], codes[1:] != codes[:-1]])]
