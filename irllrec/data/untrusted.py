"""Files that anyone may have made, read within bounds on their size, their depth and what they hold.

JSON, npz and parquet all let a few bytes stand for very many, or for something that only looks like a value.
What is read here is held to what a file of that size can honestly hold; nothing in it is ever executed.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from irllrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow

Read = TypeVar("Read")

MOST_JSON_DEPTH = 64
LAST_CHARACTER = 0x10FFFF
MOST_COLUMNS = 10_000
MOST_RATIO = 200
"""Unpacked to packed bytes of an npz; float vectors come to about 2."""
FREE_OF_RATIO = 64 << 20
MOST_TABLE_RATIO = 50
FREE_OF_TABLE_RATIO = 1 << 30
"""A column of equal values takes no place in parquet, so small tables are free of the ratio."""

_PIECE = 1 << 20
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: If it is not JSON as the standard has it: also for NaN, numbers beyond float64 or of thousands of
            digits, keys that stand twice, halves of surrogate pairs, and values nested deeper than 64. Its text is
            the reason in a few words.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        raise ValueError(error.msg) from None
    except RecursionError:
        raise ValueError(f"it nests deeper than {MOST_JSON_DEPTH}") from None
    if text.count("[") + text.count("{") > MOST_JSON_DEPTH and _is_deep(value):
        raise ValueError(f"it nests deeper than {MOST_JSON_DEPTH}")
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("it holds half of a surrogate pair") from None
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"it has the key {double[:40]!r} twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_JSON_DEPTH):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def read_npz(path: Path, names: Iterable[str] = ()) -> dict[str, npt.NDArray[Any]]:
    """Return the named arrays of an npz file, or all of them where none is named.

    Nothing is set aside for an array before its header, its size in the archive and the archive's own size agree.

    Raises:
        FileNotFoundError: If there is no file.
        DataError: If it is no npz file of plain numbers and strings, claims other sizes than it has, or lacks a name.
    """
    return _read_npz(path, names, _array_of)


def npz_shapes(path: Path, names: Iterable[str] = ()) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the named arrays of an npz file, or of all of them, from their headers alone.

    Raises:
        FileNotFoundError: If there is no file.
        DataError: As :func:`read_npz`, of what the headers tell.
    """

    def shape_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, ...]:
        with archive.open(info) as handle:
            return _header_of(handle, info).shape

    return _read_npz(path, names, shape_of)


def _read_npz(
    path: Path, names: Iterable[str], read: Callable[[zipfile.ZipFile, zipfile.ZipInfo], Read]
) -> dict[str, Read]:
    wanted = tuple(names)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members_of(path, archive)
            missing = [name for name in wanted if name not in members]
            if missing:
                raise DataError(
                    f"{path} lacks the array {missing[0]!r}; it holds {', '.join(members)[:200] or 'none'}."
                )
            return {name: read(archive, members[name]) for name in (wanted or members)}
    except (FileNotFoundError, DataError):
        raise
    except (OSError, EOFError, RuntimeError, ArithmeticError, LookupError, zipfile.BadZipFile) as error:
        raise unreadable_npz(path, error) from None
    except (ValueError, TypeError, AttributeError, SyntaxError, MemoryError, zlib.error) as error:
        raise unreadable_npz(path, error) from None


def unreadable_npz(path: Path, error: object) -> DataError:
    """Return the error for a file that is no npz of plain arrays."""
    reason = " ".join(str(error).split())[:150] or type(error).__name__
    return DataError(f"{path} is not a readable npz file ({reason}): make it again.")


def _members_of(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members of an npz by the names of their arrays, their claimed sizes checked."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename:
            raise ValueError(f"its member {name[:60]!r} is no array")
        if name in members:
            raise ValueError(f"it holds the array {name[:60]!r} twice")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"its array {name[:60]!r} is neither stored nor deflated")
        members[name] = info
    size = path.stat().st_size
    total = sum(info.file_size for info in members.values())
    stored = all(info.compress_type == zipfile.ZIP_STORED for info in members.values())
    if total > (size if stored else max(FREE_OF_RATIO, MOST_RATIO * size)):
        raise ValueError(f"it would unpack {size:,} to {total:,} bytes")
    return members


class _Header(NamedTuple):
    """What an array's header says: its shape, its order in memory, its type, and the bytes that follow."""

    shape: tuple[int, ...]
    column_major: bool
    dtype: np.dtype[Any]
    size: int


def _header_of(handle: IO[bytes], info: zipfile.ZipInfo) -> _Header:
    """Return the header of a member that was just opened, compared with the member's size."""
    read_header = _HEADERS.get(np.lib.format.read_magic(handle))
    if read_header is None:
        raise ValueError("an array of an unknown form")
    shape, column_major, dtype = read_header(handle)
    if dtype.kind not in "biufUS":
        raise ValueError(f"an array of {dtype.name if dtype.names is None else 'records'}")
    if any(side < 0 for side in shape):
        raise ValueError("an array with a negative side")
    if dtype.itemsize == 0 and 0 not in shape:
        raise ValueError("an array of values without a byte")
    size = math.prod(shape) * dtype.itemsize
    if size != info.file_size - handle.tell():
        raise ValueError(f"an array that claims {size:,} bytes and has {info.file_size - handle.tell():,}")
    return _Header(shape, column_major, dtype, size)


def _array_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(info) as handle:
        shape, column_major, dtype, size = _header_of(handle, info)
        content = bytearray(size)
        view, done = memoryview(content), 0
        while piece := handle.read(min(_PIECE, size - done + 1)):
            if done + len(piece) > size:
                break
            view[done : done + len(piece)] = piece
            done += len(piece)
        if done < size or piece:
            raise ValueError("an array of another size than the archive says")
    values = np.frombuffer(content, dtype=dtype) if size else np.empty(0, dtype=dtype)
    if dtype.kind == "U" and size:
        signs = values.view(np.dtype("u4").newbyteorder(dtype.byteorder))
        if ((signs > LAST_CHARACTER) | ((signs >= 0xD800) & (signs <= 0xDFFF))).any():
            raise ValueError("strings of what are no characters")
    return values.reshape(shape, order="F" if column_major else "C")


def read_parquet(path: Path, fix: str) -> pyarrow.Table:
    """Return a parquet file of flat columns; columns of text come as dictionaries, so that equal texts are one.

    Args:
        path: The file.
        fix: What an error tells the user to do.

    Raises:
        FileNotFoundError: If there is no file.
        DataError: If it is not readable, has nested or double columns, or is much larger than its file.
    """
    import pyarrow as pa

    try:
        return _table_of(path)
    except FileNotFoundError:
        raise
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        LookupError,
        ArithmeticError,
        TypeError,
        MemoryError,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path} cannot be read as parquet ({reason}): {fix}") from None


def _table_of(path: Path) -> pyarrow.Table:
    import pyarrow as pa
    import pyarrow.parquet

    schema = pa.parquet.read_schema(path)
    if len(schema) > MOST_COLUMNS:
        raise ValueError(f"it has {len(schema):,} columns, more than {MOST_COLUMNS:,}")
    if len(set(schema.names)) < len(schema):
        raise ValueError("it has two columns of one name")
    for field in schema:
        if pa.types.is_nested(field.type):
            raise ValueError(f"its column {field.name[:40]!r} holds lists or records, not single values")
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    with pa.parquet.ParquetFile(path, read_dictionary=texts) as held:
        about = held.metadata
        groups = [about.row_group(number) for number in range(about.num_row_groups)]
        if sum(group.num_rows for group in groups) != about.num_rows or any(g.num_rows < 0 for g in groups):
            raise ValueError("its parts have other numbers of rows than it says")
        room = max(FREE_OF_TABLE_RATIO, MOST_TABLE_RATIO * path.stat().st_size)
        if about.num_rows * max(len(schema), 1) * 4 > room:
            raise ValueError(f"it would have {about.num_rows:,} rows, too many for a file of its size")
        parts = []
        for number in range(len(groups)):
            parts.append(held.read_row_group(number, use_threads=False))
            room -= parts[-1].nbytes
            if room < 0:
                raise ValueError("it holds much more than a file of its size can")
        table = pa.concat_tables(parts) if parts else held.schema_arrow.empty_table()
    table.validate(full=True)
    return table


def values_of(column: pyarrow.ChunkedArray) -> npt.NDArray[Any]:
    """Return a column of :func:`read_parquet` as an array: numbers as they are, texts as objects, None where absent."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        values: npt.NDArray[Any] = column.to_numpy()
        return values
    if not len(column):
        return np.empty(0, dtype=object)
    whole = column.unify_dictionaries().combine_chunks()
    texts = np.asarray([*whole.dictionary.to_pylist(), None], dtype=object)
    return texts[whole.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)]
