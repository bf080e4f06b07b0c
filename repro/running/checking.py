"""What came back from a worker: whole, as it was sent, readable, made by the same versions and code."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from irllrec.errors import IrllrecError
from repro.errors import ReproError
from repro.layout import Layout
from repro.results import read_result
from repro.running.workplace import outputs

if TYPE_CHECKING:
    from repro.params import Cell, Params


@dataclass(frozen=True)
class Origin:
    """What a training is made with.

    Attributes:
        commit: The commit of the checkout when the command began, None without git.
        versions: The versions of Python and of the libraries here.
    """

    commit: str | None
    versions: Mapping[str, str | None]


def check_arrived(folder: Path, outs: Sequence[str], files: Mapping[str, str], key: str, host: str) -> None:
    """Check that ``folder`` holds the outputs of a cell, with the bytes that the worker had.

    Args:
        folder: The work folder, or where the files were put that came over the network.
        outs: Paths of the outputs, relative to it.
        files: The sha256 of each file, as the worker computed it.
        key: The cell.
        host: The worker's machine.

    Raises:
        ReproError: If an output is missing, or a file differs, is missing, or is none of the outputs'.
    """
    for name in files:
        path = PurePosixPath(name)
        inside = any(path == PurePosixPath(out) or PurePosixPath(out) in path.parents for out in outs)
        if path.is_absolute() or ".." in path.parts or not inside:
            raise ReproError(f"{key}: {host} sent {name!r}, which is none of its outputs: it was not taken.")
    for out in outs:
        if not any(name == out or name.startswith(f"{out}/") for name in files):
            raise ReproError(f"{key}: {host} sent no {out}: run the same command again.")
    found = outputs(folder, outs)
    for name in sorted(files.keys() | found.keys()):
        if files.get(name) != found.get(name):
            what = "did not arrive" if name not in found else "is not what it was there"
            raise ReproError(
                f"{key}: {name} from {host} {what}: look after the disks and the network, and run the same "
                "command again."
            )


def check_readable(layout: Layout, folder: Path, params: Params, key: str, origin: Origin | None) -> None:
    """Check that results can be read and are those that this checkout would have made.

    Args:
        layout: The checkout.
        folder: The root of the work folder, or where its files arrived.
        params: The grid.
        key: The cell.
        origin: What the training must have been made with; None where the cell was only evaluated.

    Raises:
        ReproError: If they cannot be read, have other seeds, or were made by other versions or code.
    """
    cell = params.cells[key]
    try:
        result = read_result(_with_run(layout, folder, cell), key, cell)
    except (ReproError, IrllrecError) as error:
        raise ReproError(f"{key}: what came back cannot be read: {error}") from None
    wanted = sorted(params.datasets[cell.dataset].seeds)
    if list(result.seeds) != wanted:
        raise ReproError(f"{key}: what came back has the seeds {list(result.seeds)}, not {wanted}.")
    if origin is not None:
        _check_origin(key, result.run, origin)


def _with_run(layout: Layout, folder: Path, cell: Cell) -> Layout:
    """Return the layout that finds the cell's results: those that came back, run.json perhaps the old one."""
    there = Layout(folder)
    run = there.run(cell.dataset, cell.backbone, cell.variant) / "run.json"
    if not run.exists():
        run.symlink_to(layout.run(cell.dataset, cell.backbone, cell.variant) / "run.json")
    return there


def _check_origin(key: str, run: Mapping[str, Any], origin: Origin) -> None:
    made_with = run.get("versions") or {}
    other = [name for name, version in origin.versions.items() if made_with.get(name) != version]
    if other:
        there = ", ".join(f"{name} {made_with.get(name)}" for name in other)
        here = ", ".join(f"{name} {origin.versions[name]}" for name in other)
        raise ReproError(
            f"{key}: it was trained with {there}, and here there is {here}: install the same versions on all "
            "machines (`pip install -c constraints.txt`)."
        )
    if run.get("commit") != origin.commit:
        raise ReproError(
            f"{key}: run.json names the commit {run.get('commit')}, and the run began at {origin.commit}: do not "
            "commit while cells are trained, and run the same command again."
        )


def install(layout: Layout, folder: Path, outs: Sequence[str]) -> None:
    """Put the outputs of a cell into the checkout, by renaming where that is the same disk.

    What lies in their places must have been removed.
    """
    for out in outs:
        target = layout.root / out
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / out, target)
