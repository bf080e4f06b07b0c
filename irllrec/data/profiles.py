"""Published profiles and their vectors: pickles with one entry or one row for each node of the matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.unpickling import read_pickle_file
from irllrec.errors import DataError

FIELD = "profile"
"""The key under which a node's entry holds its profile; the others, such as ``reasoning``, are not read."""


def read_profiles(path: Path, role: str, node_count: int) -> dict[int, str]:
    """Return the profiles of a pickled dict of node number → dict of strings, by node, ascending.

    A node whose entry is missing, or whose profile is missing, None or blank, is left out.

    Args:
        path: The pickle.
        role: ``user`` or ``item``, for errors.
        node_count: Number of nodes of that role in the matrices.

    Raises:
        UnsafePickleError: If the pickle holds anything but plain values and arrays.
        DataError: If the file is no such dict, names a node outside the matrices, or holds no profile.
    """
    content = read_pickle_file(path)
    if type(content) is not dict:
        raise DataError(
            f"{path} holds a {type(content).__name__}, not a dict with an entry for each {role}: {_FIX}"
        )
    found = {}
    for node, entry in content.items():
        if type(node) is not int:
            raise DataError(f"{path} has an entry {str(node)[:40]!a}, not the number of a {role}: {_FIX}")
        if not 0 <= node < node_count:
            raise DataError(
                f"{path} has {len(content):,} profiles, one of them of {role} {_shown(node)}, but the matrices "
                f"have {role}s 0 to {node_count - 1}: {_FIX}"
            )
        if profile := _profile_of(entry, f"{path}: {role} {node}"):
            found[node] = profile
    if not found:
        raise DataError(f"{path} has no profile for any of the {node_count:,} {role}s: {_FIX}")
    return dict(sorted(found.items()))


def _profile_of(entry: Any, where: str) -> str:
    if entry is None:
        return ""
    if type(entry) is not dict:
        raise DataError(f"{where} is a {type(entry).__name__}, not a dict with the key {FIELD!r}: {_FIX}")
    profile = entry.get(FIELD)
    if profile is None:
        return ""
    if type(profile) is not str:
        raise DataError(f"{where}: its {FIELD} is a {type(profile).__name__}, not a string: {_FIX}")
    # A pickle can hold halves of surrogate pairs, which no UTF-8 file can.
    return profile.strip().encode("utf-8", "replace").decode("utf-8")


def read_profile_vectors(path: Path, role: str, node_count: int, dimension: int) -> npt.NDArray[np.float32]:
    """Return the vectors of a pickled NumPy matrix as float32, a row for each node.

    Args:
        path: The pickle: float64 or float32, shape (node, dim).
        role: ``user`` or ``item``, for errors.
        node_count: Number of rows that there must be.
        dimension: Number of columns that there must be.

    Raises:
        UnsafePickleError: If the pickle holds anything but plain values and arrays.
        DataError: If the file is no such matrix, or a value is not finite as float32.
    """
    content = read_pickle_file(path)
    if not isinstance(content, np.ndarray) or content.dtype.kind != "f":
        what = f"numbers of type {content.dtype}" if isinstance(content, np.ndarray) else "no array"
        raise DataError(f"{path} holds {what}, not a matrix of float vectors: {_FIX}")
    if content.shape != (node_count, dimension):
        shape = " x ".join(f"{side:,}" for side in content.shape)
        raise DataError(
            f"{path} holds an array of shape {shape or 'none'}, but the matrices have {node_count:,} {role}s "
            f"with vectors of {dimension:,} numbers each: {_FIX}"
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is named below
        vectors = np.array(content, dtype=np.float32, order="C")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise DataError(f"{path}: the vector of {role} {bad[0]} is not finite: {_FIX}")
    return vectors


def _shown(node: int) -> str:
    return str(node) if abs(node) < 10**12 else "beyond any"


_FIX = "fetch the file again, or name another mirror."
