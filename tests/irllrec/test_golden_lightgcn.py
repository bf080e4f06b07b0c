"""Parity with the released code: terms, gradients, scores and teacher on recorded random arrays.

The vectors in tests/oracles/golden were measured by running the released research code; they are
never regenerated from this project's output.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from irllrec.data.interactions import Interactions
from irllrec.graph import BipartiteGraph
from irllrec.recommender import Recipe, Recommender, build
from irllrec.types import Batch, NodeText

GOLDEN = Path(__file__).parent.parent / "oracles" / "golden"

# Golden file → objective, and how the released names map to ours.
OBJECTIVES = {
    "lightgcn": "base",
    "lightgcn_plus": "rlmrec-con",
    "lightgcn_gene": "rlmrec-gen",
    "lightgcn_int": "irllrec",
}
PARAMETERS = {
    "user_embeds": "backbone.user_embeddings",
    "item_embeds": "backbone.item_embeddings",
    "user_intent": "objective.prototypes.users",
    "item_intent": "objective.prototypes.items",
    "masker.mask_token": "objective.mask_token",
    "int_mlp_m": "objective.tower_teacher",
    "int_mlp": "objective.intent_tower",
    "mlp": "objective.profile_tower",
}
TERMS = {
    "bpr_loss": "bpr",
    "reg_loss": "reg",
    "kd_loss": "kd",
    "recon_loss": "recon",
    "kd_int_loss": "pair",
    "tran_loss": "tran",
    "itm_loss": "itm",
}


class RecordedDraws:
    """Hands out the recorded arrays in the order they were drawn, checking each request's kind."""

    def __init__(self, golden: Any, prefix: str = "draw/") -> None:
        names = sorted(name for name in golden.files if name.startswith(prefix))
        self._arrays = [(name.split("-")[-1], torch.from_numpy(golden[name])) for name in names]
        self._next = 0

    def _take(self, kind: str) -> torch.Tensor:
        recorded_kind, array = self._arrays[self._next]
        assert recorded_kind == kind
        self._next += 1
        return array

    def rand(self, count: int) -> torch.Tensor:
        array = self._take("rand")
        assert array.shape == (count,)
        return array

    def randn_like(self, template: torch.Tensor) -> torch.Tensor:
        array = self._take("randn_like")
        assert array.shape == template.shape
        return array

    def choice(self, population: int, count: int) -> torch.Tensor:
        array = self._take("choice")
        assert array.shape == (count,) and int(array.max()) < population
        return array

    def assert_exhausted(self) -> None:
        assert self._next == len(self._arrays)


def _own_name(released: str, objective: str) -> str:
    for theirs, ours in PARAMETERS.items():
        if released == theirs or released.startswith(theirs + "."):
            own = ours + released[len(theirs) :]
            if objective == "rlmrec-gen":
                own = own.replace("profile_tower", "decoder")
            return own.replace(".0.", ".hidden.").replace(".2.", ".output.")
    raise AssertionError(f"no parameter of ours corresponds to {released}")


def _objective_settings(meta: dict[str, Any], objective: str) -> dict[str, Any]:
    settings = {"regularization": meta["reg_weight"]}
    if objective == "rlmrec-con":
        settings |= {"kd_weight": meta["kd_weight"], "kd_temperature": meta["kd_temperature"]}
    if objective == "rlmrec-gen":
        settings |= {
            "mask_ratio": meta["mask_ratio"],
            "recon_weight": meta["recon_weight"],
            "recon_temperature": meta["re_temperature"],
        }
    if objective == "irllrec":
        settings |= {
            "intents": meta["intent_num"],
            "kd_weight": meta["kd_weight"],
            "kd_temperature": meta["kd_temperature"],
            "pair_weight": meta["kd_int_weight"],
            "pair_temperature": meta["kd_int_temperature"],
            "tran_weight": meta["kd_int_weight_2"],
            "itm_weight": meta["kd_int_weight_3"],
            "itm_alpha": 0.6,
            "momentum": 0.999,
        }
    return settings


def _load(name: str) -> tuple[Any, Recommender, Batch]:
    golden = np.load(GOLDEN / f"{name}.npz", allow_pickle=False)
    meta = json.loads(str(golden["meta"]))
    user_count, item_count = (int(count) for count in golden["graph/shape"])
    graph = BipartiteGraph(
        Interactions.from_pairs(golden["graph/user"], golden["graph/item"], user_count, item_count)
    )
    text = NodeText(
        profile=torch.from_numpy(
            np.concatenate([golden["text/usrprf_embeds"], golden["text/itmprf_embeds"]])
        ),
        intent=torch.from_numpy(np.concatenate([golden["text/usrint_embeds"], golden["text/itmint_embeds"]])),
    )
    objective = OBJECTIVES[name]
    recipe = Recipe(
        backbone="lightgcn",
        objective=objective,
        backbone_settings={"layers": meta["layer_num"], "keep_rate": meta["keep_rate"]},
        objective_settings=_objective_settings(meta, objective),
        fidelity="code",
        embedding_size=meta["embedding_size"],
    )
    recommender = build(recipe, graph, text, seed=0)
    state = {
        _own_name(key.removeprefix("param/"), objective): torch.from_numpy(golden[key])
        for key in golden.files
        if key.startswith("param/")
    }
    recommender.load_state_dict(state)
    batch = Batch(
        users=torch.from_numpy(golden["batch/user"]).long(),
        positive_items=torch.from_numpy(golden["batch/pos"]).long(),
        negative_items=torch.from_numpy(golden["batch/neg"]).long(),
    )
    return golden, recommender, batch


@pytest.mark.parametrize("name", OBJECTIVES)
def test_one_step_agrees_with_the_released_code(name: str) -> None:
    """Terms to 1e-5 relative, gradients to 1e-4, every recorded draw used."""
    golden, recommender, batch = _load(name)
    draws = RecordedDraws(golden)
    terms = recommender.terms(batch, draws)  # type: ignore[arg-type]
    draws.assert_exhausted()

    expected = {
        key.removeprefix("loss/"): float(golden[key]) for key in golden.files if key.startswith("loss/")
    }
    for released, ours in TERMS.items():
        if released in expected:
            assert terms[ours].weighted.item() == pytest.approx(expected[released], rel=1e-5), ours
    assert len(terms) == len(expected) - 1
    total = torch.stack([term.weighted for term in terms.values()]).sum()
    assert total.item() == pytest.approx(expected["total"], rel=1e-5)

    total.backward()
    parameters = dict(recommender.named_parameters())
    gradients = [key for key in golden.files if key.startswith("grad/")]
    trainable = [name for name, parameter in parameters.items() if parameter.requires_grad]
    assert len(gradients) == len(trainable)
    for key in gradients:
        own = parameters[_own_name(key.removeprefix("grad/"), OBJECTIVES[name])]
        assert own.grad is not None, key
        np.testing.assert_allclose(own.grad.numpy(), golden[key], rtol=1e-4, atol=1e-8, err_msg=key)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_evaluation_scores_agree_with_the_released_code(name: str) -> None:
    golden, recommender, _ = _load(name)
    users, items = recommender.embeddings()
    np.testing.assert_allclose((users @ items.T).numpy(), golden["eval/scores"], rtol=1e-5, atol=1e-6)


def test_the_teacher_moves_as_in_the_released_code() -> None:
    golden, recommender, batch = _load("lightgcn_int")
    recommender.terms(batch, RecordedDraws(golden))  # type: ignore[arg-type]
    state = recommender.state_dict()
    for key in golden.files:
        if key.startswith("momentum_after/"):
            own = _own_name("int_mlp_m." + key.removeprefix("momentum_after/"), "irllrec")
            np.testing.assert_allclose(state[own].numpy(), golden[key], rtol=1e-6, atol=1e-8)
