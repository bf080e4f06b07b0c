"""A table as HTML: one ``<table>`` that a screen reader, a phone and a script can all use."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from repro.printing import printable
from repro.tables.model import WORSE, Entry, Line, Table

TEMPLATES = Path(__file__).parent / "templates"

_NUMBER = re.compile(
    r"(?P<bound>[<>≤≥]?)\s?(?P<number>[+\-−]?\d[\d,]*(?:\.\d+)?(?:e[+\-]?\d+)?)(?P<unit>\s?%)?(?=\s*(?:[\[(;±→,]|$))"
)
_STARS = {"*": "one star", "**": "two stars", "***": "three stars"}
_MARKS = {"best": "best", "second": "second best"}
_ABSENT = {"", "–"}
_SHORT = 18


@dataclass(frozen=True)
class Cell:
    """One cell of the body.

    Attributes:
        entry: What is shown, safe to print.
        spoken: What a screen reader says after the text in place of bold, underline and stars.
        sort: The number to sort by; None where the cell has none of the column's unit.
    """

    entry: Entry
    spoken: str
    sort: float | None


@dataclass(frozen=True)
class Row:
    """One row; ``follows`` says that it stays behind the row above it when the table is sorted."""

    cells: tuple[Cell, ...]
    faint: bool
    follows: bool


def html_table(table: Table, identity: str) -> str:
    """Return the table as HTML, without its notes.

    Rows stand in one ``<tbody>`` a group, numbered by block (``data-block``), so that a script can sort
    within a block. Cells of number columns carry ``data-sort``. Every text is escaped.

    Args:
        table: What to show.
        identity: The element's id, also the start of the ids within it.
    """
    kinds = column_kinds(table)
    blocks = [
        {
            "title": printable(block.title),
            "groups": [
                {"heading": printable(group.heading), "rows": _rows(group.lines, kinds)}
                for group in block.groups
            ],
        }
        for block in table.blocks
    ]
    columns = [
        {"name": printable(name), "kind": "number" if kind is not None else _kind_of_words(table, place)}
        for place, (name, kind) in enumerate(zip(table.columns, kinds, strict=True))
    ]
    template = environment(TEMPLATES).get_template("table.html")
    return template.render(identity=identity, title=printable(table.title), columns=columns, blocks=blocks)


@cache
def environment(folder: Path) -> Any:
    """Return the jinja2 environment of a folder of templates: autoescape on, unknown names are errors."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def column_kinds(table: Table) -> list[str | None]:
    """Return each column's unit, "" or "%", where most of its entries are numbers; None where they are words.

    Label columns are words.
    """
    kinds: list[str | None] = []
    for column in range(len(table.columns)):
        texts = [line.entries[column].text for line in _lines(table)]
        told = [text for text in texts if text.strip() not in _ABSENT]
        found = [parsed for text in told if (parsed := number(text)) is not None]
        numeric = column >= table.label_count and found and 2 * len(found) >= len(told)
        kinds.append(Counter(unit for _, unit in found).most_common(1)[0][0] if numeric else None)
    return kinds


def number(text: str) -> tuple[float, str] | None:
    """Return the number that a text begins with, and its unit ("" or "%"); None where it begins otherwise.

    ``+0.0123 [+0.0100, +0.0150]`` is 0.0123; ``1,200 (34%)`` is 1200; ``<1e-16`` is 1e-16.
    """
    found = _NUMBER.match(text.strip())
    if found is None:
        return None
    value = float(found["number"].replace(",", "").replace("−", "-"))
    return value, (found["unit"] or "").strip()


def _kind_of_words(table: Table, column: int) -> str:
    """Return the classes of a column of words; one of short words is not broken into lines."""
    longest = max((len(line.entries[column].text) for line in _lines(table)), default=0)
    return "words short" if longest <= _SHORT else "words"


def _rows(lines: tuple[Line, ...], kinds: list[str | None]) -> list[Row]:
    rows: list[Row] = []
    for line in lines:
        cells = tuple(_cell(entry, kind) for entry, kind in zip(line.entries, kinds, strict=True))
        alone = all(row.faint for row in rows)
        rows.append(Row(cells, line.faint, follows=line.faint and not alone))
    return rows


def _cell(entry: Entry, kind: str | None) -> Cell:
    found = number(entry.text) if kind is not None else None
    sort = found[0] if found is not None and found[1] == kind else None
    return Cell(Entry(printable(entry.text), entry.mark, printable(entry.raised)), _spoken(entry), sort)


def _spoken(entry: Entry) -> str:
    """Return bold, underline and stars in words."""
    stars = entry.raised.rstrip(WORSE)
    words = [_MARKS.get(entry.mark, ""), _STARS.get(stars, printable(stars))]
    words += ["lower"] if entry.raised.endswith(WORSE) else []
    return ", ".join(word for word in words if word)


def _lines(table: Table) -> list[Line]:
    return [line for block in table.blocks for group in block.groups for line in group.lines]
