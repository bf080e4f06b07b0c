"""``repro table``: the paper's tables, from stored results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.selection import (
    BackboneOption,
    CorrectionOption,
    DatasetOption,
    FormatOption,
    MetricsOption,
    NoRunOption,
    bring_up_to_date,
    check_format,
    grid_places,
    print_table,
    read_options,
    reads_text,
)

if TYPE_CHECKING:
    from repro.grid import CellRequest
    from repro.params import Params

app = typer.Typer(no_args_is_help=True, help="Print a table: main, ablation, datasets, efficiency or tuning.")


@app.command("main")
def main_command(
    *,
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    objective: Annotated[
        list[str] | None,
        typer.Option("--objective", "-o", help="Only these variants beside base; may be repeated."),
    ] = None,
    metrics: MetricsOption = None,
    published: Annotated[
        bool, typer.Option("--published", help="Put the published figures under our rows.")
    ] = False,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Print the main table: variants by metrics, with the best, stars and the improvement.

    Example: repro table main --dataset amazon --published

    Example: repro table main --metrics recall@50,mrr@10 --format latex

    Example: repro table main --metrics recall@20,coverage@20,novelty@20,gini@20,arp@20,diversity@20
    """
    from repro.assembly import main_table_of
    from repro.tables.published import read_published

    asked = read_options(format, correction, metrics, every_metric=True, of_lists=True)
    figures = read_published(asked.layout.published) if published else None
    requests = _main_requests(asked.params, dataset, backbone, objective)
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    print_table(main_table_of(cells, asked.metrics, params, asked.correction, figures), format)


@app.command("ablation")
def ablation_command(
    *,
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    metrics: MetricsOption = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Print every ablation of the grid against its whole model.

    Example: repro table ablation --dataset demo
    """
    from repro.ablations import ablation_table_of
    from repro.cell_requests import named
    from repro.errors import ReproError

    asked = read_options(format, correction, metrics)
    places = grid_places(asked.params, dataset, backbone)
    ablated = [
        named(asked.params, cell.dataset, cell.backbone, cell.variant)
        for cell in asked.params.cells.values()
        if cell.is_ablation and (cell.dataset, cell.backbone) in places
    ]
    if not ablated:
        raise ReproError("no ablation is in the grid: train one with `repro ablation --drop ITM`.")
    requests = [part for request in ablated for part in (request.whole, request)]
    params, cells = bring_up_to_date(asked.layout, requests, no_run)
    print_table(ablation_table_of(cells, asked.metrics, params, asked.correction), format)


@app.command("datasets")
def datasets_command(dataset: DatasetOption = None, format: FormatOption = "rich") -> None:
    """Print users, items, interactions and density of the data sets.

    Example: repro table datasets --format latex
    """
    from repro.layout import Layout
    from repro.overviews import datasets_table_of
    from repro.params import load_params

    layout = Layout.find()
    check_format(format)
    print_table(datasets_table_of(layout, load_params(layout.params), dataset), format)


@app.command("efficiency")
def efficiency_command(
    *,
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    format: FormatOption = "rich",
    no_run: NoRunOption = False,
) -> None:
    """Print what training cost: seconds, epochs and peak memory a seed.

    Example: repro table efficiency --dataset demo
    """
    from repro.layout import Layout
    from repro.overviews import efficiency_table_of
    from repro.params import load_params

    layout = Layout.find()
    check_format(format)
    params = load_params(layout.params)
    _, cells = bring_up_to_date(layout, _main_requests(params, dataset, backbone, None), no_run)
    print_table(efficiency_table_of(cells), format)


@app.command("tuning")
def tuning_command(
    dataset: DatasetOption = None,
    backbone: BackboneOption = None,
    objective: Annotated[
        list[str] | None, typer.Option("--objective", "-o", help="Only this one; may be repeated.")
    ] = None,
    format: FormatOption = "rich",
) -> None:
    """Print the tuning ledgers: every trial that `repro sweep` ever made, and the chosen ones.

    Example: repro table tuning --dataset demo --backbone lightgcn
    """
    from repro.layout import Layout
    from repro.tuning.overview import stored_ledgers, tuning_table

    layout = Layout.find()
    check_format(format)
    print_table(tuning_table(stored_ledgers(layout, dataset or (), backbone or (), objective or ())), format)


def _main_requests(
    params: Params, datasets: list[str] | None, backbones: list[str] | None, objectives: list[str] | None
) -> list[CellRequest]:
    """Return the cells of the main table: those of the grid, or every objective where it has none."""
    from repro.cell_requests import is_simple
    from repro.errors import ReproError
    from repro.grid import CellRequest

    requests: list[CellRequest] = []
    for dataset, backbone in grid_places(params, datasets, backbones):
        there = [
            cell.objective
            for cell in params.cells.values()
            if (cell.dataset, cell.backbone) == (dataset, backbone) and not cell.is_variation
        ]
        usable = list(params.objectives) if reads_text(params, dataset) else ["base"]
        names = ["base", *objectives] if objectives else there or usable
        named = bool(backbones) and bool(objectives)
        if not named and backbone in params.backbones and names != there and is_simple(backbone):
            names = ["base"]
        requests += [CellRequest(dataset, backbone, name) for name in dict.fromkeys(names)]
    if not requests:
        raise ReproError("the grid in params.yaml has no cell: add one with `repro grid add`.")
    return requests
