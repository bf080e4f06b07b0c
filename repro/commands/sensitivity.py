"""``repro sensitivity``: what a metric does when settings change, one at a time or two together."""

from __future__ import annotations

from typing import Annotated

import typer

from repro.commands.selection import (
    CorrectionOption,
    FigureOption,
    FolderOption,
    FormatOption,
    MetricsOption,
    NoRunOption,
    bring_up_to_date,
    draw,
    print_tables,
    read_options,
)


def sensitivity(
    *,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set.")],
    change: Annotated[
        list[str],
        typer.Option(
            "--set",
            help="A setting and its values, as intents=32,64,128: any number of the backbone, the objective or "
            "the training, or text_dimension; may be repeated, each its own line.",
        ),
    ],
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="Backbone.")] = "lightgcn",
    variant: Annotated[
        str, typer.Option("--variant", "--objective", "-o", help="Variant whose settings are changed.")
    ] = "irllrec",
    grid: Annotated[
        bool, typer.Option("--grid", help="Change two settings together: a heat map of all combinations.")
    ] = False,
    metrics: MetricsOption = None,
    figure: FigureOption = False,
    folder: FolderOption = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Change settings and compare each value with the cell as it is, on the test split.

    One cell is trained for each value. This shows how much a result hangs on a setting; to choose one, use
    `repro sweep`, which looks at validation only.

    Example: repro sensitivity --dataset demo --set intents=32,64,128,256 --set layers=1,2,3 --figure

    Example: repro sensitivity --dataset demo --set pair_weight=0.01,0.05 --set tran_weight=0.0001,0.001 --grid
    """
    from repro.commands.compare import request_of
    from repro.errors import ReproError
    from repro.sensitivity import Point, points_of, read_change, sensitivities, usual_of
    from repro.sensitivity_tables import sensitivity_tables

    asked = read_options(format, correction, metrics)
    changes = [read_change(text) for text in change]
    if grid and len(changes) != 2:
        raise ReproError(f"--grid takes two settings and {len(changes)} were given: name two with --set.")
    base = request_of(asked.params, f"{dataset}/{backbone}/{variant}")
    groups = [changes] if grid else [[one] for one in changes]
    lines = [points_of(asked.params, base, group) for group in groups]
    if len({names for names, _ in lines}) < len(lines):
        raise ReproError("a setting is given twice: name each once, with all of its values.")
    requests = dict.fromkeys([base, *(request for _, points in lines for request in points.values())])
    params, cells = bring_up_to_date(asked.layout, list(requests), no_run)
    found = {cell.key: cell for cell in cells}
    answers = sensitivities(
        [
            (
                names,
                found[base.key],
                usual_of(params, base, names),
                [Point(values, found[request.key]) for values, request in points.items()],
            )
            for names, points in lines
        ],
        asked.metrics,
        params,
        asked.correction,
    )
    print_tables(sensitivity_tables(answers, params), format)
    if figure or folder:
        from repro.sensitivity_view import sensitivity_figures

        draw(sensitivity_figures(answers, params), folder, asked.layout)
