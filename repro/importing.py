"""A user's own files, checked as a whole before anything is written to ``data/raw/<name>``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from irllrec.data.interactions import Id
from irllrec.data.numbering import PairParts, numbered
from irllrec.data.preparing import check_raw, node_order
from irllrec.data.raw import RawTable, TextRecord, atomic_folder, hash_file, write_raw
from irllrec.data.tables import ColumnNames, ReadTable, read_interactions
from irllrec.data.texts import TextFile, read_text_file
from irllrec.data.vectors import Arrays, read_vector_file, read_vector_pair
from irllrec.errors import DataError
from repro.errors import ReproError
from repro.layout import Layout

MADE_BY = "irllrec-repro import 1"
SEEDS = (2023, 2024, 2025, 2026, 2027)
HOW = ("given", "ratio", "time")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class ImportRequest:
    """What the user gave.

    Attributes:
        name: How the data set shall be called.
        interactions: The interaction file.
        columns: How its columns are called.
        user_text: Texts of users.
        item_text: Texts of items.
        vectors: One npz with the vectors of users and items.
        user_vectors: One npz with the vectors of users.
        item_vectors: One npz with the vectors of items.
        how: given, ratio, time, or None: given where the file has a split column, else ratio.
        ratio: Train, valid, test shares.
        split_seed: Seed of a drawn split.
        rating_min: Least rating that counts as an interaction.
        seeds: Seeds of the runs.
        skip_unknown: Leave out texts and vectors of nodes that are in no interaction.
        replace: Whether an existing data set of this name may be replaced.
    """

    name: str
    interactions: Path
    columns: ColumnNames = field(default_factory=ColumnNames)
    user_text: Path | None = None
    item_text: Path | None = None
    vectors: Path | None = None
    user_vectors: Path | None = None
    item_vectors: Path | None = None
    how: str | None = None
    ratio: tuple[float, float, float] = (3.0, 1.0, 1.0)
    split_seed: int = 2023
    rating_min: float | None = None
    seeds: tuple[int, ...] = SEEDS
    skip_unknown: bool = False
    replace: bool = False


@dataclass(frozen=True)
class Imported:
    """What came of it: the entry for params.yaml and what the user should know."""

    entry: dict[str, Any]
    remarks: list[str]


def import_dataset(layout: Layout, request: ImportRequest) -> Imported:
    """Make ``data/raw/<name>`` from the user's files; all or nothing.

    Raises:
        ReproError: If options contradict each other or the name cannot be used.
        DataError: If a file is not what it must be, naming file, line and value, or the disk is full.
    """
    _check_request(layout, request)
    read = read_interactions(
        request.interactions, request.columns, request.rating_min, with_split=request.how in (None, "given")
    )
    table = read.table
    how = request.how or ("ratio" if table.splits is None else "given")
    if how == "given" and table.splits is None:
        raise DataError(
            f"{request.interactions} has no column {request.columns.split!r} for a given split: add it, name "
            "yours with --split-column, or use --split ratio or time."
        )
    if how == "time" and table.timestamps is None:
        raise DataError(
            f"{request.interactions} has no column {request.columns.timestamp!r} for a split by time: name "
            "yours with --timestamp-column, or use --split ratio."
        )
    users, items = node_order(table.user_ids), node_order(table.item_ids)
    texts, remarks = _read_texts(request, read, users, items)
    vectors = _read_vectors(request, users, items)
    manifest = {
        "name": request.name,
        "origin": "imported",
        "source": _described(request),
        "index": "ids",
        "made_by": MADE_BY,
        "duplicates_removed": read.duplicates_removed,
        "below_rating_min": read.below_rating,
    }
    split: dict[str, Any] = {"how": how}
    with atomic_folder(layout.raw(request.name), replace=request.replace) as folder:
        write_raw(folder, table, manifest=manifest, texts=texts, vectors=vectors)
        check_raw(folder, str(request.interactions), how, request.ratio, request.split_seed)
    if how != "given":
        split |= {"ratio": [_short(share) for share in request.ratio], "seed": request.split_seed}
    entry: dict[str, Any] = {"origin": "imported", "split": split, "seeds": list(request.seeds)}
    if text := _text_settings(texts, vectors):
        entry["text"] = text
    return Imported(entry, remarks + _remarks(request, read))


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a data set, before it becomes a path.

    Raises:
        ReproError: Saying what a name may hold.
    """
    if not _NAME.fullmatch(name) or len(name) > 60:
        raise ReproError(f"{name!r} cannot be a data set's name: use a-z, 0-9 and single hyphens.")


def _check_request(layout: Layout, request: ImportRequest) -> None:
    check_name(request.name)
    if request.how is not None and request.how not in HOW:
        raise ReproError(f"--split is {request.how!r}: use {', '.join(HOW)}.")
    if (request.user_vectors is None) != (request.item_vectors is None):
        raise ReproError(
            "--user-vectors and --item-vectors go together: give both, or one file as --vectors."
        )
    if request.vectors is not None and request.user_vectors is not None:
        raise ReproError("--vectors stands for both sides: leave out --user-vectors and --item-vectors.")
    if layout.raw(request.name).exists() and not request.replace:
        raise DataError(
            f"{layout.raw(request.name)} exists already: choose another name, or add --replace to put the "
            "new data in its place."
        )


def _resolver(known: list[Id]) -> Callable[[Any], Id | None]:
    """Return how an id of another file is found among the ids of the interactions."""
    members = set(known)
    whole = bool(known) and isinstance(known[0], int)

    def resolve(value: Any) -> Id | None:
        if isinstance(value, bool | list | dict):
            return None
        candidate: Id = str(value)
        if whole:
            try:
                candidate = int(str(value).removesuffix(".0"))
            except ValueError:
                return None
        return candidate if candidate in members else None

    return resolve


def _read_texts(
    request: ImportRequest, read: ReadTable, users: list[Id], items: list[Id]
) -> tuple[list[TextRecord], list[str]]:
    if request.user_text is None and request.item_text is None:
        return [], []
    is_interaction = _pair_check(read.table)
    records: dict[TextRecord, None] = {}
    remarks = []
    for role, path in (("user", request.user_text), ("item", request.item_text)):
        if path is None:
            continue
        found: TextFile = read_text_file(
            path,
            role,
            _resolver(users),
            _resolver(items),
            is_interaction,
            skip_unknown=request.skip_unknown,
        )
        records |= dict.fromkeys(found.records)
        if found.skipped_rows:
            remarks.append(
                f"{path.name}: {found.skipped_rows} rows of {role}s without interactions were left out."
            )
        if found.ignored_keys:
            remarks.append(f"{path.name}: not used: {', '.join(found.ignored_keys)}.")
        if found.reviews_without_interaction:
            remarks.append(
                f"{path.name}: {found.reviews_without_interaction} reviews name no "
                f"{'item' if role == 'user' else 'user'}_id, so nothing can prove that they stem from "
                "training interactions."
            )
    return list(records), remarks


def _pair_check(table: RawTable) -> Callable[[Id, Id], bool]:
    """Return how an interaction is found by its ids."""
    (users, user_nodes), (items, item_nodes) = numbered(table.user_ids), numbered(table.item_ids)
    user_of = {identifier: node for node, identifier in enumerate(users)}
    item_of = {identifier: node for node, identifier in enumerate(items)}
    known = PairParts.of(user_nodes, item_nodes, np.zeros(len(table), dtype=np.int8), len(items))

    def is_interaction(user: Id, item: Id) -> bool:
        return user in user_of and item in item_of and known.part(user_of[user], item_of[item]) is not None

    return is_interaction


def _read_vectors(request: ImportRequest, users: list[Id], items: list[Id]) -> Arrays | None:
    if request.vectors is not None:
        return read_vector_file(request.vectors, users, items, skip_unknown=request.skip_unknown)
    if request.user_vectors is not None and request.item_vectors is not None:
        return read_vector_pair(
            request.user_vectors, request.item_vectors, users, items, skip_unknown=request.skip_unknown
        )
    return None


def _described(request: ImportRequest) -> dict[str, Any]:
    """Return name, size and hash of every given file; folders are nobody's business."""
    found = {}
    for kind in ("interactions", "user_text", "item_text", "vectors", "user_vectors", "item_vectors"):
        path: Path | None = getattr(request, kind)
        if path is not None:
            found[kind] = {"file": path.name, "bytes": path.stat().st_size, "sha256": hash_file(path)}
    return found


def _text_settings(texts: list[TextRecord], vectors: Arrays | None) -> dict[str, str] | None:
    if not texts and vectors is None:
        return None
    profiled = {record.role for record in texts if record.kind == "profile"}
    return {
        "summarizer": "upstream" if profiled == {"user", "item"} else "extractive",
        "embedder": "lsa" if vectors is None else "vectors",
    }


def _remarks(request: ImportRequest, read: ReadTable) -> list[str]:
    remarks = []
    if read.duplicates_removed:
        remarks.append(f"{read.duplicates_removed} duplicate pairs were removed.")
    if read.has_rating and request.rating_min is None:
        remarks.append("Every row counts as an interaction whatever its rating; --rating-min changes that.")
    if read.below_rating:
        remarks.append(f"{read.below_rating} rows below --rating-min were left out.")
    degrees = np.unique(read.table.user_ids.astype(str), return_counts=True)[1]
    if (degrees == 1).any():
        remarks.append(
            f"{int((degrees == 1).sum())} users have a single interaction and are never evaluated."
        )
    return remarks


def _short(share: float) -> float | int:
    return int(share) if share == int(share) else share
