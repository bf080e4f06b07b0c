"""Softmax losses over a table and their gradients, without a queries × table array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.native.calling import address, built, fits, in_threads

PARTS, LEAST_PART = 4, 128
"""Queries are summed into the table's gradient in up to so many parts of at least so many, whatever the threads."""


def has_contrast(*tensors: Tensor) -> bool:
    """Return whether the functions below take these tensors: float32 on a processor, kernels built."""
    return fits(*tensors)


@dataclass(frozen=True)
class Contrast:
    """The sums of a contrast and its pull, for the gradient ``g`` of the loss by each product.

    Attributes:
        sums: ``Σ_j c_j·e_rj``.
        drawn: ``Σ_j g_rj·t_j``, what the table draws the queries by; None where no gradient was wanted.
        pushed: ``Σ_r g_rj·q_r``, what the queries push the table by; likewise.
    """

    sums: Float[Tensor, "row"]
    drawn: Float[Tensor, "row dim"] | None
    pushed: Float[Tensor, "candidate dim"] | None


@dataclass(frozen=True)
class Distillation:
    """As :class:`Contrast` for a cross-entropy, and what its value needs.

    Attributes:
        sums: ``Σ_j e_rj`` of the student.
        means: The student's products, averaged with the teacher's shares.
        drawn: See :class:`Contrast`. ``pushed`` likewise.
    """

    sums: Float[Tensor, "row"]
    means: Float[Tensor, "row"]
    drawn: Float[Tensor, "row dim"]
    pushed: Float[Tensor, "candidate dim"]


@torch.no_grad()
def contrast(
    queries: Float[Tensor, "row dim"],
    table: Float[Tensor, "candidate dim"],
    weights: Float[Tensor, "row"] | None = None,
    *,
    counts: Float[Tensor, "candidate"] | None = None,
    shifts: Float[Tensor, "row"] | None = None,
    positives: Float[Tensor, "row"] | None = None,
    floor: float = 0.0,
) -> Contrast:
    """Return the sums of ``e_rj = exp(q_r·t_j − shift_r)`` and the pull of ``g_rj = c_j·w_r·d_r·e_rj / (s_r + floor)``.

    ``d`` is 1, or with a floor ``p / (p + floor)`` for ``p = positive / (s + floor)``. Without shifts the products
    must lie within ±87. The number of threads does not change a bit of the result.

    Args:
        queries: One row a result.
        table: What they are multiplied with.
        weights: ``w``, shares of the rows in the loss; None leaves the gradients out.
        counts: ``c``, 1 by default.
        shifts: Taken from each row's products.
        positives: Exponentials of the rows' positives, needed with a floor.
        floor: What is added to sums and shares.

    *Errors*: none are raised for numbers; a NaN gives NaN.
    """
    library = built()
    problem = _Padded.of(queries, table, counts)
    found = _Found.of(problem, gradients=weights is not None)
    given = [None if one is None else problem.row_vector(one) for one in (shifts, weights, positives)]
    shift, weight, positive = map(address, given)

    def work(first: int, last: int, scratch: Tensor, pushed: Tensor | None) -> None:
        library.contrast(
            *(address(problem.queries), shift, first, last, problem.width),
            *(address(problem.panels), address(problem.table), address(problem.counts), len(problem.table)),
            *(weight, positive, floor, address(scratch), address(found.sums)),
            *(address(found.drawn), address(pushed)),
        )

    _in_parts(work, problem, found, sides=1)
    rows = len(queries)
    if found.drawn is None:
        return Contrast(found.sums[:rows].float(), None, None)
    return Contrast(found.sums[:rows].float(), found.of_queries(queries), found.of_table(table))


@torch.no_grad()
def distil(
    queries: Float[Tensor, "row dim"],
    table: Float[Tensor, "candidate dim"],
    teachers: Float[Tensor, "row dim"],
    teacher_table: Float[Tensor, "candidate dim"],
) -> Distillation:
    """Return the pull of ``g_rj = softmax_j(q_r·t_j) − softmax_j(q̄_r·t̄_j)``, bars marking the teacher.

    Products must lie within ±87. The number of threads does not change a bit of the result.
    """
    library = built()
    problem, taught = _Padded.of(queries, table), _Padded.of(teachers, teacher_table)
    found = _Found.of(problem, gradients=True)
    teacher_sums, means = torch.zeros_like(found.sums), torch.zeros_like(found.sums)

    def work(first: int, last: int, scratch: Tensor, pushed: Tensor | None) -> None:
        library.distil(
            *(address(problem.queries), address(taught.queries), first, last, problem.width),
            *(address(problem.panels), address(taught.panels), address(problem.table)),
            *(address(problem.counts), len(problem.table), address(scratch), address(found.sums)),
            *(address(teacher_sums), address(means), address(found.drawn), address(pushed)),
        )

    _in_parts(work, problem, found, sides=2)
    rows = slice(None, len(queries))
    mean = (means[rows] / teacher_sums[rows]).float()
    return Distillation(found.sums[rows].float(), mean, found.of_queries(queries), found.of_table(table))


@dataclass(frozen=True)
class _Padded:
    """Both sides with rows and columns of zeros after them, as the kernels want them.

    Attributes:
        queries: Whole groups of rows.
        table: Whole tiles of rows.
        counts: How often a row of the table counts; 0 for padding.
        panels: The table's rows side by side.
    """

    queries: Tensor
    table: Tensor
    counts: Tensor
    panels: Tensor

    @classmethod
    def of(cls, queries: Tensor, table: Tensor, counts: Tensor | None = None) -> _Padded:
        library = built()
        width = _padded(queries.shape[1], library.width_padding())
        table_rows = _padded(max(1, len(table)), library.table_padding())
        padded_counts = torch.zeros(table_rows)
        padded_counts[: len(table)] = 1.0 if counts is None else counts
        fitted = _fitted(table, table_rows, width)
        panels = torch.empty_like(fitted)

        def pack(first: int, last: int) -> None:
            library.pack(address(fitted), width, first, last, address(panels))

        in_threads(pack, table_rows, library.table_padding())
        query_rows = _padded(max(1, len(queries)), library.query_padding())
        return cls(_fitted(queries, query_rows, width), fitted, padded_counts, panels)

    @property
    def width(self) -> int:
        return self.table.shape[1]

    @property
    def part_rows(self) -> int:
        """Queries whose pushes are added up by one thread, whole groups of them."""
        return _padded(max(LEAST_PART, -(-len(self.queries) // PARTS)), built().query_padding())

    def row_vector(self, values: Tensor) -> Tensor:
        """Return one number a query, ones for padding."""
        vector = torch.ones(len(self.queries))
        vector[: len(values)] = values
        return vector


@dataclass(frozen=True)
class _Found:
    """What the kernels add to; ``pushed`` has a table for each part of the queries."""

    sums: Tensor
    drawn: Tensor | None
    pushed: Tensor | None

    @classmethod
    def of(cls, problem: _Padded, *, gradients: bool) -> _Found:
        sums = torch.zeros(len(problem.queries), dtype=torch.float64)
        if not gradients:
            return cls(sums, None, None)
        parts = -(-len(problem.queries) // problem.part_rows)
        pushed = torch.zeros(parts, *problem.table.shape)
        return cls(sums, torch.zeros_like(problem.queries), pushed)

    def of_queries(self, queries: Tensor) -> Tensor:
        assert self.drawn is not None
        return self.drawn[: len(queries), : queries.shape[1]]

    def of_table(self, table: Tensor) -> Tensor:
        assert self.pushed is not None
        total = self.pushed[0].clone()  # a view would keep all parts until the backward pass
        for part in self.pushed[1:]:
            total += part
        return total[: len(table), : table.shape[1]]


def _in_parts(
    work: Callable[[int, int, Tensor, Tensor | None], None], problem: _Padded, found: _Found, *, sides: int
) -> None:
    """Call ``work`` for every part of the queries, side by side, each thread with scratch of its own."""
    row_count, step = len(problem.queries), problem.part_rows
    part_count = -(-row_count // step)
    size = built().scratch_size(len(problem.table), sides)
    # Made here, since what a thread makes stays in memory of its own when it is given back.
    spare = [torch.empty(size) for _ in range(min(torch.get_num_threads(), part_count))]

    def some(first: int, last: int) -> None:
        scratch = spare.pop()
        for part in range(first, last):
            pushed = None if found.pushed is None else found.pushed[part]
            work(part * step, min((part + 1) * step, row_count), scratch, pushed)

    in_threads(some, part_count)


def _padded(count: int, step: int) -> int:
    return -(-count // step) * step


def _fitted(rows: Tensor, count: int, width: int) -> Tensor:
    """Return the rows with zeros after them, contiguous."""
    if rows.shape == (count, width):
        return rows.contiguous()
    return torch.nn.functional.pad(rows, (0, width - rows.shape[1], 0, count - rows.shape[0]))
