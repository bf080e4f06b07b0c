"""``repro deviations``: what each difference between the released code and the paper costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from repro.commands.selection import (
    CorrectionOption,
    DatasetOption,
    FormatOption,
    MetricsOption,
    NoRunOption,
    bring_up_to_date,
    check_correction,
    check_format,
    print_table,
    reads_text,
    split_list,
)

if TYPE_CHECKING:
    from repro.deviations import Case
    from repro.layout import Layout
    from repro.params import Params
    from repro.results import CellResult
    from repro.tables.deviations import DeviationRow


def deviations(
    *,
    dataset: DatasetOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Deviation, D-01 to D-12; may be repeated. Default: all."),
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone", "-b", help="Where to price; may be repeated. Default: one for each deviation."
        ),
    ] = None,
    metrics: MetricsOption = None,
    correction: CorrectionOption = None,
    format: FormatOption = "rich",
    write: Annotated[
        bool, typer.Option("--write", help="Also write the effects into docs/deviations.md.")
    ] = False,
    no_run: NoRunOption = False,
) -> None:
    """Price the deviations: the same model as released and as in the paper, one switch at a time.

    Cells that are missing are added to the grid and trained; what will run, and about how long, is
    said first. With --no-run, rows without results say what is missing.

    Example: repro deviations --dataset demo --only D-03 --only D-05
    """
    from repro.analysis import chief_metrics
    from repro.deviations import PRICES, check_deviations, plan
    from repro.errors import ReproError
    from repro.layout import Layout
    from repro.metric_kinds import check_metrics
    from repro.params import load_params
    from repro.pricing import deviation_rows, deviations_table_of
    from repro.redraws import spreads_of_noisy

    layout = Layout.find()
    params = load_params(layout.params)
    check_format(format)
    method = check_correction(correction, params)
    chosen = check_metrics(split_list(metrics) or chief_metrics(params))
    names, places = split_list(only), split_list(backbone)
    asked = check_deviations(names)
    tested = [name for name in asked if PRICES[name].kind == "switch"]
    if write and names and tested:
        raise ReproError(
            f"--write fills in {', '.join(tested)} from one family of tests with all others: leave out --only "
            "(--no-run writes what there is), or name D-11 alone, which has no test."
        )
    datasets = split_list(dataset) or [name for name in params.datasets if reads_text(params, name)]
    cases = plan(params, asked, list(dict.fromkeys(datasets)), places)
    cases, params, cells = _results(layout, params, cases, no_run)
    found = {cell.key: cell for cell in cells}
    rows, comparisons = deviation_rows(
        cases, found, chosen, params, method, spreads_of_noisy(layout, params, cases, found, chosen)
    )
    print_table(deviations_table_of(rows, comparisons, cases, cells, params), format)
    if write:
        options = [f"--backbone {name}" for name in places] + [
            f"--metric {name}" for name in split_list(metrics)
        ]
        options += [f"--correction {correction}"] if correction else []
        _write(layout, rows, cells, asked if names else [], options)


def _results(
    layout: Layout, params: Params, cases: Sequence[Case], no_run: bool
) -> tuple[list[Case], Params, list[CellResult]]:
    """Return the cases with the results of their cells, trained first unless ``no_run``."""
    from repro.analysis import read_cells
    from repro.deviations import without_runs
    from repro.readiness import up_to_date_keys

    requests = list(dict.fromkeys(request for case in cases for request in case.cells))
    if not requests:
        return list(cases), params, []
    if not no_run:
        params, cells = bring_up_to_date(layout, requests, no_run)
        return list(cases), params, cells
    ready = up_to_date_keys(layout, params, [request.key for request in requests])
    known = [without_runs(case, ready) for case in cases]
    wanted = [request.key for case in known for request in case.cells]
    return known, params, read_cells(layout, params, wanted)


def _write(
    layout: Layout,
    rows: Sequence[DeviationRow],
    cells: Sequence[CellResult],
    only: Sequence[str],
    options: Sequence[str],
) -> None:
    """Write the effects into the page, each data set with where its figures are from."""
    from repro.deviations_page import write_effects
    from repro.pricing import source_of

    datasets = list(dict.fromkeys(row.dataset for row in rows))
    words = [*(f"--dataset {name}" for name in datasets), *(f"--only {name}" for name in only), *options]
    command = " ".join(["repro deviations", *words, "--write"])
    sources = {name: source_of(name, rows, cells, command) for name in datasets}
    write_effects(layout.deviations_page, rows, sources, only)
