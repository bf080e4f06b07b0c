"""Metrics against hand values and against ranx."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irllrec.data.interactions import Interactions
from irllrec.errors import EvaluationError
from irllrec.evaluation import metrics
from irllrec.evaluation.metrics import parse_metric, per_user_metrics

NAMES = ["recall@5", "recall@20", "ndcg@5", "ndcg@20", "precision@5", "hit@5", "mrr@5", "mrr@20"]


def _measure(lists: list[list[int]], relevant: list[list[int]], names: list[str]) -> dict[str, list[float]]:
    pairs = [(user, item) for user, items in enumerate(relevant) for item in items]
    test = Interactions.from_pairs([u for u, _ in pairs], [i for _, i in pairs], len(relevant), 50)
    values = per_user_metrics(np.array(lists, dtype=np.int32), test, np.arange(len(relevant)), names)
    return {name: value.tolist() for name, value in values.items()}


def test_metrics_of_one_list_by_hand() -> None:
    """List 7, 3, 9, 1 with relevant {3, 1, 8}: hits at ranks 2 and 4.

    recall@4 = 2/3, precision@4 = 2/4, hit@4 = 1, mrr@4 = 1/2;
    dcg@4 = 1/log2(3) + 1/log2(5) = 0.630930 + 0.430677 = 1.061606,
    ideal = 1 + 1/log2(3) + 1/2 = 2.130930, ndcg@4 = 0.498190.
    """
    names = ["recall@4", "precision@4", "hit@4", "mrr@4", "ndcg@4", "recall@1", "ndcg@1"]
    values = _measure([[7, 3, 9, 1]], [[3, 1, 8]], names)
    expected = [2 / 3, 0.5, 1.0, 0.5, 0.498190, 0.0, 0.0]
    assert [values[name][0] for name in names] == pytest.approx(expected, abs=1e-6)


def test_ndcg_is_one_when_few_test_items_lead_the_list() -> None:
    """Two test items at ranks 1 and 2 of five: the ideal counts only two."""
    assert _measure([[4, 2, 9, 8, 7]], [[2, 4]], ["ndcg@5"])["ndcg@5"] == [pytest.approx(1.0)]


def test_padding_is_never_a_hit() -> None:
    """Item -1 would be the code of another user's item if it were looked up."""
    values = _measure([[1, -1, -1], [-1, -1, -1]], [[5], [0]], ["recall@3"])
    assert values["recall@3"] == [0.0, 0.0]


def test_users_without_test_items_are_refused() -> None:
    with pytest.raises(EvaluationError, match="user 1 has no test items"):
        _measure([[1], [2]], [[1], []], ["recall@1"])


@pytest.mark.parametrize("name", ["recall", "recall@0", "recall@101", "auc@5", "ndcg@x", "recall@20 "])
def test_unknown_metrics_are_refused_by_name(name: str) -> None:
    with pytest.raises(EvaluationError, match="there is no metric"):
        parse_metric(name)


def test_metrics_agree_with_ranx() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ranx import Qrels, Run, evaluate
    generator = np.random.default_rng(5)
    lists = [generator.permutation(50)[:30].tolist() for _ in range(40)]
    relevant = [sorted(generator.permutation(50)[: generator.integers(1, 30)].tolist()) for _ in range(40)]
    ours = _measure(lists, relevant, NAMES)
    qrels = Qrels({str(u): {str(i): 1 for i in items} for u, items in enumerate(relevant)})
    run = Run(
        {str(u): {str(i): 100.0 - rank for rank, i in enumerate(items)} for u, items in enumerate(lists)}
    )
    theirs = {"recall": "recall", "ndcg": "ndcg", "precision": "precision", "hit": "hit_rate", "mrr": "mrr"}
    for name in NAMES:
        metric, cutoff = name.split("@")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = evaluate(qrels, run, f"{theirs[metric]}@{cutoff}", return_mean=False)
        by_user = dict(zip(qrels.keys(), values, strict=True))
        np.testing.assert_allclose(ours[name], [by_user[str(u)] for u in range(40)], atol=1e-12, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_metrics_stay_within_bounds_and_grow_with_the_cutoff(seed: int, relevant_count: int) -> None:
    generator = np.random.default_rng(seed)
    lists = [generator.permutation(50)[:30].tolist()]
    relevant = [generator.permutation(50)[:relevant_count].tolist()]
    names = [f"{metric}@{k}" for metric in ("recall", "hit", "mrr", "ndcg", "precision") for k in (3, 10, 30)]
    values = {name: value[0] for name, value in _measure(lists, relevant, names).items()}
    assert all(0 <= value <= 1 + 1e-12 for value in values.values())
    for metric in ("recall", "hit", "mrr"):
        assert values[f"{metric}@3"] <= values[f"{metric}@10"] <= values[f"{metric}@30"]


def test_users_looked_up_in_blocks_have_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    users = np.arange(50)
    test = Interactions.from_pairs(
        np.concatenate([users, generator.integers(0, 50, 200)]), generator.integers(0, 30, 250), 50, 30
    )
    lists = np.stack([generator.permutation(30)[:20] for _ in users]).astype(np.int32)
    names = ["recall@20", "ndcg@10", "precision@5", "hit@1", "mrr@20"]
    whole = per_user_metrics(lists, test, users, names)
    monkeypatch.setattr(metrics, "BLOCK_USERS", 7)
    parts = per_user_metrics(lists, test, users, names)
    for name in names:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-14)
