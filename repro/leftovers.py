"""What killed commands leave behind: files and folders that nobody reads, and data moved aside for a moment."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from pathlib import Path

from repro.layout import Layout

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.(?P<kind>tmp|old)")
_OLD_SECONDS = 3600.0


def clear_leftovers(layout: Layout) -> None:
    """Remove what killed commands left; call while no other command writes in the checkout.

    A data set that was being replaced goes back to its place. Reports, figures and archives are also
    written by commands that take no lock, so their temporary files are removed an hour later.
    """
    clear_running(layout)
    with contextlib.suppress(OSError):
        _put_back(layout.root / "data" / "raw")
        for path in _temporary(layout.root / "data" / "raw"):
            _remove(path)
        for path in _temporary(layout.root):
            if _name(path) in (layout.params.name, "dvc.lock") or _is_old(path):
                _remove(path)
        for folder in (layout.results, *layout.results.rglob("*")):
            for path in _temporary(folder):
                if _is_old(path):
                    _remove(path)


def clear_running(layout: Layout) -> None:
    """Remove boards and work folders of `repro run`; the caller holds the checkout's lock, so they are nobody's."""
    running = layout.state / "running"
    for left in (*running.glob("board-*"), *running.glob("cells/*")):
        shutil.rmtree(left, ignore_errors=True)


def _put_back(folder: Path) -> None:
    """Give back the data sets that were moved aside by a command that was killed before it ended."""
    for path in _temporary(folder):
        place = path.with_name(_name(path))
        if path.suffix == ".old" and not place.exists():
            path.rename(place)


def _temporary(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if _TEMPORARY.fullmatch(path.name)]


def _name(path: Path) -> str:
    found = _TEMPORARY.fullmatch(path.name)
    assert found is not None
    return found["name"]


def _is_old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > _OLD_SECONDS
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
