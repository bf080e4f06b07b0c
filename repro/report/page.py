"""The report as one HTML file that loads nothing: styles, script, figures and sources stand inside."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup, escape

from repro.figures.model import Figure, rendered
from repro.printing import printable
from repro.report.model import Report
from repro.statistics.claims import VERDICTS
from repro.tables.html import environment, html_table
from repro.tables.model import Block, Entry, Group, Line, Scalar, Table
from repro.tables.render import render

TEMPLATES = Path(__file__).parent / "templates"

SYMBOLS = dict(zip(VERDICTS, ("✔", "✘", "?", "–"), strict=True))
"""Beside the word and the kind of line, so that no verdict is told by colour alone."""

MOST_NUMBERS = 200
"""Rows shown of a figure's numbers; its CSV has all."""

MOST_VECTOR_BYTES = 200_000
"""A figure that is larger as SVG, such as one with thousands of points, is shown as PNG."""

_POINTS = 96
"""CSS pixels per inch."""


def page(report: Report) -> str:
    """Return the page; the same text for the same report."""
    style, script = _asset("style.css"), _asset("script.js")
    text: str = (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
            symbols=SYMBOLS,
        )
    )
    return text


def anchor_of(*words: str) -> str:
    """Return an id that holds these words: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


@cache
def _environment() -> Environment:
    found: Environment = environment(TEMPLATES)
    found.filters |= {
        "printable": printable,
        "prose": prose,
        "slug": anchor_of,
        "html_table": lambda table, identity: Markup(html_table(table, identity)),
        "rendered": lambda table, form: printable(render(table, form)),
        "row_count": _row_count,
        "data_uri": data_uri,
        "pixels": lambda figure, side: round(figure.size[side] * _POINTS * _ZOOM),
        "numbers": numbers_table,
        "records_csv": lambda figure: printable(records_csv(figure)),
    }
    return found


_ZOOM = 1.6
"""Figures are drawn for a column of print; a screen has more room."""


def prose(text: str) -> Markup:
    """Return a sentence as HTML; what stands between backticks is code."""
    parts = [escape(part) for part in printable(text).split("`")]
    if len(parts) % 2 == 0:
        return Markup("`").join(parts)
    marked = [
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    ]
    return Markup("").join(marked)


def data_uri(figure: Figure) -> str:
    """Return the drawn figure as a data URI: SVG, or PNG where that is too large.

    As an image, not as markup: what stands in it can neither run nor load, and ids cannot clash.
    """
    content, kind = rendered(figure, "svg"), "svg+xml"
    if len(content) > MOST_VECTOR_BYTES:
        content, kind = rendered(figure, "png"), "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def numbers_table(figure: Figure) -> Table:
    """Return the first of the numbers that a figure draws, as a table."""
    records = figure.records[:MOST_NUMBERS]
    names = tuple(records[0])
    words = sum(isinstance(records[0][name], str) for name in names)
    lines = tuple(Line(tuple(Entry(_shown(record[name])) for name in names)) for record in records)
    return Table(
        title=f"The numbers drawn in: {figure.title}",
        columns=names,
        label_count=min(words, 1),
        blocks=(Block("", (Group("", lines),)),),
        notes=(),
        records=records,
    )


def records_csv(figure: Figure) -> str:
    """Return all numbers that a figure draws, as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(figure.records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(figure.records)
    return text.getvalue()


def _shown(value: Scalar) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _row_count(table: Table) -> str:
    count = sum(len(group.lines) for block in table.blocks for group in block.groups)
    return f"{count:,} row{'s' * (count != 1)}"


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what the content security policy allows the text by."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
