"""The results of a cell as they lie on disk: per-user values, stored lists, and how it was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Interactions
from irllrec.data.storage import load_interactions, read_arrays, read_json_object
from irllrec.data.untrusted import read_parquet, values_of
from irllrec.errors import DataError
from irllrec.evaluation.beyond_accuracy import coverage, diversity, gini, novelty, popularity
from repro.errors import ReproError
from repro.layout import Layout
from repro.metric_kinds import (
    check_metrics,
    cutoff_of,
    is_accuracy,
    is_of_lists,
    is_written_as_metric,
    name_of,
)
from repro.params import Cell

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CellResult:
    """What a trained and evaluated cell left behind.

    Attributes:
        key: Its key under `cells` in params.yaml.
        cell: Its entry there.
        seeds: Training seeds, shape (seed,).
        users: Indices of users with test items, ascending, shape (user,).
        train_degrees: Their numbers of training items, shape (user,).
        run: run.json, with ``mask`` from the evaluation.
        timings: Wall seconds and peak bytes by seed, empty where the cell was trained elsewhere.
        vectors: Where the vectors of the data set's own text lie, if it has any; the same for all methods.
    """

    key: str
    cell: Cell
    seeds: npt.NDArray[np.int64]
    users: npt.NDArray[np.int64]
    train_degrees: npt.NDArray[np.int64]
    run: Mapping[str, Any]
    timings: Mapping[str, Mapping[str, Any]]
    folder: Path
    prepared: Path
    _stored: dict[str, FloatArray] = field(repr=False)
    vectors: Path | None = None

    @property
    def name(self) -> str:
        """``dataset/backbone/variant``."""
        return f"{self.cell.dataset}/{self.cell.backbone}/{self.cell.variant}"

    def values(self, metric: str) -> FloatArray:
        """Return the metric of every seed and user, shape (seed, user).

        A metric that was not stored is computed from the stored top-100 lists; no model is needed.

        Returns:
            Fractions for accuracy; bits for novelty, training users for arp, 0 to 2 for diversity.

        Raises:
            DataError: If the lists are missing.
            ReproError: If users have no such value (coverage, gini), or diversity lacks text vectors.
        """
        if metric not in self._stored:
            check_metrics([metric])
            measure = self._accuracy if is_accuracy(metric) else self._beyond_accuracy
            self._stored[metric] = measure(metric)
        return self._stored[metric]

    def seed_values(self, metric: str) -> FloatArray:
        """Return any metric of every seed, shape (seed,): that of all lists, or the mean over users.

        Raises:
            DataError: If the lists are missing.
            ReproError: If diversity lacks text vectors.
        """
        if not is_of_lists(metric):
            return np.asarray(self.values(metric).mean(axis=1))
        item_count = self._train_pairs().item_count
        measure = coverage if name_of(metric) == "coverage" else gini
        return np.asarray([measure(items, item_count) for items in self.lists(cutoff_of(metric))])

    def has(self, metric: str) -> bool:
        """Return whether the metric can be computed: diversity needs text vectors."""
        return name_of(metric) != "diversity" or (self.vectors is not None and self.vectors.is_file())

    def lists(self, cutoff: int | None = None) -> npt.NDArray[np.int32]:
        """Return the stored lists, shape (seed, user, rank), items best first, -1 past a list's end.

        Args:
            cutoff: How many ranks of them; None is all that were stored.

        Raises:
            DataError: If the lists are missing.
            ReproError: If they are from another evaluation than the per-user values.
        """
        arrays = read_arrays(self.folder / "top_items.npz", "seeds", "users", "items")
        if not all(np.array_equal(arrays[name], getattr(self, name)) for name in ("seeds", "users")):
            raise ReproError(
                f"{self.folder}: top_items.npz and per_user.parquet are from different evaluations: "
                "run `dvc repro` again."
            )
        lists: npt.NDArray[np.int32] = arrays["items"][:, :, :cutoff]
        return lists

    def values_on(self, metric: str, items: npt.NDArray[np.bool_]) -> FloatArray:
        """Return the metric where only some items count as test items, shape (seed, user), in [0, 1].

        The ranking stays that of all items: recall@k is the user's test items among ``items`` in the
        first k over the user's test items among ``items``. NaN for users who have none there.

        Args:
            metric: Such as ``recall@20``.
            items: Which items count, shape (item,).

        Raises:
            DataError: If the lists are missing.
        """
        return self._accuracy(metric, items)

    def test_pairs(self) -> Interactions:
        """Return the held-out pairs that this cell was evaluated on."""
        return load_interactions(self.prepared / "test.npz")

    def _train_pairs(self) -> Interactions:
        return load_interactions(self.prepared / "train.npz")

    def _accuracy(self, metric: str, items: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        from irllrec.evaluation.metrics import per_user_metrics

        every_list, test = self.lists(), self.test_pairs()
        counted: slice | npt.NDArray[np.bool_] = slice(None)
        if items is not None:
            kept = items[test.items]
            test = Interactions.from_pairs(
                test.users[kept], test.items[kept], test.user_count, test.item_count
            )
            counted = test.user_degrees[self.users] > 0
        values = np.full(every_list.shape[:2], np.nan)
        for row, lists in enumerate(every_list):
            found = per_user_metrics(lists[counted], test, self.users[counted], [metric])
            values[row, counted] = found[metric]
        return values

    def _beyond_accuracy(self, metric: str) -> FloatArray:
        lists = self.lists(cutoff_of(metric))
        if name_of(metric) == "diversity":
            if self.vectors is None or not self.has(metric):
                raise ReproError(
                    f"{metric} compares the text vectors of items, and {self.cell.dataset} has none at "
                    f"{self.vectors}: make them with `dvc repro embed@{self.cell.dataset}`, or leave it out."
                )
            vectors = read_arrays(self.vectors, "item_intent")["item_intent"]
            return np.stack([diversity(items, vectors) for items in lists])
        measure = novelty if name_of(metric) == "novelty" else popularity
        train = self._train_pairs()
        return np.stack([measure(items, train) for items in lists])


def read_result(layout: Layout, key: str, cell: Cell) -> CellResult:
    """Return the results of one cell.

    Raises:
        ReproError: If they are missing, or its seeds were evaluated on different users.
        DataError: If run.json is unreadable.
    """
    folder = layout.run(cell.dataset, cell.backbone, cell.variant)
    path = folder / "per_user.parquet"
    if not path.is_file():
        raise ReproError(f"{path} is missing: make it with `dvc repro`, or leave out --no-run.")
    try:
        table = read_parquet(path, "delete it and run `dvc repro`.")
    except DataError as error:
        raise ReproError(str(error)) from None
    missing = [name for name in ("seed", "user", "train_degree") if name not in table.column_names]
    if missing or not len(table):
        what = f"lacks the column {missing[0]!r}" if missing else "holds no user"
        raise ReproError(f"{path} {what}: delete it and run `dvc repro`.")
    columns = {name: values_of(table.column(name)) for name in table.column_names}
    for name, values in columns.items():
        if values.dtype.kind not in ("iu" if name in ("seed", "user", "train_degree") else "iuf"):
            raise ReproError(f"{path}: the column {name!r} holds no numbers: delete it and run `dvc repro`.")
    seeds = np.unique(columns["seed"].astype(np.int64))
    order = np.lexsort((columns["user"], columns["seed"]))
    if len(order) % len(seeds):
        raise ReproError(f"{path}: its seeds were evaluated on different users: run `dvc repro` again.")
    users = columns["user"][order].astype(np.int64).reshape(len(seeds), -1)
    if (users != users[0]).any():
        raise ReproError(f"{path}: its seeds were evaluated on different users: run `dvc repro` again.")
    stored = {
        name: np.asarray(values[order], dtype=np.float64).reshape(len(seeds), -1)
        for name, values in columns.items()
        if is_written_as_metric(name) and is_accuracy(name)
    }
    timings = layout.timings(key)
    return CellResult(
        key=key,
        cell=cell,
        seeds=seeds,
        users=users[0],
        train_degrees=columns["train_degree"][order].astype(np.int64).reshape(len(seeds), -1)[0],
        run={
            **read_json_object(folder / "run.json"),
            "mask": read_json_object(folder / "metrics.json").get("mask"),
        },
        timings=read_json_object(timings).get("per_seed", {}) if timings.is_file() else {},
        folder=folder,
        prepared=layout.prepared(cell.dataset),
        _stored=stored,
        vectors=layout.vectors(cell.dataset),
    )


def seed_records(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the records of the single seeds in run.json."""
    return list((run.get("per_seed") or {}).values())
