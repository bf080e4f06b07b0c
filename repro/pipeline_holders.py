"""DVC's own record of who works on which path: living processes refuse us, dead ones are cleared away."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from repro.errors import ReproError
from repro.layout import Layout
from repro.lock_records import LONGEST_COMMAND, Record


def refuse_living_pipeline(layout: Layout) -> None:
    """Raise if DVC that was started by hand is at work here; clear away what killed processes left.

    DVC writes its record in place: a process that is killed meanwhile leaves half of it, on which
    every later command of DVC would stop. And it takes any process of a recorded number for the one
    that wrote it.

    Raises:
        ReproError: Naming the process, its path, since when, and what to do.
    """
    folder = layout.root / ".dvc" / "tmp"
    path = folder / "rwlock"
    if not path.is_file():
        return
    with contextlib.suppress(OSError), _guarded(folder / "rwlock.lock") as guarded:
        if not guarded:
            return  # a living DVC is writing it: DVC itself waits and tells
        living = None
        for place, pid in _entries(path):
            living = living or _living(layout, place, pid)
        if living is None:
            path.unlink(missing_ok=True)
            return
    if living is not None:
        raise ReproError(living)


def damaged_record(layout: Layout) -> Path | None:
    """Return the path of DVC's record if a killed DVC left a part of it, on which plain ``dvc`` stops."""
    folder = layout.root / ".dvc" / "tmp"
    path = folder / "rwlock"
    if not path.is_file():
        return None
    with contextlib.suppress(OSError), _guarded(folder / "rwlock.lock") as guarded:
        try:
            if guarded:
                json.loads(path.read_bytes())
        except ValueError:
            return path
    return None


def _entries(path: Path) -> list[tuple[str, int]]:
    """Return (path, process number) of the record; none where it is no record."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        entries = [*found.get("write", {}).items()]
        entries += [(place, one) for place, holders in found.get("read", {}).items() for one in holders]
        return [(str(place), int(one["pid"])) for place, one in entries]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def _living(layout: Layout, place: str, pid: int) -> str | None:
    """Return the sentence about a process of DVC that works on ``place``, None where it is no more."""
    import psutil

    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        if process.status() == psutil.STATUS_ZOMBIE or not _is_dvc_here(layout, process, words):
            return None
        began = datetime.fromtimestamp(process.create_time(), UTC).isoformat(timespec="seconds")
        user = process.username()
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        words, began, user = ["dvc"], "", ""
    record = Record(_command(words), pid, os.uname().nodename, user, began)
    return (
        f"{record.sentence(layout.root)}, now on {place}: wait for it to end, or stop it"
        f"{record.how_to_stop()}; nothing was changed."
    )


def is_dvc(words: Sequence[str]) -> bool:
    """Return whether a command line is one of DVC, under its interpreter or alone."""
    return any("dvc" in Path(word).name for word in words[:4])


def _is_dvc_here(layout: Layout, process: Any, words: list[str]) -> bool:
    import psutil

    if not is_dvc(words):
        return False
    try:
        return Path(process.cwd()).is_relative_to(layout.root)
    except psutil.AccessDenied:
        return True


def _command(words: list[str]) -> str:
    """Return a command line as its user typed it: without the interpreter and folders."""
    for number, word in enumerate(words):
        if Path(word).name in ("dvc", "dvc.py"):
            return " ".join(["dvc", *words[number + 1 :]])[:LONGEST_COMMAND]
    return " ".join(words)[:LONGEST_COMMAND]


@contextlib.contextmanager
def _guarded(path: Path) -> Iterator[bool]:
    """Hold the lock under which DVC edits its record; yields False where another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
