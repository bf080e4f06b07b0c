"""Data sets that a command placed but, killed, did not bring into the grid: the same command goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from irllrec.data.storage import read_json, write_json
from irllrec.errors import DataError
from repro.layout import Layout


@dataclass(frozen=True)
class Earlier:
    """What an earlier command that was killed has done.

    Attributes:
        placed: Whether it put the data in their place, so that these need not be told from older ones.
        replaced: Whether there were older data before it.
    """

    placed: bool
    replaced: bool


NOTHING = Earlier(placed=False, replaced=False)


@contextmanager
def placing(layout: Layout, name: str) -> Iterator[Earlier]:
    """Note that data are about to be placed in ``data/raw/NAME``; the note goes when all is done.

    Call under the checkout's lock. The note stays where the process is killed, or fails after it placed
    the data; then the next call tells so. A failure that left the data as they were leaves no note.
    """
    raw, note = layout.raw(name), layout.state / "unfinished" / f"{name}.json"
    earlier = _earlier(raw, note)
    before = _identity(raw)
    if not earlier.placed:
        write_json(note, {"before": before})
    try:
        yield earlier
    except BaseException:
        if not earlier.placed and _identity(raw) == before:
            note.unlink(missing_ok=True)
        raise
    note.unlink(missing_ok=True)


def _earlier(raw: Path, note: Path) -> Earlier:
    if not note.is_file():
        return NOTHING
    try:
        before = read_json(note)["before"]
    except (DataError, KeyError, TypeError):
        return NOTHING
    now = _identity(raw)
    return Earlier(placed=now is not None and now != before, replaced=before is not None)


def _identity(raw: Path) -> list[int] | None:
    """Return what tells one folder from another that took its place, None where there is none."""
    try:
        found = raw.stat()
    except FileNotFoundError:
        return None
    return [found.st_ino, found.st_mtime_ns]
