"""A published data set, from its upstream files to ``data/raw/<name>``."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from irllrec.data.raw import RawTable, atomic_folder, disk_errors, write_raw
from irllrec.data.reading import PairMatrix, read_matrix
from irllrec.errors import DataError
from repro.download import Advance, mirror_address, obtain
from repro.layout import Layout
from repro.sources import PublishedDataset, Sources, load_sources
from repro.stages.entry import VERBOSITY

MADE_BY = "irllrec-repro fetch 1"
SEEDS = (2023, 2024, 2025)


def fetch(layout: Layout, name: str, mirror: str | None = None, *, replace: bool = False) -> dict[str, Any]:
    """Make ``data/raw/<name>`` from upstream files and return the hashes of these.

    Every file is checked against its pins before the first one is opened. Partial downloads stay in
    ``data/raw/.<name>.partial`` until the data set is in place.

    Args:
        layout: The checkout.
        name: A data set of data/sources.yaml.
        mirror: A folder or URL to take the files from; None is their public address.
        replace: Whether an existing data set may be replaced.

    Raises:
        ReproError: If the name is unknown or a file cannot be reached.
        DataError: If a file is corrupt, unsafe or not the matrix it should be, or the disk is full.
    """
    sources = load_sources(layout.sources)
    dataset = sources.dataset(name)
    raw = layout.raw(name)
    if raw.exists() and not replace:
        raise DataError(f"{raw} exists already: add --replace to fetch it again.")
    partial = raw.parent / f".{name}.partial"
    with disk_errors(partial):
        partial.mkdir(parents=True, exist_ok=True)
    try:
        found = _obtain_all(sources, name, mirror, partial)
    finally:
        with contextlib.suppress(OSError):
            partial.rmdir()  # stays while it holds a part
    matrices = {split: read_matrix(partial / file.name) for split, file in dataset.files.by_split().items()}
    _check_shape(name, dataset, matrices)
    _place(raw, sources, name, matrices, found, replace=replace)
    shutil.rmtree(partial, ignore_errors=True)
    return found


def _obtain_all(sources: Sources, name: str, mirror: str | None, partial: Path) -> dict[str, Any]:
    """Return address and hashes of the three files, once all of them lie verified in ``partial``."""
    found: dict[str, Any] = {}
    for split, file in sources.datasets[name].files.by_split().items():
        path = sources.mirror_path(name, file)
        address = mirror_address(mirror, path) if mirror else sources.url(name, file)
        with _progress(f"{name} {file.name}", file.bytes) as advance:
            hashes = obtain(address, file, partial / file.name, advance)
        found[split] = {"path": path, "url": sources.url(name, file), **hashes}
    return found


def _check_shape(name: str, dataset: PublishedDataset, matrices: dict[str, PairMatrix]) -> None:
    """Refuse matrices that do not fit each other or the figures of data/sources.yaml."""
    shape = dataset.shape
    for split, matrix in matrices.items():
        if (matrix.user_count, matrix.item_count) != (shape.users, shape.items):
            raise DataError(
                f"{name}: the {split} matrix is {matrix.user_count} x {matrix.item_count} instead of "
                f"{shape.users} x {shape.items}: check data/sources.yaml."
            )
        if len(matrix.users) != getattr(shape, split):
            raise DataError(
                f"{name}: the {split} matrix has {len(matrix.users)} interactions instead of "
                f"{getattr(shape, split)}: check data/sources.yaml."
            )
    codes = [matrix.users * shape.items + matrix.items for matrix in matrices.values()]
    joined = np.concatenate(codes)
    if len(np.unique(joined)) != len(joined):
        raise DataError(f"{name}: a pair stands in two of the matrices: check data/sources.yaml.")


def _place(
    raw: Path,
    sources: Sources,
    name: str,
    matrices: dict[str, PairMatrix],
    found: dict[str, Any],
    *,
    replace: bool,
) -> None:
    table = RawTable(
        np.concatenate([matrix.users for matrix in matrices.values()]),
        np.concatenate([matrix.items for matrix in matrices.values()]),
        np.concatenate(
            [np.full(len(matrix.users), split, dtype=object) for split, matrix in matrices.items()]
        ),
    )
    dataset = sources.datasets[name]
    manifest = {
        "name": name,
        "origin": "fetched",
        "title": dataset.title,
        "licence": sources.sources[dataset.source].licence,
        "source": found,
        "index": "identity",
        "user_count": dataset.shape.users,
        "item_count": dataset.shape.items,
        "made_by": MADE_BY,
        "duplicates_removed": sum(matrix.duplicates_removed for matrix in matrices.values()),
    }
    with atomic_folder(raw, replace=replace) as folder:
        write_raw(folder, table, manifest=manifest)


@contextmanager
def _progress(title: str, total: int | None) -> Iterator[Advance]:
    """Show a bar on stderr, where that is a terminal and the user did not ask for quiet."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    hidden = not console.is_terminal or os.environ.get(VERBOSITY) == "quiet"
    with Progress(*columns, console=console, disable=hidden) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


def grid_entry() -> dict[str, Any]:
    """Return what a fetched data set is in params.yaml."""
    return {"origin": "fetched", "split": {"how": "given"}, "seeds": list(SEEDS)}
