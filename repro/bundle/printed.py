"""Every table that a bundle prints, made from its per-user results, and each printed cell by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from repro.ablations import ablation_table_of
from repro.analysis import all_metrics, chief_metrics, read_cells
from repro.assembly import main_table_of, significance_table_of
from repro.claims_view import claims_table_of
from repro.layout import Layout
from repro.overviews import datasets_table_of, efficiency_table_of
from repro.params import Params
from repro.results import CellResult
from repro.tables.model import Table
from repro.tables.published import read_published
from repro.tables.render import render
from repro.tuning.overview import stored_ledgers, tuning_table
from repro.verification import TOLERANCE, Selection, verification_table_of

ENDINGS = {"rich": "txt", "md": "md", "latex": "tex", "csv": "csv", "json": "json"}
"""Format → the end of its file's name."""

CELLS = "cells.csv"
CELL_COLUMNS = ("line", "block", "group", "row", "column", "text", "mark", "raised")
WIDTH = 140
"""Columns of the form for the terminal."""


@dataclass(frozen=True)
class Printed:
    """One table of the bundle.

    Attributes:
        name: Stem of its files below tables/, unique.
        command: The command that prints it.
        make: Makes it.
    """

    name: str
    command: str
    make: Callable[[], Table]


@dataclass(frozen=True)
class Source:
    """What the tables are made from: a folder laid out like a checkout, and the cells in it."""

    layout: Layout
    params: Params
    cells: Sequence[CellResult]

    @classmethod
    def read(cls, layout: Layout, params: Params, keys: Sequence[str]) -> Source:
        """Return the source of these cells.

        Raises:
            ReproError: If the results of one are missing or unreadable.
        """
        return cls(layout, params, read_cells(layout, params, keys))

    @property
    def datasets(self) -> list[str]:
        """The data sets of the cells."""
        return list(dict.fromkeys(cell.cell.dataset for cell in self.cells))

    def of(self, dataset: str) -> list[CellResult]:
        """Return the results on one data set."""
        return [cell for cell in self.cells if cell.cell.dataset == dataset]


def printed_tables(source: Source) -> Iterator[Printed]:
    """Yield every table that these cells give, none of them made yet."""
    for dataset in source.datasets:
        yield from _of_dataset(source, dataset)
    names, options = source.datasets, " ".join(f"--dataset {name}" for name in source.datasets)
    if all((source.layout.prepared(name) / "card.json").is_file() for name in names):
        yield Printed(
            "datasets",
            f"repro table datasets {options}",
            lambda: datasets_table_of(source.layout, source.params, names),
        )
    timed = [cell for cell in source.cells if cell.timings]
    if timed:
        yield Printed("efficiency", f"repro table efficiency {options}", lambda: efficiency_table_of(timed))
    if any((source.layout.tuning / name).is_dir() for name in names):
        yield Printed(
            "tuning",
            f"repro table tuning {options}",
            lambda: tuning_table(stored_ledgers(source.layout, names, (), ())),
        )


def _of_dataset(source: Source, dataset: str) -> Iterator[Printed]:
    """Yield the tables of one data set."""
    params, cells = source.params, source.of(dataset)
    correction, metrics = params.statistics.correction, all_metrics(params)
    option = f"--dataset {dataset}"
    if any(not cell.cell.is_variation for cell in cells):
        yield Printed(
            f"main-{dataset}",
            f"repro table main {option}",
            lambda: main_table_of(cells, metrics, params, correction, None),
        )
    yield Printed(
        f"significance-{dataset}",
        f"dvc repro compare@{dataset}",
        lambda: significance_table_of(cells, metrics, params, correction),
    )
    if any(cell.cell.is_ablation for cell in cells):
        yield Printed(
            f"ablation-{dataset}",
            f"repro table ablation {option}",
            lambda: ablation_table_of(cells, chief_metrics(params), params, correction),
        )
    if source.layout.claims.is_file():
        yield Printed(
            f"claims-{dataset}",
            f"repro claims {option}",
            lambda: claims_table_of(source.layout, params, dataset),
        )
    published = read_published(source.layout.published)
    if any(place[0] == dataset for place in published):
        yield Printed(
            f"verify-{dataset}",
            f"repro verify {option}",
            lambda: verification_table_of(
                cells,
                published,
                chief_metrics(params),
                params,
                selection=Selection((dataset,)),
                correction=correction,
                tolerance=TOLERANCE,
            ),
        )


def forms_of(table: Table) -> dict[str, str]:
    """Return the table in every format by the end of its file's name, and as a list of its cells."""
    forms = {ending: render(table, form, WIDTH) for form, ending in ENDINGS.items()}
    return {**forms, CELLS: cells_csv(table)}


def cells_csv(table: Table) -> str:
    """Return title, notes and every printed cell of a table, one a line, as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CELL_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number, cell in enumerate(_cells(table), start=1):
        writer.writerow({"line": number, **dict.fromkeys(CELL_COLUMNS[1:], ""), **cell})
    return text.getvalue()


def _cells(table: Table) -> Iterator[Mapping[str, str]]:
    yield {"row": "title", "text": table.title}
    for block in table.blocks:
        for group in block.groups:
            for line in group.lines:
                row = " / ".join(entry.text for entry in line.entries[: max(table.label_count, 1)])
                for column, entry in zip(table.columns, line.entries, strict=False):
                    yield {
                        "block": block.title,
                        "group": group.heading,
                        "row": row,
                        "column": column,
                        "text": entry.text,
                        "mark": entry.mark,
                        "raised": entry.raised,
                    }
    for number, note in enumerate(table.notes, start=1):
        yield {"row": f"note {number}", "text": note}
