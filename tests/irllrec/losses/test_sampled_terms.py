"""Terms whose anchors are sampled, or whose candidates are the batch's users: by hand and unbiased."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from torch import Tensor

from irllrec.losses import matching
from irllrec.losses.alignment import BatchRows, pairwise_alignment, profile_alignment, translation_alignment
from irllrec.losses.contrastive import unit_rows
from irllrec.losses.matching import intent_text_matching
from irllrec.types import Batch

NODES = 6


def _normal(rows: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def _samples(size: int) -> list[Tensor]:
    """Return every sample of this many nodes, each node equally often."""
    return [torch.tensor(chosen) for chosen in combinations(range(NODES), size)]


def _graded(function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """Return a scalar function's value, then its gradient by every input."""
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    value = function(*leaves)
    return [value.detach(), *torch.autograd.grad(value, leaves)]


def _assert_mean_is(full: list[Tensor], parts: list[list[Tensor]]) -> None:
    for number, expected in enumerate(full):
        mean = torch.stack([part[number] for part in parts]).mean(dim=0)
        torch.testing.assert_close(mean, expected, rtol=1e-10, atol=1e-14)
    assert float(torch.stack([part[0] for part in parts]).std()) > 1e-3


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("noisy", [False, True])
def test_translation_alignment_over_samples_is_in_the_mean_that_over_all_nodes(
    size: int, noisy: bool
) -> None:
    """The mean over all samples of a size, of the value and of both gradients; noise is held fixed."""
    text_noise, node_noise = (_normal(NODES, 4, 3), _normal(NODES, 4, 4)) if noisy else (None, None)

    def over(sampled: Tensor | None) -> list[Tensor]:
        def value(text: Tensor, nodes: Tensor) -> Tensor:
            if sampled is None:
                return translation_alignment(text, nodes, text_noise, node_noise)
            noise = None if text_noise is None else text_noise[sampled]
            return translation_alignment(text[sampled], nodes, noise, node_noise, sampled)

        return _graded(value, _normal(NODES, 4, 1), _normal(NODES, 4, 2))

    _assert_mean_is(over(None), [over(sampled) for sampled in _samples(size)])


def test_translation_alignment_of_a_sample_by_the_formula() -> None:
    """Anchors 4 and 1, in this order, against the embeddings of all six nodes."""
    text, nodes = _normal(NODES, 4, 1), _normal(NODES, 4, 2)
    sampled = torch.tensor([4, 1])
    value = translation_alignment(text[sampled], nodes, None, None, sampled)
    similarities = torch.exp(unit_rows(text) @ unit_rows(nodes).T)
    losses = -torch.log(similarities.diagonal() / (similarities.sum(dim=1) + 1e-8) + 1e-8)
    assert value.item() == pytest.approx((losses[4] + losses[1]).item() / 2, rel=1e-12)


def test_a_sample_of_all_nodes_is_no_sample() -> None:
    text, nodes = _normal(NODES, 4, 1), _normal(NODES, 4, 2)
    everyone = torch.arange(NODES)
    whole = translation_alignment(text, nodes, None, None)
    assert translation_alignment(text, nodes, None, None, everyone).item() == whole.item()
    views = [unit_rows(_normal(NODES, 4, seed)) for seed in (1, 2, 3, 4)]
    matched = intent_text_matching(*views, 0.2)
    assert intent_text_matching(*views, 0.2, everyone).item() == matched.item()


@pytest.mark.parametrize("temperature", [0.005, 0.2])
@pytest.mark.parametrize("size", [1, 3])
def test_intent_text_matching_over_samples_is_in_the_mean_that_over_all_rows(
    size: int, temperature: float
) -> None:
    teachers = [unit_rows(_normal(NODES, 4, seed)) for seed in (3, 4)]

    def over(sampled: Tensor | None) -> list[Tensor]:
        def value(interaction: Tensor, text: Tensor) -> Tensor:
            views = (unit_rows(interaction), unit_rows(text))
            return intent_text_matching(*views, *teachers, temperature, sampled)

        return _graded(value, _normal(NODES, 4, 1), _normal(NODES, 4, 2))

    _assert_mean_is(over(None), [over(sampled) for sampled in _samples(size)])


@pytest.mark.parametrize("block", [1 << 18, 2 * NODES])
def test_sampled_matching_by_the_formula_whichever_way_it_is_computed(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 5 and 2: cross-entropies of softmaxes over all six keys, the teacher's keys fused."""
    monkeypatch.setattr(matching, "BLOCK_ENTRIES", block)
    monkeypatch.setattr(matching, "has_contrast", lambda *tensors: False)
    z, t, z_m, t_m = (unit_rows(_normal(NODES, 4, seed)) for seed in (1, 2, 3, 4))
    keys = unit_rows((z_m + t_m) / 2).T / 0.3

    def cross_entropies(teacher: Tensor, student: Tensor) -> Tensor:
        return -(torch.softmax(teacher, dim=1) * torch.log_softmax(student, dim=1)).sum(dim=1)

    losses = cross_entropies(z_m @ keys, z @ t.T / 0.3) + cross_entropies(t_m @ keys, t @ z.T / 0.3)
    value = intent_text_matching(z, t, z_m, t_m, 0.3, torch.tensor([5, 2]))
    assert value.item() == pytest.approx((losses[5] + losses[2]).item() / 4, rel=1e-12)


def test_sampled_matching_in_float32_is_that_in_float64() -> None:
    """In float32 the compiled kernels are used where there are some."""
    views = [unit_rows(_normal(NODES, 4, seed)) for seed in (1, 2, 3, 4)]
    sampled = torch.tensor([0, 3, 4])
    exact = _graded(lambda z, t: intent_text_matching(z, t, views[2], views[3], 0.2, sampled), *views[:2])
    narrow = [view.float() for view in views]
    ours = _graded(lambda z, t: intent_text_matching(z, t, narrow[2], narrow[3], 0.2, sampled), *narrow[:2])
    for mine, expected in zip(ours, exact, strict=True):
        torch.testing.assert_close(mine.double(), expected, rtol=1e-5, atol=1e-6)


def test_sampled_gradients_pass_finite_differences() -> None:
    sampled = torch.tensor([3, 0])
    teachers = [unit_rows(_normal(NODES, 4, seed)) for seed in (3, 4)]
    inputs = tuple(unit_rows(_normal(NODES, 4, seed)).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(lambda z, t: intent_text_matching(z, t, *teachers, 0.4, sampled), inputs)
    text, nodes = _normal(2, 4, 5).requires_grad_(), _normal(NODES, 4, 6).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda t, e: translation_alignment(t, e, None, None, sampled), (text, nodes)
    )


BATCH = Batch(torch.tensor([4, 2, 2, 1, 4]), torch.tensor([1, 1, 3, 0, 1]), torch.tensor([2, 3, 2, 4, 4]))
"""Users 1, 2 and 4 of six, two of them twice; items 0 to 4."""


def _contrast(anchors: Tensor, positives: Tensor, candidates: Tensor) -> Tensor:
    """Return the formula of METHOD, `InfoNCE(a, b, C; 0.2)`, with the whole similarity matrix."""
    a, b, c = (
        rows / torch.sqrt(1e-8 + rows.square().sum(1, keepdim=True))
        for rows in (anchors, positives, candidates)
    )
    return (torch.logsumexp(a @ c.T / 0.2, dim=1) - (a * b).sum(dim=1) / 0.2).mean()


def _by_hand(users: Tensor, items: Tensor, other_users: Tensor, other_items: Tensor) -> Tensor:
    distinct = torch.tensor([1, 2, 4])
    total = _contrast(users[BATCH.users], other_users[BATCH.users], other_users[distinct])
    for chosen in (BATCH.positive_items, BATCH.negative_items):
        total = total + _contrast(items[chosen], other_items[chosen], other_items[chosen])
    return total


def test_users_contrasted_with_the_batchs_users_by_the_formula() -> None:
    """Denominators hold each of the batch's users once, however often it stands in the batch."""
    rows = BatchRows.of(BATCH)
    views = [_normal(count, 4, seed) for seed, count in enumerate((6, 5, 6, 5))]

    def ours(users: Tensor, items: Tensor, other_users: Tensor, other_items: Tensor) -> Tensor:
        chosen = (users[rows.users], items[rows.items], other_users[rows.users], other_items[rows.items])
        return pairwise_alignment(*chosen, rows, 0.2)

    for mine, expected in zip(_graded(ours, *views), _graded(_by_hand, *views), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-9, atol=1e-12)


def test_profile_alignment_with_the_batchs_users_gives_the_tower_no_others() -> None:
    rows, seen = BatchRows.of(BATCH), []
    vectors, weight = _normal(11, 3, 7), _normal(3, 4, 8)

    def tower(read: Tensor) -> Tensor:
        seen.append(read)
        return read @ weight

    users, items = _normal(6, 4, 1), _normal(5, 4, 2)
    value = profile_alignment(users, items, tower, vectors, rows, 0.2, batch_users_only=True)
    texts = vectors @ weight
    assert value.item() == pytest.approx(_by_hand(users, items, texts[:6], texts[6:]).item(), rel=1e-12)
    assert torch.equal(torch.cat(seen), vectors[[1, 2, 4, 6, 7, 8, 9, 10]])


def test_fewer_candidates_make_a_smaller_denominator() -> None:
    rows = BatchRows.of(BATCH)
    users, items, vectors = _normal(6, 4, 1), _normal(5, 4, 2), _normal(11, 4, 3)
    few, all_users = (
        profile_alignment(users, items, lambda read: read, vectors, rows, 0.2, batch_users_only=only)
        for only in (True, False)
    )
    assert few.item() < all_users.item()
