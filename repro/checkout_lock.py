"""One writer at a time in a checkout: a lock of the system, and in its file who holds it.

The system gives the lock back when its holder ends, however it ends, so no stale lock is ever in the
way. Commands that only read take none.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

from repro.errors import ReproError
from repro.layout import Layout
from repro.leftovers import clear_leftovers
from repro.lock_records import Record
from repro.pipeline_holders import refuse_living_pipeline

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")

HELD_BY = "REPRO_LOCK_HELD"
"""Environment: the root of the checkout whose lock the process above holds for all below it."""

WAIT = "REPRO_WAIT"
"""Environment: set by ``--wait``; wait for the holder instead of refusing."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EIO, errno.EINVAL}
"""What file systems that keep no locks answer, such as Lustre mounted without ``flock``."""

_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}
_PAUSE_SECONDS = 0.2
_PATIENCE_SECONDS = 15.0
"""How long processes of a holder that is dead already may take to end, or one may hold the lock without a
record: it is about to write it, has just emptied it, or only looks who holds the lock."""

_held: dict[Path, list[int]] = {}
"""Root of a checkout → the descriptors of this process's lock on it, one a nesting."""


def lock_path(layout: Layout) -> Path:
    """Return the file that is locked; it holds the record of the last writer and stays."""
    return layout.state / "checkout.lock"


@contextlib.contextmanager
def writing(layout: Layout) -> Iterator[None]:
    """Be the only process that writes in the checkout; may be nested within a process.

    Processes that are started with :func:`inherited` need no lock of their own. With ``--wait`` the
    call waits until the holder is done, and says so once on stderr.

    Raises:
        ReproError: If another process writes here, naming it, since when, and what to do; if DVC was
            started by hand and is at work; or if the checkout is read-only. Nothing was changed.
    """
    if _is_inherited(layout):
        yield
        return
    nested = _held.setdefault(layout.root, [])
    if nested:
        nested.append(nested[-1])
    else:
        nested.append(_take(layout, fcntl.LOCK_EX))
    try:
        if len(nested) == 1:
            refuse_living_pipeline(layout)
            clear_leftovers(layout)
        yield
    finally:
        descriptor = nested.pop()
        if not nested:
            _write(descriptor, "")
            os.close(descriptor)


def writes(command: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
    """Make a command hold the lock of its checkout from beginning to end, unless it has ``--no-run``."""

    @functools.wraps(command)
    def alone(*given: _Given.args, **named: _Given.kwargs) -> _Answer:
        if named.get("no_run"):
            return command(*given, **named)
        with writing(Layout.find()):
            return command(*given, **named)

    return alone


@contextlib.contextmanager
def stage_at_work(layout: Layout) -> Iterator[None]:
    """Let a stage that plain ``dvc repro`` started write, beside other such stages but no ``repro``.

    DVC keeps its own processes off each other's outputs. A stage of a pipeline that ``repro`` started
    is covered by the lock of that.

    Raises:
        ReproError: As :func:`writing`.
    """
    if _is_inherited(layout):
        yield
        return
    descriptor = _take(layout, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(descriptor)  # the record stays: another stage may still be at work


def inherited(layout: Layout) -> dict[str, str]:
    """Return the environment of processes that write under this process's lock."""
    return {HELD_BY: str(layout.root)}


def descriptors(layout: Layout) -> tuple[int, ...]:
    """Return the lock's descriptor, for a child that must keep the lock while it lives."""
    return tuple(_held.get(layout.root, ())[-1:])


def holder(layout: Layout) -> Record | None:
    """Return who writes in the checkout now, None where nobody does or it cannot be known."""
    try:
        descriptor = os.open(lock_path(layout), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Record.parse(_read(descriptor)) or Record.unknown()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def busy_sentence(layout: Layout) -> str:
    """Return who keeps DVC from this checkout, and what to do."""
    try:
        refuse_others(layout)
    except ReproError as error:
        return str(error)
    return _refusal(holder(layout) or Record.unknown(), layout)


def refuse_others(layout: Layout) -> None:
    """Raise if another process is at work here; clear away what killed processes of DVC left.

    A ``repro`` that started DVC is named before its DVC is: it is what people know of and can stop.

    Raises:
        ReproError: Naming the process, since when, and what to do.
    """
    ours = bool(_held.get(layout.root)) or _is_inherited(layout)
    record = None if ours else holder(layout)
    if record is not None and record.pid > 0:
        raise ReproError(_refusal(record, layout))
    refuse_living_pipeline(layout)


def _refusal(record: Record, layout: Layout) -> str:
    return (
        f"{record.sentence(layout.root)}: wait for it to end (--wait does), or stop it"
        f"{record.how_to_stop()}; nothing was changed."
    )


def _is_inherited(layout: Layout, environment: Mapping[str, str] = os.environ) -> bool:
    return environment.get(HELD_BY) == str(layout.root)


def _take(layout: Layout, kind: int) -> int:
    """Return the descriptor of the lock file, locked and with this process's record in it."""
    path = lock_path(layout)
    descriptor = _open(path)
    try:
        _acquire(descriptor, kind, path, layout)
        _write(descriptor, Record.of_this_process().text())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ReproError(
                f"{path} cannot be made, the disk is full: free some space and run the same command again; "
                "nothing was changed."
            ) from None
        if error.errno not in _READ_ONLY:
            raise
        raise ReproError(
            f"{path} cannot be written ({os.strerror(error.errno)}), and this command writes in the checkout: "
            "mend the permissions, work in a copy, or add --no-run where the command has it."
        ) from None


def _acquire(descriptor: int, kind: int, path: Path, layout: Layout) -> None:
    """Lock the open file, at once, or as soon as the holder is done where that was asked for."""
    waits = bool(os.environ.get(WAIT))
    told = False
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            record = Record.parse(_read(descriptor)) or Record.unknown()
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _go_by_record(descriptor, path, error)
            return
        passing = record.is_dead() or record.pid <= 0
        if not waits and not (passing and time.monotonic() < deadline):
            raise ReproError(_refusal(record, layout))
        if waits and not told:
            print(f"{record.sentence(layout.root)}: waiting for it to end.", file=sys.stderr, flush=True)
            told = True
        time.sleep(_PAUSE_SECONDS)


def _go_by_record(descriptor: int, path: Path, error: OSError) -> None:
    """Do without a lock where the file system keeps none: the record of a living holder refuses."""
    record = Record.parse(_read(descriptor))
    if record is not None and not record.is_dead() and record.pid != os.getpid():
        raise ReproError(
            f"{record.sentence(path.parent.parent)}: wait for it to end, or stop it{record.how_to_stop()}; if it "
            f"is gone, remove {path}, since this file system keeps no locks."
        )
    print(
        f"{path}: this file system keeps no locks ({os.strerror(error.errno or 0)}): see to it that only one "
        "command at a time writes in this checkout.",
        file=sys.stderr,
        flush=True,
    )


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 1 << 16, 0).decode("utf-8", "replace")


def _write(descriptor: int, text: str) -> None:
    """Replace the record; a full disk costs the record, not the lock."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode("utf-8"), 0)
