"""Training triples: every training pair once an epoch, one uniform negative each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Interactions
from irllrec.errors import DataError
from irllrec.seeding import stream

IndexArray = npt.NDArray[np.int64]


class TripleSampler:
    """Draws epochs of (user, positive, negative) triples without a Python loop over pairs.

    *Randomness*: the streams ``"order"`` and ``"negatives"`` of each epoch; an epoch's triples
    depend on the seed and the epoch alone.
    """

    def __init__(
        self, train: Interactions, *, batch_size: int, seed: int, negatives_per_pair: int = 1
    ) -> None:
        """Check that every user leaves an item to be drawn as a negative.

        Raises:
            DataError: If a user has taken every item, or there are no pairs.
        """
        if not len(train):
            raise DataError("the training split has no interactions: check the split.")
        full = np.flatnonzero(train.user_degrees >= train.item_count)
        if len(full):
            raise DataError(
                f"user {full[0]} has every item in training, so no negative can be drawn: "
                "remove the user or add items."
            )
        self._train = train
        self._batch_size = batch_size
        self._seed = seed
        self._negatives_per_pair = negatives_per_pair

    @property
    def batch_count(self) -> int:
        """Steps of one epoch; the last batch may be smaller."""
        return -(-len(self._train) // self._batch_size)

    def negatives(self, epoch: int, column: int = 0) -> IndexArray:
        """Return one item for each training pair, uniform over the items its user has not taken.

        Args:
            epoch: Counted from 1.
            column: Which of several negatives a pair; each has a stream of its own.
        """
        words = (epoch, column) if column else (epoch,)
        generator = stream(self._seed, "negatives", *words)
        users = self._train.users
        drawn = generator.integers(0, self._train.item_count, size=len(users))
        open_positions = np.flatnonzero(self._train.contains(users, drawn))
        while len(open_positions):
            drawn[open_positions] = generator.integers(0, self._train.item_count, size=len(open_positions))
            taken = self._train.contains(users[open_positions], drawn[open_positions])
            open_positions = open_positions[taken]
        return drawn

    def epoch(self, epoch: int) -> Iterator[tuple[IndexArray, IndexArray, IndexArray]]:
        """Yield the epoch's batches as arrays (users, positives, negatives).

        Users and positives have shape (batch,), negatives (batch, negatives_per_pair).
        """
        negatives = np.empty((len(self._train), self._negatives_per_pair), dtype=np.int32)
        for column in range(self._negatives_per_pair):
            negatives[:, column] = self.negatives(epoch, column)
        order = stream(self._seed, "order", epoch).permutation(len(self._train))
        for start in range(0, len(order), self._batch_size):
            # Gathered batch by batch: an ordered copy of an epoch would take twice its memory.
            part = order[start : start + self._batch_size]
            triples = (self._train.users[part], self._train.items[part], negatives[part])
            users, items, drawn = (array.astype(np.int64) for array in triples)
            yield users, items, drawn
