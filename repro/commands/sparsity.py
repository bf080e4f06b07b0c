"""``repro sparsity``: who gains, users with few or with many interactions?"""

from __future__ import annotations

from typing import Annotated

import typer

from repro.commands.selection import (
    BackboneOption,
    CorrectionOption,
    FormatOption,
    MetricsOption,
    NoRunOption,
    bring_up_to_date,
    grid_places,
    print_table,
    read_options,
    split_list,
)


def sparsity(
    *,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set.")],
    backbone: BackboneOption = None,
    groups: Annotated[
        str,
        typer.Option(
            "--groups",
            help="By training items: published (0,5,10,20), quantiles, or own bounds such as 0,3,6.",
        ),
    ] = "published",
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", help="Variant to compare with base; may be repeated. Default: irllrec."),
    ] = None,
    metrics: MetricsOption = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Compare variants with base in groups of users by number of training items.

    Example: repro sparsity --dataset demo --groups quantiles
    """
    import numpy as np

    from irllrec.evaluation.strata import strata_of
    from repro.assembly import sparsity_table_of
    from repro.commands.compare import request_of

    asked = read_options(format, correction, metrics)
    strata_of(
        np.zeros(0, dtype=np.int64), groups
    )  # an unreadable --groups is refused before anything is trained
    names = dict.fromkeys(["base", *(split_list(variant) or ["irllrec"])])
    places = grid_places(asked.params, [dataset], backbone, composed=True)
    requests = [
        request_of(asked.params, f"{dataset}/{place[1]}/{name}") for place in places for name in names
    ]
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    print_table(sparsity_table_of(cells, groups, asked.metrics, params, asked.correction), format)
