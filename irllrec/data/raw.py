"""The raw form of a data set: one folder, the same whatever the data came from."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Id
from irllrec.data.numbering import numbered
from irllrec.data.storage import read_arrays, read_json_object, write_arrays, write_json, write_text
from irllrec.data.untrusted import parse_json, read_parquet, values_of
from irllrec.errors import DataError

KINDS = ("title", "profile", "text", "review", "metadata")
"""What a text can be; metadata are followed by their field where it is known, as ``metadata:genres``."""


@dataclass(frozen=True)
class RawTable:
    """Interactions as they came, ids untouched.

    Attributes:
        user_ids: Shape (edge,), int64 or str objects.
        item_ids: Shape (edge,), int64 or str objects.
        splits: Shape (edge,), each of train, valid, test; None where no split came along.
        timestamps: Shape (edge,), int64 or float64; None where no time is known.
    """

    user_ids: npt.NDArray[Any]
    item_ids: npt.NDArray[Any]
    splits: npt.NDArray[Any] | None = None
    timestamps: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.user_ids)

    def select(self, keep: npt.NDArray[Any]) -> RawTable:
        """Return the rows that a mask or an index array picks."""
        return RawTable(
            self.user_ids[keep],
            self.item_ids[keep],
            None if self.splits is None else self.splits[keep],
            None if self.timestamps is None else self.timestamps[keep],
        )


@dataclass(frozen=True)
class TextRecord:
    """One text about a user or an item; a review also names the interaction it stems from."""

    role: str
    id: Id
    kind: str
    text: str
    user_id: Id | None = None
    item_id: Id | None = None


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def altered_file(folder: Path, manifest: Mapping[str, Any]) -> Path | None:
    """Return the first file that is missing or has not the manifest's hash, None where there is none."""
    for name, wanted in manifest["files"].items():
        path = folder / name
        if not path.is_file() or hash_file(path) != wanted:
            return path
    return None


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a refused permission while writing ``path`` into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DataError(
                f"{path} cannot be written, the disk is full ({os.strerror(error.errno)}): "
                "free some space and run the same command again; nothing was changed."
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DataError(
                f"{path} cannot be written ({os.strerror(error.errno)}): check who owns the folder."
            ) from None
        raise


@contextlib.contextmanager
def atomic_folder(path: Path, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on success it takes the place of ``path``.

    On any exception, Ctrl-C included, the temporary folder is removed and ``path`` is untouched.

    Raises:
        DataError: If ``path`` exists and may not be replaced, or the disk is full.
    """
    if path.exists() and not replace:
        raise DataError(f"{path} exists already: add --replace to put the new data in its place.")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        previous = temporary.with_suffix(".old")
        try:
            yield temporary
            temporary.chmod(0o755)
            if path.exists():
                path.rename(previous)
            try:
                temporary.rename(path)
            except BaseException:
                if previous.exists():
                    previous.rename(path)
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(previous, ignore_errors=True)


def write_raw(
    folder: Path,
    table: RawTable,
    *,
    manifest: Mapping[str, Any],
    texts: Sequence[TextRecord] = (),
    vectors: Mapping[str, npt.NDArray[Any]] | None = None,
) -> None:
    """Write the files of a raw data set into an existing folder, the manifest last.

    Args:
        folder: Where; use :func:`atomic_folder` to make all of it appear at once.
        table: The interactions, in the order in which they shall be kept.
        manifest: ``name``, ``origin``, ``source``, ``index`` and whatever else is known; counts and
            the SHA-256 of each file are added.
        texts: Texts of users and items.
        vectors: ``user_id``, ``user``, ``item_id``, ``item`` and optionally ``user_intent``,
            ``item_intent``.
    """
    import pyarrow
    import pyarrow.parquet

    columns: dict[str, Any] = {"user_id": _column(table.user_ids), "item_id": _column(table.item_ids)}
    if table.splits is not None:
        columns["split"] = pyarrow.array(table.splits, type=pyarrow.string())
    if table.timestamps is not None:
        columns["timestamp"] = pyarrow.array(table.timestamps)
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "interactions.parquet")
    files = ["interactions.parquet"]
    if texts:
        write_text(folder / "text.jsonl", "".join(_line(record) for record in texts))
        files.append("text.jsonl")
    if vectors:
        write_arrays(folder / "vectors.npz", {name: _plain(array) for name, array in vectors.items()})
        files.append("vectors.npz")
    counts = {"interactions": len(table), "texts": len(texts)}
    for role, ids in (("users", table.user_ids), ("items", table.item_ids)):
        counts[role] = len(numbered(ids)[0])
    described = dict(manifest, counts=counts, files={name: hash_file(folder / name) for name in files})
    write_json(folder / "manifest.json", described)


def _column(ids: npt.NDArray[Any]) -> Any:
    import pyarrow

    if ids.dtype.kind in "iu":
        return pyarrow.array(ids.astype(np.int64))
    return pyarrow.array(ids, type=pyarrow.string())


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind == "O":
        return np.asarray([str(value) for value in array.tolist()], dtype=np.str_)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _line(record: TextRecord) -> str:
    content: dict[str, Any] = {"role": record.role, "id": record.id, "kind": record.kind, "text": record.text}
    if record.user_id is not None and record.item_id is not None:
        content |= {"user_id": record.user_id, "item_id": record.item_id}
    return json.dumps(content, ensure_ascii=False) + "\n"


def read_table(folder: Path) -> RawTable:
    """Return the interactions of a raw data set.

    Raises:
        DataError: If the file is missing or lacks a column.
    """
    path = folder / "interactions.parquet"
    try:
        table = read_parquet(path, "make it again.")
        columns = {name: values_of(table.column(name)) for name in table.column_names}
        return RawTable(
            columns["user_id"], columns["item_id"], columns.get("split"), columns.get("timestamp")
        )
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing: run `repro data fetch` or `repro data import` for it first."
        ) from None
    except KeyError as error:
        raise DataError(f"{path} is not a readable interaction table (no {error}): make it again.") from None


def read_texts(folder: Path) -> list[TextRecord]:
    """Return the texts of a raw data set; empty where it has none."""
    path = folder / "text.jsonl"
    if not path.is_file():
        return []
    records = []
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                records.append(TextRecord(**parse_json(line.decode("utf-8"))))
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}, line {number}: {error}: make the file again.") from None
    return records


def read_vectors(folder: Path) -> dict[str, npt.NDArray[Any]] | None:
    """Return the text vectors of a raw data set; None where it has none."""
    path = folder / "vectors.npz"
    return read_arrays(path) if path.is_file() else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a raw or prepared data set."""
    return read_json_object(folder / "manifest.json")
