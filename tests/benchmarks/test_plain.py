"""The plain side of the benchmark computes the same as the library, term by term."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.plain import OBJECTIVES, PlainRecommender
from benchmarks.plain_backbones import BACKBONES
from benchmarks.plain_data import PlainSampler, evaluate
from benchmarks.run_all import ROWS, markdown
from benchmarks.step import main
from benchmarks.workload import make_workload, recipe_of
from irllrec.evaluation.metrics import per_user_metrics
from irllrec.evaluation.ranking import rank_items
from irllrec.graph import BipartiteGraph
from irllrec.recommender import Recommender, build
from irllrec.seeding import Draws, torch_stream
from irllrec.types import Batch, Term

PAIRS = [
    *[(backbone, objective, "paper") for backbone in BACKBONES for objective in OBJECTIVES],
    *[(backbone, "irllrec", "code") for backbone in BACKBONES],
]
# Every term of the total pulls about as hard as the ranking loss, so that a wrong one shows.
LOUD = {"regularization": 0.01, "kd_weight": 0.5, "pair_weight": 0.4, "tran_weight": 0.3, "itm_weight": 0.6}
WORKLOAD = make_workload(users=40, items=30, pairs=240, text_dimension=12, seed=3)


def _both(backbone: str, objective: str, fidelity: Any) -> tuple[Recommender, PlainRecommender]:
    recipe = recipe_of(backbone, objective, fidelity)
    settings = {name: LOUD.get(name, value) for name, value in recipe.objective_settings.items()}
    recipe = replace(recipe, objective_settings=settings, embedding_size=8)
    ours = build(recipe, BipartiteGraph(WORKLOAD.train), WORKLOAD.text, 1)
    for name, parameter in ours.named_parameters():
        # Larger than at the start of a run, so that no term is flat, and students away from teachers.
        parameter.data.mul_(1.2 if "teacher" in name else 1.5)
    return ours, PlainRecommender(ours, backbone, WORKLOAD.train, WORKLOAD.text)


def _batch(step: int) -> Batch:
    return Batch.of(*WORKLOAD.batches(128, seed=1)[step])


def _draws(step: int) -> Draws:
    return Draws(torch_stream(3, "draws", step))


def _total(terms: dict[str, Term]) -> torch.Tensor:
    return torch.stack([term.weighted for term in terms.values()]).sum()


@pytest.mark.parametrize(("backbone", "objective", "fidelity"), PAIRS)
def test_terms_and_gradients_are_equal_in_two_steps(backbone: str, objective: str, fidelity: str) -> None:
    """The second step follows an update of the weights and a second move of the teachers."""
    ours, plain = _both(backbone, objective, fidelity)
    parameters = dict(ours.named_parameters())
    trainable = [p for p in ours.parameters() if p.requires_grad]
    for step in range(2):
        batch = _batch(0)
        assert len(torch.unique(batch.users)) < len(batch.users)
        expected, found = plain.terms(batch, _draws(step)), ours.terms(batch, _draws(step))
        assert set(found) == set(expected)
        for name, term in found.items():
            assert term.weight == expected[name].weight, name
            assert term.value.item() == pytest.approx(expected[name].value.item(), rel=1e-5), name
        for weights, terms in ((plain.trainable, expected), (trainable, found)):
            for weight in weights:
                weight.grad = None
            _total(terms).backward()
        for name, weight in plain.weights.items():
            other = parameters[name]
            torch.testing.assert_close(other, weight, rtol=1e-5, atol=1e-6)
            if weight.requires_grad and weight.grad is not None:
                distance = torch.linalg.norm(weight.grad - other.grad)
                assert distance <= 1e-4 * torch.linalg.norm(weight.grad), name
            else:
                assert other.grad is None, name
        with torch.no_grad():
            for weights in (plain.trainable, trainable):
                for weight in weights:
                    if weight.grad is not None:
                        weight.sub_(0.05 * weight.grad)


def test_the_paper_form_matches_intents_and_the_release_form_features() -> None:
    assert _both("lightgcn", "irllrec", "paper")[1].itm_form == "reading"
    assert _both("lightgcn", "irllrec", "code")[1].itm_form == "code"


def test_plain_sampling_visits_every_pair_once_and_never_a_training_item() -> None:
    train = WORKLOAD.train
    for _ in range(2):
        batches = list(PlainSampler(train, batch_size=50, seed=1).epoch())
        users, positives, negatives = (np.concatenate(column) for column in zip(*batches, strict=True))
        assert [len(batch[0]) for batch in batches] == [50, 50, 50, 50, 40]
        assert sorted(users * train.item_count + positives) == train.codes.tolist()
        assert not train.contains(users, negatives).any()
        assert set(negatives.tolist()) <= set(range(train.item_count))


def test_plain_evaluation_equals_ours() -> None:
    generator = torch.Generator().manual_seed(2)
    # Whole numbers make equal scores, which both order by item.
    users, items = (torch.randint(-3, 4, (n, 4), generator=generator).float() for n in (40, 30))
    users[:, 0] = 1.0
    cutoffs = (5, 10, 20)
    train, test = WORKLOAD.train, WORKLOAD.test
    judged = np.flatnonzero(test.user_degrees > 0)
    names = [f"{metric}@{cutoff}" for metric in ("recall", "ndcg") for cutoff in cutoffs]
    lists = rank_items(users, items, users=judged, masked=[train], length=20)
    ours = {name: values.mean() for name, values in per_user_metrics(lists, test, judged, names).items()}
    assert evaluate(users, items, train, test, cutoffs) == pytest.approx(ours, rel=1e-12)


def test_a_workload_has_the_asked_sizes_and_nobody_is_alone() -> None:
    train, test = WORKLOAD.train, WORKLOAD.test
    assert (train.user_count, train.item_count, len(train), len(test)) == (40, 30, 240, 80)
    assert train.user_degrees.min() >= 1
    assert train.item_degrees.min() >= 1
    assert not train.contains(test.users, test.items).any()
    assert WORKLOAD.text.profile.shape == (70, 12)
    torch.testing.assert_close(torch.linalg.norm(WORKLOAD.text.intent, dim=1), torch.ones(70))


def test_a_workload_depends_on_its_seed_only() -> None:
    again = make_workload(users=40, items=30, pairs=240, text_dimension=12, seed=3)
    other = make_workload(users=40, items=30, pairs=240, text_dimension=12, seed=4)
    assert np.array_equal(again.train.codes, WORKLOAD.train.codes)
    assert torch.equal(again.text.profile, WORKLOAD.text.profile)
    assert not np.array_equal(other.train.codes, WORKLOAD.train.codes)


@pytest.mark.parametrize("what", ["step", "sampling", "evaluation"])
def test_a_measurement_is_written_with_both_sides(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ratio is plain over ours, turn by turn. The machine's rates take long and are left out."""
    monkeypatch.setattr("benchmarks.step.machine_record", dict)
    path = tmp_path / "one.json"
    given = ["--what", what, "--size", "0.01", "--text", "8", "--repeats", "2", "--no-memory"]
    main([*given, "--json", str(path)])
    record = json.loads(path.read_text())
    turns = list(zip(record["plain"]["seconds"], record["ours"]["seconds"], strict=True))
    assert len(turns) == 2
    assert record["ratio"]["least"] == pytest.approx(min(plain / ours for plain, ours in turns))
    assert record["ratio"]["most"] == pytest.approx(max(plain / ours for plain, ours in turns))
    assert record["pairs"] == 1205


def test_the_table_has_a_line_for_each_row_and_says_what_did_not_fit() -> None:
    measured = {
        "row": "lightgcn irllrec",
        "size": 1.0,
        "text": 1536,
        "plain": {"median_seconds": 3.0, "peak_bytes": 2**31},
        "ours": {"median_seconds": 0.5, "peak_bytes": 2**30},
        "ratio": {"median": 6.0, "least": 5.5, "most": 6.5},
    }
    too_large = {**measured, "size": 4.0, "plain": None, "ratio": None, "note": "plain needs about 80 GiB"}
    lines = markdown([measured, too_large]).splitlines()
    assert lines[2].split("|")[1:-1] == [
        " lightgcn irllrec ", " 1 ", " 1536 ", " 3.00 ", " 0.500 ", " 6.0 (5.5–6.5) ", " 2.00 ", " 1.00 "
    ]  # fmt: skip
    assert "plain needs about 80 GiB" in lines[3]


def test_the_rows_are_those_of_the_target_table() -> None:
    assert {"lightgcn irllrec", "lightgcn rlmrec-con", "lightgcn base", "evaluation", "sampling"} < set(ROWS)
    assert {f"{backbone} irllrec" for backbone in ("dccf", "bigcf", "sgl", "simgcl")} < set(ROWS)
