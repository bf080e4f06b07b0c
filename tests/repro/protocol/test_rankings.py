"""One cell under other protocols: what is recomputed is what the evaluation itself would have found."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from irllrec.data.storage import read_arrays, write_arrays
from repro.params import load_params
from repro.protocol.models import Splits
from repro.protocol.rankings import Rankings
from repro.protocol.settings import Setting
from repro.results import read_result
from repro.stages import evaluate

STANDING = Setting("recall", 20, "train")
BASE, POP = "demo-lightgcn-base", "demo-pop-base"


def _rankings(layout, key, standing=STANDING):
    params = load_params(layout.params)
    cell = read_result(layout, key, params.cells[key])
    return Rankings(cell, Splits.read(cell.prepared), standing)


def _evaluate(layout, key, mask):
    text = layout.params.read_text(encoding="utf-8")
    layout.params.write_text(re.sub(r"mask: train\S*", f"mask: {mask}", text, count=1), encoding="utf-8")
    evaluate.main([key])


@pytest.mark.parametrize("metric", ["recall@20", "ndcg@10", "recall@5"])
def test_the_standing_protocol_has_the_stored_values(trained, metric):
    side = _rankings(trained, BASE)
    name, _, cutoff = metric.partition("@")
    stored = side.cell.values(metric)
    assert (side.values(Setting(name, int(cutoff), "train")) == stored).all()


@pytest.mark.parametrize("key", [BASE, POP])
@pytest.mark.parametrize(("before", "after"), [("train", "train+valid"), ("train+valid", "train")])
def test_the_other_mask_is_what_evaluating_under_it_gives(trained, key, before, after):
    _evaluate(trained, key, before)
    side = _rankings(trained, key, replace(STANDING, mask=before))
    settings = [Setting(metric, k, after) for metric in ("recall", "ndcg", "mrr") for k in (5, 20, 100)]
    found = [side.values(setting) for setting in settings]
    assert all(side.complete(setting).all() for setting in settings)
    _evaluate(trained, key, after)
    again = _rankings(trained, key, replace(STANDING, mask=after))
    for setting, values in zip(settings, found, strict=True):
        assert (values == again.cell.values(setting.name)).all()


def test_without_models_shortened_lists_are_right_as_far_as_they_are_known(trained):
    setting = replace(STANDING, mask="train+valid")
    whole = _rankings(trained, BASE)
    expected = {k: whole.values(replace(setting, cutoff=k)) for k in (20, 100)}
    shutil.rmtree(whole.cell.folder / "model")
    side = _rankings(trained, BASE)
    assert side.can(setting)
    for k, values in expected.items():
        known = side.complete(replace(setting, cutoff=k))
        assert (side.values(replace(setting, cutoff=k))[:, known] == values[:, known]).all()
    assert side.complete(setting).all()
    assert not side.complete(replace(setting, cutoff=100)).all()


def test_without_models_only_what_lists_tell_can_be_judged(trained):
    side = _rankings(trained, BASE, replace(STANDING, mask="train+valid"))
    shutil.rmtree(side.cell.folder / "model")
    assert not side.can(STANDING)
    assert not side.can(replace(STANDING, mask="train+valid", ties="first"))
    assert not side.can(replace(STANDING, mask="train+valid", drawn=99))
    assert side.can(replace(STANDING, mask="train+valid", cutoff=5, seed=2024))


def test_a_simple_baseline_has_lists_and_no_scores(trained):
    side = _rankings(trained, POP)
    assert side.models.are_here
    assert not side.can(replace(STANDING, ties="last"))
    assert side.can(replace(STANDING, mask="train+valid"))


def test_recall_over_reachable_items_divides_by_the_cut_off_where_that_is_less(trained):
    side = _rankings(trained, BASE)
    setting = Setting("recall", 5, "train")
    relevant = side.splits.test.user_degrees[side.cell.users]
    hits = side.values(setting) * relevant
    found = side.values(replace(setting, counted="reachable"))
    assert (relevant > 5).any()
    assert found == pytest.approx(hits / np.minimum(relevant, 5))


def test_one_seed_is_that_row(trained):
    side = _rankings(trained, BASE)
    found = side.values(replace(STANDING, seed=2024))
    assert (found == side.cell.values("recall@20")[[1]]).all()


def test_lists_rank_as_they_do_with_scores_where_no_scores_are_equal(trained):
    side = _rankings(trained, BASE)
    for ties in ("first", "last"):
        assert (side.values(replace(STANDING, ties=ties)) == side.values(STANDING)).all()
    assert side.parted(20) == 0


def test_models_with_equal_scores_bound_the_standing_value_from_both_sides(trained):
    """Embeddings rounded to few levels make many equal scores."""
    import torch

    from irllrec.training.checkpoint import load_tensors, save_tensors

    folder = trained.run("demo", "lightgcn", "base") / "model"
    for path in folder.glob("*.safetensors"):
        tensors, header = load_tensors(path)
        for name in ("inference/users", "inference/items"):
            tensors[name] = torch.sign(tensors[name][:, :3])
        save_tensors(path, tensors, header)
    evaluate.main([BASE])
    side = _rankings(trained, BASE)
    low, here, high = (side.values(replace(STANDING, ties=ties)) for ties in ("last", "index", "first"))
    assert (low <= here + 1e-12).all()
    assert (here <= high + 1e-12).all()
    assert low.mean() < here.mean() < high.mean()
    assert side.parted(20) > len(side.cell.users) // 2


def test_sampling_all_candidates_is_the_rank_among_all_items_never_met(trained):
    """The first test item of the first user, counted by hand from the model."""
    from irllrec.training.checkpoint import load_tensors

    side = _rankings(trained, BASE)
    everything = side.values(Setting("mrr", 100, "train", drawn=10_000))
    tensors, _ = load_tensors(side.cell.folder / "model" / "seed-2023.safetensors")
    user = int(side.cell.users[0])
    scores = (tensors["inference/users"][user] @ tensors["inference/items"].T).tolist()
    met = {one for split in (side.splits.train, side.splits.valid) for one in split.items_of(user).tolist()}
    wanted = side.splits.test.items_of(user).tolist()
    free = [item for item in range(len(scores)) if item not in met and item not in wanted]
    ranks = [1 + sum(scores[item] > scores[one] for item in free) for one in wanted]
    assert everything[0, 0] == pytest.approx(np.mean([1 / rank if rank <= 100 else 0.0 for rank in ranks]))


def test_lists_of_another_evaluation_are_refused(trained):
    side = _rankings(trained, BASE)
    path = side.cell.folder / "top_items.npz"
    arrays = read_arrays(path)
    write_arrays(path, {**arrays, "seeds": arrays["seeds"] + 1})
    with pytest.raises(Exception, match="from different evaluations"):
        side.values(replace(STANDING, cutoff=50))
