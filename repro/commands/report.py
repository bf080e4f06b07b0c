"""``repro report``: verdicts, tables, figures and where they are from, in one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.checkout_lock import writes
from repro.commands.selection import DatasetOption, NoRunOption, split_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro.layout import Layout
    from repro.params import Params


@writes
def report(
    *,
    dataset: DatasetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write. Default: results/report.html.")
    ] = None,
    no_run: NoRunOption = False,
) -> None:
    """Write one HTML file: verdicts first, then tables, figures, data cards and provenance.

    It needs no network and no other file, opens in any browser, and prints well. Each table and figure
    stands with the command that makes it. With --no-run it shows the cells that have been evaluated, and
    names those that have not, or whose results are out of date.

    Example: repro report --dataset demo --no-run

    Example: repro report --out ~/review.html
    """
    from repro.layout import Layout
    from repro.params import load_params
    from repro.report.contents import write_report

    layout = Layout.find()
    params = load_params(layout.params)
    datasets = _datasets(layout, params, split_list(dataset))
    path = _path(layout, out)
    stale = _bring_up_to_date(layout, params, datasets, no_run=no_run)
    written = write_report(layout, params, datasets, path, stale)
    print(path)
    parts = sum(len(section.parts) for section in written.sections)
    gaps = sum(len(section.gaps) for section in written.sections)
    missing = f", {gaps} part{'s' * (gaps != 1)} missing and named in it" if gaps else ""
    print(f"{parts} tables and figures{missing}. Open {path.as_uri()}", file=sys.stderr)


def _datasets(layout: Layout, params: Params, named: Sequence[str]) -> list[str]:
    """Return the data sets to report on: the named ones, by default all with cells."""
    from repro.errors import ReproError

    there = list(dict.fromkeys(cell.dataset for cell in params.cells.values()))
    for name in named:
        if name not in params.datasets:
            raise ReproError(
                f"{layout.params} has no data set {name!r}: choose {', '.join(there)}, or add it with `repro data "
                "fetch` or `repro data import`."
            )
        if name not in there:
            raise ReproError(
                f"the grid has no cell of {name}: add some with `repro grid add --dataset {name}`."
            )
    if not there:
        raise ReproError("the grid in params.yaml has no cell: add one with `repro grid add`.")
    return list(dict.fromkeys(named)) or there


def _path(layout: Layout, out: Path | None) -> Path:
    from repro.errors import ReproError

    path = (out or layout.results / "report.html").expanduser().absolute()
    if path.is_dir():
        raise ReproError(f"--out {path} is a folder: name a file in it, for example {path / 'report.html'}.")
    return path


def _bring_up_to_date(layout: Layout, params: Params, datasets: Sequence[str], *, no_run: bool) -> list[str]:
    """Make the cells of the data sets current, or with ``no_run`` return the keys of those that are not."""
    from repro.engine import bring_up_to_date
    from repro.readiness import evaluated_keys, up_to_date_keys

    keys = [key for key, cell in params.cells.items() if cell.dataset in datasets]
    if no_run:
        current = up_to_date_keys(layout, params, keys)
        return [key for key in evaluated_keys(layout, params, keys) if key not in current]
    bring_up_to_date(layout, keys)
    return []
