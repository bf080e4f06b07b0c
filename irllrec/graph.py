"""The bipartite training graph and products with it.

Nodes are users first, then items. The adjacency's *structure* is symmetric, so one CSR layout
serves a matrix and its transpose: only the values are permuted. That is what makes edge dropping
and the backward pass cheap; nothing is sorted or rebuilt during training.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.native.sparse import edge_products, has_sparse, sparse_product

# Edges normalised at once, in float64.
BLOCK_EDGES = 1 << 20


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
        return (1.0 / degrees)[self.rows]

    def propagate(
        self, nodes: Float[Tensor, "node dim"], values: Float[Tensor, "edge"] | None = None
    ) -> Float[Tensor, "node dim"]:
        """Return ``M @ nodes`` where ``M`` has this structure and constant ``values``.

        Args:
            nodes: One row a node; gradients flow through it.
            values: Entries of ``M`` in CSR order, or None for the normalised adjacency. No gradient
                flows through them. Rows without entries give zeros.
        """
        return _Product.apply(nodes, self, values, None)

    def layers(
        self, nodes: Float[Tensor, "node dim"], count: int, values: Float[Tensor, "edge"] | None = None
    ) -> list[Float[Tensor, "node dim"]]:
        """Return ``nodes`` and the outputs of ``count`` propagations in a row, with :meth:`propagate`."""
        outputs, reversed_values = [nodes], None if values is None else values[self.reverse]
        for _ in range(count):
            outputs.append(_Product.apply(outputs[-1], self, values, reversed_values))
        return outputs

    def dropped(self, uniform: Float[Tensor, "edge"], keep_rate: float) -> Float[Tensor, "edge"]:
        """Return the adjacency's values with directed edges dropped and *not* rescaled.

        Args:
            uniform: Numbers in [0, 1), one a directed edge, numbered by (column, row).
            keep_rate: Share of edges kept; an edge stays where ``floor(uniform + keep_rate) = 1``.
        """
        # Numbering by (column, row) is the CSR position of the reversed entry.
        kept = torch.floor(uniform + keep_rate)[self.reverse]
        return self.values * kept.to(self.values.dtype)

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
        reversed_values: Tensor | None,
    ) -> Tensor:
        ctx.graph, ctx.values, ctx.reversed_values = graph, values, reversed_values
        return graph.multiply(graph.values if values is None else values, nodes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        graph: BipartiteGraph = ctx.graph
        values = ctx.reversed_values
        if values is None:
            # The normalised adjacency is symmetric.
            values = graph.values if ctx.values is None else ctx.values[graph.reverse]
        return graph.multiply(values, gradients[0].contiguous()), None, None, None


def similarity_aggregation(
    graph: BipartiteGraph, unit: Float[Tensor, "node dim"], nodes: Float[Tensor, "node dim"]
) -> Float[Tensor, "node dim"]:
    """Return ``W @ nodes`` with ``W[r, c] = (<unit_r, unit_c> + 1) / 2`` on edges, rows summing to 1.

    Gradients flow through ``unit`` and ``nodes``. No edge × dim array outlives the call.

    Source: graph structure learning inside multi-intent fusion; weights as in adaptive DCCF.
    Rows without edges, or whose weights sum to zero, give zeros.
    """
    return _SimilarityAggregation.apply(unit, nodes, graph)


class _SimilarityAggregation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, unit: Tensor, nodes: Tensor, graph: BipartiteGraph) -> Tensor:
        weights = (_pair_products(graph, unit, unit) + 1.0) / 2.0
        directed = torch.cat([weights, weights[graph.reverse[graph.pair_count :]]])
        sums = graph.row_sums(directed)
        inverse = torch.where(sums == 0, 0.0, 1.0 / sums)
        values = directed * inverse[graph.rows]
        ctx.graph = graph
        ctx.save_for_backward(unit, nodes, values, inverse)
        return graph.multiply(values, nodes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        graph: BipartiteGraph = ctx.graph
        unit, nodes, values, inverse = ctx.saved_tensors
        output_gradient = gradients[0].contiguous()
        nodes_gradient = graph.multiply(values[graph.reverse], output_gradient)

        forward_edges = _pair_products(graph, output_gradient, nodes)
        backward_edges = _pair_products(graph, nodes, output_gradient)
        value_gradient = torch.cat([forward_edges, backward_edges[graph.reverse[graph.pair_count :]]])
        row_means = graph.row_sums(values * value_gradient)
        weight_gradient = (value_gradient - row_means[graph.rows]) * inverse[graph.rows]
        # Both directions of a pair share one cosine; (c + 1) / 2 gives the factor a half.
        cosine_gradient = 0.5 * (weight_gradient + weight_gradient[graph.reverse])
        return graph.multiply(cosine_gradient, unit), nodes_gradient, None


def _pair_products(graph: BipartiteGraph, left: Tensor, right: Tensor) -> Tensor:
    """Return ``<left_user, right_item>`` of every undirected pair, in chunks that stay in cache."""
    if has_sparse(left, right):
        return edge_products(graph.row_starts, graph.columns, left, right, graph.user_count)
    products = torch.empty(graph.pair_count, dtype=left.dtype, device=left.device)
    chunk = 1 << 14 if left.device.type == "cpu" else max(graph.pair_count, 1)
    users, items = graph.pair_users, graph.pair_items
    for start in range(0, graph.pair_count, chunk):
        stop = start + chunk
        gathered = left.index_select(0, users[start:stop])
        gathered *= right.index_select(0, items[start:stop])
        products[start:stop] = gathered.sum(dim=1)
    return products
