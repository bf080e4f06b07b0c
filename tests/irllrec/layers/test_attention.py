"""Attention along edges against a dense softmax and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from irllrec.layers import attention
from irllrec.layers.attention import EdgeAttention, SymmetricEdges

# The pair (0, 1) is named three times, node 2 has a loop only, node 5 nothing at all.
FIRST, SECOND = torch.tensor([0, 1, 0, 2, 3, 0]), torch.tensor([1, 0, 1, 2, 4, 4])


def _nodes(seed: int, size: int = 4, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(6, size, generator=generator, dtype=torch.float64)


def _layer(heads: int) -> EdgeAttention:
    generator = torch.Generator().manual_seed(7)
    return EdgeAttention(embedding_size=4, heads=heads, generator=generator).double()


def _dense(layer: EdgeAttention, nodes: Tensor) -> Tensor:
    """Every head's whole node × node matrix, entries without an edge set to 0."""
    edges = torch.zeros(6, 6, dtype=torch.float64)
    edges[FIRST, SECOND] = edges[SECOND, FIRST] = 1.0
    outputs = []
    for columns in torch.arange(4).chunk(layer.heads):
        query, key, value = (nodes @ matrix[:, columns] for matrix in (layer.query, layer.key, layer.value))
        exponentials = edges * torch.exp((query @ key.T).clamp(-10.0, 10.0))
        shares = exponentials / (exponentials.sum(dim=1, keepdim=True) + 1e-8)
        outputs.append(shares @ value)
    return torch.cat(outputs, dim=1)


def test_edges_are_distinct_sorted_and_know_their_opposites() -> None:
    edges = SymmetricEdges.between(FIRST, SECOND, 6)
    columns = edges.columns.long()
    pairs = list(zip(edges.rows.tolist(), columns.tolist(), strict=True))
    assert pairs == [(0, 1), (0, 4), (1, 0), (2, 2), (3, 4), (4, 0), (4, 3)]
    assert edges.row_starts.tolist() == [0, 2, 3, 4, 5, 7, 7]
    assert torch.equal(edges.rows[edges.reverse], columns)
    assert torch.equal(columns[edges.reverse], edges.rows)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("scale", [0.5, 6.0])
def test_output_and_gradients_equal_the_dense_formula(
    heads: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of three edges; with the larger scale some scores are beyond the clamp."""
    monkeypatch.setattr(attention, "CHUNK_EDGES", 3)
    layer, nodes = _layer(heads), _nodes(1, scale=scale).requires_grad_()
    ours = layer(nodes, SymmetricEdges.between(FIRST, SECOND, 6))
    expected = _dense(layer, nodes)
    torch.testing.assert_close(ours, expected)
    weights = _nodes(2)
    inputs = [nodes, layer.query, layer.key, layer.value]
    for mine, theirs in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_gradients_pass_finite_differences() -> None:
    layer, edges = _layer(2), SymmetricEdges.between(FIRST, SECOND, 6)
    assert torch.autograd.gradcheck(lambda nodes: layer(nodes, edges), _nodes(3).requires_grad_())


def test_a_node_with_a_loop_only_gathers_its_own_value_and_one_without_edges_nothing() -> None:
    layer, nodes = _layer(2), _nodes(4)
    gathered = layer(nodes, SymmetricEdges.between(FIRST, SECOND, 6))
    torch.testing.assert_close(gathered[2], (nodes @ layer.value)[2])
    assert gathered[5].tolist() == [0.0] * 4


def test_no_edges_at_all_give_zeros() -> None:
    nothing = torch.empty(0, dtype=torch.int64)
    gathered = _layer(2)(_nodes(5), SymmetricEdges.between(nothing, nothing, 6))
    assert gathered.abs().sum() == 0
