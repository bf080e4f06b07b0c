"""What the plain side computes of each backbone in one training step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from benchmarks.plain_graph import PlainGraph
from benchmarks.plain_losses import floored_contrast, info_nce, unit, viewed
from irllrec.seeding import Draws
from irllrec.types import Batch

Prototypes = tuple[Tensor, Tensor]
Sources = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Passed:
    """One training pass.

    Attributes:
        nodes: ``E``, shape (node, dim).
        sources: Returns what ``Z`` is made of: pairs of (layer that weights the edges, layer that is
            propagated).
        own: The backbone's own terms by name, unweighted.
        intents: ``Z`` where the backbone has it at hand, else None.
    """

    nodes: Tensor
    sources: Callable[[], Sources]
    own: dict[str, Tensor] = field(default_factory=dict)
    intents: Tensor | None = None


def mixture(nodes: Tensor, prototypes: Prototypes, users: int) -> Tensor:
    """Return ``softmax(E C) Cᵀ``, each side with its own prototypes."""
    sides = zip((nodes[:users], nodes[users:]), prototypes, strict=True)
    return torch.cat([torch.softmax(rows @ side, dim=1) @ side.T for rows, side in sides])


def _same(layers: list[Tensor]) -> Sources:
    return [(layer, layer) for layer in layers]


def lightgcn(
    graph: PlainGraph, initial: Tensor, own: Prototypes | None, settings: Any, batch: Batch, draws: Draws
) -> Passed:
    if settings.keep_rate == 1:
        layers = graph.layers(initial, settings.layers)
        return Passed(sum(layers[1:], layers[0]), lambda: _same(layers[:-1]))
    uniform = draws.rand(graph.adjacency.values().shape[0])
    layers = graph.layers(initial, settings.layers, graph.dropped(uniform, settings.keep_rate))
    return Passed(sum(layers[1:], layers[0]), lambda: _same(graph.layers(initial, settings.layers - 1)))


def sgl(
    graph: PlainGraph, initial: Tensor, own: Prototypes | None, settings: Any, batch: Batch, draws: Draws
) -> Passed:
    clean = graph.layers(initial, settings.layers)
    views = []
    for _ in range(2):
        matrix = graph.dropped(draws.rand(graph.adjacency.values().shape[0]), settings.keep_rate)
        views.append(graph.layers(initial, settings.layers, matrix))
    first, second = (sum(layers[1:], layers[0]) for layers in views)
    cl = viewed(first, second, batch, graph.user_count, settings.cl_temperature, negatives=True)
    return Passed(sum(clean[1:], clean[0]), lambda: _same(views[1][:-1]), {"cl": cl})


def simgcl(
    graph: PlainGraph, initial: Tensor, own: Prototypes | None, settings: Any, batch: Batch, draws: Draws
) -> Passed:
    clean = graph.layers(initial, settings.layers)
    views = []
    for _ in range(2):
        layers = [initial]
        for _ in range(settings.layers):
            rows = torch.sparse.mm(graph.adjacency, layers[-1])
            noise = torch.nn.functional.normalize(draws.rand(*rows.shape), dim=1)
            layers.append(rows + settings.epsilon * noise * torch.sign(rows))
        views.append(sum(layers[1:], layers[0]))
    first, second = views
    cl = viewed(first, second, batch, graph.user_count, settings.cl_temperature, negatives=False)
    return Passed(sum(clean[1:], clean[0]), lambda: _same(clean[:-1]), {"cl": cl})


def dccf(
    graph: PlainGraph, initial: Tensor, own: Prototypes | None, settings: Any, batch: Batch, draws: Draws
) -> Passed:
    assert own is not None
    users = torch.unique(batch.users)
    items = graph.user_count + torch.unique(batch.positive_items)
    layers, adaptive, cl = [initial], [], torch.zeros(())
    for _ in range(settings.layers):
        layer = layers[-1]
        gnn = torch.sparse.mm(graph.adjacency, layer)
        intent = mixture(layer, own, graph.user_count)
        gaa = graph.reweighted(unit(gnn), layer)
        iaa = graph.reweighted(unit(intent), layer)
        for nodes in (users, items):
            for view in (intent, gaa, iaa):
                loss = info_nce(gnn[nodes], view[nodes], view[nodes], settings.cl_temperature)
                cl = cl + loss * len(nodes) / len(users)
        adaptive.append(iaa)
        layers.append(gnn + intent + gaa + iaa + layer)
    intents = sum(adaptive[1:], adaptive[0]) / len(adaptive)
    return Passed(sum(layers[1:], layers[0]), lambda: _same(layers[:-1]), {"cl": cl}, intents)


def bigcf(
    graph: PlainGraph, initial: Tensor, own: Prototypes | None, settings: Any, batch: Batch, draws: Draws
) -> Passed:
    assert own is not None
    layers = graph.layers(initial, settings.layers)
    clean = sum(layers[1:], layers[0])
    intents = mixture(clean, own, graph.user_count)
    nodes = clean + intents * draws.randn_like(clean)
    users, items = batch.users, graph.user_count + batch.positive_items
    contrasts = [(nodes[users], nodes[users]), (nodes[items], nodes[items]), (nodes[users], nodes[items])]
    contrasts += [(intents[users], intents[users]), (intents[items], intents[items])]
    cl = torch.zeros(())
    for anchors, others in contrasts:
        cl = cl + floored_contrast(anchors, others, others, settings.cl_temperature)
    center = own[0].square().sum() + own[1].square().sum()
    return Passed(nodes, lambda: list(itertools.pairwise(layers)), {"cl": cl, "center": center})


BACKBONES: Mapping[str, Callable[..., Passed]] = {
    "lightgcn": lightgcn,
    "sgl": sgl,
    "simgcl": simgcl,
    "dccf": dccf,
    "bigcf": bigcf,
}
