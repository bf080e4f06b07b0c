"""A table in the form that was asked for."""

from __future__ import annotations

import csv
import io
import json
import re

from tabulate import tabulate

from repro.errors import ReproError
from repro.printing import for_spreadsheet, one_line
from repro.tables.latex import latex
from repro.tables.model import Block, Entry, Group, Line, Scalar, Table
from repro.tables.terminal import terminal

LONGEST_TEXT = 20_000
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LINK = re.compile(r"\](\s*)\(")
FORMATS = ("rich", "md", "latex", "csv", "json")


def render(table: Table, form: str, width: int = 120, color: bool = False) -> str:
    """Return the table as text, ending in a line end.

    Args:
        table: What to show.
        form: One of :data:`FORMATS`.
        width: Columns of the terminal, for ``rich`` only: a wider table is broken into parts.
        color: Whether ``rich`` may use terminal codes.

    Raises:
        ReproError: If the form is unknown.
    """
    table = _clean(table)
    if form == "rich":
        return terminal(table, width, color)
    if form == "md":
        return _markdown(table)
    if form == "latex":
        return latex(table)
    if form == "csv":
        return _csv(table)
    if form == "json":
        document = {
            "title": table.title,
            "notes": list(table.notes),
            "rows": [dict(r) for r in table.records],
        }
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    raise ReproError(f"the format {form!r} is unknown: choose one of {', '.join(FORMATS)}.")


def _clean(table: Table) -> Table:
    """Return the table with every text in one printable line: names, ids and words may be anyone's."""
    blocks = tuple(
        Block(_line(block.title), tuple(Group(_line(g.heading), _lines(g.lines)) for g in block.groups))
        for block in table.blocks
    )
    return Table(
        title=_line(table.title),
        columns=tuple(map(_line, table.columns)),
        label_count=table.label_count,
        blocks=blocks,
        notes=tuple(map(_line, table.notes)),
        records=tuple({_line(name): _value(value) for name, value in r.items()} for r in table.records),
    )


def _lines(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    return tuple(
        Line(tuple(Entry(_line(e.text), e.mark, _line(e.raised)) for e in line.entries), line.faint)
        for line in lines
    )


def _line(text: str) -> str:
    return text if text.isascii() and text.isprintable() else one_line(text, LONGEST_TEXT)


def _value(value: Scalar) -> Scalar:
    return _line(value) if isinstance(value, str) else value


def _csv(table: Table) -> str:
    text = io.StringIO()
    names = list(table.records[0]) if table.records else list(table.columns)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(for_spreadsheet, names))
    for record in table.records:
        values = [record[name] for name in names]
        writer.writerow([for_spreadsheet(value) if isinstance(value, str) else value for value in values])
    return text.getvalue()


def _markdown(table: Table) -> str:
    parts = [f"**{_marked_down(table.title)}**"]
    columns = [_marked_down(name) for name in table.columns]
    for block in table.blocks:
        rows = []
        for group in block.groups:
            if group.heading:
                rows.append([f"*{_marked_down(group.heading)}*", *[""] * (len(table.columns) - 1)])
            rows.extend([_markdown_entry(entry) for entry in line.entries] for line in group.lines)
        alignment = ["left"] * table.label_count + ["right"] * (len(table.columns) - table.label_count)
        body = tabulate(rows, columns, tablefmt="pipe", colalign=alignment, disable_numparse=True)
        parts.append(f"{f'**{_marked_down(block.title)}**' + chr(10) * 2 if block.title else ''}{body}")
    parts.extend(_LINK.sub(r"]\\(", note.replace("*", "\\*").replace("<", "&lt;")) for note in table.notes)
    return "\n\n".join(parts) + "\n"


def _marked_down(text: str) -> str:
    """Return a text in which Markdown finds no cell, no link and no HTML."""
    return _LINK.sub(r"]\\(", _TAG.sub("&lt;", text.replace("|", "\\|")))


def _markdown_entry(entry: Entry) -> str:
    text = _marked_down(entry.text)
    text = f"**{text}**" if entry.mark == "best" else f"<u>{text}</u>" if entry.mark == "second" else text
    return text + _marked_down(entry.raised).replace("*", "\\*")
