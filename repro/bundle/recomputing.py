"""Computes per-user values anew from the stored lists and the held-out interactions, and means from these."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Interactions
from irllrec.data.raw import hash_file
from irllrec.data.storage import load_interactions, read_arrays, read_json
from irllrec.evaluation.metrics import METRICS, per_user_metrics
from repro.bundle.contents import SPLIT_FILES
from repro.bundle.differences import Difference, Part, shown
from repro.errors import ReproError
from repro.layout import Layout
from repro.metric_kinds import name_of
from repro.params import Params
from repro.results import CellResult

TOLERANCE = 1e-12
"""A logarithm or a sum may differ by so much between processors; the manifest's hashes see less."""

_SHOWN = 10
"""Differences named in one file; the rest are counted."""


class DataFolderError(ReproError):
    """The folder given with --data does not hold the data of the bundle."""


@dataclass(frozen=True)
class Split:
    """The interactions of a data set, as they were prepared."""

    train: Interactions
    valid: Interactions
    test: Interactions

    def masked(self, mask: str) -> list[Interactions]:
        """Return what may stand in no list."""
        return [self.train] if mask == "train" else [self.train, self.valid]


def splits_of(layout: Layout, datasets: Sequence[str], data: Path | None) -> dict[str, Split]:
    """Return the interactions of each data set that are in the bundle, or in the folder ``data``.

    Args:
        layout: The unpacked bundle.
        datasets: Its data sets.
        data: Holds a checkout, or a folder a data set as below data/prepared, or the three files of one.

    Raises:
        DataFolderError: If ``data`` has none of them, or other data than the bundle's manifest names.
        DataError: If a file cannot be read.
    """
    found = {}
    for name in datasets:
        folder = layout.prepared(name)
        if not (folder / "test.npz").is_file():
            folder = _given(layout, name, data, alone=len(datasets) == 1) or folder
        if (folder / "test.npz").is_file():
            found[name] = Split(*(load_interactions(folder / file) for file in SPLIT_FILES))
    return found


def _given(layout: Layout, name: str, data: Path | None, *, alone: bool) -> Path | None:
    """Return the folder with the prepared data of a data set, None where no folder was given."""
    if data is None:
        return None
    places = [data / "data" / "prepared" / name, data / name, *([data] if alone else [])]
    folder = next((place for place in places if (place / "test.npz").is_file()), None)
    if folder is None:
        raise DataFolderError(
            f"--data {data} holds no test.npz of {name}: name a checkout in which `dvc repro prepare@{name}` ran, "
            f"or its folder data/prepared."
        )
    wanted = read_json(layout.prepared(name) / "manifest.json").get("files", {})
    for file in SPLIT_FILES:
        path = folder / file
        if not path.is_file() or hash_file(path) != wanted.get(file):
            raise DataFolderError(
                f"{path} is missing or is not the data that this bundle was made with: prepare {name} from the "
                "same raw data with the same split."
            )
    return folder


def per_user_part(cells: Sequence[CellResult], splits: Mapping[str, Split], params: Params) -> Part:
    """Return whether every stored per-user value follows from the stored lists and the test interactions."""
    found: list[Difference] = []
    count, without = 0, []
    for cell in cells:
        split = splits.get(cell.cell.dataset)
        if split is None:
            without.append(cell.cell.dataset)
            continue
        try:
            lists = _Lists.read(cell, split)
            count += lists.value_count
            found += lists.differences(str(cell.run.get("mask") or params.protocol.mask))
        except ReproError as error:
            found.append(Difference(_name(cell, "top_items.npz"), shown(error), "lists of this evaluation"))
    note = ""
    if without:
        names = ", ".join(dict.fromkeys(without))
        note = f"not recomputed for {names}: licences keep its interactions out; give them with --data FOLDER"
    what = f"from the lists of {len(cells) - len(without)} cells"
    return Part("per-user values", what, count, "values", tuple(found), note)


@dataclass(frozen=True)
class _Lists:
    """The stored lists of a cell, beside the interactions they were evaluated with."""

    cell: CellResult
    split: Split
    users: npt.NDArray[np.integer]
    items: npt.NDArray[np.integer]

    @classmethod
    def read(cls, cell: CellResult, split: Split) -> _Lists:
        """Return the lists.

        Raises:
            ReproError: If they are of other seeds or users, or hold an item that does not exist.
        """
        arrays = read_arrays(cell.folder / "top_items.npz", "seeds", "users", "items")
        users, items = arrays["users"], arrays["items"]
        same = np.array_equal(arrays["seeds"], cell.seeds) and np.array_equal(users, cell.users)
        if not same or items.ndim != 3 or items.shape[:2] != (len(cell.seeds), len(cell.users)):
            raise ReproError("other seeds or users than in per_user.parquet")
        if users.min() < 0 or users.max() >= split.test.user_count:
            raise ReproError("users that the data set does not have")
        if items.min() < -1 or items.max() >= split.test.item_count:
            raise ReproError("items that the data set does not have")
        return cls(cell, split, users, items)

    @property
    def value_count(self) -> int:
        """How many values are compared."""
        return len(stored_metrics(self.cell)) * self.items.shape[0] * self.items.shape[1]

    def differences(self, mask: str) -> list[Difference]:
        """Return what in the cell's files does not follow from the interactions."""
        found = [*self._of_users(), *self._of_items(mask)]
        if found:
            return found
        names = stored_metrics(self.cell)
        derived = [per_user_metrics(items, self.split.test, self.users, names) for items in self.items]
        for metric in names:
            found += self._of_metric(metric, np.stack([values[metric] for values in derived]))
        return found

    def _of_users(self) -> Iterator[Difference]:
        file = _name(self.cell, "per_user.parquet")
        held = np.flatnonzero(self.split.test.user_degrees > 0)
        if not np.array_equal(self.users, held):
            yield Difference(file, f"{len(self.users):,} users", f"the {len(held):,} users with test items")
        degrees = self.split.train.user_degrees[self.users]
        for place in np.flatnonzero(degrees != self.cell.train_degrees)[:_SHOWN]:
            stored, derived = self.cell.train_degrees[place], degrees[place]
            yield Difference(file, str(stored), str(derived), "", f"user {self.users[place]}", "train_degree")

    def _of_items(self, mask: str) -> Iterator[Difference]:
        file = _name(self.cell, "top_items.npz")
        owners = np.broadcast_to(self.users.astype(np.int64)[None, :, None], self.items.shape)
        ordered = np.sort(self.items, axis=2)
        wrong = {
            "an item twice": (ordered[:, :, 1:] == ordered[:, :, :-1]) & (ordered[:, :, 1:] >= 0),
            "an item that is masked": np.logical_or.reduce(
                [part.contains(owners, self.items) & (self.items >= 0) for part in self.split.masked(mask)]
            ),
        }
        for what, places in wrong.items():
            for seed, user in np.argwhere(places.any(axis=2))[:_SHOWN]:
                row = f"seed {self.cell.seeds[seed]}, user {self.users[user]}"
                yield Difference(file, what, "none", "", row, "items")

    def _of_metric(self, metric: str, derived: npt.NDArray[np.float64]) -> Iterator[Difference]:
        stored = self.cell.values(metric)
        places = np.argwhere(~(np.abs(stored - derived) <= TOLERANCE))
        for seed, user in places[:_SHOWN]:
            row = f"seed {self.cell.seeds[seed]}, user {self.users[user]}"
            values = f"{stored[seed, user]:.17g}", f"{derived[seed, user]:.17g}"
            yield Difference(_name(self.cell, "per_user.parquet"), *values, "", row, metric)
        if len(places) > _SHOWN:
            more = f"{len(places) - _SHOWN:,} more values"
            yield Difference(_name(self.cell, "per_user.parquet"), more, "others", "", "", metric)


def metrics_part(cells: Sequence[CellResult]) -> Part:
    """Return whether metrics.json holds the means of the per-user values, over all seeds and by seed."""
    found: list[Difference] = []
    count = 0
    for cell in cells:
        file = _name(cell, "metrics.json")
        stored = _flat(read_json(cell.folder / "metrics.json"))
        derived = _means(cell)
        count += len(derived)
        found += [
            Difference(file, shown(stored.get(key)), shown(derived.get(key)), "", "", key)
            for key in dict.fromkeys([*derived, *(key for key in stored if key != "mask")])
            if not _equal(stored.get(key), derived.get(key))
        ]
    return Part(
        "metrics.json", f"means of per-user values, {len(cells)} cells", count, "values", tuple(found)
    )


def stored_metrics(cell: CellResult) -> list[str]:
    """Return the metrics that per_user.parquet holds."""
    import pyarrow.parquet

    columns: list[str] = pyarrow.parquet.read_schema(cell.folder / "per_user.parquet").names
    return [name for name in columns if name_of(name) in METRICS]


def _means(cell: CellResult) -> dict[str, float]:
    found = {}
    for metric in stored_metrics(cell):
        values = cell.values(metric)
        found[metric] = float(values.mean())
        for seed, row in zip(cell.seeds, values, strict=True):
            found[f"per_seed.{seed}.{metric}"] = float(row.mean())
    return found


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by their dotted keys."""
    if not isinstance(value, Mapping):
        return {prefix.removesuffix("."): value}
    return {
        key: leaf for name, part in value.items() for key, leaf in _flat(part, f"{prefix}{name}.").items()
    }


def _equal(stored: Any, derived: Any) -> bool:
    if not isinstance(stored, int | float) or not isinstance(derived, int | float):
        return False
    return math.isclose(stored, derived, rel_tol=0.0, abs_tol=TOLERANCE)


def _name(cell: CellResult, file: str) -> str:
    return f"runs/{cell.name}/{file}"
