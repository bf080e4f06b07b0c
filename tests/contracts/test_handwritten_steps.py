"""One training step of every backbone under every objective against formulas written out plainly.

The plain side is dense, in float64 and materialises every similarity matrix; duplicates of a batch are
left in. It is fed the embeddings that the backbone gives, drawing the same random arrays again.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from irllrec.recommender import Recommender
from irllrec.seeding import Draws, torch_stream
from tests.contracts.test_recommenders import CELLS, _batch, _build, _recipe


class Recorder:
    """Keeps every array it hands out, so that the plain side can use the same ones."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self.taken: list[tuple[str, Tensor]] = []

    def __getattr__(self, kind: str) -> Any:
        def draw(*asked: Any) -> Tensor:
            array: Tensor = getattr(self._draws, kind)(*asked)
            self.taken.append((kind, array))
            return array

        return draw


class Replay:
    """Hands out recorded arrays in their order."""

    def __init__(self, taken: list[tuple[str, Tensor]]) -> None:
        self._left = list(taken)

    def __getattr__(self, kind: str) -> Any:
        def draw(*asked: Any) -> Tensor:
            recorded, array = self._left.pop(0)
            assert recorded == kind
            return array

        return draw


def _unit(rows: Tensor) -> Tensor:
    return rows / torch.sqrt(1e-8 + rows.square().sum(dim=1, keepdim=True))


def _info_nce(anchors: Tensor, positives: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    a, b, c = _unit(anchors), _unit(positives), _unit(candidates)
    return (-(a * b).sum(1) / temperature + torch.logsumexp(a @ c.T / temperature, dim=1)).mean()


def _floored(anchors: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    similarities = torch.exp(_unit(anchors) @ _unit(candidates).T / temperature)
    share = similarities.diagonal() / (similarities.sum(dim=1) + 1e-8)
    return -torch.log(share + 1e-8).mean()


def _aligned(first: Tensor, second: Tensor, batch: Any, users: int, temperature: float) -> Tensor:
    positives, negatives = users + batch.positive_items, users + batch.negative_items
    total = _info_nce(first[batch.users], second[batch.users], second[:users], temperature)
    for items in (positives, negatives):
        total = total + _info_nce(first[items], second[items], second[items], temperature)
    return total


def _cross_entropy(teacher: Tensor, student: Tensor) -> Tensor:
    return -(torch.softmax(teacher, dim=1) * torch.log_softmax(student, dim=1)).sum(dim=1).mean()


def _expected(recommender: Recommender, taken: list[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Return the objective's unweighted terms by hand, and BPR where the backbone ranks by it."""
    backbone, objective, batch = recommender.backbone, recommender.objective, _batch()
    settings, users = objective.settings, backbone.graph.user_count
    draws: Any = Replay(taken)
    with torch.no_grad():
        initial = objective.masked(backbone.initial(), draws)
        encoding = backbone.encode(initial, draws)
    nodes = encoding.nodes.double()
    e_u, items = nodes[batch.users], nodes[users:]
    margin = (e_u * items[batch.negative_items]).sum(1) - (e_u * items[batch.positive_items]).sum(1)
    terms = {
        "bpr": torch.log1p(torch.exp(margin)).mean(),
        "reg": sum(
            (p.double().square().sum() for p in recommender.parameters() if p.requires_grad), 0 * nodes[0, 0]
        ),
    }
    if hasattr(objective, "mask_token"):
        masked = next(array for kind, array in taken if kind == "choice")
        decoder, profile = objective.decoder.double(), objective.profile[masked].double()
        terms["recon"] = _floored(decoder(nodes[masked]), profile, settings.recon_temperature)
        objective.decoder.float()
    if hasattr(objective, "profile_tower"):
        profile = objective.profile_tower.double()(objective.profile.double())
        objective.profile_tower.float()
        terms["kd"] = _aligned(nodes, profile, batch, users, settings.kd_temperature)
    if hasattr(objective, "intent_tower"):
        terms |= _intent_terms(recommender, initial, encoding, nodes, taken)
    return terms


def _intent_terms(
    recommender: Recommender, initial: Tensor, encoding: Any, nodes: Tensor, taken: list[tuple[str, Tensor]]
) -> dict[str, Tensor]:
    backbone, objective, batch = recommender.backbone, recommender.objective, _batch()
    settings, users = objective.settings, backbone.graph.user_count
    tau, alpha = settings.pair_temperature, settings.itm_alpha
    prototypes = objective.prototypes or backbone.intent_prototypes
    z, z_m = (
        backbone.interaction_intents(initial, encoding, source).detach().double()
        for source in (prototypes, objective.prototype_teacher)
    )
    text = objective.intent.double()
    t = objective.intent_tower.double()(text)
    t_m = objective.tower_teacher.double()(text)
    objective.intent_tower.float()
    objective.tower_teacher.float()
    text_noise, node_noise = [array.double() for kind, array in taken if kind == "randn_like"][-2:]
    tran = _floored(t * (1 + text_noise), nodes * (1 + node_noise), 1.0)
    z, z_m, t, t_m = (_unit(rows) for rows in (z, z_m, t, t_m))
    f = _unit((z_m + t_m) / 2)
    matching = torch.zeros((), dtype=torch.float64)
    items = torch.unique(torch.cat([batch.positive_items, batch.negative_items]))
    for side in (torch.unique(batch.users), users + items):
        keys = f[side].T / tau
        to_text = _cross_entropy(z_m[side] @ keys, z[side] @ t[side].T / tau)
        to_interaction = _cross_entropy(t_m[side] @ keys, t[side] @ z[side].T / tau)
        matching = matching + (to_text + to_interaction) / 4
    return {
        "pair": _aligned(z, t, batch, users, tau),
        "tran": tran,
        "itm": (1 - alpha) * tran + alpha * matching,
    }


@pytest.mark.parametrize(("backbone", "objective"), CELLS)
def test_a_step_equals_the_formulas(backbone: str, objective: str) -> None:
    recommender = _build(_recipe(backbone, objective))
    for parameter in recommender.parameters():
        # Larger than at the start of a run, so that no term is flat.
        parameter.data.mul_(1.5)
    recorder: Any = Recorder(Draws(torch_stream(3, "draws")))
    terms = recommender.terms(_batch(), recorder)
    with torch.no_grad():
        expected = _expected(recommender, recorder.taken)
    objective_terms = set(terms) & {"bpr", "reg", "kd", "recon", "pair", "tran", "itm"}
    assert objective_terms <= set(expected)
    assert "reg" in objective_terms
    for name in objective_terms:
        assert terms[name].value.item() == pytest.approx(expected[name].item(), rel=2e-5), name
