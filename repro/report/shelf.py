"""Collects the parts of a section, and says what is missing where one cannot be made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from repro.figures.model import Figure
from repro.figures_catalogue import figures_of
from repro.layout import Layout
from repro.report.evidence import Evidence, attempt, gap_of
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
        table, gaps = attempt(self.layout, title, make)
        if table is not None and table.records:
            self._parts.append(TablePart(f"{self.anchor}-{name}", title, table, command, folded))
        self._gaps.extend(gaps)

    def figures(self, figures: Sequence[Figure]) -> None:
        """Put figures up, anchored by their own names."""
        self._parts.extend(FigurePart(f"figure-{figure.name}", figure) for figure in figures)

    def catalogued(self, evidence: Evidence, kinds: Sequence[str]) -> None:
        """Put up the figures of these kinds that :mod:`repro.figures_catalogue` has, and what it lacks.

        A figure that every backbone lacks is one gap a data set, not one a backbone.
        """
        for dataset in evidence.datasets:
            found, absent = figures_of(evidence.layout, evidence.params, dataset, kinds=kinds)
            self.figures(found)
            reasons = {absence.reason: absence.figure for absence in reversed(absent)}
            for reason, name in reversed(reasons.items()):
                self.gap(f"Figure {name}", reason)

    def gap(self, what: str, why: object) -> None:
        """Say that something is missing, and why."""
        self._gaps.append(gap_of(self.layout, what, why))

    def section(self, *lead: str) -> Section | None:
        """Return the section under its first paragraphs; None where there is nothing to tell."""
        if not self._parts and not self._gaps:
            return None
        return Section(self.anchor, self.title, lead, tuple(self._parts), tuple(self._gaps))
