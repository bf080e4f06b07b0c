"""``repro ablation``: what each component of irllrec contributes."""

from __future__ import annotations

from typing import Annotated

import typer

from repro.commands.selection import (
    BackboneOption,
    CorrectionOption,
    DatasetOption,
    FormatOption,
    MetricsOption,
    NoRunOption,
    bring_up_to_date,
    grid_places,
    print_table,
    read_options,
    reads_text,
    split_list,
)


def ablation(
    *,
    drop: Annotated[
        list[str],
        typer.Option(
            "--drop",
            help="Component to leave out: IA, PAIR, TRAN, ITM, PROFILE, GSL, MOMENTUM, NOISE, TEXT or COT; "
            "each one its own row.",
        ),
    ],
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    joint: Annotated[bool, typer.Option("--joint", help="Leave all named components out together.")] = False,
    fidelity: Annotated[
        str | None,
        typer.Option(
            "--fidelity", help="code (the released code) or paper, for both models. Default: as in the grid."
        ),
    ] = None,
    itm: Annotated[
        str | None,
        typer.Option("--itm", help="Form of ITM in both models: code or reading. Default: as in the grid."),
    ] = None,
    keep_coupled: Annotated[
        bool,
        typer.Option("--keep-coupled", help="Where TRAN or IA is dropped, keep translation inside ITM."),
    ] = False,
    metrics: MetricsOption = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Compare irllrec with itself without a component: difference, interval, effect size.

    Next to each component stand its share of the loss and of the gradient, whether the released
    code computes it, and a warning where leaving it out cannot change anything.

    Example: repro ablation --drop ITM --drop IA --dataset demo

    Example: repro ablation --drop ITM --backbone simgcl --fidelity code
    """
    from repro.ablations import ablation_table_of
    from repro.errors import ReproError
    from repro.grid import CellRequest

    asked = read_options(format, correction, metrics)
    components = list(dict.fromkeys(name.upper() for name in split_list(drop)))
    drops = [tuple(components)] if joint else [(name,) for name in components]
    places = [
        place
        for place in grid_places(asked.params, dataset, backbone, composed=True)
        if dataset or reads_text(asked.params, place[0])
    ]
    if not places or not components:
        what = "no component is named" if places else "no data set of the grid has text, which irllrec reads"
        raise ReproError(f"{what}: write for example `repro ablation --drop ITM --dataset demo`.")
    requests = [
        CellRequest(*place, "irllrec", left_out, fidelity=fidelity, itm=itm, keep_coupled=keep_coupled)
        for place in places
        for left_out in ((), *drops)
    ]
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    print_table(ablation_table_of(cells, asked.metrics, params, asked.correction), format)
