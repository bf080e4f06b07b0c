"""Proofs of a split's invariants, from the files themselves and never from what was meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import SPLITS, Interactions
from irllrec.data.prepared import load_ids, load_split, load_texts
from irllrec.data.preparing import prepare
from irllrec.data.raw import altered_file, read_manifest
from irllrec.data.storage import read_arrays
from irllrec.errors import DataError

PASSED, FAILED, REPORTED = "passed", "failed", "reported"


@dataclass(frozen=True)
class Check:
    """One invariant: what was checked, ``passed``, ``failed`` or ``reported``, and the figures."""

    name: str
    outcome: str
    detail: str


def audit(raw_folder: Path, folder: Path) -> list[Check]:
    """Return every check of a prepared data set against its own files and its raw data.

    Args:
        raw_folder: The raw form it was made from.
        folder: The prepared form.

    A file that cannot be read fails the checks that need it; no exception leaves this function for it.
    """
    checks = [
        _guarded("raw files have the hashes of the manifest", lambda: _hashes(raw_folder)),
        _guarded("prepared files have the hashes of the manifest", lambda: _hashes(folder)),
        _guarded("all indices are in range", lambda: _in_range(folder)),
        _guarded("no pair stands twice in a part", lambda: _no_duplicates(folder)),
        _guarded("no pair stands in two parts", lambda: _disjoint(folder)),
        _guarded("every user with held-out items has training items", lambda: _users_train(folder)),
        _guarded("no interaction got lost or was added", lambda: _complete(raw_folder, folder)),
        _guarded("the parts can be made again from the raw data", lambda: _reproducible(raw_folder, folder)),
        _guarded("held-out items unseen in training", lambda: _cold_items(folder)),
        _guarded("every review is tied to an interaction of its part", lambda: _provenance(folder)),
        _guarded("reviews that name no interaction", lambda: _loose_reviews(folder)),
    ]
    if (folder / "vectors.npz").is_file():
        checks.append(_guarded("one finite vector for every node", lambda: _vectors(folder)))
    return checks


def _guarded(name: str, check: Callable[[], tuple[str, str]]) -> Check:
    try:
        outcome, detail = check()
    except (DataError, OSError, KeyError, ValueError, TypeError) as error:
        return Check(name, FAILED, str(error).splitlines()[0] if str(error) else type(error).__name__)
    return Check(name, outcome, detail)


def _verdict(holds: bool, detail: str) -> tuple[str, str]:
    return (PASSED if holds else FAILED), detail


def _hashes(folder: Path) -> tuple[str, str]:
    manifest = read_manifest(folder)
    altered = altered_file(folder, manifest)
    if altered is None:
        return PASSED, f"{len(manifest['files'])} files"
    return FAILED, f"{altered} {'was changed after it was made' if altered.is_file() else 'is missing'}"


def _stored(folder: Path, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int, int]:
    """Return the arrays as they are in the file, not sorted and not made unique."""
    arrays = read_arrays(folder / f"{name}.npz", "user", "item", "shape")
    user_count, item_count = (int(count) for count in arrays["shape"])
    return arrays["user"].astype(np.int64), arrays["item"].astype(np.int64), user_count, item_count


def _in_range(folder: Path) -> tuple[str, str]:
    counts = (len(load_ids(folder, "user")), len(load_ids(folder, "item")))
    for name in SPLITS:
        users, items, *shape = _stored(folder, name)
        if tuple(shape) != counts:
            return FAILED, f"{name} is {shape[0]} x {shape[1]}, the id tables are {counts[0]} x {counts[1]}"
        for role, index, count in (("user", users, counts[0]), ("item", items, counts[1])):
            outside = (index < 0) | (index >= count)
            if outside.any():
                return FAILED, f"{name} has {role} {index[outside][0]} outside 0..{count - 1}"
    return PASSED, f"{counts[0]:,} users, {counts[1]:,} items"


def _codes(folder: Path, name: str) -> npt.NDArray[np.int64]:
    users, items, _, item_count = _stored(folder, name)
    codes: npt.NDArray[np.int64] = users * item_count + items
    return codes


def _no_duplicates(folder: Path) -> tuple[str, str]:
    doubled = {
        name: len(codes) - len(np.unique(codes)) for name in SPLITS if len(codes := _codes(folder, name))
    }
    return _verdict(
        not any(doubled.values()), ", ".join(f"{name} {count}" for name, count in doubled.items())
    )


def _disjoint(folder: Path) -> tuple[str, str]:
    codes = {name: _codes(folder, name) for name in SPLITS}
    shared = {
        f"{one} and {other}": len(np.intersect1d(codes[one], codes[other]))
        for one, other in combinations(SPLITS, 2)
    }
    detail = ", ".join(f"{names} share {count}" for names, count in shared.items())
    return _verdict(not any(shared.values()), detail)


def _splits(folder: Path) -> dict[str, Interactions]:
    return {name: load_split(folder, name) for name in SPLITS}


def _users_train(folder: Path) -> tuple[str, str]:
    splits = _splits(folder)
    held_out = (splits["valid"].user_degrees + splits["test"].user_degrees) > 0
    lost = np.flatnonzero(held_out & (splits["train"].user_degrees == 0))
    if len(lost):
        return FAILED, f"{len(lost)} users without, first {load_ids(folder, 'user')[lost[0]]!r}"
    tested = int((splits["test"].user_degrees > 0).sum())
    return PASSED, f"{int(held_out.sum()):,} users held out, {tested:,} of them in test"


def _complete(raw_folder: Path, folder: Path) -> tuple[str, str]:
    raw = int(read_manifest(raw_folder)["counts"]["interactions"])
    left_out = int(read_manifest(folder).get("left_out", 0))
    parts = sum(len(part) for part in _splits(folder).values())
    return _verdict(raw == parts + left_out, f"{raw:,} raw = {parts:,} in parts + {left_out:,} left out")


def _reproducible(raw_folder: Path, folder: Path) -> tuple[str, str]:
    split = read_manifest(folder)["split"]
    first, second, third = split["ratio"]
    again = prepare(raw_folder, split["how"], (first, second, third), split["seed"])
    for name, part in _splits(folder).items():
        if not np.array_equal(part.codes, again.splits[name].codes):
            return FAILED, f"{name} differs from what {raw_folder} gives with this split"
    return PASSED, f"split {split['how']}"


def _cold_items(folder: Path) -> tuple[str, str]:
    splits = _splits(folder)
    unseen = splits["train"].item_degrees == 0
    words = []
    for name in ("valid", "test"):
        cold = unseen & (splits[name].item_degrees > 0)
        words.append(f"{name} {int(cold.sum())} items in {int(cold[splits[name].items].sum())} interactions")
    return REPORTED, ", ".join(words)


def _provenance(folder: Path) -> tuple[str, str]:
    """Check reviews that name an interaction, and that no other text claims a part."""
    splits = _splits(folder)
    counts = {"user": splits["train"].user_count, "item": splits["train"].item_count}
    texts = load_texts(folder)
    for text in texts:
        if not 0 <= text.node < counts[text.role]:
            return FAILED, f"a text of {text.role} {text.node}, which does not exist"
        if (text.user < 0) != (text.item < 0) or (text.split == "") != (text.user < 0):
            return FAILED, f"a text of {text.role} {text.node} names half an interaction"
    tied = [text for text in texts if text.user >= 0]
    for name in SPLITS:
        users = [text.user for text in tied if text.split == name]
        items = [text.item for text in tied if text.split == name]
        wrong = np.flatnonzero(~splits[name].contains(users, items))
        if len(wrong):
            return FAILED, f"the review of item {items[wrong[0]]} by user {users[wrong[0]]} is not of {name}"
    held_out = sum(text.split != "train" for text in tied)
    return PASSED, f"{len(tied):,} reviews tied, {held_out:,} of held-out interactions; {len(texts):,} texts"


def _loose_reviews(folder: Path) -> tuple[str, str]:
    loose = sum(text.kind == "review" and text.user < 0 for text in load_texts(folder))
    if loose:
        return REPORTED, f"{loose:,}: whether they stem from training cannot be proved"
    return PASSED, "0"


def _vectors(folder: Path) -> tuple[str, str]:
    counts = {role: len(load_ids(folder, role)) for role in ("user", "item")}
    arrays = read_arrays(folder / "vectors.npz")
    for name in ("user_profile", "item_profile", "user_intent", "item_intent"):
        matrix = arrays[name]
        if len(matrix) != counts[name.partition("_")[0]]:
            return FAILED, f"{name} has {len(matrix)} rows"
        if not np.isfinite(matrix).all():
            return FAILED, f"{name} is not finite"
    return PASSED, ", ".join(f"{name} {' x '.join(map(str, array.shape))}" for name, array in arrays.items())
