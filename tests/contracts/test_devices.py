"""Everything that is trained on a GPU stays on it: seen on a pretended device, where there is no GPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from irllrec.backbones.als import ALS, ALSSettings
from irllrec.data.sampling import TripleSampler
from irllrec.evaluation.ranking import rank_items
from irllrec.graph import BipartiteGraph
from irllrec.recommender import Recommender, build
from irllrec.seeding import torch_stream
from irllrec.training.attribution import gradient_norms
from irllrec.types import Batch, NodeText
from tests.contracts.pretended_device import DEVICE, Elsewhere, MixedDevicesError, MovedDraws, PretendedDevice
from tests.contracts.test_recommenders import CELLS, TRAIN, _batch, _knowledge, _recipe, _text


@pytest.fixture(autouse=True)
def _device() -> Iterator[None]:
    with PretendedDevice():
        yield


def _there(backbone: str, objective: str, **changes: object) -> Recommender:
    """Return the recommender as a training builds it: graph, text and knowledge lie on the device."""
    here = _text()
    text, knowledge = NodeText(here.profile.to(DEVICE), here.intent.to(DEVICE)), _knowledge().to(DEVICE)
    recipe = _recipe(backbone, objective, **changes)
    return build(recipe, BipartiteGraph(TRAIN, DEVICE), text, 1, knowledge=knowledge)


def _draws() -> MovedDraws:
    return MovedDraws(torch_stream(1, "draws"))


def _one_step(recommender: Recommender) -> torch.Tensor:
    count = recommender.backbone.negatives_per_pair
    sampler = TripleSampler(TRAIN, batch_size=64, seed=1, negatives_per_pair=count)
    batch = Batch.of(*next(iter(sampler.epoch(1)))).to(DEVICE)
    recommender.backbone.start_epoch()
    terms = recommender.terms(batch, _draws())
    total = torch.stack([term.weighted for term in terms.values()]).sum()
    total.backward()
    return total.detach()


@pytest.mark.parametrize(("backbone", "objective"), CELLS)
def test_a_step_and_a_ranking_stay_on_the_device(backbone: str, objective: str) -> None:
    recommender = _there(backbone, objective)
    assert isinstance(_one_step(recommender), Elsewhere)
    for name, parameter in recommender.named_parameters():
        assert parameter.device == DEVICE, name
        assert parameter.grad is None or parameter.grad.device == DEVICE, name
    users, items = recommender.embeddings(_draws())
    lists = rank_items(users, items, users=np.arange(24), masked=[TRAIN], length=5)
    assert lists.shape == (24, 5)


@pytest.mark.parametrize("backbone", ["lightgcn", "sgl", "dccf"])
def test_shortcuts_and_the_released_form_stay_on_the_device(backbone: str) -> None:
    for changes in ({"precision": "fast"}, {"fidelity": "code"}, {"drop": frozenset({"GSL", "MOMENTUM"})}):
        assert isinstance(_one_step(_there(backbone, "irllrec", **changes)), Elsewhere)


def test_the_pull_of_each_term_is_measured_on_the_device() -> None:
    norms = gradient_norms(_there("lightgcn", "irllrec"), _batch().to(DEVICE), _draws())
    assert norms


def test_als_is_fitted_and_asked_on_the_device() -> None:
    settings = ALSSettings(factors=4, alpha=10.0, regularization=0.1, iterations=2)
    model = ALS(train=TRAIN, settings=settings, seed=1, device=str(DEVICE))
    model.fit_epoch(1)
    assert model.item_factors.device == DEVICE
    assert torch.isfinite(model.scores(np.arange(24))).all()


def test_the_pretended_device_refuses_what_a_gpu_refuses() -> None:
    there, here = torch.ones(3, device=DEVICE), torch.ones(3)
    for mixed in (lambda: there + here, lambda: torch.stack([here, there]), lambda: here[there.long()]):
        with pytest.raises(MixedDevicesError):
            mixed()
    assert isinstance(there[torch.tensor([0, 2])], Elsewhere)
    assert torch.equal((there + torch.tensor(2.0)).to("cpu"), torch.full((3,), 3.0))
