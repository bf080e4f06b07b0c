"""Published interaction matrices: pickled scipy.sparse files, read without executing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.unpickling import SparseRecord, read_pickle
from irllrec.errors import DataError

SIDE_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class PairMatrix:
    """The non-zero cells of a user × item matrix, in file order.

    Attributes:
        users: Shape (edge,), int64 row numbers.
        items: Shape (edge,), int64 column numbers.
        user_count: Number of rows.
        item_count: Number of columns.
        duplicates_removed: Cells that stood in the file more than once.
    """

    users: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    user_count: int
    item_count: int
    duplicates_removed: int


def read_matrix(path: Path) -> PairMatrix:
    """Return the pairs of a pickled scipy.sparse matrix (coo, csr or csc; matrix or array).

    Raises:
        UnsafePickleError: If the pickle holds anything but numbers in arrays and matrices.
        DataError: If the file is missing, truncated, or no valid matrix.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing: fetch it with `repro data fetch`.") from None
    record = read_pickle(content, str(path))
    if not isinstance(record, SparseRecord):
        raise DataError(f"{path} holds a {type(record).__name__}, not a scipy.sparse matrix: check the file.")
    try:
        return _pairs(record)
    except (KeyError, ValueError, TypeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} is not a valid interaction matrix ({reason}): fetch it again.") from None


def _pairs(record: SparseRecord) -> PairMatrix:
    state = record.state
    shape = state["_shape"] if "_shape" in state else state["shape"]
    if not (type(shape) is tuple and len(shape) == 2 and all(type(side) is int for side in shape)):
        raise ValueError("its shape is not two numbers")
    user_count, item_count = shape
    if not (0 < user_count <= SIDE_LIMIT and 0 < item_count <= SIDE_LIMIT):
        raise ValueError(f"its shape {user_count} x {item_count} is out of range")
    values = _vector(state["data"], "data", kinds="biuf")
    if not np.isfinite(values).all():
        raise ValueError("its values are not all finite")
    if (values < 0).any():
        raise ValueError("it has negative values")
    if record.form == "coo":
        coordinates = state["coords"] if "coords" in state else (state["row"], state["col"])
        rows, columns = (_vector(part, "coordinates") for part in coordinates)
    else:
        major_count = user_count if record.form == "csr" else item_count
        minor = _vector(state["indices"], "indices")
        major = _expand(_vector(state["indptr"], "indptr"), major_count, len(minor))
        rows, columns = (major, minor) if record.form == "csr" else (minor, major)
    if not len(rows) == len(columns) == len(values):
        raise ValueError("its rows, columns and values differ in number")
    for name, index, count in (("row", rows, user_count), ("column", columns, item_count)):
        if len(index) and (index.min() < 0 or index.max() >= count):
            raise ValueError(f"it has a {name} outside 0..{count - 1}")
    rows, columns = rows[values != 0], columns[values != 0]
    _, first = np.unique(rows * item_count + columns, return_index=True)
    keep = np.sort(first)
    return PairMatrix(rows[keep], columns[keep], user_count, item_count, len(rows) - len(keep))


def _vector(value: Any, name: str, kinds: str = "iu") -> npt.NDArray[Any]:
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in kinds:
        raise ValueError(f"its {name} are not a one-dimensional array of numbers")
    return value.astype(np.int64) if kinds == "iu" else value


def _expand(offsets: npt.NDArray[Any], major_count: int, entry_count: int) -> npt.NDArray[np.int64]:
    """Return the row (csr) or column (csc) number of every entry."""
    lengths = np.diff(offsets)
    if (
        len(offsets) != major_count + 1
        or offsets[0] != 0
        or offsets[-1] != entry_count
        or (lengths < 0).any()
    ):
        raise ValueError("its indptr does not fit its shape")
    return np.repeat(np.arange(major_count, dtype=np.int64), lengths)
