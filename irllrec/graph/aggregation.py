"""Propagation over a graph reweighted by agreement of its nodes."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from irllrec.graph.structure import BipartiteGraph
from irllrec.native.sparse import edge_products, has_sparse


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
        directed = torch.cat([weights, weights.index_select(0, graph.reverse[graph.pair_count :])])
        sums = graph.row_sums(directed)
        inverse = torch.where(sums == 0, 0.0, 1.0 / sums)
        values = directed * graph.by_row(inverse)
        ctx.graph = graph
        ctx.save_for_backward(unit, nodes, values, inverse)
        return graph.multiply(values, nodes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        graph: BipartiteGraph = ctx.graph
        unit, nodes, values, inverse = ctx.saved_tensors
        output_gradient = gradients[0].contiguous()
        nodes_gradient = graph.multiply(graph.transposed(values), output_gradient)

        forward_edges = _pair_products(graph, output_gradient, nodes)
        backward_edges = _pair_products(graph, nodes, output_gradient)
        value_gradient = torch.cat(
            [forward_edges, backward_edges.index_select(0, graph.reverse[graph.pair_count :])]
        )
        row_means = graph.row_sums(values * value_gradient)
        weight_gradient = (value_gradient - graph.by_row(row_means)) * graph.by_row(inverse)
        # Both directions of a pair share one cosine; (c + 1) / 2 gives the factor a half.
        cosine_gradient = 0.5 * (weight_gradient + graph.transposed(weight_gradient))
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
