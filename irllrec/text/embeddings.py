"""Text vectors of users and items: their stored form and their checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.storage import read_arrays, write_arrays
from irllrec.data.untrusted import parse_json
from irllrec.errors import DataError, TextError

FloatArray = npt.NDArray[np.float32]

_PROVENANCE = "provenance"
"""Array that carries a JSON text, so that vectors never lose where they come from."""

ARRAY_NAMES = ("user_profile", "item_profile", "user_intent", "item_intent")


@dataclass(frozen=True)
class TextVectors:
    """What the models know of the texts: one vector a node for its profile, one for its intents.

    Profiles of users and items share one space of size P, intents one of size T.

    Attributes:
        user_profile: Shape (user, P), float32.
        item_profile: Shape (item, P), float32.
        user_intent: Shape (user, T), float32.
        item_intent: Shape (item, T), float32.
    """

    user_profile: FloatArray
    item_profile: FloatArray
    user_intent: FloatArray
    item_intent: FloatArray

    def __post_init__(self) -> None:
        for name in ARRAY_NAMES:
            check_matrix(getattr(self, name), name)
        for kind in ("profile", "intent"):
            user_size, item_size = (getattr(self, f"{role}_{kind}").shape[1] for role in ("user", "item"))
            if user_size != item_size:
                raise TextError(
                    f"The {kind} vectors of users have {user_size} columns and those of items {item_size}: "
                    "embed both with the same model."
                )
        for role in ("user", "item"):
            profiles, intents = (len(getattr(self, f"{role}_{kind}")) for kind in ("profile", "intent"))
            if profiles != intents:
                raise TextError(
                    f"{profiles} {role} profile vectors stand against {intents} {role} intent vectors: "
                    "give one of each a node."
                )

    @property
    def user_count(self) -> int:
        """Number of users."""
        return len(self.user_profile)

    @property
    def item_count(self) -> int:
        """Number of items."""
        return len(self.item_profile)


def check_matrix(vectors: npt.NDArray[np.generic], name: str) -> None:
    """Raise unless ``vectors`` is a finite float32 matrix with at least one column.

    Raises:
        TextError: Naming the matrix, what is wrong with it and the fix.
    """
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise TextError(f"{name} has the shape {vectors.shape}: give one row of numbers a node.")
    if vectors.dtype != np.float32:
        raise TextError(f"{name} has the type {vectors.dtype}: convert it to float32.")
    bad_rows = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad_rows):
        raise TextError(
            f"{name} holds NaN or infinity in {len(bad_rows)} rows, the first is row {bad_rows[0]}: "
            "embed those texts again or leave them empty."
        )


def load_text_vectors(path: Path) -> TextVectors:
    """Return the text vectors of a npz file, checked.

    Args:
        path: A file with the float32 arrays ``user_profile``, ``item_profile``, ``user_intent``
            and ``item_intent``.

    Raises:
        TextError: If an array is not a finite float32 matrix or sizes do not agree.
        DataError: If the file is missing, unreadable or lacks an array.
    """
    arrays = read_arrays(path, *ARRAY_NAMES)
    try:
        return TextVectors(**{name: arrays[name] for name in ARRAY_NAMES})
    except TextError as error:
        raise TextError(f"{path}: {error}") from None


def save_text_vectors(path: Path, vectors: TextVectors, provenance: Mapping[str, Any] | None = None) -> None:
    """Write text vectors and how they were made as npz, atomically and with reproducible bytes."""
    text = json.dumps(dict(provenance or {}), sort_keys=True, ensure_ascii=False)
    arrays: dict[str, npt.NDArray[Any]] = {name: getattr(vectors, name) for name in ARRAY_NAMES}
    arrays[_PROVENANCE] = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    write_arrays(path, arrays)


def read_provenance(path: Path) -> dict[str, Any]:
    """Return how the vectors of a file were made, as :func:`save_text_vectors` was told.

    Raises:
        DataError: If the file is missing or says nothing about it.
    """
    try:
        found = parse_json(read_arrays(path, _PROVENANCE)[_PROVENANCE].tobytes().decode("utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: {_PROVENANCE} is not JSON ({error}): make the file again.") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: {_PROVENANCE} is no JSON object: make the file again.")
    return found


def check_node_counts(vectors: TextVectors, user_count: int, item_count: int, name: str) -> None:
    """Raise unless there is one vector for every user and every item of the data set ``name``.

    Raises:
        DataError: Naming both counts.
    """
    for role, have, need in (
        ("user", vectors.user_count, user_count),
        ("item", vectors.item_count, item_count),
    ):
        if have != need:
            raise DataError(
                f"The text vectors of {name} cover {have} {role}s but the data set has {need}: "
                f"run the stages prepare and embed again for {name}."
            )


def normalise_rows(vectors: npt.NDArray[np.floating]) -> FloatArray:
    """Return the rows at length 1, float32; a zero row stays zero.

    Args:
        vectors: Shape (node, dim), finite.
    """
    return unit_rows(vectors).astype(np.float32)


def unit_rows(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the rows at length 1, float64; a zero row stays zero."""
    wide = np.asarray(vectors, dtype=np.float64)
    norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))[:, None]
    return np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)
