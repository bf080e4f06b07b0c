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
from irllrec.errors import DataError


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
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: make it first, for example with `dvc repro`.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} is not valid JSON ({error}): delete it and make it again.") from None


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
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise DataError(
                    f"{path} lacks the array {missing[0]!r}; it holds {', '.join(archive.files) or 'none'}."
                )
            return {name: archive[name] for name in (names or archive.files)}
    except FileNotFoundError:
        raise DataError(f"{path} is missing: make it first, for example with `dvc repro`.") from None
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} is not a readable npz file ({error}): make it again.") from None


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
    user_count, item_count = (int(count) for count in arrays["shape"])
    return Interactions.from_pairs(arrays["user"], arrays["item"], user_count, item_count)
