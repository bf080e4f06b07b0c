"""Collects the parts of a section, and says what is missing where one cannot be made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from repro.figures.model import Figure
from repro.figures_catalogue import Absence, figures_of
from repro.layout import Layout
from repro.report.evidence import Evidence, Made, attempt, gap_of
from repro.report.model import FigurePart, Gap, Part, Section, TablePart
from repro.tables.model import Table


@dataclass
class Shelf:
    """A section in the making.

    Attributes:
        layout: The checkout.
        anchor: Of the section, and the start of its tables' anchors.
        title: Of the section.
    """

    layout: Layout
    anchor: str
    title: str
    _parts: list[Part] = field(default_factory=list)
    _gaps: list[Gap] = field(default_factory=list)
    _kinds: set[tuple[str, str]] = field(default_factory=set)

    def table(
        self, name: str, title: str, command: str, make: Callable[[], Table], *, folded: bool = False
    ) -> None:
        """Put a table up, or the gap that it leaves.

        Args:
            name: Ends its anchor.
            title: Its heading.
            command: What prints it.
            make: Makes it; its errors become the gap.
            folded: Whether it is closed until the reader opens it.
        """
        table = self.attempt(title, make)
        if table is not None:
            self.put(name, title, command, table, folded=folded)

    def put(self, name: str, title: str, command: str, table: Table, *, folded: bool = False) -> None:
        """Put up a table that is made already, unless it is empty; arguments as in :meth:`table`."""
        if table.records:
            self._parts.append(TablePart(f"{self.anchor}-{name}", title, table, command, folded))

    def attempt(self, what: str, make: Callable[[], Made]) -> Made | None:
        """Return what ``make`` makes; its errors become a gap, and None."""
        made, gaps = attempt(self.layout, what, make)
        self._gaps.extend(gaps)
        return made

    def figures(self, figures: Sequence[Figure], dataset: str) -> None:
        """Put figures up, anchored by their own names; of each kind the first is open, the rest are folded."""
        for figure in figures:
            kind = _kind(figure.name, dataset)
            self._parts.append(
                FigurePart(f"figure-{figure.name}", figure, folded=(kind, dataset) in self._kinds)
            )
            self._kinds.add((kind, dataset))

    def catalogued(self, evidence: Evidence, kinds: Sequence[str]) -> None:
        """Put up the figures of these kinds that :mod:`repro.figures_catalogue` has, and say what it lacks.

        Figures of one kind that several backbones lack are one gap.
        """
        for dataset in evidence.datasets:
            found, absent = self.attempt(
                f"Figures of {dataset}",
                partial(figures_of, evidence.layout, evidence.params, dataset, kinds=kinds),
            ) or ([], [])
            self.figures(found, dataset)
            lacking: dict[str, list[Absence]] = {}
            for absence in absent:
                lacking.setdefault(_kind(absence.figure, dataset), []).append(absence)
            for first, *others in lacking.values():
                more = f" and {len(others)} more of its kind" if others else ""
                self.gap(f"Figure {first.figure}{more}", first.reason)

    def gap(self, what: str, why: object) -> None:
        """Say that something is missing, and why."""
        self._gaps.append(gap_of(self.layout, what, why))

    def section(self, *lead: str) -> Section | None:
        """Return the section under its first paragraphs; None where there is nothing to tell."""
        if not self._parts and not self._gaps:
            return None
        return Section(self.anchor, self.title, lead, tuple(self._parts), tuple(self._gaps))


def _kind(name: str, dataset: str) -> str:
    """Return what a figure's name says before its data set."""
    return name.partition(f"-{dataset}")[0]
