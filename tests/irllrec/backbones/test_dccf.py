"""DCCF against its formulas written out with dense float64 matrices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from irllrec.backbones.dccf import DCCF, DCCFSettings
from irllrec.data.interactions import Interactions
from irllrec.graph import BipartiteGraph
from irllrec.layers.momentum import teacher_of
from irllrec.seeding import Draws
from irllrec.types import Batch

USERS, ITEMS, LAYERS, TEMPERATURE = 24, 18, 2, 0.3
# User 23 and item 17 have no interaction.
_PAIRS = np.random.default_rng(3).integers(0, [USERS - 1, ITEMS - 1], (80, 2))
TRAIN = Interactions.from_pairs(_PAIRS[:, 0], _PAIRS[:, 1], USERS, ITEMS)
# User 4 and item 3 stand in it twice, and a negative is no positive.
BATCH = Batch(torch.tensor([4, 1, 4, 9]), torch.tensor([3, 3, 7, 2]), torch.tensor([11, 12, 12, 13]))


class Dense(NamedTuple):
    """What the formulas give: final embeddings, their layers and each layer's four views."""

    nodes: Tensor
    layers: list[Tensor]
    views: list[tuple[Tensor, ...]]


def _model() -> DCCF:
    torch_generator = torch.Generator().manual_seed(1)
    model = DCCF(
        graph=BipartiteGraph(TRAIN),
        embedding_size=6,
        settings=DCCFSettings(layers=LAYERS, intents=5, cl_weight=0.5, cl_temperature=TEMPERATURE),
        as_released=frozenset(),
        generator=torch_generator,
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    return model


def _edges() -> Tensor:
    matrix = torch.from_numpy(TRAIN.matrix().toarray()).double()
    edges = torch.zeros(USERS + ITEMS, USERS + ITEMS, dtype=torch.float64)
    edges[:USERS, USERS:], edges[USERS:, :USERS] = matrix, matrix.T
    return edges


def _row_normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-30)


def _agreement(rows: Tensor) -> Tensor:
    unit = functional.normalize(rows, dim=1)
    return _row_normalised(_edges() * (unit @ unit.T + 1) / 2)


def _mixture(rows: Tensor, of_users: Tensor, of_items: Tensor) -> Tensor:
    users, items = rows[:USERS], rows[USERS:]
    return torch.cat(
        [
            torch.softmax(users @ of_users, dim=1) @ of_users.T,
            torch.softmax(items @ of_items, dim=1) @ of_items.T,
        ]
    )


def _propagation() -> Tensor:
    edges = _edges()
    scale = edges.sum(dim=1).clamp_min(1).rsqrt()
    return scale[:, None] * edges * scale


def _dense(model: DCCF) -> Dense:
    layers, views = [model.initial()], []
    for _ in range(LAYERS):
        layer = layers[-1]
        graph_view = _propagation() @ layer
        intent_view = _mixture(layer, model.prototypes.users, model.prototypes.items)
        parts = (
            graph_view,
            intent_view,
            _agreement(graph_view) @ layer,
            _agreement(intent_view) @ layer,
        )
        views.append(parts)
        layers.append(sum(parts, layer))
    return Dense(sum(layers[1:], layers[0]), layers, views)


def _assert_same_gradients(model: DCCF, ours: Tensor, expected: Tensor) -> None:
    parameters = list(model.parameters())
    for mine, theirs in zip(
        torch.autograd.grad(ours, parameters), torch.autograd.grad(expected, parameters), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_every_layer_and_the_sum_equal_the_dense_formula() -> None:
    model = _model()
    encoding, expected = model.encode(model.initial(), None), _dense(model)
    for ours, dense in zip(
        [*encoding.layers, encoding.nodes], [*expected.layers, expected.nodes], strict=True
    ):
        torch.testing.assert_close(ours, dense, rtol=1e-5, atol=1e-7)
    _assert_same_gradients(model, encoding.nodes.square().sum(), expected.nodes.square().sum())


def test_a_node_without_interactions_keeps_itself_and_its_intents() -> None:
    model = _model()
    encoding = model.encode(model.initial(), None)
    start = model.initial()
    intents = _mixture(start, model.prototypes.users, model.prototypes.items)
    for lonely in (USERS - 1, USERS + ITEMS - 1):
        torch.testing.assert_close(encoding.layers[1][lonely], start[lonely] + intents[lonely])


def test_the_contrast_is_over_distinct_users_and_positives_divided_by_the_users() -> None:
    """Three distinct users 1, 4, 9 and three distinct positives 2, 3, 7; here both sums over 3."""
    model = _model()
    encoding, expected = model.encode(model.initial(), None), _dense(model)
    total = torch.zeros((), dtype=torch.float64)
    for graph_view, *others in expected.views:
        for rows in ([1, 4, 9], [USERS + 2, USERS + 3, USERS + 7]):
            anchors = functional.normalize(graph_view[rows], dim=1)
            for other in others:
                logits = anchors @ functional.normalize(other[rows], dim=1).T / TEMPERATURE
                total = total + functional.cross_entropy(logits, torch.arange(3), reduction="sum") / 3
    term = model.own_terms(encoding, BATCH, Draws(torch.Generator()))["cl"]
    assert term.value.item() == pytest.approx(total.item(), rel=1e-6)
    assert term.weight == 0.5
    _assert_same_gradients(model, term.value, total)


def test_the_items_losses_are_divided_by_the_number_of_users() -> None:
    """One user with four positives: its own contrast is 0, the items' sum is divided by 1."""
    model = _model()
    batch = Batch(torch.tensor([4, 4, 4, 4]), torch.tensor([0, 3, 7, 2]), torch.tensor([9, 9, 9, 9]))
    total = 0.0
    for graph_view, *others in _dense(model).views:
        rows = [USERS, USERS + 2, USERS + 3, USERS + 7]
        anchors = functional.normalize(graph_view[rows], dim=1)
        for other in others:
            logits = anchors @ functional.normalize(other[rows], dim=1).T / TEMPERATURE
            total += functional.cross_entropy(logits, torch.arange(4), reduction="sum").item()
    encoding = model.encode(model.initial(), None)
    term = model.own_terms(encoding, batch, Draws(torch.Generator()))["cl"]
    assert term.value.item() == pytest.approx(total, rel=1e-6)


def test_interaction_intents_are_the_mean_of_the_intent_adaptive_views() -> None:
    model = _model()
    encoding = model.encode(model.initial(), None)
    ours = model.interaction_intents(model.initial(), encoding, model.intent_prototypes)
    expected = torch.stack([views[3] for views in _dense(model).views]).mean(dim=0)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    _assert_same_gradients(model, ours.square().sum(), expected.square().sum())


def test_a_teachers_prototypes_are_used_and_pass_no_gradient() -> None:
    model = _model()
    teacher = teacher_of(model.prototypes)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.5 * torch.sin(torch.arange(parameter.numel())).view_as(parameter))
    encoding, expected = model.encode(model.initial(), None), _dense(model)
    ours = model.interaction_intents(model.initial(), encoding, teacher, detach=True)
    mean = torch.stack(
        [_agreement(_mixture(layer, teacher.users, teacher.items)) @ layer for layer in expected.layers[:-1]]
    ).mean(dim=0)
    torch.testing.assert_close(ours, mean.detach(), rtol=1e-5, atol=1e-7)
    assert not ours.requires_grad


def test_without_prototypes_the_layers_pass_over_the_plain_graph() -> None:
    model = _model()
    ours = model.interaction_intents(model.initial(), model.encode(model.initial(), None), None)
    mean = torch.stack([_propagation() @ layer for layer in _dense(model).layers[:-1]]).mean(dim=0)
    torch.testing.assert_close(ours, mean, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"layers": 0}, "layers is 0"), ({"intents": 0}, "intents is 0"), ({"cl_temperature": 0.0}, "above 0")],
)
def test_impossible_settings_are_refused(changes: dict[str, float], sentence: str) -> None:
    settings = {"layers": 2, "intents": 5, "cl_weight": 0.1, "cl_temperature": 0.2} | changes
    with pytest.raises(ValueError, match=sentence):
        DCCFSettings(**settings)  # type: ignore[arg-type]
