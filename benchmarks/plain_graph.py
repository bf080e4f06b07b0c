"""The training graph as one COO matrix, and products with it as autograd offers them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from irllrec.data.interactions import Interactions


class PlainGraph:
    """``D^-1/2 A D^-1/2`` over users, then items, as a coalesced COO matrix."""

    def __init__(self, train: Interactions) -> None:
        self.user_count = train.user_count
        self.node_count = train.user_count + train.item_count
        users = train.users.astype(np.int64)
        items = train.items.astype(np.int64) + train.user_count
        rows, columns = np.concatenate([users, items]), np.concatenate([items, users])
        degrees = np.maximum(np.bincount(rows, minlength=self.node_count), 1)
        values = (degrees[rows] ** -0.5 * degrees[columns] ** -0.5).astype(np.float32)
        self.adjacency = self._matrix(torch.from_numpy(np.stack([rows, columns])), torch.from_numpy(values))

    def _matrix(self, places: Tensor, values: Tensor) -> Tensor:
        shape = (self.node_count, self.node_count)
        return torch.sparse_coo_tensor(places, values, shape, check_invariants=False).coalesce()

    def dropped(self, uniform: Tensor, keep_rate: float) -> Tensor:
        """Return the matrix without the directed edges where ``floor(uniform + keep_rate) = 0``."""
        # Edges are numbered by column, then row; the matrix is symmetric, so this is its transpose.
        places, values = self.adjacency.indices().flip(0), self.adjacency.values()
        kept = torch.floor(uniform + keep_rate).bool()
        return self._matrix(places[:, kept], values[kept])

    def layers(self, initial: Tensor, count: int, matrix: Tensor | None = None) -> list[Tensor]:
        """Return ``initial`` and the outputs of ``count`` propagations in a row."""
        layers = [initial]
        for _ in range(count):
            layers.append(torch.sparse.mm(self.adjacency if matrix is None else matrix, layers[-1]))
        return layers

    def reweighted(self, unit_rows: Tensor, nodes: Tensor) -> Tensor:
        """Return each node's mean neighbour, an edge weighing ``(<unit_r, unit_c> + 1) / 2``."""
        rows, columns = self.adjacency.indices()
        weights = ((unit_rows[rows] * unit_rows[columns]).sum(dim=1) + 1) / 2
        sums = torch.zeros(self.node_count).index_add(0, rows, weights)
        shares = weights / torch.where(sums == 0, 1.0, sums)[rows]
        return torch.zeros_like(nodes).index_add(0, rows, shares[:, None] * nodes[columns])
