"""Products with the training graph against dense matrices and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from irllrec.data.interactions import Interactions
from irllrec.graph import BipartiteGraph, similarity_aggregation
from irllrec.losses.contrastive import unit_rows

# User 2 and item 3 have no interaction.
TRAIN = Interactions.from_pairs([0, 0, 1, 3, 3, 3], [0, 2, 2, 0, 1, 2], 4, 4)


def _dense(graph: BipartiteGraph, values: torch.Tensor) -> torch.Tensor:
    matrix = torch.zeros(graph.node_count, graph.node_count, dtype=values.dtype)
    matrix[graph.rows, graph.columns.long()] = values
    return matrix


def _nodes(seed: int, size: int = 3) -> torch.Tensor:
    return torch.randn(8, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_adjacency_is_normalised_by_both_degrees() -> None:
    """User 0 has degree 2, item 2 degree 3: 1/sqrt(6) = 0.408248, both ways."""
    dense = _dense(BipartiteGraph(TRAIN), BipartiteGraph(TRAIN).values)
    assert abs(dense[0, 6].item() - 0.408248) < 1e-6
    torch.testing.assert_close(dense, dense.T)
    assert (dense != 0).sum() == 12


def test_reverse_finds_the_entry_of_the_other_direction() -> None:
    graph = BipartiteGraph(TRAIN)
    columns = graph.columns.long()
    assert torch.equal(graph.rows[graph.reverse], columns)
    assert torch.equal(columns[graph.reverse], graph.rows)


def test_propagation_and_its_gradient_equal_the_dense_product() -> None:
    graph = BipartiteGraph(TRAIN)
    values = torch.rand(graph.edge_count, generator=torch.Generator().manual_seed(1)).double()
    nodes = _nodes(1).requires_grad_()
    torch.testing.assert_close(graph.propagate(nodes, values), _dense(graph, values) @ nodes)
    assert torch.autograd.gradcheck(lambda x: graph.propagate(x, values), (nodes,))


def test_nodes_without_edges_propagate_to_zero() -> None:
    result = BipartiteGraph(TRAIN).propagate(_nodes(2))
    assert result[2].abs().sum() == 0
    assert result[7].abs().sum() == 0


def test_dropping_keeps_an_edge_where_uniform_plus_rate_reaches_one() -> None:
    """Directed edges are numbered by (column, row): the first is row 4 (item 0) of column 0 (user 0)."""
    graph = BipartiteGraph(TRAIN)
    uniform = torch.zeros(graph.edge_count)
    uniform[0] = 0.5
    dropped = graph.dropped(uniform, 0.5)
    kept = _dense(graph, dropped.values)
    assert [tuple(entry) for entry in kept.nonzero().tolist()] == [(4, 0)]
    assert kept[4, 0] == _dense(graph, graph.values)[4, 0]
    assert torch.equal(_dense(graph, dropped.transposed), kept.T)


def test_keeping_every_edge_changes_nothing() -> None:
    graph = BipartiteGraph(TRAIN)
    uniform = torch.rand(graph.edge_count)
    assert torch.equal(graph.dropped(uniform, 1.0).values, graph.values)


@pytest.mark.parametrize("used", ["total", "layers", "both", "first layer"])
def test_summed_layers_and_their_gradients_equal_the_dense_products(used: str) -> None:
    graph = BipartiteGraph(TRAIN)
    values = graph.edge_values(
        torch.rand(graph.edge_count, generator=torch.Generator().manual_seed(1)).double()
    )
    matrix = _dense(graph, values.values)
    assert torch.equal(_dense(graph, values.transposed), matrix.T)
    nodes = _nodes(1).requires_grad_()
    weights = [_nodes(seed) for seed in range(2, 7)]

    def value(layers: list[torch.Tensor], total: torch.Tensor) -> torch.Tensor:
        if used == "first layer":
            return (layers[1] * weights[0]).sum()
        picked = {"total": [total], "layers": layers, "both": [total, *layers]}[used]
        return torch.stack([(one * weight).sum() for one, weight in zip(picked, weights, strict=False)]).sum()

    expected = [nodes]
    for _ in range(3):
        expected.append(matrix @ expected[-1])
    layers, total = graph.summed_layers(nodes, 3, values)
    for found, wanted in zip([*layers, total], [*expected, sum(expected)], strict=True):
        torch.testing.assert_close(found, wanted)
    ours = torch.autograd.grad(value(layers, total), nodes)[0]
    theirs = torch.autograd.grad(value(expected, torch.stack(expected).sum(dim=0)), nodes)[0]
    torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(lambda x: value(*graph.summed_layers(x, 3, values)), (nodes,))


def test_no_propagation_gives_the_nodes_alone() -> None:
    nodes = _nodes(1)
    layers, total = BipartiteGraph(TRAIN).summed_layers(nodes, 0)
    assert layers == [nodes]
    assert total is nodes


def test_similarity_aggregation_equals_the_dense_formula_and_passes_finite_differences() -> None:
    graph = BipartiteGraph(TRAIN)
    unit, nodes = unit_rows(_nodes(3)), _nodes(4)
    edges = _dense(graph, torch.ones(graph.edge_count, dtype=torch.float64))
    weights = edges * (unit @ unit.T + 1) / 2
    sums = weights.sum(dim=1, keepdim=True)
    expected = torch.where(sums > 0, weights / sums.clamp_min(1e-300), 0.0) @ nodes
    torch.testing.assert_close(similarity_aggregation(graph, unit, nodes), expected)
    inputs = (unit.requires_grad_(), nodes.requires_grad_())
    assert torch.autograd.gradcheck(lambda u, n: similarity_aggregation(graph, u, n), inputs)


def test_a_graph_of_random_pairs_equals_scipy() -> None:
    generator = np.random.default_rng(5)
    pairs = Interactions.from_pairs(generator.integers(0, 30, 200), generator.integers(0, 20, 200), 30, 20)
    nodes = torch.from_numpy(generator.normal(size=(50, 4)))
    matrix = pairs.matrix().astype(np.float64).toarray()
    full = np.block([[np.zeros((30, 30)), matrix], [matrix.T, np.zeros((20, 20))]])
    scale = 1 / np.sqrt(np.maximum(full.sum(axis=1), 1))
    expected = (scale[:, None] * full * scale) @ nodes.numpy()
    np.testing.assert_allclose(BipartiteGraph(pairs).propagate(nodes).numpy(), expected, rtol=1e-6)
