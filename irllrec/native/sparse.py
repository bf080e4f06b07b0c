"""Products over the edges of a graph in compressed rows."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from irllrec.native.calling import address, built, fits, in_threads


def has_sparse(*tensors: Tensor) -> bool:
    """Return whether the products below take these tensors."""
    return fits(*tensors)


def sparse_product(
    row_starts: Int[Tensor, "starts"],
    columns: Int[Tensor, "edge"],
    values: Float[Tensor, "edge"],
    nodes: Float[Tensor, "node dim"],
) -> Float[Tensor, "row dim"]:
    """Return ``M @ nodes``, the rows' entries added in their order; rows without entries give zeros.

    Args:
        row_starts: int32, one more than there are rows.
        columns: int32.
        values: Entries of ``M``.
        nodes: What it is multiplied with.
    """
    product = torch.empty(len(row_starts) - 1, nodes.shape[1])
    _multiply(row_starts, columns, values, nodes, product=product)
    return product


def add_product(
    row_starts: Int[Tensor, "starts"],
    columns: Int[Tensor, "edge"],
    values: Float[Tensor, "edge"],
    nodes: Float[Tensor, "node dim"],
    added: Float[Tensor, "row dim"],
    *,
    product: Float[Tensor, "row dim"] | None = None,
    total: Float[Tensor, "row dim"] | None = None,
) -> Float[Tensor, "row dim"]:
    """Return ``added + M @ nodes`` in one pass.

    Args:
        row_starts: As for :func:`sparse_product`, like ``columns``, ``values`` and ``nodes``.
        added: What the product is added to.
        product: Where ``M @ nodes`` is put as well, contiguous; None leaves it out.
        total: Where the sum is put, contiguous; may be ``added``. None makes an array.
    """
    added = added.contiguous()
    total = torch.empty_like(added) if total is None else total
    _multiply(row_starts, columns, values, nodes, product=product, added=added, total=total)
    return total


def _multiply(
    row_starts: Tensor,
    columns: Tensor,
    values: Tensor,
    nodes: Tensor,
    *,
    product: Tensor | None = None,
    added: Tensor | None = None,
    total: Tensor | None = None,
) -> None:
    library = built()
    values, nodes = values.contiguous(), nodes.contiguous()
    given = (address(row_starts), address(columns), address(values), address(nodes), nodes.shape[1])
    results = (address(product), address(added), address(total))

    def work(first: int, last: int) -> None:
        library.sparse_product(*given, first, last, *results)

    in_threads(work, len(row_starts) - 1)


def edge_products(
    row_starts: Int[Tensor, "starts"],
    columns: Int[Tensor, "edge"],
    left: Float[Tensor, "row dim"],
    right: Float[Tensor, "node dim"],
    row_count: int,
) -> Float[Tensor, "edge"]:
    """Return ``<left_row, right_column>`` of every entry of the first ``row_count`` rows.

    Args:
        row_starts: int32.
        columns: int32.
        left: Read by row.
        right: Read by column.
        row_count: Rows whose entries are wanted.
    """
    library = built()
    left, right = left.contiguous(), right.contiguous()
    products = torch.empty(int(row_starts[row_count]))
    given = (address(row_starts), address(columns), address(left), address(right), left.shape[1])

    def work(first: int, last: int) -> None:
        library.edge_products(*given, first, last, address(products))

    in_threads(work, row_count)
    return products
