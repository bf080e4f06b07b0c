"""Products over edges: the kernels against dense matrices and against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.graph import BipartiteGraph, aggregation, similarity_aggregation, structure
from irllrec.native.building import kernels
from irllrec.native.sparse import add_product, edge_products, sparse_product

pytestmark = pytest.mark.skipif(kernels().library is None, reason=f"no kernels here: {kernels().reason}")


def _graph(users: int, items: int, pairs: int, seed: int) -> BipartiteGraph:
    """Return a random graph; some users and items have no pair."""
    codes = np.random.default_rng(seed).choice(users * items, size=min(pairs, users * items), replace=False)
    return BipartiteGraph(Interactions.from_pairs(codes // items, codes % items, users, items))


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=60, deadline=None)
@given(
    users=st.integers(1, 30),
    items=st.integers(1, 30),
    pairs=st.integers(1, 200),
    width=st.integers(1, 70),
    threads=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_any_graph_equals_the_dense_matrix(
    users: int, items: int, pairs: int, width: int, threads: int, seed: int
) -> None:
    torch.set_num_threads(threads)
    graph = _graph(users, items, pairs, seed)
    values, nodes = (
        _random(graph.edge_count, seed=seed),
        _random(graph.node_count, width, seed=seed + 1),
    )
    dense = torch.zeros(graph.node_count, graph.node_count, dtype=torch.float64)
    dense[graph.rows, graph.columns.long()] = values.double()
    product = sparse_product(graph.row_starts, graph.columns, values, nodes)
    torch.testing.assert_close(product.double(), dense @ nodes.double(), rtol=1e-5, atol=1e-5)
    other = _random(graph.node_count, width, seed=seed + 2)
    kept, wanted = torch.empty_like(product), other + product
    total = add_product(graph.row_starts, graph.columns, values, nodes, other, product=kept)
    assert torch.equal(kept, product)
    assert torch.equal(total, wanted), "the same bits as adding afterwards"
    place = other.clone()
    assert add_product(graph.row_starts, graph.columns, values, nodes, place, total=place) is place
    assert torch.equal(place, wanted)
    found = edge_products(graph.row_starts, graph.columns, nodes, other, graph.user_count)
    expected = (nodes.double() @ other.double().T)[graph.pair_users, graph.pair_items]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)


def test_the_number_of_threads_changes_no_bit() -> None:
    graph = _graph(300, 200, 4000, 1)
    values, nodes = _random(graph.edge_count, seed=2), _random(graph.node_count, 32, seed=3)
    found = []
    for threads in (1, 2, 7):
        torch.set_num_threads(threads)
        product = sparse_product(graph.row_starts, graph.columns, values, nodes)
        found.append((product, edge_products(graph.row_starts, graph.columns, nodes, product, 300)))
    for product, edges in found[1:]:
        assert torch.equal(product, found[0][0])
        assert torch.equal(edges, found[0][1])


def test_rows_that_are_not_contiguous_are_read_right() -> None:
    graph = _graph(20, 10, 60, 1)
    wide = _random(graph.node_count, 64, seed=2)
    product = sparse_product(graph.row_starts, graph.columns, graph.values, wide[:, ::2])
    copied = sparse_product(graph.row_starts, graph.columns, graph.values, wide[:, ::2].clone())
    assert torch.equal(product, copied)


def test_graph_products_and_gradients_equal_those_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = _graph(40, 30, 300, 4)
    kept = graph.dropped(torch.rand(graph.edge_count, generator=torch.Generator().manual_seed(5)), 0.7)
    found = []
    for on in (True, False):
        for module in (structure, aggregation):
            monkeypatch.setattr(module, "has_sparse", lambda *rows, on=on: on)
        nodes, unit = (_random(graph.node_count, 24, seed=seed).requires_grad_() for seed in (6, 7))
        layers, total = graph.summed_layers(nodes, 2, kept)
        output = similarity_aggregation(graph, unit, layers[-1]) + total
        gradients = torch.autograd.grad((output * _random(graph.node_count, 24, seed=8)).sum(), [nodes, unit])
        found.append((output.detach(), *gradients))
    for native, portable in zip(*found, strict=True):
        torch.testing.assert_close(native, portable, rtol=1e-4, atol=1e-5)
