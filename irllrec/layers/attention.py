"""Multi-head attention along the edges of a graph whose structure is symmetric.

Memory is a few numbers an edge and head: no edge × dim array outlives a chunk, forward or backward.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

SCORE_BOUND = 10.0
"""Scores are clamped to ± this before they are exponentiated."""
NORMALIZER_FLOOR = 1e-8
CHUNK_EDGES = 1 << 14


@dataclass(frozen=True)
class SymmetricEdges:
    """Directed edges in CSR order, each with its opposite among them; loops allowed.

    Attributes:
        node_count: Number of nodes.
        row_starts: Shape (node + 1,), int32.
        columns: Shape (edge,), int32.
        rows: Shape (edge,), int64: the row of every edge.
        reverse: Shape (edge,), int64: position of the edge (column, row) of each edge (row, column).
    """

    node_count: int
    row_starts: Int[Tensor, "starts"]
    columns: Int[Tensor, "edge"]
    rows: Int[Tensor, "edge"]
    reverse: Int[Tensor, "edge"]

    @classmethod
    def between(
        cls, first: Int[Tensor, "pair"], second: Int[Tensor, "pair"], node_count: int
    ) -> SymmetricEdges:
        """Return both directions of every pair of nodes; pairs named twice count once."""
        codes = torch.unique(torch.cat([first * node_count + second, second * node_count + first]))
        rows = torch.div(codes, node_count, rounding_mode="floor")
        columns = codes - rows * node_count
        starts = torch.zeros(node_count + 1, dtype=torch.int64, device=codes.device)
        starts[1:] = torch.bincount(rows, minlength=node_count).cumsum(0)
        reverse = torch.searchsorted(codes, columns * node_count + rows)
        return cls(node_count, starts.to(torch.int32), columns.to(torch.int32), rows, reverse)

    def multiply(
        self, values: Float[Tensor, "edge"], nodes: Float[Tensor, "node dim"]
    ) -> Float[Tensor, "node dim"]:
        """Return the product of the matrix with these ``values`` and ``nodes``, outside autograd."""
        with warnings.catch_warnings():
            # torch announces on first use that its CSR layout is in beta.
            warnings.filterwarnings("ignore", message=".*Sparse CSR tensor support is in beta.*")
            matrix = torch.sparse_csr_tensor(
                self.row_starts,
                self.columns,
                values,
                size=(self.node_count, self.node_count),
                check_invariants=False,
            )
            return matrix @ nodes

    def row_sums(self, values: Float[Tensor, "edge"]) -> Float[Tensor, "node"]:
        """Return the sum of the values in each row."""
        return values.new_zeros(self.node_count).index_add_(0, self.rows, values)

    def products(
        self, left: Float[Tensor, "node dim"], right: Float[Tensor, "node dim"], heads: int
    ) -> Float[Tensor, "head edge"]:
        """Return ``<left_row, right_column>`` of every edge, each head over its own part of the rows."""
        edge_count = len(self.rows)
        products = left.new_empty(edge_count, heads)
        # A product with this 0/1 matrix sums each head's part; summing tiny rows would be slower.
        part_sums = torch.eye(heads, dtype=left.dtype, device=left.device).repeat_interleave(
            left.shape[1] // heads, dim=0
        )
        chunk = CHUNK_EDGES if left.device.type == "cpu" else max(edge_count, 1)
        for start in range(0, edge_count, chunk):
            part = slice(start, start + chunk)
            gathered = left.index_select(0, self.rows[part])
            gathered *= right.index_select(0, self.columns[part])
            torch.mm(gathered, part_sums, out=products[part])
        return products.T.contiguous()


class EdgeAttention(nn.Module):
    """``out_n = Σ_m a_nm v_m`` over the neighbours m of n, with ``a`` softmaxed over them.

    ``q, k, v = E W_q, E W_k, E W_v``, cut into heads; ``a = exp(clamp(<q_n, k_m>, ±10))`` divided by
    its sum over n's neighbours plus 1e-8. The scores are not divided by ``sqrt(dim)``. A node without
    neighbours gives zeros.

    Source: the graph transformer of Xia et al., WWW 2023 (AutoCF).
    """

    def __init__(self, *, embedding_size: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        assert embedding_size % heads == 0
        self.heads = heads
        shape = (embedding_size, embedding_size)
        self.query = nn.Parameter(torch.empty(shape))
        self.key = nn.Parameter(torch.empty(shape))
        self.value = nn.Parameter(torch.empty(shape))
        for matrix in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(matrix, generator=generator)

    def forward(self, nodes: Float[Tensor, "node dim"], edges: SymmetricEdges) -> Float[Tensor, "node dim"]:
        """Return what every node gathers along ``edges``."""
        gathered: Tensor = _Attention.apply(
            nodes @ self.query, nodes @ self.key, nodes @ self.value, edges, self.heads
        )
        return gathered


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, edges: SymmetricEdges, heads: int
    ) -> Tensor:
        scores = edges.products(query, key, heads)
        inside = scores.abs() <= SCORE_BOUND
        shares = scores.clamp_(-SCORE_BOUND, SCORE_BOUND).exp_()
        for head in range(heads):
            sums = edges.row_sums(shares[head]) + NORMALIZER_FLOOR
            shares[head] /= sums.index_select(0, edges.rows)
        ctx.edges = edges
        ctx.save_for_backward(query, key, value, shares, inside)
        return _joined([edges.multiply(*each) for each in zip(shares, _heads(value, heads), strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        edges: SymmetricEdges = ctx.edges
        query, key, value, shares, inside = ctx.saved_tensors
        heads = len(shares)
        output_gradient = gradients[0].contiguous()
        share_gradients = edges.products(output_gradient, value, heads)
        parts = zip(*(_heads(rows, heads) for rows in (query, key, output_gradient)), strict=True)
        found: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])
        for head, (query_part, key_part, gradient_part) in enumerate(parts):
            share, share_gradient = shares[head], share_gradients[head]
            means = edges.row_sums(share * share_gradient)
            score_gradient = share * (share_gradient - means.index_select(0, edges.rows)) * inside[head]
            found[0].append(edges.multiply(score_gradient, key_part))
            found[1].append(edges.multiply(score_gradient.index_select(0, edges.reverse), query_part))
            found[2].append(edges.multiply(share.index_select(0, edges.reverse), gradient_part))
        return _joined(found[0]), _joined(found[1]), _joined(found[2]), None, None


def _heads(rows: Float[Tensor, "node dim"], heads: int) -> list[Float[Tensor, "node part"]]:
    return [part.contiguous() for part in rows.chunk(heads, dim=1)]


def _joined(parts: list[Float[Tensor, "node part"]]) -> Float[Tensor, "node dim"]:
    return torch.cat(parts, dim=1)
