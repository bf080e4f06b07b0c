"""What a recommender tells of its nodes: shapes, agreement with what is trained, nothing disturbed."""

from __future__ import annotations

import pytest
import torch

from irllrec.recommender import Recommender
from tests.contracts.test_recommenders import CELLS, _build, _recipe, _text


def _built(backbone: str, objective: str, **changes: object) -> Recommender:
    return _build(_recipe(backbone, objective, **changes))


@pytest.mark.parametrize(("backbone", "objective"), CELLS)
def test_every_recommender_tells_rows_of_one_width_for_all_nodes(backbone: str, objective: str) -> None:
    recommender = _built(backbone, objective)
    before = {name: value.clone() for name, value in recommender.state_dict().items()}
    found = recommender.representations()
    assert torch.equal(found["interaction"], torch.cat(recommender.embeddings()))
    for rows in found.values():
        assert rows.shape == (42, recommender.backbone.encoding_size)
        assert torch.isfinite(rows).all()
        assert not rows.requires_grad
    for name, value in recommender.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(
    ("objective", "names"),
    [
        ("base", {"interaction"}),
        ("rlmrec-con", {"interaction", "profile"}),
        ("rlmrec-gen", {"interaction"}),
        ("irllrec", {"interaction", "profile", "interaction_intent", "text_intent"}),
    ],
)
def test_an_objective_tells_what_it_aligns(objective: str, names: set[str]) -> None:
    assert set(_built("lightgcn", objective).representations()) == names


def test_a_dropped_component_tells_nothing() -> None:
    recommender = _built("lightgcn", "irllrec", drop=frozenset({"PROFILE", "PAIR", "ITM"}))
    assert set(recommender.representations()) == {"interaction", "text_intent"}


def test_the_text_side_is_the_towers_output() -> None:
    recommender = _built("lightgcn", "irllrec")
    found, text = recommender.representations(), _text()
    with torch.no_grad():
        assert torch.equal(found["profile"], recommender.objective.profile_tower(text.profile))
        assert torch.equal(found["text_intent"], recommender.objective.intent_tower(text.intent))


def test_interaction_intents_are_those_that_training_aligns() -> None:
    recommender = _built("lightgcn", "irllrec")
    initial = recommender.backbone.initial()
    encoding = recommender.backbone.encode(initial, None)
    with torch.no_grad():
        expected = recommender.backbone.interaction_intents(
            initial, encoding, recommender.objective._prototypes(recommender.backbone)
        )
    assert torch.equal(recommender.representations()["interaction_intent"], expected)


@pytest.mark.parametrize("backbone", sorted({backbone for backbone, _ in CELLS}))
def test_weights_of_prototypes_are_shares(backbone: str) -> None:
    mixture = _built(backbone, "irllrec").intent_mixture()
    assert mixture is not None
    for weights, prototypes, count in (
        (mixture.user_weights, mixture.user_prototypes, 24),
        (mixture.item_weights, mixture.item_prototypes, 18),
    ):
        assert weights.shape == (count, len(prototypes))
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(count))
        assert (weights > 0).all()
        assert not weights.requires_grad
        assert not prototypes.requires_grad
    assert mixture.nodes.shape == (42, mixture.user_prototypes.shape[1])


def test_a_weight_by_hand() -> None:
    """One layer, prototypes (ln 3, 0) and (0, 0): a user at (1, 0) has weights 3/4 and 1/4."""
    from irllrec.layers.intents import IntentPrototypes

    prototypes = IntentPrototypes(embedding_size=2, intents=2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        prototypes.users.copy_(torch.tensor([[3.0, 1.0], [0.0, 0.0]]).log().clamp(min=0))
        mixture = prototypes.mixture([torch.tensor([[1.0, 0.0], [0.0, 1.0]])], 1)
    torch.testing.assert_close(mixture.user_weights, torch.tensor([[0.75, 0.25]]))


@pytest.mark.parametrize("objective", ["base", "rlmrec-con", "rlmrec-gen"])
def test_objectives_without_intents_have_no_mixture(objective: str) -> None:
    assert _built("lightgcn", objective).intent_mixture() is None
