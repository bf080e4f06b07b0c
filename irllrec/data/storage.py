"""Files that are either whole or absent, and the stored form of interactions."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Interactions
from irllrec.data.untrusted import parse_json, read_npz
from irllrec.errors import DataError

MOST_NODES = 100_000_000
"""Users or items of a data set: a few bytes may not claim so many that counting them takes all memory."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it and rename it into place.

    On any exception, Ctrl-C included, the temporary file is removed and ``path`` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with Unix line ends, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys, atomically; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: If the file is missing or not JSON.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: make it first, for example with `dvc repro`.") from None
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}): delete it and make it again.") from None


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file that holds an object.

    Raises:
        DataError: If the file is missing, not JSON or something else than an object.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no JSON object: delete it and make it again.")
    return content


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays as an uncompressed npz whose bytes depend on nothing but the arrays."""
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez(
            handle,
            allow_pickle=False,
            **{name: np.ascontiguousarray(array) for name, array in arrays.items()},
        )


def read_arrays(path: Path, *names: str) -> dict[str, npt.NDArray[Any]]:
    """Return the named arrays of an npz file, or all of them where none is named.

    Raises:
        DataError: If the file is missing, unreadable, holds pickled objects or lacks a name.
    """
    try:
        return read_npz(path, names)
    except FileNotFoundError:
        raise DataError(f"{path} is missing: make it first, for example with `dvc repro`.") from None


def save_interactions(path: Path, interactions: Interactions) -> None:
    """Write an interaction table as npz with the arrays ``user``, ``item`` and ``shape``."""
    write_arrays(
        path,
        {
            "user": interactions.users,
            "item": interactions.items,
            "shape": np.asarray([interactions.user_count, interactions.item_count], dtype=np.int64),
        },
    )


def load_interactions(path: Path) -> Interactions:
    """Return the interaction table that :func:`save_interactions` wrote."""
    arrays = read_arrays(path, "user", "item", "shape")
    if any(array.dtype.kind not in "iu" or array.ndim != 1 for array in arrays.values()):
        raise DataError(f"{path} holds no lists of whole numbers: make it again.")
    sides = arrays["shape"]
    if sides.shape != (2,) or (sides < 0).any() or (sides > MOST_NODES).any():
        raise DataError(f"{path} does not say how many users and items there are: make it again.")
    user_count, item_count = (int(count) for count in arrays["shape"])
    try:
        return Interactions.from_pairs(arrays["user"], arrays["item"], user_count, item_count)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
