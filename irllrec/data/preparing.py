"""How the prepared form of a data set is made from its raw form: numbering, splitting, writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import SPLITS, Id, Interactions
from irllrec.data.numbering import PairParts, numbered, parts_named
from irllrec.data.prepared import PreparedText
from irllrec.data.raw import (
    RawTable,
    TextRecord,
    hash_file,
    read_manifest,
    read_table,
    read_texts,
    read_vectors,
)
from irllrec.data.splitting import LEFT_OUT, Assignment, split_by_ratio, split_by_time
from irllrec.data.storage import save_interactions, write_arrays, write_json
from irllrec.errors import DataError

Ratio = tuple[float, float, float]


@dataclass(frozen=True)
class Prepared:
    """A whole data set in memory."""

    splits: dict[str, Interactions]
    user_ids: list[Id]
    item_ids: list[Id]
    texts: list[PreparedText]
    vectors: dict[str, npt.NDArray[np.float32]] | None
    assignment: Assignment
    duplicates_removed: int
    texts_left_out: int

    @property
    def titles(self) -> list[str | None]:
        """The title of each item, None where it has none; shape (item,)."""
        found: list[str | None] = [None] * len(self.item_ids)
        for text in self.texts:
            if text.role == "item" and text.kind == "title":
                found[text.node] = text.text
        return found


def prepare(raw_folder: Path, how: str, ratio: Ratio = (3, 1, 1), seed: int = 2023) -> Prepared:
    """Return the prepared form of a raw data set, split as asked.

    Args:
        raw_folder: A folder in the raw form.
        how: ``given`` (its split column), ``ratio`` (drawn per user) or ``time`` (global clock).
        ratio: Train, valid, test shares for ``ratio`` and ``time``.
        seed: Seed of ``ratio``.

    Raises:
        DataError: If the split cannot be made, or a user has no training item.
    """
    manifest = read_manifest(raw_folder)
    table = read_table(raw_folder)
    if manifest.get("index") == "identity":
        user_ids, users = _own_numbers(raw_folder, table.user_ids, int(manifest["user_count"]))
        item_ids, items = _own_numbers(raw_folder, table.item_ids, int(manifest["item_count"]))
    else:
        (user_ids, users), (item_ids, items) = numbered(table.user_ids), numbered(table.item_ids)
    user_of = {identifier: node for node, identifier in enumerate(user_ids)}
    item_of = {identifier: node for node, identifier in enumerate(item_ids)}
    assignment = assign(raw_folder, table, users, items, how=how, ratio=ratio, seed=seed)
    del table  # its ids take more than the numbers that stand for them
    splits = {
        name: Interactions.from_pairs(
            users[assignment.parts == part], items[assignment.parts == part], len(user_ids), len(item_ids)
        )
        for part, name in enumerate(SPLITS)
    }
    _check_training(raw_folder, splits, user_ids)
    part_of = PairParts.of(users, items, assignment.parts, len(item_ids))
    if len(part_of) < len(users):
        raise DataError(
            f"{raw_folder / 'interactions.parquet'} holds {len(users) - len(part_of)} pairs twice: import it "
            "again."
        )
    texts, left_out = _number_texts(raw_folder, read_texts(raw_folder), user_of, item_of, part_of)
    removed = manifest.get("duplicates_removed", 0)
    return Prepared(
        splits,
        user_ids,
        item_ids,
        texts,
        _order_vectors(raw_folder, user_of, item_of),
        assignment,
        int(sum(removed.values()) if isinstance(removed, dict) else removed),
        left_out,
    )


def check_raw(raw_folder: Path, called: str, how: str, ratio: Ratio, seed: int) -> None:
    """Refuse a raw data set that could not be prepared, naming it ``called`` instead of its folder."""
    try:
        prepare(raw_folder, how, ratio, seed)
    except DataError as error:
        raise DataError(str(error).replace(str(raw_folder), called)) from None


def node_order(ids: npt.NDArray[Any]) -> list[Id]:
    """Return the distinct ids, numerically sorted where they are integers, else as strings."""
    return numbered(ids)[0]


def _own_numbers(
    raw_folder: Path, ids: npt.NDArray[Any], count: int
) -> tuple[list[Id], npt.NDArray[np.int64]]:
    """Return the ids of a data set whose rows name the rows or columns of a matrix, and these rows."""
    nodes = ids.astype(np.int64)
    outside = np.flatnonzero((nodes < 0) | (nodes >= count))
    if len(outside):
        raise DataError(
            f"{raw_folder}: id {nodes[outside[0]]} is outside the matrix: make the data set again."
        )
    return list(range(count)), nodes


def assign(
    raw_folder: Path,
    table: RawTable,
    users: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
    *,
    how: str,
    ratio: Ratio,
    seed: int,
) -> Assignment:
    """Return the part of every interaction under the split ``how``."""
    if how == "ratio":
        return split_by_ratio(users, items, ratio, seed)
    if how == "time":
        if table.timestamps is None:
            raise DataError(f"{raw_folder} has no timestamps to split by: use --split ratio or given.")
        return split_by_time(users, items, table.timestamps, ratio)
    if table.splits is None:
        raise DataError(f"{raw_folder} has no split column: use --split ratio or time.")
    parts = parts_named(table.splits, SPLITS)
    if (parts < 0).any():
        raise DataError(
            f"{raw_folder}: the split {table.splits[parts < 0][0]!r} is none of {', '.join(SPLITS)}: make the "
            "data set again."
        )
    return Assignment(parts)


def _check_training(raw_folder: Path, splits: dict[str, Interactions], user_ids: list[Id]) -> None:
    if not len(splits["train"]):
        raise DataError(f"{raw_folder} has no training interaction: check its split column.")
    held_out = splits["valid"].user_degrees + splits["test"].user_degrees
    lost = np.flatnonzero((held_out > 0) & (splits["train"].user_degrees == 0))
    if len(lost):
        raise DataError(
            f"{raw_folder}: user {user_ids[lost[0]]} has held-out items but no training item"
            f" ({len(lost)} such users): remove those rows, move one of them into train, or use --split "
            "ratio."
        )


def _number_texts(
    raw_folder: Path,
    records: list[TextRecord],
    user_of: Mapping[Id, int],
    item_of: Mapping[Id, int],
    part_of: PairParts,
) -> tuple[list[PreparedText], int]:
    """Return the texts with node numbers, each once, and how many were left out with their interaction."""
    found: dict[PreparedText, None] = {}
    left_out = 0
    names = (*SPLITS, "")
    for number, record in enumerate(records, start=1):
        node = (user_of if record.role == "user" else item_of).get(record.id)
        if node is None:
            raise DataError(
                f"{raw_folder / 'text.jsonl'}, line {number}: {record.role} {record.id!r} is in no "
                "interaction: make the data set again."
            )
        if record.user_id is None or record.item_id is None:
            found[PreparedText(record.role, node, record.kind, record.text)] = None
            continue
        user, item = user_of.get(record.user_id, -1), item_of.get(record.item_id, -1)
        part = part_of.part(user, item) if user >= 0 and item >= 0 else None
        if part is None:
            raise DataError(
                f"{raw_folder / 'text.jsonl'}, line {number}: user {record.user_id!r} has no interaction "
                f"with item {record.item_id!r}: make the data set again."
            )
        if part == LEFT_OUT:
            left_out += 1
            continue
        found[PreparedText(record.role, node, record.kind, record.text, user, item, names[part])] = None
    return list(found), left_out


def _order_vectors(
    raw_folder: Path, user_of: Mapping[Id, int], item_of: Mapping[Id, int]
) -> dict[str, npt.NDArray[np.float32]] | None:
    """Return the vectors in node order; intents fall back on the profile vectors."""
    raw = read_vectors(raw_folder)
    if raw is None:
        return None
    ordered = {}
    for role, index in (("user", user_of), ("item", item_of)):
        nodes = [index.get(identifier, -1) for identifier in raw[f"{role}_id"].tolist()]
        if sorted(nodes) != list(range(len(index))):
            raise DataError(
                f"{raw_folder / 'vectors.npz'}: {role}_id does not name each of the {len(index)} {role}s "
                "once: make the data set again."
            )
        for kind, name in (("profile", role), ("intent", f"{role}_intent")):
            matrix = raw.get(name, raw[role])
            ordered[f"{role}_{kind}"] = np.empty(matrix.shape, dtype=np.float32)
            ordered[f"{role}_{kind}"][nodes] = matrix
    return ordered


def write_prepared(folder: Path, data: Prepared, manifest: Mapping[str, Any]) -> None:
    """Write a prepared data set into an existing folder, the manifest last.

    ``manifest`` gives ``name``, ``origin`` and the split settings; sizes and file hashes are added.
    """
    import pyarrow as pa
    import pyarrow.parquet

    for name, interactions in data.splits.items():
        save_interactions(folder / f"{name}.npz", interactions)
    for role, ids in (("user", data.user_ids), ("item", data.item_ids)):
        columns: dict[str, Any] = {
            role: pa.array(range(len(ids)), type=pa.int32()),
            f"{role}_id": pa.array(ids),
        }
        if role == "item":
            columns["title"] = pa.array(data.titles, type=pa.string())
        pa.parquet.write_table(pa.table(columns), folder / f"{role}s.parquet")
    kinds = {"node": pa.int32(), "user": pa.int32(), "item": pa.int32()}
    text = {
        name: pa.array([getattr(text, name) for text in data.texts], type=kinds.get(name, pa.string()))
        for name in ("role", "node", "kind", "text", "user", "item", "split")
    }
    pa.parquet.write_table(pa.table(text), folder / "text.parquet")
    files = [*(f"{name}.npz" for name in SPLITS), "users.parquet", "items.parquet", "text.parquet"]
    if data.vectors is not None:
        write_arrays(folder / "vectors.npz", data.vectors)
        files.append("vectors.npz")
    sizes = {
        "user_count": len(data.user_ids),
        "item_count": len(data.item_ids),
        "split_counts": {name: len(data.splits[name]) for name in SPLITS},
        "moved_to_train": data.assignment.moved,
        "left_out": data.assignment.left_out,
        "texts": len(data.texts),
        "texts_left_out": data.texts_left_out,
        "duplicates_removed": data.duplicates_removed,
    }
    hashes = {name: hash_file(folder / name) for name in files}
    write_json(folder / "manifest.json", {**manifest, **sizes, "files": hashes})
