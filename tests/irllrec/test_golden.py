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

# Suffix of a golden file's name → objective.
OBJECTIVES = {"": "base", "_plus": "rlmrec-con", "_gene": "rlmrec-gen", "_int": "irllrec"}
COMPOSED = ("lightgcn", "sgl", "simgcl", "dccf", "bigcf")
CASES = {
    f"{backbone}{suffix}": (backbone, OBJECTIVES[suffix]) for backbone in COMPOSED for suffix in OBJECTIVES
}
CASES["alpharec"] = ("alpharec", "base")

# How the released names of parameters map to ours; the first that fits counts.
SHARED_PARAMETERS = {
    "user_embeds.weight": "backbone.user_embeddings",
    "item_embeds.weight": "backbone.item_embeddings",
    "user_embedding.weight": "backbone.user_embeddings",
    "item_embedding.weight": "backbone.item_embeddings",
    "user_embeds": "backbone.user_embeddings",
    "item_embeds": "backbone.item_embeddings",
    "masker.mask_token": "objective.mask_token",
    "logit_scale": "objective.idle.logit_scale",
    "itm_head.weight": "objective.idle.itm_head_weight",
    "itm_head.bias": "objective.idle.itm_head_bias",
    "itm_mlp.weight": "objective.idle.itm_mlp_weight",
    "itm_mlp.bias": "objective.idle.itm_mlp_bias",
    "int_mlp_m": "objective.tower_teacher",
    "int_mlp": "objective.intent_tower",
    "mlp": "objective.profile_tower",
}
PROTOTYPES_OF_THE_OBJECTIVE = {
    "user_intent": "objective.prototypes.users",
    "item_intent": "objective.prototypes.items",
}
PROTOTYPES_OF_THE_BACKBONE = {
    "user_intent": "backbone.prototypes.users",
    "item_intent": "backbone.prototypes.items",
}
PARAMETERS = {
    "lightgcn": PROTOTYPES_OF_THE_OBJECTIVE | SHARED_PARAMETERS,
    "sgl": PROTOTYPES_OF_THE_OBJECTIVE | SHARED_PARAMETERS,
    "simgcl": PROTOTYPES_OF_THE_OBJECTIVE | SHARED_PARAMETERS,
    "dccf": PROTOTYPES_OF_THE_BACKBONE | SHARED_PARAMETERS,
    "bigcf": PROTOTYPES_OF_THE_BACKBONE | SHARED_PARAMETERS,
    "alpharec": {"mlp": "backbone.tower"},
}
TERMS = {
    "bpr_loss": "bpr",
    "mf_loss": "bpr",
    "ssm_loss": "ssm",
    "reg_loss": "reg",
    "cl_loss": "cl",
    "cen_loss": "center",
    "kd_loss": "kd",
    "recon_loss": "recon",
    "kd_int_loss": "pair",
    "tran_loss": "tran",
    "itm_loss": "itm",
}
# Weights and temperatures by their released names; what a file lacks does not apply to it.
BACKBONE_SETTINGS = {
    "lightgcn": {"layer_num": "layers", "keep_rate": "keep_rate"},
    "sgl": {"layer_num": "layers", "keep_rate": "keep_rate"},
    "simgcl": {"layer_num": "layers", "eps": "epsilon"},
    "dccf": {"layer_num": "layers", "intent_num": "intents"},
    "bigcf": {"layer_num": "layers", "intent_num": "intents", "cen_weight": "center_weight"},
    "alpharec": {"layer_num": "layers", "tau": "temperature"},
}
CONTRAST = {"cl_weight": "cl_weight", "temperature": "cl_temperature", "cl_temperature": "cl_temperature"}


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

    def rand(self, *shape: int) -> torch.Tensor:
        array = self._take("rand")
        assert array.shape == shape
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


def _own_name(released: str, backbone: str, objective: str) -> str:
    for theirs, ours in PARAMETERS[backbone].items():
        if released == theirs or released.startswith(theirs + "."):
            own = ours + released[len(theirs) :]
            if objective == "rlmrec-gen":
                own = own.replace("profile_tower", "decoder")
            return own.replace(".0.", ".hidden.").replace(".2.", ".output.")
    raise AssertionError(f"no parameter of ours corresponds to {released}")


def _backbone_settings(meta: dict[str, Any], backbone: str) -> dict[str, Any]:
    names = BACKBONE_SETTINGS[backbone]
    if backbone not in ("lightgcn", "alpharec"):
        names = names | CONTRAST
    settings = {ours: meta[theirs] for theirs, ours in names.items() if theirs in meta}
    return settings | ({"negatives": 4} if backbone == "alpharec" else {})


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
    backbone, objective = CASES[name]
    recipe = Recipe(
        backbone=backbone,
        objective=objective,
        backbone_settings=_backbone_settings(meta, backbone),
        objective_settings=_objective_settings(meta, objective),
        fidelity="code",
        embedding_size=meta["embedding_size"],
    )
    recommender = build(recipe, graph, text, seed=0)
    state = {
        _own_name(key.removeprefix("param/"), backbone, objective): torch.from_numpy(golden[key])
        for key in golden.files
        if key.startswith("param/")
    }
    recommender.load_state_dict(state)
    negatives = golden["batch/neg"].astype(np.int64)
    batch = Batch.of(
        golden["batch/user"].astype(np.int64),
        golden["batch/pos"].astype(np.int64),
        negatives if negatives.ndim == 2 else negatives[:, None],
    )
    return golden, recommender, batch


@pytest.mark.parametrize("name", CASES)
def test_one_step_agrees_with_the_released_code(name: str) -> None:
    """Terms to 1e-5 relative, gradients to 1e-4, every recorded draw used.

    Entries that float32 cancels to nearly nothing are held to a millionth of the array's largest:
    the same model in float64 misses the recorded ones by that much.
    """
    golden, recommender, batch = _load(name)
    draws = RecordedDraws(golden)
    terms = recommender.terms(batch, draws)  # type: ignore[arg-type]
    draws.assert_exhausted()

    expected = {
        key.removeprefix("loss/"): float(golden[key]) for key in golden.files if key.startswith("loss/")
    }
    for released, value in expected.items():
        if released != "total":
            ours = TERMS[released]
            assert terms[ours].weighted.item() == pytest.approx(value, rel=1e-5), ours
    # AlphaRec's regularisation stands in its total only.
    told = {TERMS[released] for released in expected if released != "total"}
    assert set(terms) == told | {"reg"}
    total = torch.stack([term.weighted for term in terms.values()]).sum()
    assert total.item() == pytest.approx(expected["total"], rel=1e-5)

    total.backward()
    parameters = dict(recommender.named_parameters())
    gradients = [key for key in golden.files if key.startswith("grad/")]
    trainable = [name for name, parameter in parameters.items() if parameter.requires_grad]
    assert len(gradients) == len(trainable)
    for key in gradients:
        own = parameters[_own_name(key.removeprefix("grad/"), *CASES[name])]
        assert own.grad is not None, key
        floor = max(1e-8, 1e-6 * float(np.abs(golden[key]).max()))
        np.testing.assert_allclose(own.grad.numpy(), golden[key], rtol=1e-4, atol=floor, err_msg=key)


@pytest.mark.parametrize("name", CASES)
def test_evaluation_scores_agree_with_the_released_code(name: str) -> None:
    """BIGCF's evaluation draws noise (D-07): it is given the recorded arrays, and uses them all."""
    golden, recommender, _ = _load(name)
    draws = RecordedDraws(golden, "eval_draw/")
    users, items = recommender.embeddings(draws)  # type: ignore[arg-type]
    draws.assert_exhausted()
    expected = golden["eval/scores"]
    floor = max(1e-6, 1e-6 * float(np.abs(expected).max()))
    np.testing.assert_allclose((users @ items.T).numpy(), expected, rtol=1e-5, atol=floor)


def test_the_teacher_moves_as_in_the_released_code() -> None:
    golden, recommender, batch = _load("lightgcn_int")
    recommender.terms(batch, RecordedDraws(golden))  # type: ignore[arg-type]
    state = recommender.state_dict()
    for key in golden.files:
        if key.startswith("momentum_after/"):
            own = _own_name("int_mlp_m." + key.removeprefix("momentum_after/"), "lightgcn", "irllrec")
            np.testing.assert_allclose(state[own].numpy(), golden[key], rtol=1e-6, atol=1e-8)


def test_every_golden_vector_is_checked() -> None:
    assert {path.stem for path in GOLDEN.glob("*.npz")} == set(CASES)
    assert len(CASES) == 21
