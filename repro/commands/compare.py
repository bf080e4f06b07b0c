"""``repro compare A B``: one paired comparison, and what its marks mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.selection import (
    CorrectionOption,
    FormatOption,
    MetricsOption,
    NoRunOption,
    bring_up_to_date,
    print_table,
    read_options,
)

if TYPE_CHECKING:
    from repro.grid import CellRequest
    from repro.params import Params


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="dataset/backbone/variant, or a cell's key.")],
    second: Annotated[
        str, typer.Argument(metavar="B", help="What A is compared with, of the same data set.")
    ],
    *,
    metrics: MetricsOption = None,
    why: Annotated[bool, typer.Option("--why", help="Explain every figure and mark in words.")] = False,
    wilcoxon: Annotated[
        bool, typer.Option("--wilcoxon", help="Add Wilcoxon's test, with a warning about it.")
    ] = False,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="X",
            help="A difference that is too small to matter: a fraction (0.001) or a share of B's mean (1%). "
            "'p tied' goes by it, and 'p not worse' tests that A does not lose as much. "
            "Default: statistics.equivalence_margin in params.yaml.",
        ),
    ] = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Compare two cells over the same users: is A better than B?

    Example: repro compare demo/lightgcn/irllrec demo/lightgcn/base --why

    Example: repro compare demo/lightgcn/irllrec-fast demo/lightgcn/irllrec --margin 1%
    """
    from repro.assembly import pair_table_of
    from repro.errors import ReproError
    from repro.statistics.equivalence import read_margin

    width = None if margin is None else read_margin(margin)
    asked = read_options(format, correction, metrics)
    requests = [request_of(asked.params, name) for name in (first, second)]
    if requests[0].key == requests[1].key:
        raise ReproError(f"{first} and {second} are the same cell: name two different ones.")
    if requests[0].dataset != requests[1].dataset:
        raise ReproError(f"{first} and {second} are of different data sets: their users cannot be paired.")
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    found = {cell.key: cell for cell in cells}
    table = pair_table_of(
        found[requests[0].key],
        found[requests[1].key],
        asked.metrics,
        params,
        correction=asked.correction,
        why=why,
        wilcoxon=wilcoxon,
        margin=width,
    )
    print_table(table, format)


def request_of(params: Params, name: str) -> CellRequest:
    """Return the cell that a key or ``dataset/backbone/variant`` names, in the grid or not yet.

    Raises:
        ReproError: If the name can be read in neither way, or no such cell can be.
    """
    from repro.cell_requests import checked, named
    from repro.errors import ReproError

    if name in params.cells:
        cell = params.cells[name]
        return checked(params, named(params, cell.dataset, cell.backbone, cell.variant))
    parts = name.split("/")
    if len(parts) != 3:
        known = [
            [dataset, backbone, name.removeprefix(f"{dataset}-{backbone}-")]
            for dataset in params.datasets
            for backbone in params.backbones
            if name.startswith(f"{dataset}-{backbone}-")
        ]
        if not known:
            raise ReproError(
                f"there is no cell {name!r}: write dataset/backbone/variant, for example "
                f"demo/lightgcn/irllrec, or one of {', '.join(params.cells)}."
            )
        parts = known[0]
    return checked(params, named(params, *parts))
