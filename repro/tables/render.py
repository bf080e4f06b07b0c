"""A table in the form that was asked for."""

from __future__ import annotations

import csv
import io
import json

from tabulate import tabulate

from repro.errors import ReproError
from repro.tables.latex import latex
from repro.tables.model import Entry, Table
from repro.tables.terminal import terminal

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


def _csv(table: Table) -> str:
    text = io.StringIO()
    names = list(table.records[0]) if table.records else list(table.columns)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.records)
    return text.getvalue()


def _markdown(table: Table) -> str:
    parts = [f"**{table.title}**"]
    for block in table.blocks:
        rows = []
        for group in block.groups:
            if group.heading:
                rows.append([f"*{group.heading}*", *[""] * (len(table.columns) - 1)])
            rows.extend([_markdown_entry(entry) for entry in line.entries] for line in group.lines)
        alignment = ["left"] * table.label_count + ["right"] * (len(table.columns) - table.label_count)
        body = tabulate(rows, table.columns, tablefmt="pipe", colalign=alignment, disable_numparse=True)
        parts.append(f"{f'**{block.title}**' + chr(10) * 2 if block.title else ''}{body}")
    parts.extend(note.replace("*", "\\*").replace("<", "&lt;") for note in table.notes)
    return "\n\n".join(parts) + "\n"


def _markdown_entry(entry: Entry) -> str:
    text = entry.text.replace("|", "\\|")
    text = f"**{text}**" if entry.mark == "best" else f"<u>{text}</u>" if entry.mark == "second" else text
    return text + entry.raised.replace("*", "\\*")
