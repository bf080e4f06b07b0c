"""``repro protocol``: which choices of the protocol change the verdict?"""

from __future__ import annotations

from typing import Annotated

import typer

from repro.commands.selection import (
    CorrectionOption,
    FormatOption,
    NoRunOption,
    bring_up_to_date,
    print_table,
    read_options,
)


def protocol(
    *,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set.")],
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", "-b", help="Backbone. Default: the data set's first in the grid."),
    ] = None,
    variant: Annotated[str, typer.Option("--variant", help="Whose gain is claimed.")] = "irllrec",
    against: Annotated[str, typer.Option("--against", help="What it is claimed to beat.")] = "base",
    metric: Annotated[
        str | None,
        typer.Option("--metric", "-m", help="Of the claim, such as ndcg@10. Default: the first stored one."),
    ] = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Ask one claim again under other protocols: mask, k, metric, averaging, users, ties, sampling, seeds.

    One choice is changed at a time, and all combinations of the cheap ones are counted. Nothing is
    trained for it but what the claim itself needs.

    Example: repro protocol --dataset demo

    Example: repro protocol --dataset demo --variant rlmrec-con --against base --metric ndcg@10
    """
    from repro.analysis import Pair
    from repro.commands.compare import request_of
    from repro.commands.selection import grid_places
    from repro.errors import ReproError
    from repro.protocol_view import check_claimed, sensitivity_of, table_of

    asked = read_options(format, correction, [metric] if metric else None)
    if variant == against:
        raise ReproError(f"--variant and --against are both {variant}: name two different variants.")
    if metric:
        check_claimed(asked.metrics[0])
    place = grid_places(asked.params, [dataset], [backbone] if backbone else None)[0][1]
    names = [f"{dataset}/{place}/{name}" for name in (variant, against)]
    requests = [request_of(asked.params, name) for name in names]
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    found = {cell.key: cell for cell in cells}
    pair = Pair(found[requests[0].key], found[requests[1].key])
    chosen = asked.metrics[0] if metric else None
    print_table(
        table_of(sensitivity_of(asked.layout, params, pair, chosen, asked.correction), params), format
    )
