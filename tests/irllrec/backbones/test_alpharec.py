"""AlphaRec against its formulas written out user by user and pair by pair."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from irllrec.backbones.alpharec import AlphaRec, AlphaRecSettings
from irllrec.data.interactions import Interactions
from irllrec.graph import BipartiteGraph
from irllrec.types import Batch, NodeText

USERS, ITEMS, TEXT = 4, 5, 7
# User 3 and item 4 have no interaction.
TAKEN = {0: [0, 1], 1: [1, 2, 3], 2: [0], 3: []}
TRAIN = Interactions.from_pairs(*zip(*[(u, i) for u in TAKEN for i in TAKEN[u]], strict=True), USERS, ITEMS)
PROFILE = torch.randn(USERS + ITEMS, TEXT, generator=torch.Generator().manual_seed(4))
BATCH = Batch(torch.tensor([0, 1, 1]), torch.tensor([1, 2, 3]), torch.tensor([3, 0, 4]))
MORE = torch.tensor([[2, 4], [4, 4], [0, 4]])


def _model(negatives: int = 3, layers: int = 2) -> AlphaRec:
    return AlphaRec(
        graph=BipartiteGraph(TRAIN),
        embedding_size=6,
        settings=AlphaRecSettings(layers=layers, temperature=0.15, negatives=negatives),
        as_released=frozenset(),
        generator=torch.Generator().manual_seed(1),
        text=NodeText(PROFILE, PROFILE),
    )


def _expected_rows() -> Tensor:
    """User 0 reads the mean of items 0 and 1, user 3 nothing at all."""
    rows = [
        torch.stack([PROFILE[USERS + item] for item in items]).mean(dim=0) if items else torch.zeros(TEXT)
        for items in TAKEN.values()
    ]
    return torch.stack([*rows, *PROFILE[USERS:]])


def _expected_nodes(model: AlphaRec) -> Tensor:
    """``mean_l Â^l MLP(X)`` by summing over neighbours."""
    taking = [[user for user in TAKEN if item in TAKEN[user]] for item in range(ITEMS)]
    neighbours = [[USERS + item for item in items] for items in TAKEN.values()] + taking
    layers = [model.tower.output(functional.leaky_relu(model.tower.hidden(_expected_rows())))]
    for _ in range(2):
        layers.append(
            torch.stack(
                [
                    sum(
                        (
                            layers[-1][other] / math.sqrt(len(around) * len(neighbours[other]))
                            for other in around
                        ),
                        torch.zeros(6),
                    )
                    for around in neighbours
                ]
            )
        )
    return sum(layers) / 3


def test_a_users_text_is_the_mean_of_her_training_items_and_zero_without_any() -> None:
    torch.testing.assert_close(_model().rows, _expected_rows())


def test_profiles_of_users_do_not_enter() -> None:
    model = _model()
    other = PROFILE.clone()
    other[:USERS] = 9.0
    given = {
        "graph": BipartiteGraph(TRAIN),
        "embedding_size": 6,
        "settings": model.settings,
        "as_released": frozenset(),
    }
    changed = AlphaRec(**given, generator=torch.Generator().manual_seed(1), text=NodeText(other, other))
    assert torch.equal(model.initial(), changed.initial())


def test_embeddings_are_the_mean_of_the_propagated_projections() -> None:
    model = _model()
    encoding = model.encode(model.initial(), None)
    torch.testing.assert_close(encoding.nodes, _expected_nodes(model))
    assert len(encoding.layers) == 3


def test_there_is_no_parameter_beside_the_tower() -> None:
    assert {name.split(".")[0] for name, _ in _model().named_parameters()} == {"tower"}
    assert _model().tower.hidden.out_features == TEXT // 2


@pytest.mark.parametrize("more", [None, MORE])
def test_the_loss_is_a_softmax_over_the_positive_and_its_negatives(more: Tensor | None) -> None:
    """Cosines over τ; with one negative a pair (D-06) as with three."""
    model = _model()
    nodes = _expected_nodes(model).detach()
    losses = []
    for row, (user, positive, negative) in enumerate(
        zip(BATCH.users, BATCH.positive_items, BATCH.negative_items, strict=True)
    ):
        items = [positive, negative, *(() if more is None else more[row])]
        cosines = [functional.cosine_similarity(nodes[user], nodes[USERS + item], dim=0) for item in items]
        exponentials = [math.exp(cosine / 0.15) for cosine in cosines]
        losses.append(-math.log(exponentials[0] / sum(exponentials)))
    batch = Batch(BATCH.users, BATCH.positive_items, BATCH.negative_items, more)
    terms = model.ranking_terms(model.encode(model.initial(), None), batch)
    assert set(terms) == {"ssm"}
    assert terms["ssm"].value.item() == pytest.approx(sum(losses) / 3, rel=1e-5)
    assert terms["ssm"].weight == 1.0


def test_it_asks_for_as_many_negatives_as_its_settings_say() -> None:
    assert _model(negatives=3).negatives_per_pair == 3
    assert _model(negatives=1).negatives_per_pair == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"layers": 0}, "layers is 0"), ({"negatives": 0}, "negatives is 0"), ({"temperature": 0.0}, "above 0")],
)
def test_impossible_settings_are_refused(changes: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        AlphaRecSettings(**({"layers": 2, "temperature": 0.15, "negatives": 4} | changes))  # type: ignore[arg-type]
