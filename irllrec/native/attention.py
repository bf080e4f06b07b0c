"""Sums of exponentiated dot products and the values they weight, without a rows × table array."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.native.building import kernels


def has_attention(*tensors: Tensor) -> bool:
    """Return whether :func:`attention` takes these tensors: float32 on a processor, kernels built."""
    on_processor = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
    return on_processor and kernels().library is not None


@torch.no_grad()
def attention(
    queries: Float[Tensor, "row dim"],
    table: Float[Tensor, "candidate dim"],
    values: Float[Tensor, "candidate dim"] | None,
    *,
    counts: Float[Tensor, "candidate"] | None = None,
    row_shift: Float[Tensor, "row"] | None = None,
    table_shift: Float[Tensor, "candidate"] | None = None,
) -> tuple[Float[Tensor, "row"], Float[Tensor, "row dim"] | None]:
    """Return ``Σ_j c_j·e_rj`` and ``Σ_j c_j·e_rj·v_j`` with ``e_rj = exp(q_r·t_j − shift_r − shift_j)``.

    Without shifts the exponents must lie within ±87; with them only from above. The number of
    threads does not change a bit of the result.

    Args:
        queries: One row a result.
        table: What they are multiplied with.
        values: What is summed; None leaves the second sum out.
        counts: ``c``, 1 by default.
        row_shift: Taken from each row's exponents.
        table_shift: Taken from each candidate's exponents.

    *Errors*: none are raised for numbers; a NaN gives NaN.
    """
    library = kernels().library
    assert library is not None, "has_attention() was not asked"
    width = _padded(queries.shape[1], library.width_padding())
    table_rows = _padded(len(table), library.table_padding())
    weights = torch.ones(len(table)) if counts is None else counts
    of_queries = _fitted(queries, _padded(len(queries), library.query_padding()), width)
    row_bias = torch.zeros(len(of_queries))
    if row_shift is not None:
        row_bias[: len(queries)] = -row_shift
    bias, padded_counts = torch.zeros(table_rows), torch.zeros(table_rows)
    if table_shift is not None:
        bias[: len(table)] = -table_shift
    padded_counts[: len(table)] = weights
    counted = None if values is None else _fitted(values * weights[:, None], table_rows, width)
    panels = torch.empty(table_rows * width)
    table = table.contiguous()
    sums = torch.zeros(len(of_queries), dtype=torch.float64)
    weighted = None if values is None else torch.zeros(len(of_queries), width)

    def pack(first: int, last: int) -> None:
        library.pack(_at(table), *table.shape, width, first, last, _at(panels))

    def attend(first: int, last: int) -> None:
        clamped = row_shift is not None or table_shift is not None
        library.attend(
            *(_at(of_queries), _at(row_bias), first, last, width),
            *(_at(panels), _at(bias), _at(padded_counts), _at(counted), table_rows),
            *(clamped, _at(sums), _at(weighted)),
        )

    _in_threads(pack, table_rows, library.table_padding())
    _in_threads(attend, len(of_queries), library.query_padding())
    found = sums[: len(queries)].to(torch.float32)
    return found, None if weighted is None else weighted[: len(queries), : queries.shape[1]]


def _padded(count: int, step: int) -> int:
    return -(-count // step) * step


def _fitted(rows: Tensor, count: int, width: int) -> Tensor:
    """Return the rows with zeros after them, contiguous."""
    if rows.shape == (count, width):
        return rows.contiguous()
    return torch.nn.functional.pad(rows, (0, width - rows.shape[1], 0, count - rows.shape[0]))


def _at(tensor: Tensor | None) -> ctypes.c_void_p | None:
    return None if tensor is None else ctypes.c_void_p(tensor.data_ptr())


def _in_threads(work: Callable[[int, int], None], count: int, step: int) -> None:
    """Call ``work(first, last)`` on equal parts of ``count``, whole steps each, side by side."""
    threads = torch.get_num_threads()
    part = _padded(-(-count // threads), step)
    if threads == 1 or part >= count:
        work(0, count)
        return
    starts = range(0, count, part)
    list(_pool(threads).map(lambda first: work(first, min(first + part, count)), starts))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="attention")
