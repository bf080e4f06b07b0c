"""What the analysis commands share: choosing cells, bringing them up to date, printing the answer."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from repro.figures.model import Figure
    from repro.grid import CellRequest
    from repro.layout import Layout
    from repro.params import Params
    from repro.results import CellResult
    from repro.tables.model import Table

PIPED_WIDTH = 140

DatasetOption = Annotated[
    list[str] | None,
    typer.Option("--dataset", "-d", help="Data set; may be repeated. Default: all in the grid."),
]
BackboneOption = Annotated[
    list[str] | None,
    typer.Option("--backbone", "-b", help="Backbone; may be repeated. Default: all in the grid."),
]
MetricsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        "--metric",
        "-m",
        help="recall, ndcg, precision, hit or mrr @ 1..100, with commas or repeated; beyond accuracy novelty, "
        "arp, diversity, and in the main table coverage, gini. Never retrains.",
    ),
]
CorrectionOption = Annotated[
    str | None,
    typer.Option("--correction", help="holm or bh. Default: statistics.correction in params.yaml."),
]
FigureOption = Annotated[
    bool, typer.Option("--figure", help="Also draw it, as PNG and PDF; paths go to stderr.")
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", help="Where --figure writes. Default: results/figures of the checkout."),
]
FormatOption = Annotated[str, typer.Option("--format", help="rich, md, latex, csv or json.")]
NoRunOption = Annotated[
    bool, typer.Option("--no-run", help="Only read what is there and name what is missing; train nothing.")
]


def split_list(texts: Sequence[str] | None) -> list[str]:
    """Return the values of an option that takes commas and repetition alike."""
    return [part.strip() for text in texts or () for part in text.split(",") if part.strip()]


def check_format(form: str) -> None:
    """Refuse an unknown format before anything is run for it."""
    from repro.errors import ReproError
    from repro.tables.render import FORMATS

    if form not in FORMATS:
        raise ReproError(f"the format {form!r} is unknown: choose one of {', '.join(FORMATS)}.")


def check_correction(correction: str | None, params: Params) -> str:
    """Return the correction to use, refusing an unknown one before anything is run."""
    from repro.errors import ReproError
    from repro.statistics.correction import METHODS

    chosen = correction or params.statistics.correction
    if chosen not in METHODS:
        raise ReproError(f"the correction {chosen!r} is unknown: choose {' or '.join(METHODS)}.")
    return chosen


@dataclass(frozen=True)
class Options:
    """What the options that analysis commands share amount to, all of it checked.

    Attributes:
        layout: The checkout.
        params: Its params.yaml.
        correction: ``holm`` or ``bh``.
        metrics: Those asked for, each once.
    """

    layout: Layout
    params: Params
    correction: str
    metrics: list[str]


def read_options(
    form: str,
    correction: str | None,
    metrics: Sequence[str] | None,
    *,
    every_metric: bool = False,
    of_lists: bool = False,
) -> Options:
    """Return the checked options of an analysis command, before anything is run for it.

    Args:
        form: The format of the answer.
        correction: As given; None takes that of params.yaml.
        metrics: As given; by default the largest stored cut-off of each kind.
        every_metric: The default are all stored metrics instead.
        of_lists: Whether metrics without a value for single users are of use.
    """
    from repro.analysis import all_metrics, chief_metrics
    from repro.layout import Layout
    from repro.metric_kinds import check_metrics
    from repro.params import load_params

    layout = Layout.find()
    params = load_params(layout.params)
    check_format(form)
    method = check_correction(correction, params)
    usual = all_metrics(params) if every_metric else chief_metrics(params)
    return Options(layout, params, method, check_metrics(split_list(metrics) or usual, of_lists=of_lists))


def print_table(table: Table, form: str) -> None:
    """Print the table on stdout, in the width and colours of the terminal it goes to."""
    from repro.tables.render import render

    terminal = sys.stdout.isatty()
    piped = int(os.environ["COLUMNS"]) if os.environ.get("COLUMNS", "").isdigit() else PIPED_WIDTH
    width = shutil.get_terminal_size().columns if terminal else piped
    color = terminal and "NO_COLOR" not in os.environ
    sys.stdout.write(render(table, form, max(width, 40), color))


def print_tables(tables: Sequence[Table], form: str) -> None:
    """Print tables one below the other; as csv or json one, with the records of all."""
    from dataclasses import replace

    if form in ("csv", "json"):
        records = tuple(record for table in tables for record in table.records)
        print_table(replace(tables[0], records=records), form)
        return
    for number, table in enumerate(tables):
        if number:
            print()
        print_table(table, form)


def draw(figures: Iterable[Figure], folder: Path | None, layout: Layout) -> None:
    """Write the figures of an analysis, by default below results/figures, and say where on stderr."""
    from repro.figures.model import write_figure

    for figure in figures:
        for path in write_figure(figure, folder or layout.results / "figures"):
            print(path, file=sys.stderr)


def bring_up_to_date(
    layout: Layout, requests: Sequence[CellRequest], no_run: bool
) -> tuple[Params, list[CellResult]]:
    """Return the results of the requested cells, after DVC has made what was missing or stale.

    Args:
        layout: The checkout.
        requests: The cells; those not in the grid are added to it, unless ``no_run``.
        no_run: Only read.

    Raises:
        ReproError: For an unknown name, or with ``no_run`` for what is missing.
    """
    from repro.analysis import read_cells
    from repro.checkout_lock import writing
    from repro.engine import bring_up_to_date as engine_bring_up_to_date
    from repro.errors import ReproError
    from repro.grid import ensure_cells
    from repro.params import load_params

    keys = ensure_cells(layout, requests, write=False)
    params = load_params(layout.params)
    absent = [key for key in keys if key not in params.cells]
    if absent and no_run:
        raise ReproError(
            f"{layout.params}: the grid has no cell {', '.join(absent)}: leave out --no-run to add and train."
        )
    # What is added has to be trained: who may not train now shall not find the grid changed.
    with writing(layout) if absent else nullcontext():
        if absent:
            ensure_cells(layout, requests)
            params = load_params(layout.params)
        engine_bring_up_to_date(layout, keys, run=not no_run)
    return params, read_cells(layout, params, keys)


def grid_places(
    params: Params,
    datasets: Sequence[str] | None,
    backbones: Sequence[str] | None,
    *,
    composed: bool = False,
) -> list[tuple[str, str]]:
    """Return (data set, backbone) pairs: the named ones, by default those that have cells.

    Args:
        params: The grid.
        datasets: The named data sets.
        backbones: The named backbones; they are taken as they are.
        composed: By default only backbones that go with every objective: no simple baselines.
    """
    from repro.cell_requests import is_simple

    places: list[tuple[str, str]] = []
    for dataset in datasets or dict.fromkeys(cell.dataset for cell in params.cells.values()):
        there = dict.fromkeys(cell.backbone for cell in params.cells.values() if cell.dataset == dataset)
        known = [name for name in there if name in params.backbones and not (composed and is_simple(name))]
        places += [(dataset, backbone) for backbone in backbones or known or list(params.backbones)[:1]]
    return places


def reads_text(params: Params, dataset: str) -> bool:
    """Return whether a data set has text; an unknown one counts, so that its name is what is refused."""
    return dataset not in params.datasets or params.datasets[dataset].text is not None
