"""A plain table of words: rows of text under headers, with the same rows as records."""

from __future__ import annotations

from collections.abc import Sequence

from repro.tables.model import Block, Entry, Group, Line, Table


def listing(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> Table:
    """Return the rows as a table, every column a label.

    Args:
        title: One line above it.
        columns: The headers, also the names in csv and json.
        rows: As many texts each as there are columns.
        notes: Sentences below it.
    """
    lines = tuple(Line(tuple(Entry(text) for text in row)) for row in rows)
    return Table(
        title=title,
        columns=tuple(columns),
        label_count=len(columns),
        blocks=(Block("", (Group("", lines),)),),
        notes=tuple(notes),
        records=tuple(dict(zip(columns, row, strict=True)) for row in rows),
    )
