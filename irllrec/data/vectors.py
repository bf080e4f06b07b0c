"""Precomputed text vectors: one row a node, checked against the ids of the interactions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Id
from irllrec.data.storage import read_arrays
from irllrec.data.tables import parse_ids
from irllrec.errors import DataError

Arrays = dict[str, npt.NDArray[Any]]


def read_vector_file(
    path: Path, users: Sequence[Id], items: Sequence[Id], *, skip_unknown: bool = False
) -> Arrays:
    """Return the vectors of users and items from one npz file, float32, one row a node.

    Args:
        path: Arrays ``user_id``, ``user``, ``item_id``, ``item`` and optionally ``user_intent``,
            ``item_intent``; any real float type.
        users: The user ids of the interactions, in node order.
        items: The item ids of the interactions, in node order.
        skip_unknown: Leave out rows of nodes that are in no interaction.

    Raises:
        DataError: Naming the file, the array and the id that is missing, unknown, double or not finite.
    """
    return read_vector_pair(path, path, users, items, skip_unknown=skip_unknown)


def read_vector_pair(
    user_path: Path, item_path: Path, users: Sequence[Id], items: Sequence[Id], *, skip_unknown: bool = False
) -> Arrays:
    """Return the vectors of users and items from a file each; see :func:`read_vector_file`."""
    arrays = _side(user_path, "user", users, skip_unknown) | _side(item_path, "item", items, skip_unknown)
    for suffix in ("", "_intent"):
        widths = {
            role: arrays[role + suffix].shape[1] for role in ("user", "item") if role + suffix in arrays
        }
        if len(set(widths.values())) > 1:
            raise DataError(
                f"{item_path}: item{suffix} vectors have {widths['item']} dimensions and user{suffix} "
                f"vectors {widths['user']}: make both with the same encoder."
            )
        if len(widths) == 1:
            raise DataError(
                f"{user_path}: only one of user{suffix} and item{suffix} is given: give both or neither."
            )
    return arrays


def _side(path: Path, role: str, wanted: Sequence[Id], skip_unknown: bool) -> Arrays:
    if not path.is_file():
        raise DataError(f"{path} is missing: check the path.")
    arrays = read_arrays(path)
    for name in (f"{role}_id", role):
        if name not in arrays:
            raise DataError(
                f"{path} lacks the array {name!r}, it holds {', '.join(arrays) or 'none'}: save it with "
                "numpy.savez under that name."
            )
    ids = arrays[f"{role}_id"]
    if ids.ndim != 1 or ids.dtype.kind not in "iuU":
        raise DataError(f"{path}: {role}_id is not a list of whole numbers or strings: save it as such.")
    rows = _rows_of(path, role, ids, wanted, skip_unknown)
    found: Arrays = {f"{role}_id": np.asarray(wanted)}
    for name in (role, f"{role}_intent"):
        if name not in arrays:
            continue
        matrix = arrays[name]
        if matrix.ndim != 2 or matrix.dtype.kind != "f" or matrix.shape[1] == 0 or len(matrix) != len(ids):
            raise DataError(
                f"{path}: {name} has shape {matrix.shape} and type {matrix.dtype}: give one float row for "
                f"each of the {len(ids)} ids."
            )
        with np.errstate(over="ignore"):  # what is too large becomes infinite and is named below
            wide = matrix[rows].astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(wide).all(axis=1))
        if len(bad):
            raise DataError(
                f"{path}: {name} of {role}_id {wanted[int(bad[0])]} is not finite: make that vector again."
            )
        found[name] = wide
    return found


def _rows_of(
    path: Path, role: str, ids: npt.NDArray[Any], wanted: Sequence[Id], skip_unknown: bool
) -> npt.NDArray[np.int64]:
    """Return the row of the file for every wanted id; all ids must be known and single."""
    try:
        values = ids.tolist()
    except ValueError:
        raise DataError(f"{path}: {role}_id holds what is no character: save the ids again.") from None
    if wanted and isinstance(wanted[0], str):
        values = [str(value) for value in values]
    elif ids.dtype.kind == "U":
        values = parse_ids(ids.astype(object)).tolist()
    position = {value: row for row, value in enumerate(values)}
    if len(position) != len(values):
        double = next(value for row, value in enumerate(values) if position[value] != row)
        raise DataError(f"{path}: {role}_id {double!r:.80} stands twice: keep one row a node.")
    unknown = set(values) - set(wanted)
    if unknown and not skip_unknown:
        first = next(value for value in values if value in unknown)
        raise DataError(
            f"{path}: {role}_id {first!r:.80} (row {position[first]}) is in no interaction: remove its row, or "
            "check that both files use the same ids."
        )
    absent = [value for value in wanted if value not in position]
    if absent:
        raise DataError(
            f"{path} has no vector for {role}_id {absent[0]!r} ({len(absent)} missing): give one row a node."
        )
    return np.asarray([position[value] for value in wanted], dtype=np.int64)
