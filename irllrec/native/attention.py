"""Sums of exponentiated dot products and the values they weight, without a rows × table array."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.native.building import kernels
from irllrec.native.calling import address, fits, in_threads


def has_attention(*tensors: Tensor) -> bool:
    """Return whether :func:`attention` takes these tensors: float32 on a processor, kernels built."""
    return fits(*tensors)


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
        library.pack(address(table), *table.shape, width, first, last, address(panels))

    def attend(first: int, last: int) -> None:
        clamped = row_shift is not None or table_shift is not None
        library.attend(
            *(address(of_queries), address(row_bias), first, last, width),
            *(address(panels), address(bias), address(padded_counts), address(counted), table_rows),
            *(clamped, address(sums), address(weighted)),
        )

    in_threads(pack, table_rows, library.table_padding())
    in_threads(attend, len(of_queries), library.query_padding())
    found = sums[: len(queries)].to(torch.float32)
    return found, None if weighted is None else weighted[: len(queries), : queries.shape[1]]


def _padded(count: int, step: int) -> int:
    return -(-count // step) * step


def _fitted(rows: Tensor, count: int, width: int) -> Tensor:
    """Return the rows with zeros after them, contiguous."""
    if rows.shape == (count, width):
        return rows.contiguous()
    return torch.nn.functional.pad(rows, (0, width - rows.shape[1], 0, count - rows.shape[0]))
