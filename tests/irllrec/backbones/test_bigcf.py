"""BIGCF against its formulas written out with dense float64 matrices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from irllrec.backbones.bigcf import BIGCF, BIGCFSettings
from irllrec.data.interactions import Interactions
from irllrec.graph import BipartiteGraph
from irllrec.layers.momentum import teacher_of
from irllrec.seeding import Draws
from irllrec.types import Batch

USERS, ITEMS, LAYERS, TEMPERATURE = 24, 18, 3, 0.2
# User 23 and item 17 have no interaction.
_PAIRS = np.random.default_rng(3).integers(0, [USERS - 1, ITEMS - 1], (80, 2))
TRAIN = Interactions.from_pairs(_PAIRS[:, 0], _PAIRS[:, 1], USERS, ITEMS)
# User 4 and item 3 stand in it twice, once together: the contrasts count every row.
BATCH = Batch(torch.tensor([4, 1, 4, 9]), torch.tensor([3, 3, 7, 2]), torch.tensor([11, 12, 12, 13]))


def _model(as_released: frozenset[str] = frozenset()) -> BIGCF:
    model = BIGCF(
        graph=BipartiteGraph(TRAIN),
        embedding_size=6,
        settings=BIGCFSettings(
            layers=LAYERS, intents=5, cl_weight=0.5, cl_temperature=TEMPERATURE, center_weight=0.25
        ),
        as_released=as_released,
        generator=torch.Generator().manual_seed(1),
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    return model


def _draws() -> Draws:
    return Draws(torch.Generator().manual_seed(2))


def _noise() -> Tensor:
    return _draws().randn_like(torch.empty(USERS + ITEMS, 6, dtype=torch.float64))


def _edges() -> Tensor:
    matrix = torch.from_numpy(TRAIN.matrix().toarray()).double()
    edges = torch.zeros(USERS + ITEMS, USERS + ITEMS, dtype=torch.float64)
    edges[:USERS, USERS:], edges[USERS:, :USERS] = matrix, matrix.T
    return edges


def _propagation() -> Tensor:
    edges = _edges()
    scale = edges.sum(dim=1).clamp_min(1).rsqrt()
    return scale[:, None] * edges * scale


def _agreement(rows: Tensor) -> Tensor:
    unit = functional.normalize(rows, dim=1)
    weights = _edges() * (unit @ unit.T + 1) / 2
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-30)


def _mixture(rows: Tensor, of_users: Tensor, of_items: Tensor) -> Tensor:
    users, items = rows[:USERS], rows[USERS:]
    return torch.cat(
        [
            torch.softmax(users @ of_users, dim=1) @ of_users.T,
            torch.softmax(items @ of_items, dim=1) @ of_items.T,
        ]
    )


def _layers(model: BIGCF) -> list[Tensor]:
    layers = [model.initial()]
    for _ in range(LAYERS):
        layers.append(_propagation() @ layers[-1])
    return layers


def _intents(model: BIGCF) -> Tensor:
    return _mixture(sum(_layers(model)), model.prototypes.users, model.prototypes.items)


def _floored(left: Tensor, right: Tensor) -> Tensor:
    left, right = functional.normalize(left, dim=1), functional.normalize(right, dim=1)
    exponentials = torch.exp(left @ right.T / TEMPERATURE)
    return -torch.log(exponentials.diagonal() / (exponentials.sum(dim=1) + 1e-8) + 1e-8).mean()


def _assert_same_gradients(model: BIGCF, ours: Tensor, expected: Tensor) -> None:
    parameters = list(model.parameters())
    for mine, theirs in zip(
        torch.autograd.grad(ours, parameters, materialize_grads=True),
        torch.autograd.grad(expected, parameters, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_embeddings_are_the_sum_of_layers_perturbed_along_the_intents() -> None:
    model = _model()
    ours = model.encode(model.initial(), _draws()).nodes
    expected = sum(_layers(model)) + _intents(model) * _noise()
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    _assert_same_gradients(model, ours.square().sum(), expected.square().sum())


def test_evaluation_is_without_noise_unless_the_release_is_followed() -> None:
    assert not _model().noisy_evaluation
    assert _model(frozenset({"D-07"})).noisy_evaluation
    model = _model()
    torch.testing.assert_close(
        model.encode(model.initial(), None).nodes, sum(_layers(model)), rtol=1e-5, atol=1e-7
    )


def test_the_five_contrasts_are_over_all_rows_of_the_batch_repeated_ones_included() -> None:
    model = _model()
    nodes, intents = sum(_layers(model)) + _intents(model) * _noise(), _intents(model)
    users, items = BATCH.users, USERS + BATCH.positive_items
    expected = (
        _floored(nodes[users], nodes[users])
        + _floored(nodes[items], nodes[items])
        + _floored(nodes[users], nodes[items])
        + _floored(intents[users], intents[users])
        + _floored(intents[items], intents[items])
    )
    terms = model.own_terms(model.encode(model.initial(), _draws()), BATCH, _draws())
    assert terms["cl"].value.item() == pytest.approx(expected.item(), rel=1e-6)
    assert terms["cl"].weight == 0.5
    _assert_same_gradients(model, terms["cl"].value, expected)


def test_the_center_term_is_the_squared_norm_of_the_prototypes() -> None:
    model = _model()
    with torch.no_grad():
        model.prototypes.users.fill_(2.0)
        model.prototypes.items.fill_(1.0)
    term = model.own_terms(model.encode(model.initial(), _draws()), BATCH, _draws())["center"]
    assert term.value.item() == 6 * 5 * (4 + 1)
    assert term.weight == 0.25


def test_interaction_intents_weight_by_one_layer_and_propagate_the_next() -> None:
    model = _model()
    encoding = model.encode(model.initial(), _draws())
    ours = model.interaction_intents(model.initial(), encoding, model.intent_prototypes)
    layers, prototypes = _layers(model), model.prototypes
    expected = sum(
        _agreement(_mixture(layer, prototypes.users, prototypes.items)) @ following / LAYERS
        for layer, following in itertools.pairwise(layers)
    )
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    _assert_same_gradients(model, ours.square().sum(), expected.square().sum())


def test_a_teachers_prototypes_are_used_and_pass_no_gradient() -> None:
    model = _model()
    teacher = teacher_of(model.prototypes)
    with torch.no_grad():
        teacher.users.mul_(-2.0)
    encoding = model.encode(model.initial(), _draws())
    ours = model.interaction_intents(model.initial(), encoding, teacher, detach=True)
    layers = _layers(model)
    expected = sum(
        _agreement(_mixture(layer, teacher.users, teacher.items)) @ following / LAYERS
        for layer, following in itertools.pairwise(layers)
    )
    torch.testing.assert_close(ours, expected.detach(), rtol=1e-5, atol=1e-7)
    assert not ours.requires_grad


def test_without_prototypes_the_following_layers_pass_over_the_plain_graph() -> None:
    model = _model()
    ours = model.interaction_intents(model.initial(), model.encode(model.initial(), None), None)
    expected = sum(_propagation() @ layer / LAYERS for layer in _layers(model)[1:])
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": 0}, "layers is 0"),
        ({"intents": 0}, "intents is 0"),
        ({"cl_temperature": 0.01}, "at least 0.02"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], sentence: str) -> None:
    settings = {"layers": 2, "intents": 5, "cl_weight": 0.1, "cl_temperature": 0.2, "center_weight": 0.0}
    with pytest.raises(ValueError, match=sentence):
        BIGCFSettings(**(settings | changes))  # type: ignore[arg-type]
