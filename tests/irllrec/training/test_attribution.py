"""Gradient norms of single terms: their values by hand, and that measuring them changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from irllrec.data.interactions import Interactions
from irllrec.data.sampling import TripleSampler
from irllrec.graph import BipartiteGraph
from irllrec.recommender import Recipe, Recommender, backbone_class, build, is_simple
from irllrec.seeding import Draws, torch_stream
from irllrec.training.attribution import TOTAL, Norms, gradient_norms
from irllrec.training.loop import TrainingSettings, fit
from irllrec.types import Batch, NodeText

PARAMS = yaml.safe_load((Path(__file__).parents[3] / "params.yaml").read_text(encoding="utf-8"))
CELLS = [
    (backbone, objective)
    for backbone in PARAMS["backbones"]
    if not is_simple(backbone) and backbone_class(backbone).reads <= {"text"}
    for objective in PARAMS["objectives"]
]
USERS, ITEMS = 20, 16


def _interactions() -> Interactions:
    generator = np.random.default_rng(3)
    pairs = np.argwhere(generator.random((USERS, ITEMS)) < 0.4)
    return Interactions.from_pairs(pairs[:, 0], pairs[:, 1], USERS, ITEMS)


TRAIN = _interactions()


def _recommender(backbone: str, objective: str, **changes: Any) -> Recommender:
    settings = {**PARAMS["objectives"][objective], **changes.pop("objective_settings", {})}
    recipe = Recipe(backbone, objective, PARAMS["backbones"][backbone], settings, embedding_size=8)
    generator = torch.Generator().manual_seed(5)
    nodes = USERS + ITEMS
    text = NodeText(torch.randn(nodes, 12, generator=generator), torch.randn(nodes, 10, generator=generator))
    return build(replace(recipe, **changes), BipartiteGraph(TRAIN), text, seed=1)


def _sampler(recommender: Recommender) -> TripleSampler:
    return TripleSampler(
        TRAIN, batch_size=32, seed=1, negatives_per_pair=recommender.backbone.negatives_per_pair
    )


def _batch(recommender: Recommender) -> Batch:
    return Batch.of(*next(iter(_sampler(recommender).epoch(1))))


def _norms(recommender: Recommender) -> Norms:
    return gradient_norms(recommender, _batch(recommender), Draws(torch_stream(1, "attribution")))


def test_the_regularisation_pulls_with_twice_its_weight_times_the_norm_of_the_weights() -> None:
    """The gradient of λ·Σw² is 2λw."""
    recommender = _recommender("lightgcn", "base", objective_settings={"regularization": 0.25})
    length = sum(float(p.detach().double().square().sum()) for p in recommender.parameters()) ** 0.5
    norms = _norms(recommender)
    assert norms["all"]["reg"] == pytest.approx(2 * 0.25 * length, rel=1e-5)
    assert norms["backbone"] == norms["all"]


def test_the_total_is_the_gradient_that_training_takes() -> None:
    recommender = _recommender("lightgcn", "irllrec")
    measured = _norms(recommender)
    terms = recommender.terms(_batch(recommender), Draws(torch_stream(1, "attribution")))
    torch.stack([term.weighted for term in terms.values()]).sum().backward()
    for scope, parameters in (
        ("all", recommender.parameters()),
        ("backbone", recommender.backbone.parameters()),
    ):
        squares = [float(p.grad.double().square().sum()) for p in parameters if p.grad is not None]
        assert measured[scope][TOTAL] == pytest.approx(sum(squares) ** 0.5, rel=1e-4)
    assert set(measured["all"]) == {*terms, TOTAL}


def test_a_terms_norm_grows_with_its_weight() -> None:
    weak = _norms(_recommender("lightgcn", "irllrec", objective_settings={"pair_weight": 0.01}))
    strong = _norms(_recommender("lightgcn", "irllrec", objective_settings={"pair_weight": 0.03}))
    assert strong["all"]["pair"] == pytest.approx(3 * weak["all"]["pair"], rel=1e-4)
    assert strong["all"]["kd"] == pytest.approx(weak["all"]["kd"], rel=1e-6)


def test_the_released_matching_reaches_no_embedding_by_itself() -> None:
    """D-04: it compares text intents with themselves; only the coupled translation reaches the nodes."""
    alone = _norms(_recommender("lightgcn", "irllrec", fidelity="code", drop=frozenset({"TRAN"})))
    assert alone["all"]["itm"] > 0
    assert alone["backbone"]["itm"] == 0
    coupled = _norms(_recommender("lightgcn", "irllrec", fidelity="code"))
    assert coupled["backbone"]["itm"] > 0


@pytest.mark.parametrize(("backbone", "objective"), CELLS)
def test_measuring_leaves_a_model_as_it_was(backbone: str, objective: str) -> None:
    recommender = _recommender(backbone, objective)
    before = {name: tensor.clone() for name, tensor in recommender.state_dict().items()}
    torch_state = torch.get_rng_state()
    norms = _norms(recommender)
    assert norms["all"][TOTAL] > 0
    after = recommender.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in recommender.parameters())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert _norms(recommender) == norms


@pytest.mark.parametrize(("backbone", "objective"), CELLS)
def test_training_ends_with_the_same_bits_whether_it_was_measured_or_not(
    backbone: str, objective: str
) -> None:
    settings = TrainingSettings(
        learning_rate=0.01, max_epochs=2, validate_every=2, patience=5, stop_on="recall@5"
    )
    ends = []
    for measured in (False, True):
        recommender = _recommender(backbone, objective)
        if measured:
            _norms(recommender)
        outcome = fit(recommender, _sampler(recommender), lambda *_: 0.5, settings, seed=1)
        if measured:
            _norms(recommender)
        ends.append(({**recommender.state_dict()}, outcome.history))
    (plain, plain_history), (other, other_history) = ends
    assert plain_history == other_history
    assert all(torch.equal(plain[name], other[name]) for name in plain)
