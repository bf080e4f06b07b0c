"""The prepared form of a data set, read: numbered nodes, three splits, texts with their provenance.

Training depends on this module; how the form is made stands in ``preparing``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from irllrec.data.interactions import SPLITS, Id, Interactions
from irllrec.data.storage import load_interactions
from irllrec.data.untrusted import read_parquet, values_of
from irllrec.errors import DataError


@dataclass(frozen=True)
class PreparedText:
    """One text with node numbers.

    Attributes:
        role: ``user`` or ``item``.
        node: Number of the node within its role.
        kind: title, profile, text, review or metadata.
        text: The text.
        user: User of the interaction it stems from, -1 where it stems from none.
        item: Item of that interaction, or -1.
        split: Part the interaction fell into, "" where it stems from none.
    """

    role: str
    node: int
    kind: str
    text: str
    user: int = -1
    item: int = -1
    split: str = ""

    @property
    def names_interaction(self) -> bool:
        """Whether it says which interaction it stems from, so that its part is known."""
        return self.user >= 0 or self.item >= 0


def load_split(folder: Path, name: str) -> Interactions:
    """Return the train, valid or test interactions of a prepared folder."""
    assert name in SPLITS, name
    return load_interactions(folder / f"{name}.npz")


def load_ids(folder: Path, role: str) -> list[Id]:
    """Return the original ids of the users or items of a prepared folder, in node order."""
    return _read_parquet(folder / f"{role}s.parquet", f"{role}_id")[f"{role}_id"]


def load_titles(folder: Path) -> list[str | None]:
    """Return the titles of the items of a prepared folder, in node order, None where there is none."""
    return _read_parquet(folder / "items.parquet", "title")["title"]


def load_texts(folder: Path) -> list[PreparedText]:
    """Return the texts of a prepared folder, in file order."""
    columns = _read_parquet(folder / "text.parquet", *(entry.name for entry in fields(PreparedText)))
    return [
        PreparedText(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]


def _read_parquet(path: Path, *wanted: str) -> dict[str, list[Any]]:
    fix = "make it again with `dvc repro`."
    try:
        table = read_parquet(path, fix)
    except FileNotFoundError:
        raise DataError(f"{path} is missing: make it with `dvc repro`.") from None
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise DataError(f"{path} lacks the column {missing[0]!r}: {fix}")
    return {name: values_of(table.column(name)).tolist() for name in wanted}
