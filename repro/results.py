"""The results of a cell as they lie on disk: per-user values, stored lists, and how it was run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Interactions
from irllrec.data.storage import load_interactions, read_arrays, read_json_object
from irllrec.data.untrusted import read_parquet, values_of
from irllrec.errors import DataError
from repro.beyond_accuracy import per_user
from repro.errors import ReproError
from repro.layout import Layout
from repro.metric_kinds import KNOWN, is_accuracy, is_of_lists, name_of
from repro.params import Cell

FloatArray = npt.NDArray[np.float64]

METRIC = re.compile(r"([a-z]+)@([1-9][0-9]?|100)")


def check_metrics(metrics: Sequence[str], *, of_lists: bool = False) -> list[str]:
    """Return the metrics, each once.

    Args:
        metrics: Such as ``recall@20``.
        of_lists: Whether metrics without a value for single users are of use, too.

    Raises:
        ReproError: If one is unknown, its cut-off is not in 1..100, or it has no value for single users and
            those are what is compared.
    """
    if not metrics:
        raise ReproError("no metric is named: give at least one, for example recall@20.")
    for metric in metrics:
        if not METRIC.fullmatch(metric) or name_of(metric) not in KNOWN:
            raise ReproError(
                f"the metric {metric!r} is unknown: write recall, ndcg, precision, hit or mrr, or beyond "
                "accuracy novelty, arp, diversity, coverage or gini, then @ and a cut-off from 1 to 100, for "
                "example recall@20."
            )
        if is_of_lists(metric) and not of_lists:
            raise ReproError(
                f"{metric} is one value for all lists of a seed, so there are no users to pair: see it with "
                f"`repro table main --metrics {metric}`."
            )
        if metric == "diversity@1":
            raise ReproError("diversity@1 would compare an item with itself: write diversity@2 or more.")
    return list(dict.fromkeys(metrics))


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
            self._stored[metric] = self._from_lists(metric) if is_accuracy(metric) else per_user(self, metric)
        return self._stored[metric]

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
        return self._from_lists(metric, items)

    def test_pairs(self) -> Interactions:
        """Return the held-out pairs that this cell was evaluated on."""
        return load_interactions(self.prepared / "test.npz")

    def _from_lists(self, metric: str, items: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        from irllrec.evaluation.metrics import per_user_metrics

        arrays = read_arrays(self.folder / "top_items.npz", "seeds", "users", "items")
        if not all(np.array_equal(arrays[name], getattr(self, name)) for name in ("seeds", "users")):
            raise ReproError(
                f"{self.folder}: top_items.npz and per_user.parquet are from different evaluations: "
                "run `dvc repro` again."
            )
        test = self.test_pairs()
        users, counted = arrays["users"], slice(None)
        if items is not None:
            kept = items[test.items]
            test = Interactions.from_pairs(
                test.users[kept], test.items[kept], test.user_count, test.item_count
            )
            counted = test.user_degrees[users] > 0
        values = np.full((len(self.seeds), len(users)), np.nan)
        for row, lists in enumerate(arrays["items"]):
            found = per_user_metrics(lists[counted], test, users[counted], [metric])
            values[row, counted] = found[metric]
        return values


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
        if METRIC.fullmatch(name) and is_accuracy(name)
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
