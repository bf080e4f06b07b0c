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
        list[str] | None,
        typer.Option(
            "--drop",
            help="Component to leave out: IA, PAIR, TRAN, ITM, PROFILE, GSL, MOMENTUM, NOISE, TEXT or COT; "
            "each one its own row.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            help="Feed the model another text: shuffled (that of other nodes), titles (nothing but titles), or "
            "an entry DATASET-NAME of `text` in params.yaml, as NAME; each one its own row.",
        ),
    ] = None,
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

    Example: repro ablation --drop TEXT --text shuffled --text titles

    Example: repro ablation --drop ITM --backbone simgcl --fidelity code
    """
    from repro.ablations import ablation_table_of
    from repro.errors import ReproError
    from repro.grid import CellRequest

    asked = read_options(format, correction, metrics)
    components = list(dict.fromkeys(name.upper() for name in split_list(drop)))
    drops = [tuple(components)] if joint and components else [(name,) for name in components]
    places = [
        place
        for place in grid_places(asked.params, dataset, backbone, composed=True)
        if dataset or reads_text(asked.params, place[0])
    ]
    texts = list(dict.fromkeys(split_list(text)))
    if not places or not (components or texts):
        what = (
            "no component and no text is named"
            if places
            else "no data set of the grid has text, which irllrec reads"
        )
        raise ReproError(f"{what}: write for example `repro ablation --drop ITM --dataset demo`.")
    requests = [
        CellRequest(*place, "irllrec", left_out, fidelity, itm=itm, keep_coupled=keep_coupled, text=read)
        for place in places
        for left_out, read in (((), None), *((one, None) for one in drops), *(((), one) for one in texts))
    ]
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    print_table(ablation_table_of(cells, asked.metrics, params, asked.correction), format)
