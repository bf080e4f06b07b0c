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
    check_correction,
    check_format,
    grid_places,
    print_table,
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
    metrics: MetricsOption = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Compare irllrec with itself without a component: difference, interval, effect size.

    Example: repro ablation --drop ITM --drop IA --dataset demo
    """
    from repro.ablations import ablation_table_of
    from repro.analysis import chief_metrics
    from repro.errors import ReproError
    from repro.grid import CellRequest
    from repro.layout import Layout
    from repro.params import load_params
    from repro.results import check_metrics

    layout = Layout.find()
    params = load_params(layout.params)
    check_format(format)
    method = check_correction(correction, params)
    chosen = check_metrics(split_list(metrics) or chief_metrics(params))
    components = list(dict.fromkeys(name.upper() for name in split_list(drop)))
    drops = [tuple(components)] if joint else [(name,) for name in components]
    places = [
        place for place in grid_places(params, dataset, backbone) if dataset or reads_text(params, place[0])
    ]
    if not places or not components:
        what = "no component is named" if places else "no data set of the grid has text, which irllrec reads"
        raise ReproError(f"{what}: write for example `repro ablation --drop ITM --dataset demo`.")
    requests = [CellRequest(*place, "irllrec", left_out) for place in places for left_out in ((), *drops)]
    params, cells = bring_up_to_date(layout, requests, no_run)
    print_table(ablation_table_of(cells, chosen, params, method), format)
