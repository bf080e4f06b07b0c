"""Compares a stored form of a table with the one derived anew, and names what differs by row and column."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

from repro.bundle.differences import Difference, shown
from repro.bundle.printed import CELL_COLUMNS, CELLS

_LABELS = (
    "kind",
    "dataset",
    "backbone",
    "variant",
    "candidate",
    "reference",
    "group",
    "metric",
    "cell",
    "trial",
)
"""Columns of records that name a row."""

_RULES = str.maketrans("", "", "─-:|")


def compare_forms(table: str, file: str, stored: str, derived: str) -> list[Difference]:
    """Return where the stored text of a table is not the derived one.

    Forms that are laid out for the eye are compared word by word: another release of a library may break a
    line elsewhere, but may not print another figure.

    Args:
        table: Name of the table.
        file: Name of its file in the bundle, whose end tells the form.
        stored: Its content.
        derived: What it should be.
    """
    if stored == derived:
        return []
    found = list(_differing(table, file, stored, derived))
    if found or not file.endswith((".csv", ".json")):
        return found
    return list(_by_line(table, file, stored, derived, exactly=True))


def _differing(table: str, file: str, stored: str, derived: str) -> Iterator[Difference]:
    try:
        if file.endswith(f".{CELLS}"):
            yield from _by_cell(table, file, _rows(stored), _rows(derived))
        elif file.endswith(".csv"):
            yield from _by_record(table, file, _rows(stored), _rows(derived))
        elif file.endswith(".json"):
            yield from _by_document(table, file, json.loads(stored), json.loads(derived))
        else:
            yield from _by_line(table, file, stored, derived)
    except (ValueError, TypeError, KeyError, AttributeError, csv.Error):
        yield Difference(file, "another form", "a table as `repro bundle` writes it", table)


def _rows(text: str) -> list[Mapping[str, str]]:
    return list(csv.DictReader(io.StringIO(text), strict=True))


def _by_cell(
    table: str, file: str, stored: Sequence[Mapping[str, str]], derived: Sequence[Mapping[str, str]]
) -> Iterator[Difference]:
    nothing: Mapping[str, str] = {}
    for one, other in itertools.zip_longest(stored, derived, fillvalue=nothing):
        if one != other:
            named = other or one
            place = " ".join(named.get(key, "") for key in ("block", "group", "row")).strip()
            same_cell = all(one.get(key) == other.get(key) for key in ("block", "group", "row", "column"))
            shown_keys = ("text", "raised", "mark") if same_cell else CELL_COLUMNS[1:]
            values = ["".join(f"{cell.get(key) or ''} " for key in shown_keys) for cell in (one, other)]
            yield Difference(file, *_told(*values), table, place, named.get("column", ""))


def _by_record(
    table: str, file: str, stored: Sequence[Mapping[str, object]], derived: Sequence[Mapping[str, object]]
) -> Iterator[Difference]:
    nothing: Mapping[str, object] = {}
    for number, (one, other) in enumerate(itertools.zip_longest(stored, derived, fillvalue=nothing), start=1):
        named = other or one
        labels = [str(named[key]) for key in _LABELS if named.get(key) not in (None, "")]
        row = f"{number} ({' '.join(labels)})" if labels else str(number)
        for key in dict.fromkeys([*other, *one]):
            if one.get(key) != other.get(key) or type(one.get(key)) is not type(other.get(key)):
                values = _told(one.get(key, "nothing"), other.get(key, "nothing"))
                yield Difference(file, *values, table, row, str(key))


def _by_document(
    table: str,
    file: str,
    stored: Mapping[str, list[dict[str, object]]],
    derived: Mapping[str, list[dict[str, object]]],
) -> Iterator[Difference]:
    if stored["title"] != derived["title"]:
        yield Difference(file, *_told(stored["title"], derived["title"]), table, "title")
    for number, (one, other) in enumerate(itertools.zip_longest(stored["notes"], derived["notes"]), start=1):
        if one != other:
            yield Difference(file, *_parted(str(one), str(other)), table, f"note {number}")
    yield from _by_record(table, file, stored["rows"], derived["rows"])
    if set(stored) != set(derived):
        yield Difference(file, *_told(sorted(stored), sorted(derived)), table)


def _by_line(
    table: str, file: str, stored: str, derived: str, *, exactly: bool = False
) -> Iterator[Difference]:
    """Yield lines that differ in more than layout; where only their breaks differ, nothing."""
    if not exactly and _words(stored) == _words(derived):
        return
    here, there = stored.splitlines(), derived.splitlines()
    for number, (one, other) in enumerate(itertools.zip_longest(here, there, fillvalue=""), start=1):
        if one != other and (exactly or _words(one) != _words(other)):
            label = shown(" ".join(other.translate(_RULES).split()[:3]))
            yield Difference(file, *_parted(one, other), table, f"line {number} ({label})")
            if len(here) != len(there):  # all lines below are shifted
                yield Difference(file, f"{len(here):,} lines", f"{len(there):,} lines", table)
                return


def _words(text: str) -> list[str]:
    return [word for word in text.split() if word.translate(_RULES)]


def _parted(stored: str, derived: str) -> tuple[str, str]:
    """Return the words that differ of two lines, the whole lines where they have other words."""
    one, other = stored.split(), derived.split()
    if len(one) == len(other):
        pairs = [(first, second) for first, second in zip(one, other, strict=True) if first != second]
        if pairs:
            return shown(" ".join(first for first, _ in pairs)), shown(
                " ".join(second for _, second in pairs)
            )
    return _told(stored, derived)


def _told(stored: object, derived: object) -> tuple[str, str]:
    return shown(stored) or "nothing", shown(derived) or "nothing"
