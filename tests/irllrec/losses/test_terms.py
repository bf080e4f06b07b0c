"""The other terms: ranking, regularisation, matching, alignment."""

from __future__ import annotations

import math

import pytest
import torch

from irllrec.losses import matching
from irllrec.losses.alignment import BatchRows, pairwise_alignment, translation_alignment
from irllrec.losses.contrastive import info_nce, unit_rows
from irllrec.losses.matching import distilled_matching, feature_cross_entropy
from irllrec.losses.ranking import bpr, sampled_softmax
from irllrec.losses.reconstruction import masked_reconstruction
from irllrec.losses.regularization import squared_norm
from irllrec.types import Batch


def _normal(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def test_bpr_by_hand() -> None:
    """Scores 2 and 0.5: softplus(−1.5) = log(1 + e^{−1.5}) = 0.201413."""
    user = torch.tensor([[1.0, 0.0]])
    value = bpr(user, torch.tensor([[2.0, 1.0]]), torch.tensor([[0.5, 9.0]]))
    assert value.item() == pytest.approx(0.201413, abs=1e-6)


def test_bpr_of_equal_scores_is_log_two() -> None:
    rows = _normal(4, 3, 1)
    assert bpr(rows, rows, rows).item() == pytest.approx(math.log(2))


def test_bpr_gradient_passes_finite_differences() -> None:
    assert torch.autograd.gradcheck(bpr, tuple(_normal(3, 2, s).requires_grad_() for s in (1, 2, 3)))


def test_squared_norm_sums_over_all_parameters() -> None:
    """1 + 4 + 9 + 16 = 30."""
    assert squared_norm([torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [4.0]])]).item() == 30.0


def test_feature_cross_entropy_by_hand() -> None:
    """Teacher (0, log 3) is (1/4, 3/4); student (0, 0) is (1/2, 1/2): log 2 = 0.693147."""
    value = feature_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.0, math.log(3)]]))
    assert value.item() == pytest.approx(math.log(2), rel=1e-6)


def test_the_teacher_gets_no_gradient() -> None:
    student, teacher = _normal(3, 4, 1).requires_grad_(), _normal(3, 4, 2).requires_grad_()
    feature_cross_entropy(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert bool(student.grad.abs().sum() > 0)


def test_distilled_matching_equals_the_materialised_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "BLOCK_ENTRIES", 2 * 7)
    rows = [unit_rows(_normal(7, 4, seed)) for seed in (1, 2, 3, 4)]
    a, k = rows[0].clone().requires_grad_(), rows[1].clone().requires_grad_()
    value = distilled_matching(a, k, rows[2], rows[3], 0.3)
    b, m = rows[0].clone().requires_grad_(), rows[1].clone().requires_grad_()
    targets = torch.softmax(rows[2] @ rows[3].T / 0.3, dim=1)
    expected = -(targets * torch.log_softmax(b @ m.T / 0.3, dim=1)).sum(dim=1).mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-10)
    value.backward()
    expected.backward()
    assert a.grad is not None
    assert k.grad is not None
    torch.testing.assert_close(a.grad, b.grad)
    torch.testing.assert_close(k.grad, m.grad)


def test_distilled_matching_is_least_where_student_and_teacher_agree() -> None:
    """Cross-entropy to a fixed teacher is least at the teacher, so its gradient there is zero."""
    z, t = unit_rows(_normal(5, 4, 1)), unit_rows(_normal(5, 4, 2))
    anchors = z.clone().requires_grad_()
    distilled_matching(anchors, t, z, t, 0.5).backward()
    assert anchors.grad is not None
    assert float(anchors.grad.abs().max()) < 1e-12


def test_translation_alignment_ignores_the_lengths_of_its_rows() -> None:
    text, nodes = _normal(6, 4, 1) * 10, _normal(6, 4, 2) * 10
    value = translation_alignment(text, nodes, None, None)
    scaled = translation_alignment(text * 7, nodes * 0.5, None, None)
    assert scaled.item() == pytest.approx(value.item(), rel=1e-8)


def test_zero_noise_is_no_noise() -> None:
    text, nodes = _normal(6, 4, 1), _normal(6, 4, 2)
    zeros = torch.zeros_like(text)
    with_zeros = translation_alignment(text, nodes, zeros, zeros)
    assert with_zeros.item() == translation_alignment(text, nodes, None, None).item()


def test_noise_moves_translation_alignment() -> None:
    text, nodes = _normal(6, 4, 1), _normal(6, 4, 2)
    noisy = translation_alignment(text, nodes, _normal(6, 4, 3), None)
    assert noisy.item() != pytest.approx(translation_alignment(text, nodes, None, None).item(), rel=1e-6)


def test_masked_reconstruction_is_least_for_perfect_decoders() -> None:
    profiles = _normal(5, 8, 1)
    perfect = masked_reconstruction(profiles, profiles, 0.2)
    assert perfect.item() < masked_reconstruction(_normal(5, 8, 2), profiles, 0.2).item()


def test_pairwise_alignment_over_distinct_rows_equals_it_over_the_batch() -> None:
    """The three terms of METHOD written out over a batch with repeated users and items."""
    batch = Batch(torch.tensor([0, 2, 2, 1, 0]), torch.tensor([1, 1, 3, 0, 1]), torch.tensor([2, 3, 2, 4, 4]))
    users, items = _normal(3, 4, 1), _normal(5, 4, 2)
    other_users, other_items = _normal(3, 4, 3), _normal(5, 4, 4)
    rows = BatchRows.of(batch)
    ours = pairwise_alignment(
        users[rows.users], items[rows.items], other_users, other_items[rows.items], rows, 0.2
    )
    u, i, ou, oi = (unit_rows(x) for x in (users, items, other_users, other_items))
    expected = info_nce(u[batch.users], ou[batch.users], ou, 0.2)
    for chosen in (batch.positive_items, batch.negative_items):
        expected = expected + info_nce(i[chosen], oi[chosen], oi[chosen], 0.2)
    assert ours.item() == pytest.approx(expected.item(), rel=1e-12)


def test_sampled_softmax_by_hand() -> None:
    """Cosines 1, 0 and -1 over τ = 0.5: log(e² + 1 + e^-2) - 2 = 0.142932."""
    user = torch.tensor([[1.0, 0.0]])
    negatives = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]])
    assert sampled_softmax(user, user, negatives, 0.5).item() == pytest.approx(0.142932, abs=1e-6)


def test_sampled_softmax_against_its_own_positive_is_the_log_of_the_count() -> None:
    rows = unit_rows(_normal(4, 3, 1))
    value = sampled_softmax(rows, rows, rows[:, None].expand(-1, 5, -1), 0.2)
    assert value.item() == pytest.approx(math.log(6))


def test_sampled_softmax_does_not_depend_on_the_order_of_negatives() -> None:
    rows, negatives = unit_rows(_normal(4, 3, 1)), _normal(4, 15, 2).view(4, 5, 3)
    one, other = (sampled_softmax(rows, rows, n, 0.2) for n in (negatives, negatives.flip(1)))
    assert one.item() == pytest.approx(other.item(), rel=1e-12)


def test_sampled_softmax_gradient_passes_finite_differences() -> None:
    inputs = (
        _normal(3, 2, 1).requires_grad_(),
        _normal(3, 2, 2).requires_grad_(),
        _normal(3, 8, 3).view(3, 4, 2).clone().requires_grad_(),
    )
    assert torch.autograd.gradcheck(lambda u, i, j: sampled_softmax(u, i, j, 0.3), inputs)
