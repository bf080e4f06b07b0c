"""The kernel against the plain formula in double precision, and against PyTorch's blocks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from irllrec.losses import contrastive, matching
from irllrec.losses.contrastive import floored_contrast, info_nce, mean_log_sum_exp, unit_rows
from irllrec.losses.matching import distilled_matching
from irllrec.native.attention import attention, has_attention
from irllrec.native.building import kernels

pytestmark = pytest.mark.skipif(kernels().library is None, reason=f"no kernels here: {kernels().reason}")


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _random(rows: int, width: int, seed: int) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def _unit(rows: int, width: int, seed: int) -> Tensor:
    return unit_rows(_random(rows, width, seed))


def _plain(queries: Tensor, table: Tensor, values: Tensor, counts: Tensor, shift: Tensor) -> list[Tensor]:
    """Sums, weighted sums, and the size of what was added up: rounding is relative to it, not to what is left."""
    shares = torch.exp(queries.double() @ table.double().T - shift.double()[:, None]) * counts.double()
    return [shares.sum(dim=1), shares @ values.double(), shares @ values.double().abs()]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
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
    values, counts = _random(candidates, width, seed + 2), _random(candidates, 1, seed + 3)[:, 0].abs()
    sums, weighted = attention(queries, table, values, counts=counts)
    expected = _plain(queries, table, values, counts, torch.zeros(rows))
    torch.testing.assert_close(sums.double(), expected[0], rtol=2e-6, atol=0)
    assert weighted is not None
    assert bool(((weighted.double() - expected[1]).abs() <= 5e-6 * expected[2] + 1e-30).all())


def test_shifts_of_rows_and_of_candidates_are_taken_from_the_exponents() -> None:
    """Exponents around 400, which overflow without the shift; the far ones become nothing, not NaN."""
    queries, table = 40 * _unit(9, 6, 1), 10 * _unit(300, 6, 2)
    shift = (queries @ table.T).amax(dim=1)
    sums, weighted = attention(queries, table, table, row_shift=shift)
    expected = _plain(queries, table, table, torch.ones(300), shift)
    torch.testing.assert_close(sums.double(), expected[0], rtol=2e-4, atol=0)
    turned = attention(table, queries, queries, table_shift=shift)[1]
    assert weighted is not None
    assert turned is not None
    shares = torch.exp(queries.double() @ table.double().T - shift.double()[:, None])
    torch.testing.assert_close(turned.double(), shares.T @ queries.double(), rtol=1e-3, atol=1e-3)


def test_the_number_of_threads_changes_no_bit() -> None:
    queries, table = 5 * _unit(1003, 32, 1), _unit(777, 32, 2)
    found = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        found.append(attention(queries, table, table))
    for sums, weighted in found[1:]:
        assert torch.equal(sums, found[0][0])
        assert weighted is not None
        assert found[0][1] is not None
        assert torch.equal(weighted, found[0][1])


def test_what_is_not_a_number_is_not_hidden() -> None:
    queries, table = _unit(9, 4, 1), _unit(20, 4, 2)
    queries[3, 2] = torch.nan
    for shift in (None, torch.zeros(9)):
        sums, _ = attention(queries, table, None, row_shift=shift)
        assert sums.isnan().nonzero()[:, 0].tolist() == [3]


def test_double_precision_is_left_to_pytorch() -> None:
    assert has_attention(_unit(2, 3, 1))
    assert not has_attention(_unit(2, 3, 1), _unit(2, 3, 1).double())


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
            monkeypatch.setattr(module, "has_attention", lambda *rows, on=module_switch: on)
        rows = [tensor.clone().requires_grad_() for tensor in given_rows]
        value = _losses(rows)[loss]
        gradients = torch.autograd.grad(value, rows, allow_unused=True)
        found.append((value.detach(), [g for g in gradients if g is not None]))
    (native, native_gradients), (portable, portable_gradients) = found
    torch.testing.assert_close(native, portable, rtol=1e-6, atol=1e-6)
    assert len(native_gradients) == len(portable_gradients) >= 2
    for mine, other in zip(native_gradients, portable_gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=float(other.abs().max()) * 1e-5)
