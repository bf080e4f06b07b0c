"""KGIN against its formulas written out triple by triple, and its refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from irllrec.backbones.kgin import KGIN, KGINSettings
from irllrec.data.interactions import Interactions
from irllrec.errors import ConfigurationError
from irllrec.graph import BipartiteGraph
from irllrec.losses.independence import distance_correlations
from irllrec.recommender import Recipe, build
from irllrec.seeding import Draws
from irllrec.types import Batch, Knowledge

USERS, ITEMS, SIZE = 6, 5, 4
# User 5 and item 4 have no interaction.
PAIRS = [(0, 0), (0, 1), (1, 1), (2, 2), (2, 3), (3, 0), (3, 3), (4, 2)]
TRAIN = Interactions.from_pairs(*zip(*PAIRS, strict=True), USERS, ITEMS)
# Entity 1 is reached by both relations, item 0 by both from the same; item 3 has no facts.
TRIPLES = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (2, 1, 2), (4, 1, 1), (4, 0, 0)]
BATCH = Batch(torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))


def _knowledge(triples: list[tuple[int, int, int]] = TRIPLES) -> Knowledge:
    items, relations, entities = torch.tensor(triples, dtype=torch.int64).reshape(-1, 3).T
    return Knowledge(items, relations, entities, relation_count=2, entity_count=3)


def _model(
    layers: int = 2, intents: int = 3, weight: float = 0.5, knowledge: Knowledge | None = None
) -> KGIN:
    model = KGIN(
        graph=BipartiteGraph(TRAIN),
        embedding_size=SIZE,
        settings=KGINSettings(layers=layers, intents=intents, independence_weight=weight),
        as_released=frozenset(),
        generator=torch.Generator().manual_seed(1),
        knowledge=knowledge or _knowledge(),
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    return model


def _mean(rows: list[Tensor]) -> Tensor:
    return torch.stack(rows).mean(dim=0) if rows else torch.zeros(SIZE, dtype=torch.float64)


def _expected(model: KGIN, initial: Tensor) -> Tensor:
    """One node, one intent, one triple at a time."""
    relations, logits = model.relation_embeddings, model.intent_logits
    intents = [
        sum(share * relation for share, relation in zip(torch.softmax(row, dim=0), relations, strict=True))
        for row in logits
    ]
    users, items, entities = list(initial[:USERS]), list(initial[USERS:]), list(model.entity_embeddings)
    total = initial.clone()
    for _ in range(model.settings.layers):
        next_users = []
        for user in range(USERS):
            shares = torch.softmax(torch.stack([intent @ users[user] for intent in intents]), dim=0)
            next_users.append(
                _mean(
                    [
                        sum(share * intent * items[i] for share, intent in zip(shares, intents, strict=True))
                        for u, i in PAIRS
                        if u == user
                    ]
                )
            )
        next_items = [
            _mean([relations[r] * entities[v] for i, r, v in TRIPLES if i == item]) for item in range(ITEMS)
        ]
        next_entities = [
            _mean([relations[2 + r] * items[i] for i, r, v in TRIPLES if v == entity]) for entity in range(3)
        ]
        users, items, entities = next_users, next_items, next_entities
        total = total + torch.stack([*users, *items])
    return total


def test_embeddings_and_gradients_equal_the_formulas() -> None:
    model = _model(layers=3)
    encoding = model.encode(model.initial(), None)
    expected = _expected(model, model.initial())
    torch.testing.assert_close(encoding.nodes, expected, rtol=1e-5, atol=1e-7)
    parameters = list(model.parameters())
    ours = torch.autograd.grad(encoding.nodes.pow(3).sum(), parameters)
    plain = torch.autograd.grad(expected.pow(3).sum(), parameters)
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)


def test_layers_are_those_of_users_and_items_and_sum_to_the_embeddings() -> None:
    model = _model()
    encoding = model.encode(model.initial(), None)
    assert [tuple(layer.shape) for layer in encoding.layers] == [(USERS + ITEMS, SIZE)] * 3
    torch.testing.assert_close(sum(encoding.layers), encoding.nodes)


def test_nodes_without_neighbours_keep_what_they_started_from() -> None:
    """User 5 took nothing, item 3 has no facts."""
    model = _model()
    encoding = model.encode(model.initial(), None)
    for node in (5, USERS + 3):
        assert torch.equal(encoding.nodes[node], model.initial()[node])


def test_the_order_of_the_triples_does_not_matter() -> None:
    order = np.random.default_rng(1).permutation(len(TRIPLES))
    shuffled = _model(knowledge=_knowledge([TRIPLES[place] for place in order]))
    model = _model()
    assert torch.equal(
        model.encode(model.initial(), None).nodes, shuffled.encode(shuffled.initial(), None).nodes
    )


def test_the_independence_term_sums_over_ordered_pairs_of_intents() -> None:
    model = _model()
    terms = model.own_terms(
        model.encode(model.initial(), None), BATCH, Draws(torch.Generator().manual_seed(1))
    )
    correlations = distance_correlations(model.intents)
    expected = sum(correlations[p, q].item() for p, q in itertools.permutations(range(3), 2))
    assert terms["independence"].value.item() == pytest.approx(expected, rel=1e-9)
    assert terms["independence"].weight == 0.5


def test_without_weight_the_independence_is_not_computed() -> None:
    model = _model(weight=0.0)
    assert model.own_terms(model.encode(model.initial(), None), BATCH, Draws(torch.Generator())) == {}


def _build(knowledge: Knowledge | None) -> None:
    recipe = Recipe(
        backbone="kgin",
        objective="base",
        backbone_settings={"layers": 2, "intents": 3, "independence_weight": 1e-5},
        objective_settings={"regularization": 1e-6},
        embedding_size=SIZE,
    )
    build(recipe, BipartiteGraph(TRAIN), None, 1, knowledge=knowledge)


@pytest.mark.parametrize(
    ("knowledge", "sentence"),
    [
        (None, "kgin reads knowledge and the data set has none"),
        (_knowledge([]), "is empty, as no two of its items share a tag or an intent phrase: choose another"),
        (_knowledge([(5, 0, 0)]), "names item 5 and the data set has 5 items: make it again"),
    ],
)
def test_knowledge_that_cannot_be_used_is_refused_in_one_sentence(
    knowledge: Knowledge | None, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as refusal:
        _build(knowledge)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": 0}, "layers is 0"),
        ({"intents": 0}, "intents is 0"),
        ({"independence_weight": -1.0}, "must not be negative"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        KGINSettings(**({"layers": 2, "intents": 4, "independence_weight": 0.0} | changes))  # type: ignore[arg-type]
