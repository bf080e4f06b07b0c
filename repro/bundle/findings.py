"""What a check found, as a table."""

from __future__ import annotations

from repro.bundle.checking import Checked
from repro.bundle.differences import Difference, Part, shown
from repro.tables.model import Block, Entry, Group, Line, Record, Scalar, Table

_COLUMNS = ("what was compared", "compared", "differs")
_PLACE_COLUMNS = 42
_VALUE_COLUMNS = 17
"""Widths that fit a terminal of 80 columns; CSV and JSON have all in full."""

SHOWN = 40
"""Differences named in print; CSV and JSON have all."""


def findings_table(name: str, checked: Checked) -> Table:
    """Return what was checked, how much of it, and every difference by file, table, row and column.

    Args:
        name: Of the archive.
        checked: What was found.
    """
    differences = checked.differences
    lines = tuple(
        Line((Entry(_place(one)), Entry(shown(one.stored, _VALUE_COLUMNS)), Entry(_should_be(one))))
        for one in differences[:SHOWN]
    )
    blocks = [Block("", (Group("", tuple(_line(part) for part in checked.parts)),))]
    if lines:
        blocks.append(Block("What differs: where, what stands there, what should", (Group("", lines),)))
    return Table(
        title=f"Check of {name}",
        columns=_COLUMNS,
        label_count=1,
        blocks=tuple(blocks),
        notes=tuple(_notes(checked, len(differences))),
        records=tuple(_records(checked)),
    )


def _line(part: Part) -> Line:
    wrong = len(part.differences)
    count = f"{part.count:,} {part.unit}"
    return Line(
        (Entry(f"{part.name}: {part.what}"), Entry(count), Entry(f"{wrong:,}" if wrong else "nothing"))
    )


def _place(one: Difference) -> str:
    """Return file, row and column in the width there is; the row gives way first."""
    column = f" · {one.column}" if one.column else ""
    file = shown(one.file, _PLACE_COLUMNS - len(column))
    left = _PLACE_COLUMNS - len(file) - len(column) - 3
    row = f" · {shown(one.row, left)}" if one.row and left > 1 else ""
    return f"{file}{row}{column}"


def _should_be(one: Difference) -> str:
    return shown(one.derived, _VALUE_COLUMNS)


def _notes(checked: Checked, count: int) -> list[str]:
    told = [f"{part.name}: {part.note}." for part in checked.parts if part.note]
    if count > SHOWN:
        told.append(f"{count - SHOWN:,} more differences: see them with --format csv.")
    compared = sum(part.count for part in checked.parts if part.unit == "digits")
    end = f"{count:,} place{'s' * (count != 1)} differ{'s' * (count == 1)}." if count else "Nothing differs."
    told += [*checked.notes, f"SHA-256 of the archive: {checked.sha256}"]
    told.append(
        f"{compared:,} printed digits were derived anew from the per-user results. {end} Whoever changes results, "
        "lists, tables and manifest alike is found only by the archive's SHA-256 (--expect), or by training again."
    )
    return told


def _records(checked: Checked) -> list[Record]:
    found: list[Record] = []
    for part in checked.parts:
        own: dict[str, Scalar] = {
            "part": part.name,
            "compared": part.count,
            "unit": part.unit,
            "differences": len(part.differences),
        }
        found += [{**own, **_told(one)} for one in part.differences or (None,)]
    return found


def _told(one: Difference | None) -> dict[str, Scalar]:
    names = ("file", "table", "row", "column", "stored", "derived")
    return {name: getattr(one, name) if one else "" for name in names}
