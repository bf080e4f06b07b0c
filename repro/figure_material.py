"""What figures are drawn from: the results of one backbone on one data set, and why some are absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repro.analysis import chief_metrics, read_cells
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Params
from repro.results import CellResult
from repro.tables.main import OURS


class NotDrawableError(ReproError):
    """A figure has nothing to show; the sentence says what is missing."""


@dataclass(frozen=True)
class Material:
    """The evaluated cells of one backbone on one data set.

    Attributes:
        layout: The checkout.
        params: Its params.yaml.
        dataset: Name of the data set.
        backbone: Name of the backbone.
        cells: The results there are, by variant, in the order of the grid.
        waiting: Variants of the grid without results.
    """

    layout: Layout
    params: Params
    dataset: str
    backbone: str
    cells: Mapping[str, CellResult]
    waiting: tuple[str, ...]

    @property
    def place(self) -> str:
        """What figures of this material have behind their kind in their name."""
        return f"{self.dataset}-{self.backbone}"

    @property
    def metrics(self) -> list[str]:
        """One metric of each kind, at the largest stored cut-off."""
        return chief_metrics(self.params)

    @property
    def plain(self) -> list[CellResult]:
        """The cells that stand in the main table: no ablations and no other variations."""
        return [cell for cell in self.cells.values() if not cell.cell.is_variation]

    def need(self, variant: str) -> CellResult:
        """Return the results of a variant.

        Raises:
            NotDrawableError: If there are none.
        """
        if variant not in self.cells:
            where = f"{self.dataset}/{self.backbone}/{variant}"
            fix = (
                "leave out --no-run, or run `dvc repro`"
                if variant in self.waiting
                else f"add it with `repro grid add --dataset {self.dataset} --backbone {self.backbone} "
                f"--objective {variant}`"
            )
            raise NotDrawableError(f"{where} is not evaluated: {fix}.")
        return self.cells[variant]

    def command(self, kind: str) -> str:
        """Return the command that makes a figure of this material."""
        return f"repro figures {kind} --dataset {self.dataset} --backbone {self.backbone}"


def materials_of(
    layout: Layout, params: Params, dataset: str, backbones: Sequence[str] = ()
) -> list[Material]:
    """Return the material of each backbone of a data set, or of the named ones.

    Raises:
        ReproError: If the grid has no such cells, or stored results cannot be read.
    """
    wanted = {
        key: cell
        for key, cell in params.cells.items()
        if cell.dataset == dataset and (not backbones or cell.backbone in backbones)
    }
    if not wanted:
        where = f"{dataset} with {' or '.join(backbones)}" if backbones else dataset
        raise ReproError(f"{layout.params}: the grid has no cell of {where}: add one with `repro grid add`.")
    there = {
        key
        for key, cell in wanted.items()
        if (layout.run(cell.dataset, cell.backbone, cell.variant) / "per_user.parquet").is_file()
    }
    results = {result.key: result for result in read_cells(layout, params, there)}
    return [
        Material(
            layout,
            params,
            dataset,
            name,
            {
                cell.variant: results[key]
                for key, cell in wanted.items()
                if cell.backbone == name and key in there
            },
            tuple(cell.variant for key, cell in wanted.items() if cell.backbone == name and key not in there),
        )
        for name in dict.fromkeys(cell.backbone for cell in wanted.values())
    ]


def ours_and_base(material: Material) -> tuple[CellResult, CellResult]:
    """Return the results of irllrec and of base.

    Raises:
        NotDrawableError: If those of one are missing.
    """
    return material.need(OURS), material.need("base")


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 seed``, ``1,200 users``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
