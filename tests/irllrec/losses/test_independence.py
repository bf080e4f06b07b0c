"""Distance correlation: by hand, by a plain formula, its invariances and its edges."""

from __future__ import annotations

import math

import pytest
import torch

from irllrec.losses.independence import dependence, distance_correlations


def _normal(rows: int, columns: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def test_a_correlation_by_hand() -> None:
    """x = (0, 0, 1), y = (0, 1, 1).

    Distances of x are (0 0 1; 0 0 1; 1 1 0) with row means 1/3, 1/3, 2/3 and mean 4/9, so
    A = 1/9 (-2 -2 4; -2 -2 4; 4 4 -8); y mirrored gives B = 1/9 (-8 4 4; 4 -2 -2; 4 -2 -2).
    mean(A⊙B) = (16 - 8 + 16 - 8 + 4 - 8 + 16 - 8 + 16) / 729 = 36 / 729 and mean(A⊙A) = 144 / 729, so
    the correlation is sqrt(36 / 144) = 1/2.
    """
    rows = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    assert distance_correlations(rows)[0, 1].item() == pytest.approx(0.5, abs=1e-6)


def test_it_equals_the_formula_written_out() -> None:
    rows = _normal(3, 6, 1)

    def centred(x: list[float]) -> list[list[float]]:
        size = len(x)
        distances = [[abs(a - b) for b in x] for a in x]
        means = [sum(row) / size for row in distances]
        whole = sum(means) / size
        return [[distances[j][k] - means[j] - means[k] + whole for k in range(size)] for j in range(size)]

    def covariance(a: list[list[float]], b: list[list[float]]) -> float:
        size = len(a)
        return math.sqrt(sum(a[j][k] * b[j][k] for j in range(size) for k in range(size))) / size

    sides = [centred(row.tolist()) for row in rows]
    found = distance_correlations(rows)
    for p, a in enumerate(sides):
        for q, b in enumerate(sides):
            expected = covariance(a, b) / math.sqrt(covariance(a, a) * covariance(b, b))
            assert found[p, q].item() == pytest.approx(expected, rel=1e-6)


def test_rows_linear_in_each_other_correlate_fully() -> None:
    row = _normal(1, 8, 2)
    found = distance_correlations(torch.cat([row, -3.0 * row + 5.0]))
    torch.testing.assert_close(found, torch.ones(2, 2, dtype=torch.float64), rtol=0, atol=1e-6)


def test_dependence_without_correlation_is_seen() -> None:
    """y = x² on points symmetric about 0: the correlation is 0, the distance correlation is not."""
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    assert torch.corrcoef(torch.stack([x, x**2]))[0, 1].abs().item() < 1e-12
    assert distance_correlations(torch.stack([x, x**2]))[0, 1].item() > 0.4


def test_scale_and_shift_of_a_row_change_nothing() -> None:
    rows = _normal(3, 7, 3)
    moved = rows * torch.tensor([[2.0], [0.5], [7.0]], dtype=torch.float64) + 1.0
    torch.testing.assert_close(dependence(rows), dependence(moved), rtol=1e-6, atol=0)


def test_the_gradient_passes_finite_differences() -> None:
    assert torch.autograd.gradcheck(dependence, (_normal(3, 5, 4).requires_grad_(),))


def test_a_single_row_depends_on_nothing() -> None:
    assert dependence(_normal(1, 5, 5)).item() == 0.0


def test_constant_rows_give_no_dependence_and_a_finite_gradient() -> None:
    rows = torch.ones(2, 4, dtype=torch.float64, requires_grad=True)
    value = dependence(rows)
    value.backward()
    assert value.item() == pytest.approx(2e-4, rel=1e-6)
    assert rows.grad is not None
    assert bool(torch.isfinite(rows.grad).all())
