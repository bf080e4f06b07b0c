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
    check_correction,
    check_format,
    print_table,
    split_list,
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
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Compare two cells over the same users: is A better than B?

    Example: repro compare demo/lightgcn/irllrec demo/lightgcn/base --why
    """
    from repro.analysis import chief_metrics
    from repro.assembly import pair_table_of
    from repro.errors import ReproError
    from repro.layout import Layout
    from repro.params import load_params
    from repro.results import check_metrics

    layout = Layout.find()
    params = load_params(layout.params)
    check_format(format)
    method = check_correction(correction, params)
    chosen = check_metrics(split_list(metrics) or chief_metrics(params))
    requests = [request_of(params, first), request_of(params, second)]
    if requests[0].key == requests[1].key:
        raise ReproError(f"{first} and {second} are the same cell: name two different ones.")
    if requests[0].dataset != requests[1].dataset:
        raise ReproError(f"{first} and {second} are of different data sets: their users cannot be paired.")
    params, cells = bring_up_to_date(layout, requests, no_run)
    found = {cell.key: cell for cell in cells}
    pair = found[requests[0].key], found[requests[1].key]
    print_table(pair_table_of(*pair, chosen, params, correction=method, why=why, wilcoxon=wilcoxon), format)


def request_of(params: Params, name: str) -> CellRequest:
    """Return the cell that a key or ``dataset/backbone/variant`` names, in the grid or not yet.

    Raises:
        ReproError: If the name can be read in neither way.
    """
    from repro.errors import ReproError
    from repro.grid import CellRequest

    if name in params.cells:
        cell = params.cells[name]
        return CellRequest(cell.dataset, cell.backbone, cell.objective, tuple(cell.drop))
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
    objective, _, dropped = parts[2].partition("-no-")
    return CellRequest(parts[0], parts[1], objective, tuple(dropped.upper().split("-")) if dropped else ())
