"""What a run has to do: which cells are out of date, what they need first, and how many fit beside each other."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.errors import ReproError
from repro.memory import cores
from repro.predicted_memory import RESTING_BYTES
from repro.text_views import text_entry
from repro.workload import is_stale, read_by

if TYPE_CHECKING:
    from repro.params import Params

CELL_STAGES = ("train", "evaluate")
TABLE_STAGES = ("compare", "tabulate")
CODE_STAGES = ("code-train", "code-evaluate")

MEMORY_SHARE = 0.6
"""Of the free memory, what the workers that nobody asked for by number may be expected to fill."""


@dataclass(frozen=True)
class Selection:
    """Which cells were asked for.

    Attributes:
        keys: Their keys, in the order of the grid.
        everything: Whether it is the whole grid.
    """

    keys: tuple[str, ...]
    everything: bool


def select(
    params: Params,
    names: Sequence[str] = (),
    datasets: Sequence[str] = (),
    backbones: Sequence[str] = (),
    objectives: Sequence[str] = (),
) -> Selection:
    """Return the cells that are named, or that meet every condition; without any all of the grid.

    Args:
        params: The grid.
        names: Keys, or ``dataset/backbone/variant``.
        datasets: Of which the cell's data set must be one.
        backbones: Likewise.
        objectives: Likewise; variations of an objective count.

    Raises:
        ReproError: If a name is unknown, or nothing is left.
    """
    known = {f"{cell.dataset}/{cell.backbone}/{cell.variant}": key for key, cell in params.cells.items()}
    for name in names:
        if name not in params.cells and name not in known:
            raise ReproError(
                f"the grid has no cell {name!r}: `repro grid show` lists them, `repro grid add` adds one."
            )
    for kind, given, there in (
        ("data set", datasets, {cell.dataset for cell in params.cells.values()}),
        ("backbone", backbones, {cell.backbone for cell in params.cells.values()}),
        ("objective", objectives, {cell.objective for cell in params.cells.values()}),
    ):
        for name in given:
            if name not in there:
                raise ReproError(
                    f"the grid has no cell of the {kind} {name!r}: choose {', '.join(sorted(there)) or '(none)'}."
                )
    named = {known.get(name, name) for name in names}
    keys = tuple(
        key
        for key, cell in params.cells.items()
        if (not named or key in named)
        and (not datasets or cell.dataset in datasets)
        and (not backbones or cell.backbone in backbones)
        and (not objectives or cell.objective in objectives)
    )
    if not keys:
        raise ReproError(
            "no cell of the grid is all that at once: leave out a name, or see `repro grid show`."
        )
    return Selection(keys, not (names or datasets or backbones or objectives))


def shared_stages(params: Params, selection: Selection, stale: Sequence[str]) -> list[str]:
    """Return the stages to make before any cell: what the selected cells read, where any of it is out of date.

    For the whole grid also all else that is no cell and no table.
    """
    cells = {key: params.cells[key] for key in selection.keys}
    others = [stage for stage in stale if _kind(stage) not in (*CELL_STAGES, *TABLE_STAGES)]
    if selection.everything:
        wanted = others
    else:
        names = {cell.dataset for cell in cells.values()} | {text_entry(cell) for cell in cells.values()}
        wanted = [stage for stage in others if stage.startswith("code-") or _key(stage) in names]
    if not wanted:
        return []
    read = dict.fromkeys(stage for cell in cells.values() for stage in read_by(cell))
    extra = [stage for stage in wanted if selection.everything and stage not in read]
    return [*read, *CODE_STAGES, *(stage for stage in extra if stage not in CODE_STAGES)]


def stale_steps(selection: Selection, stale: Sequence[str]) -> dict[str, list[str]]:
    """Return the stages that each cell has to run; a cell that is up to date is left out."""
    found: dict[str, list[str]] = {}
    for key in selection.keys:
        names = [f"{kind}@{key}" for kind in CELL_STAGES]
        first = next((number for number, name in enumerate(names) if is_stale(name, stale)), None)
        if first is not None:
            found[key] = names[first:]
    return found


def ready_tables(params: Params, stale: Sequence[str]) -> list[str]:
    """Return the stages of tables that are out of date, of data sets that are prepared and every cell up to date.

    A data set without cells need never have been prepared; then there is not even a folder that its tables watch.
    """
    behind = {_key(stage) for stage in stale if _kind(stage) == "prepare"}
    behind |= {
        params.cells[key].dataset
        for stage in stale
        if _kind(stage) in CELL_STAGES and (key := _key(stage)) in params.cells
    }
    return [stage for stage in stale if _kind(stage) in TABLE_STAGES and _key(stage) not in behind]


def job_count(asked: int | None, threads: int | None, cells: int, free: int) -> int:
    """Return how many workers to start on this machine: one a core, no more than cells, or than memory holds.

    Args:
        asked: What the user wants; it is taken as it is.
        threads: What each is to have, None for one.
        cells: How many cells there are to run.
        free: Memory that may be taken, in bytes.
    """
    if asked is not None:
        return asked
    each = (2 + (threads or 1)) * RESTING_BYTES
    fitting = int(MEMORY_SHARE * free / each)
    return max(1, min(cores() // (threads or 1), cells, fitting))


def thread_share(asked: int | None, jobs: int, available: int | None = None) -> int:
    """Return the threads of each of ``jobs`` workers: an equal share of the cores, at least one."""
    return asked if asked is not None else max(1, (available or cores()) // jobs)


def visible_gpus(device: str) -> tuple[str, ...]:
    """Return the names of this machine's GPUs, none where ``engine.device`` is ``cpu``."""
    if device == "cpu":
        return ()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(part.strip() for part in named.split(",") if part.strip())
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(
        str(number) for number, line in enumerate(done.stdout.splitlines()) if line.startswith("GPU ")
    )


def _kind(stage: str) -> str:
    return stage.partition("@")[0]


def _key(stage: str) -> str:
    return stage.partition("@")[2]
