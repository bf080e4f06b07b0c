"""``repro sparsity``: who gains, users with few or with many interactions? And on which items?"""

from __future__ import annotations

from typing import Annotated

import typer

from repro.commands.selection import (
    BackboneOption,
    CorrectionOption,
    FigureOption,
    FolderOption,
    FormatOption,
    MetricsOption,
    NoRunOption,
    bring_up_to_date,
    draw,
    grid_places,
    print_table,
    read_options,
    split_list,
)

RECORDS = ("csv", "json")


def sparsity(
    *,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set.")],
    backbone: BackboneOption = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="users (by training items), items (test items by training popularity) or cold (users with "
            "few training items against the rest).",
        ),
    ] = "users",
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups",
            help="published (0,5,10,20), quantiles, or own bounds such as 0,3,6. Default: published for users, "
            "quantiles for items.",
        ),
    ] = None,
    cold: Annotated[
        int | None, typer.Option("--cold", help="Most training items of a cold user. Default: 5.")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", help="Variant to compare with base; may be repeated. Default: irllrec."),
    ] = None,
    metrics: MetricsOption = None,
    figure: FigureOption = False,
    folder: FolderOption = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Compare variants with base in groups, and test whether the gain differs between them.

    Example: repro sparsity --dataset demo --groups quantiles --figure

    Example: repro sparsity --dataset demo --by items
    """
    from repro.commands.compare import request_of
    from repro.groupings import read_grouping
    from repro.strata_tables import strata_tables
    from repro.strata_view import strata_figures
    from repro.stratified import stratify

    asked = read_options(format, correction, metrics)
    wanted = read_grouping(by, groups, cold)
    wanted.check_metrics(asked.metrics)
    names = dict.fromkeys(["base", *(split_list(variant) or ["irllrec"])])
    places = grid_places(asked.params, [dataset], backbone, composed=True)
    requests = [
        request_of(asked.params, f"{dataset}/{place[1]}/{name}") for place in places for name in names
    ]
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    found = stratify(cells, wanted.of(cells[0]), asked.metrics, params, asked.correction)
    tables = strata_tables(found, params)
    print_table(tables[0], format)
    for table in () if format in RECORDS else tables[1:]:  # the records of the first hold it, too
        print()
        print_table(table, format)
    if figure or folder:
        draw(strata_figures(found, params), folder, asked.layout)
