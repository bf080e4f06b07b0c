"""``repro claims``: what our results say of the paper's claims, and of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.selection import (
    CorrectionOption,
    DatasetOption,
    FormatOption,
    NoRunOption,
    bring_up_to_date,
    print_table,
    read_options,
    split_list,
)

if TYPE_CHECKING:
    from repro.claims.planning import PlannedClaim
    from repro.commands.selection import Options
    from repro.params import Params
    from repro.results import CellResult


def claims(
    *,
    claim: Annotated[
        list[str] | None,
        typer.Option(
            "--claim", "-c", help="Claim of claims.yaml, such as C1; may be repeated. Default: all."
        ),
    ] = None,
    dataset: DatasetOption = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone", "-b", help="Backbone; may be repeated. Default: those with a cell of irllrec."
        ),
    ] = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    why: Annotated[
        bool, typer.Option("--why", help="Show every test of a claim, and explain each in words.")
    ] = False,
    no_run: NoRunOption = False,
) -> None:
    """Judge the claims of claims.yaml: supported, contradicted, undecided, or not to be tested here.

    Each verdict is computed from paired tests, corrected over all claims shown. Cells that are missing
    are added to the grid and trained; what will run, and about how long, is said first. With --no-run,
    claims whose cells are missing say which, and the command that makes them.

    Example: repro claims --dataset demo

    Example: repro claims --claim C6 --claim C7 --dataset demo --why --no-run
    """
    from repro.claims.planning import plan
    from repro.claims.records import load_claims
    from repro.claims_view import judged, table_of

    asked = read_options(format, correction, None)
    file = load_claims(asked.layout, asked.params)
    places = plan(
        file,
        asked.params,
        names=split_list(claim),
        datasets=split_list(dataset),
        backbones=split_list(backbone),
    )
    places, params, found = _results(asked, places, no_run)
    claims = judged(places, found, params, file.rule, asked.correction)
    print_table(table_of(claims, params, why=why), format)


def _results(
    asked: Options, places: Sequence[PlannedClaim], no_run: bool
) -> tuple[list[PlannedClaim], Params, dict[str, CellResult]]:
    """Return the claims with the results of their cells by key, trained first unless ``no_run``."""
    from repro.claims.planning import without_data
    from repro.claims_view import read_results
    from repro.readiness import up_to_date_keys

    if not no_run:
        places = [without_data(place, asked.layout, asked.params) for place in places]
    requests = list(dict.fromkeys(request for place in places for request in place.requests))
    if no_run or not requests:
        ready = up_to_date_keys(asked.layout, asked.params, [request.key for request in requests])
        return list(places), asked.params, read_results(asked.layout, asked.params, places, ready)
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    return list(places), params, {cell.key: cell for cell in cells}
