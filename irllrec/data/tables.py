"""Interaction tables of users: csv, tsv, parquet and RecBole's atomic ``.inter`` files."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import SPLITS
from irllrec.data.raw import RawTable
from irllrec.data.untrusted import MOST_COLUMNS, read_parquet, values_of
from irllrec.errors import DataError

ATOMIC = (".inter", ".user", ".item")
ATOMIC_TYPES = ("token", "token_seq", "float", "float_seq")
LONGEST_ID = 500
_MISSING = ("", "nan", "NaN")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.0+)?")
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}


@dataclass(frozen=True)
class Columns:
    """The columns of a table as text, in file order, with their RecBole types where it has some."""

    values: dict[str, npt.NDArray[Any]]
    types: dict[str, str]
    first_line: int

    def __len__(self) -> int:
        return len(next(iter(self.values.values()))) if self.values else 0


@dataclass(frozen=True)
class ColumnNames:
    """How the columns of an interaction file are called."""

    user: str = "user_id"
    item: str = "item_id"
    split: str = "split"
    timestamp: str = "timestamp"
    rating: str = "rating"


@dataclass(frozen=True)
class ReadTable:
    """An interaction file after checking: the unique pairs and what was removed."""

    table: RawTable
    duplicates_removed: int
    below_rating: int
    has_rating: bool


def read_columns(path: Path) -> Columns:
    """Return all columns of a csv, tsv, parquet or RecBole atomic file as text.

    Raises:
        DataError: If the file is missing, empty, of another kind, ragged or not UTF-8.
    """
    import pyarrow

    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"{path} is missing: check the path.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: give a file with a header and rows.")
    try:
        if suffix == ".parquet":
            return _read_parquet(path)
        if suffix in (".csv", ".tsv", *ATOMIC):
            return _read_delimited(path, "," if suffix == ".csv" else "\t")
    except (pyarrow.ArrowException, UnicodeDecodeError, csv.Error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path} cannot be read: {reason}; mend the file.") from None
    raise DataError(
        f"{path} is of the unknown kind {suffix or 'without an extension'!r}: give .csv, .tsv, .parquet or a "
        "RecBole .inter, .user or .item file."
    )


def _read_parquet(path: Path) -> Columns:
    import pyarrow

    table = read_parquet(path, "mend the file.")
    values: dict[str, npt.NDArray[Any]] = {}
    for name in table.column_names:
        column = table.column(name)
        if pyarrow.types.is_dictionary(column.type):
            values[name] = np.where(column.is_null().to_numpy(), "", values_of(column)).astype(object)
            continue
        try:
            if pyarrow.types.is_binary(column.type) or pyarrow.types.is_large_binary(column.type):
                column = column.cast(pyarrow.string())
            values[name] = np.asarray([_cell(cell) for cell in column.to_pylist()], dtype=object)
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}: the column {name!r} cannot be read ({error}): mend the file.") from None
    return Columns(values, {}, first_line=1)


def _cell(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value)


def _read_delimited(path: Path, delimiter: str) -> Columns:
    import pyarrow.csv

    quoted = path.suffix.lower() not in ATOMIC
    with path.open(encoding="utf-8-sig", newline="") as handle:
        if quoted:
            header = next(csv.reader(handle, delimiter=delimiter), [])
        else:
            header = next(csv.reader(handle, delimiter=delimiter, quoting=csv.QUOTE_NONE), [])
    names, types = [], {}
    for cell in header:
        name, _, kind = cell.partition(":")
        if not quoted and kind not in ATOMIC_TYPES:
            raise DataError(
                f"{path}: the header {cell[:80]!r} is not `name:type` with a type of {', '.join(ATOMIC_TYPES)}: "
                "mend the first line."
            )
        names.append(name if kind in ATOMIC_TYPES else cell)
        if kind in ATOMIC_TYPES:
            types[name] = kind
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(names):,} columns, more than {MOST_COLUMNS:,}: leave out what is not used."
        )
    double, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise DataError(f"{path} has the column {double[:80]!r} twice: rename one.")
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pyarrow.string() for name in names}, strings_can_be_null=False
        ),
    )
    values = {name: table.column(name).to_numpy(zero_copy_only=False).astype(object) for name in names}
    return Columns(values, types, first_line=2)


def parse_ids(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the ids as int64 where every one is a whole number, else as strings unchanged.

    ``7`` and ``7.0`` are whole numbers; ``007`` is not, since the zeros may carry meaning.
    """
    if all(_WHOLE.fullmatch(value) for value in set(values.tolist())):
        return np.asarray([int(value.partition(".")[0]) for value in values.tolist()], dtype=np.int64)
    return values


def read_interactions(
    path: Path, names: ColumnNames | None = None, rating_min: float | None = None, with_split: bool = True
) -> ReadTable:
    """Return the interactions of a csv, tsv, parquet or ``.inter`` file, each pair once.

    Args:
        path: The file.
        names: How its columns are called.
        rating_min: Rows rated below it are no interactions; needs a rating column.
        with_split: Whether the split column is read where there is one.

    Raises:
        DataError: Naming the file, the line and the value that is wrong.
    """
    names = names or ColumnNames()
    columns = read_columns(path)
    for name in (names.user, names.item):
        if name not in columns.values:
            raise DataError(
                f"{path} has no column {name!r}, it has {', '.join(map(repr, columns.values))[:300] or 'none'}: "
                "rename it, or name yours with --user-column and --item-column."
            )
    if not len(columns):
        raise DataError(f"{path} has a header but no rows: give at least one interaction.")
    for name in (names.user, names.item):
        _check_ids(path, columns, name)
    keep = np.ones(len(columns), dtype=bool)
    if rating_min is not None:
        keep = _numbers(path, columns, names.rating, "--rating-column") >= rating_min
        if not keep.any():
            raise DataError(f"{path}: no {names.rating} reaches {rating_min:g}: lower --rating-min.")
    splits = _splits(path, columns, names.split) if with_split else None
    stamps = _numbers(path, columns, names.timestamp, "") if names.timestamp in columns.values else None
    table = RawTable(
        parse_ids(columns.values[names.user]), parse_ids(columns.values[names.item]), splits, stamps
    )
    lines = np.arange(len(table)) + columns.first_line
    unique, removed = _unique_pairs(path, table.select(keep), lines[keep])
    return ReadTable(unique, removed, int((~keep).sum()), names.rating in columns.values)


def _check_ids(path: Path, columns: Columns, name: str) -> None:
    """Refuse ids that are missing, hold control characters or are so long that a table of them takes all memory."""
    values = columns.values[name].tolist()
    wrong = {
        value: problem
        for value in set(values)
        if (
            problem := "missing: fill it in or remove the row"
            if value in _MISSING
            else f"{len(value):,} characters long, more than {LONGEST_ID}: use shorter ids"
            if len(value) > LONGEST_ID
            else f"{ascii(value)[:80]}, which holds a control character: remove it"
            if _CONTROL.search(value)
            else ""
        )
    }
    for row, value in enumerate(values) if wrong else ():
        if value in wrong:
            raise DataError(f"{path}, line {columns.first_line + row}: {name} is {wrong[value]}.")


def _numbers(path: Path, columns: Columns, name: str, option: str) -> npt.NDArray[Any]:
    if name not in columns.values:
        raise DataError(f"{path} has no column {name!r}: name yours with {option}.")
    numbers = np.empty(len(columns), dtype=np.float64)
    for row, cell in enumerate(columns.values[name].tolist()):
        try:
            numbers[row] = float(cell)
        except ValueError:
            numbers[row] = np.nan
        if not np.isfinite(numbers[row]):
            raise DataError(
                f"{path}, line {columns.first_line + row}: {name} is {cell[:80]!r}, not a number: mend or remove "
                "it."
            )
    whole = (numbers == np.round(numbers)).all() and np.abs(numbers).max() < 2**53
    return numbers.astype(np.int64) if whole else numbers


def _splits(path: Path, columns: Columns, name: str) -> npt.NDArray[Any] | None:
    if name not in columns.values:
        return None
    found = []
    for row, cell in enumerate(columns.values[name].tolist()):
        split = _SPLIT_NAMES.get(cell.strip().lower())
        if split is None:
            raise DataError(
                f"{path}, line {columns.first_line + row}: {name} is {cell[:80]!r}: use {', '.join(SPLITS)}."
            )
        found.append(split)
    return np.asarray(found, dtype=object)


def _unique_pairs(path: Path, table: RawTable, lines: npt.NDArray[np.int64]) -> tuple[RawTable, int]:
    """Return each pair once, at its first line, and how many rows went; with time, its first moment."""
    _, user_codes = np.unique(table.user_ids.astype(str), return_inverse=True)
    items, item_codes = np.unique(table.item_ids.astype(str), return_inverse=True)
    codes = user_codes.astype(np.int64) * len(items) + item_codes
    moments = np.zeros(len(codes)) if table.timestamps is None else table.timestamps
    order = np.lexsort((np.arange(len(codes)), moments, codes))
    again = np.flatnonzero(codes[order][1:] == codes[order][:-1]) + 1
    if table.splits is not None:
        for position in again:
            row, before = order[position], order[position - 1]
            if table.splits[row] != table.splits[before]:
                raise DataError(
                    f"{path}, lines {min(lines[row], lines[before])} and {max(lines[row], lines[before])}: "
                    f"user {table.user_ids[row]} and item {table.item_ids[row]} stand in both "
                    f"{table.splits[before]} and {table.splits[row]}: keep one of the two rows."
                )
    keep = np.ones(len(codes), dtype=bool)
    keep[order[again]] = False
    return table.select(np.flatnonzero(keep)), len(again)
