"""A published data set, from its upstream files to ``data/raw/<name>``."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from irllrec.data.raw import (
    RawTable,
    altered_file,
    atomic_folder,
    disk_errors,
    read_manifest,
    read_table,
    write_raw,
)
from irllrec.data.reading import PairMatrix, read_matrix
from irllrec.errors import DataError
from repro.download import Advance, mirror_address, obtain
from repro.layout import Layout
from repro.params import Params
from repro.printing import one_line
from repro.remarks import remark
from repro.sources import PublishedDataset, Sources, load_sources
from repro.stages.entry import VERBOSITY
from repro.text_archive import TextFiles, UpstreamText, obtain_text, read_text
from repro.unfinished import NOTHING, Earlier

MADE_BY = "irllrec-repro fetch 1"
SEEDS = (2023, 2024, 2025)
TEXT = {"summarizer": "upstream", "embedder": "vectors"}


@dataclass(frozen=True)
class Fetched:
    """What a fetch brought.

    Attributes:
        lines: A sentence for each file: its size, its hash, and how this was checked.
        remarks: What the user should know beside.
        text: Whether profiles and vectors came.
        added: Whether they were added to matrices that were here.
    """

    lines: list[str]
    remarks: list[str] = field(default_factory=list)
    text: bool = False
    added: bool = False


def fetch(
    layout: Layout,
    name: str,
    mirror: str | None = None,
    *,
    text: bool = False,
    replace: bool = False,
    earlier: Earlier = NOTHING,
) -> Fetched:
    """Make ``data/raw/<name>`` from upstream files, all of it or nothing.

    Every file is checked before the first one is opened: matrices against their pins, texts against
    the archive's size and checksums, and against the hashes that an earlier fetch recorded. Partial
    downloads stay in ``data/raw/.<name>.partial`` until the data set is in place.

    Args:
        layout: The checkout.
        name: A data set of data/sources.yaml.
        mirror: A folder or URL to take the files from; None is their public address.
        text: Also take the published profiles and their vectors. Matrices that are here already, with
            no text, are kept and the text is added.
        replace: Whether an existing data set may be replaced.
        earlier: What the same command has done already, if it was killed; that is only checked.

    Raises:
        ReproError: If the name is unknown, has no published text, or a file cannot be reached.
        DataError: If a file is corrupt, unsafe or not what it should be, or the disk is full.
    """
    sources = load_sources(layout.sources)
    dataset = sources.dataset(name)
    if text:
        sources.text_archive(name)
    raw = layout.raw(name)
    if earlier.placed and (placed := _placed(raw, text=text, added=earlier.replaced and not replace)):
        shutil.rmtree(raw.parent / f".{name}.partial", ignore_errors=True)
        return placed
    replace = replace or earlier.placed
    added = text and raw.exists() and not replace
    if raw.exists() and not (replace or added):
        raise DataError(f"{raw} exists already: add --replace to fetch it again.")
    if added:
        _check_extensible(raw, dataset)
    partial = raw.parent / f".{name}.partial"
    with disk_errors(partial):
        partial.mkdir(parents=True, exist_ok=True)
    try:
        found = {} if added else _obtain_all(sources, name, mirror, partial)
        files = _obtain_text(sources, name, mirror, partial, raw) if text else None
    finally:
        with contextlib.suppress(OSError):
            partial.rmdir()  # stays while it holds a part
    if added:
        table, manifest = read_table(raw), read_manifest(raw)  # counts and hashes are made again
    else:
        table, manifest = _read_matrices(sources, name, partial, found)
    upstream = read_text(files, dataset.shape) if files else None
    _place(raw, table, manifest, upstream, replace=replace or added)
    shutil.rmtree(partial, ignore_errors=True)
    remarks = upstream.remarks if upstream else []
    lines = _lines(found, files.source if files else None, recorded=bool(files and files.recorded))
    return Fetched(lines, remarks, text=text, added=added)


def _placed(raw: Path, *, text: bool, added: bool) -> Fetched | None:
    """Return what lies in ``raw`` already, unaltered and with its text where that is wanted; else None."""
    try:
        manifest = read_manifest(raw)
    except DataError:
        return None
    texts = manifest.get("text_source")
    if manifest.get("origin") != "fetched" or (text and not texts) or altered_file(raw, manifest):
        return None
    added = text and added
    lines = _lines({} if added else manifest["source"], texts if text else None, recorded=False)
    return Fetched(lines, ["The data were in their place already, and are whole."], text=text, added=added)


def _lines(found: dict[str, Any], texts: dict[str, Any] | None, *, recorded: bool) -> list[str]:
    checked = [(split, file, "verified") for split, file in found.items()]
    if texts is not None:
        how = "as recorded at the first fetch" if recorded else "recorded"
        checked += [
            (kind.replace("_", " "), file, f"{how}, not pinned") for kind, file in texts["files"].items()
        ]
    return [
        f"{what}: {file['path']}, {file['bytes']:,} bytes, sha256 {file['sha256']}: {how}"
        for what, file, how in checked
    ]


def _check_extensible(raw: Path, dataset: PublishedDataset) -> None:
    """Refuse to add text to anything but the unchanged matrices of an earlier fetch."""
    manifest = read_manifest(raw)
    shape = (manifest.get("user_count"), manifest.get("item_count"))
    if manifest.get("origin") != "fetched" or shape != (dataset.shape.users, dataset.shape.items):
        raise DataError(f"{raw} does not hold the published matrices: add --replace to fetch them with text.")
    if "text_source" in manifest:
        raise DataError(f"{raw} has its text already: add --replace to fetch all of it again.")
    altered = altered_file(raw, manifest)
    if altered is not None:
        raise DataError(f"{altered} was changed after it was made: add --replace to fetch all of it again.")


def _obtain_text(sources: Sources, name: str, mirror: str | None, partial: Path, raw: Path) -> TextFiles:
    recorded: dict[str, Any] = {}
    with contextlib.suppress(DataError):  # a folder without a readable manifest has recorded nothing
        recorded = read_manifest(raw).get("text_source", {})
    return obtain_text(sources, name, mirror, partial, recorded=recorded, progress=_progress, say=remark)


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


def _read_matrices(
    sources: Sources, name: str, partial: Path, found: dict[str, Any]
) -> tuple[RawTable, dict[str, Any]]:
    """Return the interactions of the three matrices and what the manifest says of them."""
    dataset = sources.datasets[name]
    matrices = {split: read_matrix(partial / file.name) for split, file in dataset.files.by_split().items()}
    _check_shape(name, dataset, matrices)
    table = RawTable(
        np.concatenate([matrix.users for matrix in matrices.values()]),
        np.concatenate([matrix.items for matrix in matrices.values()]),
        np.concatenate(
            [np.full(len(matrix.users), split, dtype=object) for split, matrix in matrices.items()]
        ),
    )
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
    return table, manifest


def _place(
    raw: Path, table: RawTable, manifest: dict[str, Any], upstream: UpstreamText | None, *, replace: bool
) -> None:
    with atomic_folder(raw, replace=replace) as folder:
        if upstream is None:
            write_raw(folder, table, manifest=manifest)
            return
        manifest = {**manifest, "text_source": upstream.source}
        write_raw(folder, table, manifest=manifest, texts=upstream.records, vectors=upstream.vectors)


@contextmanager
def _progress(title: str, total: int | None) -> Iterator[Advance]:
    """Show a bar on stderr, where that is a terminal and the user did not ask for quiet."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    hidden = not console.is_terminal or os.environ.get(VERBOSITY) == "quiet"
    with Progress(*columns, console=console, disable=hidden) as progress:
        task = progress.add_task(escape(one_line(title)), total=total)
        yield lambda done: progress.update(task, completed=done)


def grid_entry(params: Params, name: str, fetched: Fetched) -> dict[str, Any]:
    """Return what a fetched data set is in params.yaml.

    Where only text was added, the entry that is there keeps its seeds and training settings.
    """
    entry: dict[str, Any] = {"origin": "fetched", "split": {"how": "given"}, "seeds": list(SEEDS)}
    known = params.datasets.get(name)
    if fetched.added and known is not None:
        entry |= known.model_dump(mode="json", include={"split", "seeds", "training"}, exclude_unset=True)
    return entry | ({"text": dict(TEXT)} if fetched.text else {})


def takes_published(params: Params, name: str, fetched: Fetched) -> bool:
    """Return whether the cells shall get the published settings: not where others were chosen."""
    settings = {cell.settings for cell in params.cells.values() if cell.dataset == name}
    if not fetched.added or not settings:
        return True
    return "published" in settings and settings <= {"published", "default"}
