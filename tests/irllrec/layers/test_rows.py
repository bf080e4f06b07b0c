"""Rows of some nodes are found by node, with their gradients."""

from __future__ import annotations

import torch

from irllrec.layers.rows import NodeRows

TABLE = torch.arange(14.0).view(7, 2)
"""Node n has the row (2n, 2n + 1)."""


def test_rows_of_all_nodes_are_found_by_node() -> None:
    rows = NodeRows(TABLE)
    assert rows.at(torch.tensor([5, 0, 5])).tolist() == [[10.0, 11.0], [0.0, 1.0], [10.0, 11.0]]
    assert rows.at(None) is TABLE
    assert torch.equal(rows.first(3), TABLE[:3])


def test_rows_of_some_nodes_are_found_by_node_in_the_order_asked_for() -> None:
    nodes = torch.tensor([0, 1, 4, 6])
    rows = NodeRows(TABLE[nodes], nodes)
    for wanted in ([6, 0, 4], [1], [4, 4]):
        assert torch.equal(rows.at(torch.tensor(wanted)), TABLE[wanted])
    assert torch.equal(rows.at(None), TABLE[nodes])
    assert torch.equal(rows.first(2), TABLE[:2])


def test_no_node_has_no_row() -> None:
    rows = NodeRows(TABLE[[2, 3]], torch.tensor([2, 3]))
    assert rows.at(torch.tensor([], dtype=torch.int64)).shape == (0, 2)


def test_a_row_taken_twice_gets_the_gradient_twice() -> None:
    values = TABLE[[2, 3]].clone().requires_grad_()
    rows = NodeRows(values, torch.tensor([2, 3]))
    rows.at(torch.tensor([3, 2, 3])).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[1.0, 1.0], [2.0, 2.0]]
