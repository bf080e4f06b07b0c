"""Metrics beyond accuracy of a cell, from its stored lists, the training pairs and the text vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from irllrec.data.storage import load_interactions, read_arrays
from irllrec.evaluation.beyond_accuracy import coverage, diversity, gini, novelty, popularity
from repro.errors import ReproError
from repro.metric_kinds import is_of_lists, name_of

if TYPE_CHECKING:
    from repro.results import CellResult

FloatArray = npt.NDArray[np.float64]


def has(cell: CellResult, metric: str) -> bool:
    """Return whether the metric can be computed: diversity needs text vectors."""
    return name_of(metric) != "diversity" or (cell.vectors is not None and cell.vectors.is_file())


def per_user(cell: CellResult, metric: str) -> FloatArray:
    """Return novelty (bits), arp (training users) or diversity (0 to 2), shape (seed, user).

    Raises:
        DataError: If the lists are missing.
        ReproError: If diversity lacks text vectors.
    """
    lists = stored_lists(cell, metric)
    if name_of(metric) == "diversity":
        if cell.vectors is None or not has(cell, metric):
            raise ReproError(
                f"{metric} compares the text vectors of items, and {cell.cell.dataset} has none at "
                f"{cell.vectors}: make them with `dvc repro embed@{cell.cell.dataset}`, or leave it out."
            )
        vectors = read_arrays(cell.vectors, "item_intent")["item_intent"]
        return np.stack([diversity(items, vectors) for items in lists])
    measure = novelty if name_of(metric) == "novelty" else popularity
    train = load_interactions(cell.prepared / "train.npz")
    return np.stack([measure(items, train) for items in lists])


def per_seed(cell: CellResult, metric: str) -> FloatArray:
    """Return any metric of every seed, shape (seed,): that of all lists, or the mean over users.

    Raises:
        DataError: If the lists are missing.
        ReproError: If diversity lacks text vectors.
    """
    if not is_of_lists(metric):
        return np.asarray(cell.values(metric).mean(axis=1))
    item_count = load_interactions(cell.prepared / "train.npz").item_count
    measure = coverage if name_of(metric) == "coverage" else gini
    return np.asarray([measure(items, item_count) for items in stored_lists(cell, metric)])


def stored_lists(cell: CellResult, metric: str = "recall@100") -> npt.NDArray[np.int32]:
    """Return the stored lists up to the metric's cut-off, shape (seed, user, rank), -1 past their end.

    Raises:
        DataError: If the lists are missing.
        ReproError: If they are from another evaluation than the per-user values.
    """
    arrays = read_arrays(cell.folder / "top_items.npz", "seeds", "users", "items")
    if not all(np.array_equal(arrays[name], getattr(cell, name)) for name in ("seeds", "users")):
        raise ReproError(
            f"{cell.folder}: top_items.npz and per_user.parquet are from different evaluations: "
            "run `dvc repro` again."
        )
    lists: npt.NDArray[np.int32] = arrays["items"][:, :, : int(metric.partition("@")[2])]
    return lists
