"""Blocked contrasts against the plain formula, by hand, by finite differences and at the edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from irllrec.errors import ConfigurationError
from irllrec.losses import contrastive
from irllrec.losses.contrastive import floored_contrast, info_nce, mean_log_sum_exp, unit_rows


def _random_unit(rows: int, seed: int, size: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return unit_rows(torch.randn(rows, size, generator=generator, dtype=torch.float64))


def _plain_info_nce(a: Tensor, b: Tensor, c: Tensor, temperature: float) -> Tensor:
    """The formula of METHOD written out with the whole similarity matrix."""
    return (torch.logsumexp(a @ c.T / temperature, dim=1) - (a * b).sum(dim=1) / temperature).mean()


def test_info_nce_by_hand() -> None:
    """a = e1, b = e1, candidates e1 and e2, τ = 0.5: −2 + log(e² + 1) = 0.126928."""
    one = torch.tensor([[1.0, 0.0]])
    candidates = torch.eye(2)
    assert info_nce(one, one, candidates, 0.5).item() == pytest.approx(0.126928, abs=1e-6)


def test_floored_contrast_by_hand() -> None:
    """Same vectors, τ = 1: −log(e / (e + 1)) = 0.313262; the floors change it by less than 1e-7."""
    one = torch.tensor([[1.0, 0.0]])
    assert floored_contrast(one, one, torch.eye(2), 1.0).item() == pytest.approx(0.313262, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.005, 0.1, 0.2, 1.0])
def test_value_and_gradients_equal_the_materialised_formula(
    temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of three rows, so that block borders lie inside the batch."""
    monkeypatch.setattr(contrastive, "BLOCK_ENTRIES", 3 * 11)
    inputs = [_random_unit(8, 1), _random_unit(8, 2), _random_unit(11, 3)]
    ours = [tensor.clone().requires_grad_() for tensor in inputs]
    plain = [tensor.clone().requires_grad_() for tensor in inputs]
    value = info_nce(ours[0], ours[1], ours[2], temperature)
    expected = _plain_info_nce(plain[0], plain[1], plain[2], temperature)
    assert value.item() == pytest.approx(expected.item(), rel=1e-10)
    (3.0 * value).backward()
    (3.0 * expected).backward()
    for mine, reference in zip(ours, plain, strict=True):
        assert mine.grad is not None
        assert reference.grad is not None
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-8, atol=1e-12)


def test_counts_equal_repeated_rows() -> None:
    """Row r counted n_r times is the mean over a batch in which it stands n_r times."""
    a, b = _random_unit(4, 1), _random_unit(4, 2)
    counts = torch.tensor([3, 1, 2, 5])
    repeated = torch.repeat_interleave(torch.arange(4), counts)
    by_count = info_nce(a, b, b, 0.3, row_counts=counts, candidate_counts=counts)
    by_rows = info_nce(a[repeated], b[repeated], b[repeated], 0.3)
    assert by_count.item() == pytest.approx(by_rows.item(), rel=1e-12)


def test_gradients_with_counts_pass_finite_differences() -> None:
    counts = torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64)
    inputs = tuple(_random_unit(3, seed).requires_grad_() for seed in (4, 5, 6))
    assert torch.autograd.gradcheck(
        lambda a, b, c: info_nce(a, b, c, 0.4, row_counts=counts, candidate_counts=counts), inputs
    )


def test_floored_gradients_pass_finite_differences() -> None:
    inputs = tuple(_random_unit(4, seed).requires_grad_() for seed in (7, 8, 9))
    assert torch.autograd.gradcheck(lambda a, b, c: floored_contrast(a, b, c, 0.5), inputs)


def test_floored_counts_equal_repeated_rows() -> None:
    a, b = _random_unit(4, 1), _random_unit(4, 2)
    counts = torch.tensor([3, 1, 2, 5])
    repeated = torch.repeat_interleave(torch.arange(4), counts)
    by_count = floored_contrast(a, b, b, 0.3, row_counts=counts, candidate_counts=counts)
    by_rows = floored_contrast(a[repeated], b[repeated], b[repeated], 0.3)
    assert by_count.item() == pytest.approx(by_rows.item(), rel=1e-12)


def test_mean_log_sum_exp_of_large_dot_products_equals_the_materialised_formula(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Dot products in the thousands, whose exponentials overflow; blocks of three rows."""
    monkeypatch.setattr(contrastive, "BLOCK_ENTRIES", 3 * 11)
    counts = torch.tensor([2, 1, 1, 3, 1, 1, 1])
    inputs = [(50 * _random_unit(7, 1)).requires_grad_(), (50 * _random_unit(11, 2)).requires_grad_()]
    value = mean_log_sum_exp(*inputs, row_counts=counts)
    rows = inputs[0].repeat_interleave(counts, dim=0)
    expected = torch.logsumexp(rows @ inputs[1].T, dim=1).mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)
    for mine, plain in zip(
        torch.autograd.grad(2.0 * value, inputs), torch.autograd.grad(2.0 * expected, inputs), strict=True
    ):
        torch.testing.assert_close(mine, plain)


def test_rows_in_another_order_give_the_same_value() -> None:
    a, b, c = _random_unit(6, 1), _random_unit(6, 2), _random_unit(9, 3)
    order = torch.tensor([3, 5, 0, 1, 4, 2])
    shuffled = info_nce(a[order], b[order], c[torch.randperm(9)], 0.2)
    assert shuffled.item() == pytest.approx(info_nce(a, b, c, 0.2).item(), rel=1e-12)


def test_equal_candidates_give_the_logarithm_of_their_number() -> None:
    """All vectors alike: −1/τ + log(7 e^{1/τ}) = log 7, whatever τ."""
    same = unit_rows(torch.ones(7, 3, dtype=torch.float64) * 1e4)
    assert info_nce(same, same, same, 0.1).item() == pytest.approx(math.log(7), rel=1e-9)


def test_zero_rows_stay_zero_and_finite() -> None:
    rows = unit_rows(torch.zeros(2, 3))
    assert rows.tolist() == [[0.0] * 3] * 2
    assert info_nce(rows, rows, rows, 0.2).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("temperature", [0.0, -0.1])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    rows = _random_unit(2, 1)
    with pytest.raises(ConfigurationError, match="not positive"):
        info_nce(rows, rows, rows, temperature)


def test_a_temperature_that_would_overflow_the_floored_form_is_refused() -> None:
    rows = _random_unit(2, 1)
    with pytest.raises(ConfigurationError, match="overflow"):
        floored_contrast(rows, rows, rows, 0.001)
