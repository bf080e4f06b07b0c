"""A report as data: sections of tables, figures and verdicts, and what of them is missing."""

from __future__ import annotations

from dataclasses import dataclass

from repro.figures.model import Figure
from repro.tables.model import Table


@dataclass(frozen=True)
class TablePart:
    """One table of the report.

    Attributes:
        anchor: Unique in the report; the table can be linked to by it.
        title: Heading above it.
        table: The table.
        command: The command that prints it.
        folded: Whether it is closed until the reader opens it.
    """

    anchor: str
    title: str
    table: Table
    command: str
    folded: bool = False


@dataclass(frozen=True)
class FigurePart:
    """One figure of the report.

    Attributes:
        anchor: Unique in the report; the figure can be linked to by it.
        figure: The figure.
        folded: Whether it is closed until the reader opens it.
    """

    anchor: str
    figure: Figure
    folded: bool = False

    @property
    def title(self) -> str:
        return self.figure.title


@dataclass(frozen=True)
class Gap:
    """A part that is not there: what it is, and one sentence that says why and names the fix."""

    what: str
    why: str


Part = TablePart | FigurePart


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading of its own.

    Attributes:
        anchor: Unique in the report.
        title: The heading.
        lead: Paragraphs below it.
        parts: Tables and figures in the order to show.
        gaps: What is missing of it.
    """

    anchor: str
    title: str
    lead: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What became of a claim at one place.

    Attributes:
        place: Where it was tested: ``demo/lightgcn``, or ``demo`` over several backbones.
        verdict: One of :data:`repro.statistics.claims.VERDICTS`.
        figures: What the verdict rests on: effect, interval, p-value, seeds, in a line; empty where not tested.
        why: How the verdict came about, one sentence.
        command: What makes it, and whatever is missing for it.
        within: Where the place has several backbones, the verdict on each.
    """

    place: str
    verdict: str
    figures: str
    why: str
    command: str
    within: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A claim and its verdicts, one a data set.

    Attributes:
        anchor: Unique in the report.
        claim: Its short name, C1.
        statement: The claim in a line.
        source: ``paper`` or ``ours``.
        verdicts: In the order of the report's data sets.
    """

    anchor: str
    claim: str
    statement: str
    source: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Report:
    """The whole page.

    Attributes:
        title: Its title.
        lead: The first paragraphs: what was judged on what, and what came out.
        claims: Every claim with its verdicts.
        sections: In the order to show.
        made_by: Where the page is from.
    """

    title: str
    lead: tuple[str, ...]
    claims: tuple[Judged, ...]
    sections: tuple[Section, ...]
    made_by: MadeBy


@dataclass(frozen=True)
class MadeBy:
    """Where the page is from.

    Attributes:
        command: The command that made it.
        program: Name and version of this package.
        commit: The commit of the checkout; – where there is no git.
    """

    command: str
    program: str
    commit: str
