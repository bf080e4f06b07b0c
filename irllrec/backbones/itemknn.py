"""Item-based nearest neighbours: cosine between the users of two items, shrunk where they are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse
import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.simple import SimpleBaseline

# Items of one block; a block of a dense item × item matrix would be 20 MiB at 10,000 items.
BLOCK_ITEMS = 512


@dataclass(frozen=True)
class ItemKNNSettings:
    """Attributes:
    neighbours: k, how many most similar items an item keeps, ≥ 1.
    shrinkage: Added to the denominator, ≥ 0: damps similarities that rest on few users.
    """

    neighbours: int
    shrinkage: float

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"neighbours is {self.neighbours}; it must be at least 1")
        if self.shrinkage < 0:
            raise ValueError(f"shrinkage is {self.shrinkage}; it must be at least 0")


class ItemKNN(SimpleBaseline):
    """``s(u, i) = Σ_{j ∈ I_u ∩ N_k(i)} sim(i, j)``, ``sim(i, j) = |U_i ∩ U_j| / (√|U_i| √|U_j| + h)``.

    ``N_k(i)`` are the k items most similar to i, equal ones taken by index; i is not among them.
    A user with no such item is offered the popular ones.

    Source: Deshpande and Karypis, TOIS 2004, with the shrinkage of Bell and Koren.
    """

    Settings = ItemKNNSettings
    deterministic = True

    def fit_epoch(self, epoch: int) -> dict[str, float]:
        self._histories = self.train.matrix()
        by_item = self._histories.T.tocsr()
        blocks = [self._nearest(by_item, start) for start in range(0, self.train.item_count, BLOCK_ITEMS)]
        # Column i holds the neighbours of item i.
        self._similarity = scipy.sparse.vstack(blocks, format="csr").T.tocsr()
        return {}

    def _nearest(self, by_item: scipy.sparse.csr_array, start: int) -> scipy.sparse.csr_array:
        """Return the similarities of a block of items to their neighbours; shape (block, item)."""
        norms = np.sqrt(self.train.item_degrees.astype(np.float64))
        shared = (by_item[start : start + BLOCK_ITEMS] @ self._histories).tocoo()
        rows, columns = shared.coords
        values = shared.data / (norms[start + rows] * norms[columns] + self.settings.shrinkage)
        others = columns != start + rows
        rows, columns, values = rows[others], columns[others], values[others]
        order = np.lexsort((columns, -values, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        counts = np.bincount(rows, minlength=shared.shape[0])
        rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        near = rank < self.settings.neighbours
        kept = (values[near].astype(np.float32), (rows[near], columns[near]))
        return scipy.sparse.csr_array(kept, shape=shared.shape)

    def scores(self, users: npt.NDArray[np.int64]) -> Float[Tensor, "ranked item"]:
        found = (self._histories[users] @ self._similarity).toarray()
        return self.or_popular(torch.from_numpy(found))

    @property
    def parameter_count(self) -> int:
        return int(self._similarity.nnz)


BACKBONE = ItemKNN
