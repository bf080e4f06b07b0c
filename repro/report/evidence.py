"""What a report can rest on: the cells of its data sets that have been evaluated, and those that have not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from irllrec.errors import IrllrecError
from repro.analysis import read_cells
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Params
from repro.readiness import evaluated_keys
from repro.report.model import Gap
from repro.results import CellResult

Made = TypeVar("Made")


@dataclass(frozen=True)
class Evidence:
    """What lies here.

    Attributes:
        layout: The checkout.
        params: Its params.yaml, without the cells that cannot be read.
        datasets: The data sets reported on.
        cells: Results of their evaluated cells, in the order of the grid.
        absent: Keys of cells of the grid without results.
        stale: Keys of cells whose results are older than code or settings.
        gaps: Cells whose files cannot be read.
    """

    layout: Layout
    params: Params
    datasets: tuple[str, ...]
    cells: tuple[CellResult, ...]
    absent: tuple[str, ...]
    stale: tuple[str, ...]
    gaps: tuple[Gap, ...]

    @property
    def options(self) -> str:
        """``--dataset NAME`` for each data set, as commands take them."""
        return " ".join(f"--dataset {name}" for name in self.datasets)

    @property
    def command(self) -> str:
        """The command that makes the report."""
        return f"repro report {self.options}"

    def of(self, dataset: str) -> list[CellResult]:
        """Return the results on one data set."""
        return [cell for cell in self.cells if cell.cell.dataset == dataset]


def gather(layout: Layout, params: Params, datasets: Sequence[str], stale: Sequence[str] = ()) -> Evidence:
    """Return what there is on these data sets; a cell that cannot be read becomes a gap.

    Raises:
        ReproError: If no cell of them has been evaluated.
    """
    wanted = [key for key, cell in params.cells.items() if cell.dataset in datasets]
    there = evaluated_keys(layout, params, wanted)
    cells: list[CellResult] = []
    broken: dict[str, Gap] = {}
    for key in there:
        try:
            cells += read_cells(layout, params, [key])
        except (ReproError, IrllrecError) as error:
            broken[key] = gap_of(layout, f"Cell {key}", error)
    if not cells:
        first = (
            next(iter(broken.values())).why if broken else f"run `repro table main --dataset {datasets[0]}`."
        )
        raise ReproError(f"No cell of {', '.join(datasets)} has results that a report could show: {first}")
    absent = tuple(key for key in wanted if key not in there)
    readable = {key: cell for key, cell in params.cells.items() if key not in broken}
    return Evidence(
        layout=layout,
        params=params.model_copy(update={"cells": readable}),
        datasets=tuple(datasets),
        cells=tuple(cells),
        absent=absent,
        stale=tuple(stale),
        gaps=tuple(broken.values()),
    )


def attempt(layout: Layout, what: str, make: Callable[[], Made]) -> tuple[Made | None, tuple[Gap, ...]]:
    """Return what ``make`` makes, or the gap that it leaves where something for it is missing."""
    try:
        return make(), ()
    except (ReproError, IrllrecError) as error:
        return None, (gap_of(layout, what, error),)


def gap_of(layout: Layout, what: str, reason: object) -> Gap:
    """Return a gap whose sentence names files from the root of the checkout, the same on every machine."""
    return Gap(what, str(reason).replace(f"{layout.root}/", ""))
