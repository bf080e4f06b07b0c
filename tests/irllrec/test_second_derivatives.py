"""Functions whose gradients are formed by hand say so where somebody differentiates them twice.

A contrast's gradient is a stored constant and a kernel's product has no history, so a gradient penalty built on
them would otherwise be wrong without a word.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.graph import BipartiteGraph, similarity_aggregation
from irllrec.layers.attention import EdgeAttention, SymmetricEdges
from irllrec.losses.contrastive import floored_contrast, info_nce, mean_log_sum_exp, unit_rows
from irllrec.losses.matching import distilled_matching
from irllrec.losses.regularization import squared_norm

GRAPH = BipartiteGraph(Interactions.from_pairs([0, 0, 1, 2], [0, 2, 2, 1], 3, 3))
TEACHER = torch.eye(6)


def _attended(nodes: Tensor) -> Tensor:
    layer = EdgeAttention(embedding_size=6, heads=2, generator=torch.Generator().manual_seed(3))
    edges = SymmetricEdges.between(torch.tensor([0, 1, 2]), torch.tensor([3, 4, 5]), 6)
    attended: Tensor = layer(nodes, edges)
    return attended


ONCE: dict[str, Callable[[Tensor], Tensor]] = {
    "propagation": GRAPH.propagate,
    "layers and their sum": lambda nodes: GRAPH.summed_layers(nodes, 2)[1],
    "similarity aggregation": lambda nodes: similarity_aggregation(GRAPH, unit_rows(nodes), nodes),
    "attention": _attended,
    "InfoNCE": lambda nodes: info_nce(nodes, nodes, nodes, 0.5),
    "floored contrast": lambda nodes: floored_contrast(nodes, nodes, nodes, 0.5),
    "log-sum-exp": lambda nodes: mean_log_sum_exp(nodes, nodes),
    "distilled matching": lambda nodes: distilled_matching(nodes, nodes, TEACHER, TEACHER, 0.5),
}


def _gradient(function: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return where a function was differentiated, and its gradient there, with what autograd knows of it."""
    nodes = torch.randn(6, 6, generator=torch.Generator().manual_seed(5)).requires_grad_()
    gradient = torch.autograd.grad(function(nodes).square().sum(), nodes, create_graph=True)[0]
    return nodes, gradient


@pytest.mark.parametrize("name", ONCE)
def test_a_second_derivative_is_refused(name: str) -> None:
    gradient = _gradient(ONCE[name])[1]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()


def test_the_squared_norm_has_a_second_derivative() -> None:
    """f = |W|², so |∇f²|² = |4 f W|² = 16 f³, whose gradient is 96 f² W."""
    nodes, gradient = _gradient(lambda nodes: squared_norm([nodes]))
    found = torch.autograd.grad(gradient.square().sum(), nodes)[0]
    torch.testing.assert_close(found, 96 * nodes.square().sum() ** 2 * nodes)
