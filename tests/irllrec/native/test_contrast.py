"""The kernel against the plain formula in double precision, and against PyTorch's blocks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from irllrec.losses import contrastive, matching
from irllrec.losses.contrastive import floored_contrast, info_nce, mean_log_sum_exp, unit_rows
from irllrec.losses.matching import distilled_matching
from irllrec.native.building import kernels
from irllrec.native.contrast import Contrast, Distillation, contrast, distil, has_contrast

pytestmark = pytest.mark.skipif(kernels().library is None, reason=f"no kernels here: {kernels().reason}")


def _random(rows: int, width: int, seed: int) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def _unit(rows: int, width: int, seed: int) -> Tensor:
    return unit_rows(_random(rows, width, seed))


def _plain(
    queries: Tensor, table: Tensor, weights: Tensor, counts: Tensor, shifts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums, shares ``g`` of every pair, and their sizes, in double precision."""
    exponentials = torch.exp(queries.double() @ table.double().T - shifts.double()[:, None]) * counts.double()
    sums = exponentials.sum(dim=1)
    return sums, exponentials * (weights.double() / sums)[:, None], exponentials


def _assert_pull(
    found: Contrast | Distillation,
    shares: Tensor,
    queries: Tensor,
    table: Tensor,
    sizes: Tensor | None = None,
) -> None:
    """Rounding is relative to the ``sizes`` of what was added up, not to what is left of it."""
    sizes = shares.abs() if sizes is None else sizes
    sides = ((found.drawn, shares, sizes, table), (found.pushed, shares.T, sizes.T, queries))
    for mine, factor, size, rows in sides:
        assert mine is not None
        allowed = 5e-6 * (size @ rows.double().abs()) + 1e-30
        assert bool(((mine.double() - factor @ rows.double()).abs() <= allowed).all())


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 300),
    candidates=st.integers(1, 700),
    width=st.integers(1, 70),
    threads=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_any_shape_equals_the_plain_formula(
    rows: int, candidates: int, width: int, threads: int, seed: int
) -> None:
    torch.set_num_threads(threads)
    queries, table = 5 * _unit(rows, width, seed), _unit(candidates, width, seed + 1)
    weights, counts = (_random(n, 1, seed + 2)[:, 0].abs() + 0.1 for n in (rows, candidates))
    found = contrast(queries, table, weights, counts=counts)
    sums, shares, _ = _plain(queries, table, weights, counts, torch.zeros(rows))
    torch.testing.assert_close(found.sums.double(), sums, rtol=2e-6, atol=0)
    _assert_pull(found, shares, queries, table)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 300),
    candidates=st.integers(1, 600),
    width=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_a_distillation_pulls_by_the_difference_of_two_softmaxes(
    rows: int, candidates: int, width: int, seed: int
) -> None:
    queries, teachers = 5 * _unit(rows, width, seed), 5 * _unit(rows, width, seed + 1)
    table, taught = _unit(candidates, width, seed + 2), _unit(candidates, width, seed + 3)
    found = distil(queries, table, teachers, taught)
    ones, zeros = torch.ones(candidates), torch.zeros(rows)
    sums, mine, _ = _plain(queries, table, torch.ones(rows), ones, zeros)
    theirs = _plain(teachers, taught, torch.ones(rows), ones, zeros)[1]
    torch.testing.assert_close(found.sums.double(), sums, rtol=2e-6, atol=0)
    means = (theirs * (queries.double() @ table.double().T)).sum(dim=1)
    torch.testing.assert_close(found.means.double(), means, rtol=1e-5, atol=1e-5)
    _assert_pull(found, mine - theirs, queries, table, mine + theirs)


def test_a_floor_damps_rows_whose_positive_is_small() -> None:
    """The derivative of ``-log(p / (s + f) + f)`` by a product is ``e / (s + f) * x / (x + f)``, x = p / (s + f)."""
    queries, table, floor = 3 * _unit(20, 8, 1), _unit(50, 8, 2), 0.01
    weights, positives = _random(20, 1, 3)[:, 0].abs(), _random(20, 1, 4)[:, 0].abs()
    found = contrast(queries, table, weights, positives=positives, floor=floor)
    sums, _, exponentials = _plain(queries, table, weights, torch.ones(50), torch.zeros(20))
    share = positives.double() / (sums + floor)
    factors = weights.double() / (sums + floor) * share / (share + floor)
    _assert_pull(found, exponentials * factors[:, None], queries, table)


def test_shifts_are_taken_from_the_exponents() -> None:
    """Exponents around 400, which overflow without the shift; the far ones become nothing, not NaN."""
    queries, table = 40 * _unit(9, 6, 1), 10 * _unit(300, 6, 2)
    shifts = (queries @ table.T).amax(dim=1)
    found = contrast(queries, table, torch.ones(9), shifts=shifts)
    sums, shares, _ = _plain(queries, table, torch.ones(9), torch.ones(300), shifts)
    torch.testing.assert_close(found.sums.double(), sums, rtol=2e-4, atol=0)
    assert found.pushed is not None
    torch.testing.assert_close(found.pushed.double(), shares.T @ queries.double(), rtol=1e-3, atol=1e-3)


def test_the_number_of_threads_changes_no_bit() -> None:
    queries, table = 5 * _unit(1003, 32, 1), _unit(777, 32, 2)
    teachers, taught = 5 * _unit(1003, 32, 3), _unit(777, 32, 4)
    found = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        found.append((contrast(queries, table, torch.ones(1003)), distil(queries, table, teachers, taught)))
    for several in found[1:]:
        for mine, first in zip(several, found[0], strict=True):
            for name, value in vars(first).items():
                assert torch.equal(getattr(mine, name), value), name


def test_no_rows_pull_nothing_and_no_candidates_sum_to_nothing() -> None:
    nobody = contrast(_unit(0, 8, 1), _unit(90, 8, 2), torch.ones(0))
    assert nobody.sums.shape == (0,)
    assert nobody.pushed is not None
    assert not nobody.pushed.any()
    assert torch.equal(contrast(_unit(3, 8, 1), _unit(0, 8, 2)).sums, torch.zeros(3))


def test_without_weights_there_are_sums_and_no_gradients() -> None:
    queries, table = 5 * _unit(30, 8, 1), _unit(90, 8, 2)
    found = contrast(queries, table)
    assert torch.equal(found.sums, contrast(queries, table, torch.ones(30)).sums)
    assert found.drawn is None
    assert found.pushed is None


def test_what_is_not_a_number_is_not_hidden() -> None:
    queries, table = _unit(9, 4, 1), _unit(20, 4, 2)
    queries[3, 2] = torch.nan
    for shifts in (None, torch.zeros(9)):
        found = contrast(queries, table, torch.ones(9), shifts=shifts)
        assert found.sums.isnan().nonzero()[:, 0].tolist() == [3]
        assert found.pushed is not None
        assert bool(found.pushed.isnan().all())


def test_double_precision_is_left_to_pytorch() -> None:
    assert has_contrast(_unit(2, 3, 1))
    assert not has_contrast(_unit(2, 3, 1), _unit(2, 3, 1).double())


def _losses(rows: list[Tensor]) -> dict[str, Tensor]:
    a, b, c, d = rows
    counts = torch.arange(1, len(a) + 1)
    return {
        "info_nce": info_nce(a, b, c, 0.2, row_counts=counts, candidate_counts=counts.flip(0)),
        "cold info_nce": info_nce(a, b, c, 0.01),
        "floored": floored_contrast(a, b, c, 1.0, row_counts=counts),
        "unbounded": mean_log_sum_exp(8 * a, 8 * c),
        "matching": distilled_matching(a, b, c, d, 0.2),
    }


@pytest.mark.parametrize("loss", ["info_nce", "cold info_nce", "floored", "unbounded", "matching"])
def test_losses_and_gradients_equal_those_without_kernels(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given_rows = [_unit(530, 33, seed) for seed in range(4)]
    found = []
    for module_switch in (True, False):
        for module in (contrastive, matching):
            monkeypatch.setattr(module, "has_contrast", lambda *rows, on=module_switch: on)
        rows = [tensor.clone().requires_grad_() for tensor in given_rows]
        value = _losses(rows)[loss]
        gradients = torch.autograd.grad(value, rows, allow_unused=True)
        found.append((value.detach(), [g for g in gradients if g is not None]))
    (native, native_gradients), (portable, portable_gradients) = found
    torch.testing.assert_close(native, portable, rtol=1e-6, atol=1e-6)
    assert len(native_gradients) == len(portable_gradients) >= 2
    for mine, other in zip(native_gradients, portable_gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=float(other.abs().max()) * 1e-5)
