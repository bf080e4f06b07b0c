"""The bipartite training graph and products with it.

Nodes are users first, then items. The adjacency's *structure* is symmetric, so one CSR layout
serves a matrix and its transpose: only the values are permuted. That is what makes edge dropping
and the backward pass cheap; nothing is sorted or rebuilt during training.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from irllrec.data.interactions import Interactions
from irllrec.native.sparse import add_product, has_sparse, sparse_product

# Edges normalised at once, in float64.
BLOCK_EDGES = 1 << 20


@dataclass(frozen=True)
class EdgeValues:
    """Entries of a matrix with the graph's structure, and of its transpose, both in CSR order."""

    values: Float[Tensor, "edge"]
    transposed: Float[Tensor, "edge"]


class BipartiteGraph:
    """Symmetric CSR structure over ``user + item`` nodes with the values of ``D^-1/2 A D^-1/2``.

    Attributes:
        row_starts: Shape (node + 1,), int32.
        columns: Shape (edge,), int32.
        rows: Shape (edge,), int64: the row of every entry.
        reverse: Shape (edge,), int64: position of the entry (column, row) of each entry (row, column).
        values: Shape (edge,), float32: the normalised adjacency.
    """

    def __init__(self, interactions: Interactions, device: torch.device | str = "cpu") -> None:
        self.user_count = interactions.user_count
        self.item_count = interactions.item_count
        self.node_count = self.user_count + self.item_count
        pair_count = len(interactions)
        # Users come sorted by (user, item); items are sorted by (item, user) with a stable sort.
        by_item = np.argsort(interactions.items, kind="stable")
        item_nodes = interactions.items + np.int32(self.user_count)
        rows = np.concatenate([interactions.users, item_nodes[by_item]], dtype=np.int64)
        columns = np.concatenate([item_nodes, interactions.users[by_item]])
        reverse = np.empty(2 * pair_count, dtype=np.int64)
        reverse[pair_count:] = by_item
        reverse[by_item] = np.arange(pair_count, 2 * pair_count)

        degrees = np.bincount(rows, minlength=self.node_count)
        inverse_root = np.zeros(self.node_count, dtype=np.float64)
        inverse_root[degrees > 0] = 1.0 / np.sqrt(degrees[degrees > 0])
        values = np.empty(2 * pair_count, dtype=np.float32)
        for start in range(0, len(values), BLOCK_EDGES):
            part = slice(start, start + BLOCK_EDGES)
            values[part] = inverse_root[rows[part]] * inverse_root[columns[part]]
        starts = np.concatenate([[0], np.cumsum(degrees)])

        self.pair_count = pair_count
        self.row_starts = torch.from_numpy(starts.astype(np.int32)).to(device)
        self.columns = torch.from_numpy(columns).to(device)
        self.rows = torch.from_numpy(rows).to(device)
        self.reverse = torch.from_numpy(reverse).to(device)
        self.values = torch.from_numpy(values).to(device)

    @property
    def edge_count(self) -> int:
        return 2 * self.pair_count

    @property
    def pair_users(self) -> Int[Tensor, "pair"]:
        """User node of every undirected pair."""
        return self.rows[: self.pair_count]

    @property
    def pair_items(self) -> Int[Tensor, "pair"]:
        """Item node (offset by the number of users) of every undirected pair."""
        return self.columns[: self.pair_count].long()

    @property
    def mean_values(self) -> Float[Tensor, "edge"]:
        """The entries of ``D^-1 A``: a product with them averages each node's neighbours."""
        degrees = torch.diff(self.row_starts).clamp(min=1).to(self.values.dtype)
        return self.by_row(1.0 / degrees)

    def propagate(
        self, nodes: Float[Tensor, "node dim"], values: Float[Tensor, "edge"] | None = None
    ) -> Float[Tensor, "node dim"]:
        """Return ``M @ nodes`` where ``M`` has this structure and constant ``values``.

        Args:
            nodes: One row a node; gradients flow through it.
            values: Entries of ``M`` in CSR order, or None for the normalised adjacency. No gradient
                flows through them. Rows without entries give zeros.
        """
        return _Product.apply(nodes, self, values)

    def layers(self, nodes: Float[Tensor, "node dim"], count: int) -> list[Float[Tensor, "node dim"]]:
        """Return ``nodes`` and the outputs of ``count`` propagations in a row, where their sum is not wanted."""
        outputs = [nodes]
        for _ in range(count):
            outputs.append(self.propagate(outputs[-1]))
        return outputs

    def summed_layers(
        self, nodes: Float[Tensor, "node dim"], count: int, values: EdgeValues | None = None
    ) -> tuple[list[Float[Tensor, "node dim"]], Float[Tensor, "node dim"]]:
        """Return the layers ``E^(0) .. E^(count)`` with ``E^(l+1) = M @ E^(l)``, and their sum.

        The sum is formed inside the products, forwards and, of the gradients, backwards.

        Args:
            nodes: ``E^(0)``; gradients flow through it.
            count: Propagations, ≥ 0.
            values: ``M``, or None for the normalised adjacency. No gradient flows through it.
        """
        if count == 0:
            return [nodes], nodes
        total, *outputs = _Propagation.apply(
            nodes, self, count, values or EdgeValues(self.values, self.values)
        )
        return [nodes, *outputs], total

    def by_row(self, per_node: Float[Tensor, "node"]) -> Float[Tensor, "edge"]:
        """Return each entry's number of its row."""
        return per_node.index_select(0, self.rows)

    def transposed(self, values: Float[Tensor, "edge"]) -> Float[Tensor, "edge"]:
        """Return the entries of the transpose, both in CSR order."""
        # On a processor more than twice as fast as indexing.
        return values.index_select(0, self.reverse)

    def edge_values(self, values: Float[Tensor, "edge"]) -> EdgeValues:
        """Return entries in CSR order with those of the transpose."""
        return EdgeValues(values, self.transposed(values))

    def dropped(self, uniform: Float[Tensor, "edge"], keep_rate: float) -> EdgeValues:
        """Return the adjacency's values with directed edges dropped and *not* rescaled.

        Args:
            uniform: Numbers in [0, 1), one a directed edge, numbered by (column, row).
            keep_rate: Share of edges kept; an edge stays where ``floor(uniform + keep_rate) = 1``.
        """
        # Numbering by (column, row) is the CSR position of the reversed entry; the adjacency is symmetric.
        kept = torch.floor(uniform + keep_rate).to(self.values.dtype)
        return EdgeValues(self.values * self.transposed(kept), self.values * kept)

    def multiply(
        self, values: Float[Tensor, "edge"], nodes: Float[Tensor, "node dim"]
    ) -> Float[Tensor, "node dim"]:
        """Return the product with these values, outside autograd."""
        if has_sparse(values, nodes):
            return sparse_product(self.row_starts, self.columns, values, nodes)
        with warnings.catch_warnings():
            # torch announces on first use that its CSR layout is in beta.
            warnings.filterwarnings("ignore", message=".*Sparse CSR tensor support is in beta.*")
            matrix = torch.sparse_csr_tensor(
                self.row_starts,
                self.columns,
                values.to(nodes.dtype),
                size=(self.node_count, self.node_count),
                check_invariants=False,
            )
            return matrix @ nodes

    def add_product(
        self,
        values: Float[Tensor, "edge"],
        nodes: Float[Tensor, "node dim"],
        added: Float[Tensor, "node dim"] | None,
    ) -> Float[Tensor, "node dim"]:
        """Return ``added`` plus the product with these values, outside autograd; None adds nothing."""
        if added is None:
            return self.multiply(values, nodes)
        if has_sparse(values, nodes, added):
            return add_product(self.row_starts, self.columns, values, nodes, added)
        return added + self.multiply(values, nodes)

    def multiply_and_add(
        self,
        values: Float[Tensor, "edge"],
        nodes: Float[Tensor, "node dim"],
        total: Float[Tensor, "node dim"],
        *,
        in_place: bool,
    ) -> tuple[Float[Tensor, "node dim"], Float[Tensor, "node dim"]]:
        """Return the product with these values, and ``total`` plus the product, outside autograd.

        Args:
            values: Entries in CSR order.
            nodes: What they are multiplied with.
            total: What the product is added to.
            in_place: Whether ``total``, contiguous, may be overwritten.
        """
        if has_sparse(values, nodes, total):
            product = torch.empty(nodes.shape)
            place = total if in_place else None
            given = (self.row_starts, self.columns, values, nodes, total)
            return product, add_product(*given, product=product, total=place)
        product = self.multiply(values, nodes)
        return product, total.add_(product) if in_place else total + product

    def row_sums(self, values: Float[Tensor, "edge"]) -> Float[Tensor, "node"]:
        """Return the sum of the values in each row."""
        return torch.zeros(self.node_count, dtype=values.dtype, device=values.device).index_add_(
            0, self.rows, values
        )


class _Product(torch.autograd.Function):
    """Sparse product with constant values; backward is the product with the reversed values."""

    @staticmethod
    def forward(
        ctx: Any,
        nodes: Tensor,
        graph: BipartiteGraph,
        values: Tensor | None,
    ) -> Tensor:
        ctx.graph, ctx.values = graph, values
        return graph.multiply(graph.values if values is None else values, nodes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        graph: BipartiteGraph = ctx.graph
        # The normalised adjacency is symmetric.
        values = graph.values if ctx.values is None else graph.transposed(ctx.values)
        return graph.multiply(values, gradients[0].contiguous()), None, None


class _Propagation(torch.autograd.Function):
    """Several products in a row and the sum of all layers; backward adds gradients up in the same way."""

    @staticmethod
    def forward(
        ctx: Any, nodes: Tensor, graph: BipartiteGraph, count: int, values: EdgeValues
    ) -> tuple[Tensor, ...]:
        ctx.graph, ctx.values = graph, values
        ctx.set_materialize_grads(False)
        layers, total = [nodes], nodes
        for place in range(count):
            product, total = graph.multiply_and_add(values.values, layers[-1], total, in_place=place > 0)
            layers.append(product)
        return total, *layers[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        graph: BipartiteGraph = ctx.graph
        of_total, *of_layers = gradients
        flowing: Tensor | None = None
        for of_layer in (*reversed(of_layers), None):
            own = _added(of_total, of_layer)
            if flowing is not None:
                flowing = graph.add_product(ctx.values.transposed, flowing.contiguous(), own)
            else:
                flowing = own
        return flowing, None, None, None


def _added(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Return the sum of two gradients, either of which may be missing."""
    if one is None or other is None:
        return one if other is None else other
    return one + other
