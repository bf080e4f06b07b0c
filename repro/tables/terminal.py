"""A table for the terminal, broken into parts where it is too narrow."""

from __future__ import annotations

import io

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from repro.tables.model import Block, Entry, Group, Table

GAP = 2
"""Blanks between columns."""

STYLES = {"best": "bold", "second": "underline", "": ""}


def terminal(table: Table, width: int, color: bool) -> str:
    """Return the table for a terminal of ``width`` columns; no row is ever wrapped into two.

    Where the columns do not fit, the table comes in parts below each other, each with the labels.
    """
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=color, highlight=False, emoji=False)
    console.print(Text(table.title, style="bold"))
    for block in table.blocks:
        if block.title:
            console.print(Text(f"\n{block.title}", style="bold cyan"))
        widths = _widths(table, block)
        for columns in _parts(table, widths, width):
            console.print()
            for line in _lines(table, block, columns, widths):
                console.print(line, no_wrap=True, overflow="ellipsis")
    console.print()
    for note in table.notes:
        console.print(Padding(Text(note, style="dim"), (0, 0, 0, 1)))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _widths(table: Table, block: Block) -> list[int]:
    """Return the width each column needs in this block."""
    needed = [len(name) for name in table.columns]
    for group in block.groups:
        for line in group.lines:
            for column, entry in enumerate(line.entries):
                needed[column] = max(needed[column], len(entry.text) + len(entry.raised))
    return needed


def _parts(table: Table, widths: list[int], width: int) -> list[list[int]]:
    """Return the columns of each part: as few parts as fit, of about equal size."""
    labels = list(range(table.label_count))
    values = list(range(table.label_count, len(table.columns)))
    if not values:
        return [labels]
    for count in range(1, len(values) + 1):
        size = -(-len(values) // count)
        parts = [labels + values[start : start + size] for start in range(0, len(values), size)]
        if all(sum(widths[column] + GAP for column in part) - GAP <= width for part in parts):
            return parts
    return [[*labels, column] for column in values]


def _lines(table: Table, block: Block, columns: list[int], widths: list[int]) -> list[Text]:
    header = [Entry(name) for name in table.columns]
    lines = [_line(table, header, columns, widths, "bold")]
    rule = "─" * (sum(widths[column] + GAP for column in columns) - GAP)
    lines.append(Text(rule, style="dim"))
    for number, group in enumerate(block.groups):
        if number:
            lines.append(Text(""))
        lines += _group(table, group, columns, widths)
    return lines


def _group(table: Table, group: Group, columns: list[int], widths: list[int]) -> list[Text]:
    heading = [Text(group.heading, style="italic")] if group.heading else []
    return heading + [
        _line(table, line.entries, columns, widths, "dim" if line.faint else "") for line in group.lines
    ]


def _line(
    table: Table, entries: tuple[Entry, ...] | list[Entry], columns: list[int], widths: list[int], style: str
) -> Text:
    """Return one line; labels stand left, values right, with the marks of a value after its digits."""
    line = Text(style=style)
    for position, column in enumerate(columns):
        entry = entries[column]
        blanks = " " * (widths[column] - len(entry.text) - len(entry.raised))
        left = column < table.label_count
        line.append(" " * GAP if position else "")
        line.append("" if left else blanks)
        line.append(entry.text, style=STYLES[entry.mark])
        line.append(entry.raised)
        line.append(blanks if left else "")
    return line
