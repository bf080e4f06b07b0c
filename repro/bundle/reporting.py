"""The report of a bundle: made from nothing but what is in it, so that a check can make it again."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from repro.bundle.printed import Source
from repro.bundle.record import Bundle
from repro.report.contents import report_of
from repro.report.evidence import gather
from repro.report.model import MadeBy, TablePart
from repro.report.page import page
from repro.tables.model import Table

REPORT = "results/report.html"
_IMAGE = re.compile(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]*")


@dataclass(frozen=True)
class Reported:
    """The report as a page, and its tables by anchor with the commands that print them."""

    html: str
    tables: dict[str, tuple[str, Table]]


def report_from(source: Source, bundle: Bundle) -> Reported:
    """Return the report on the cells of a bundle; what needs more than the bundle holds is named in it as missing.

    Raises:
        ReproError: If no cell has results.
    """
    evidence = gather(source.layout, source.params, source.datasets, bundle.stale or ())
    report = report_of(evidence)
    made_by = MadeBy(
        command=report.made_by.command,
        program=f"irllrec-repro {bundle.version or ''}".strip(),
        commit=bundle.commit or "–",
    )
    parts = [part for section in report.sections for part in section.parts if isinstance(part, TablePart)]
    html = page(dataclasses.replace(report, made_by=made_by))
    return Reported(
        html=html.replace(f"{source.layout.root}/", ""),
        tables={part.anchor: (part.command, part.table) for part in parts},
    )


def without_images(html: str) -> str:
    """Return the page with its drawings taken out: fonts and processors may draw a line otherwise."""
    return _IMAGE.sub("data:image", html)
