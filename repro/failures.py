"""What each kind of failure means to the user: one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import re
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from irllrec.errors import IrllrecError
from repro.errors import ReproError
from repro.printing import one_line
from repro.redaction import without_secrets

DONE, USER_ERROR, OUR_BUG, INTERRUPTED = 0, 1, 2, 130


_FULL = re.compile(
    "|".join(
        [
            re.escape(os.strerror(errno.ENOSPC)),
            re.escape(os.strerror(errno.EDQUOT)),
            "database or disk is full",  # SQLite
            r"\d+ requested and \d+ written",  # NumPy
        ]
    )
)


class StageBugError(Exception):
    """A stage ended with a bug of ours, whose log it has already written; the text says so."""


@dataclass(frozen=True)
class Failure:
    """How a command ended: the exit code and the sentence for stderr, which is always one printable line."""

    code: int
    sentence: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", one_line(self.sentence))


def explain(error: BaseException, state: Path) -> Failure:
    """Return what to tell the user about ``error``.

    Args:
        error: What a command or a stage raised.
        state: Folder for the log of an unexpected error (``Layout.state``).
    """
    if isinstance(error, KeyboardInterrupt):
        return Failure(INTERRUPTED, "Stopped; the same command goes on from the last finished step.")
    if isinstance(error, ReproError | IrllrecError):
        return Failure(USER_ERROR, without_secrets(str(error)))
    if isinstance(error, StageBugError):
        return Failure(OUR_BUG, str(error))
    known = _machine_ran_out(error)
    if known:
        return Failure(USER_ERROR, known)
    log = write_log(error, state)
    where = f"the details are in {log}" if log else "run it again with -v to see the details"
    return Failure(
        OUR_BUG,
        f"This is a bug in irllrec-repro ({type(error).__name__}: {_first_line(error)}): {where}; "
        "please report it with that file.",
    )


def _machine_ran_out(error: BaseException) -> str | None:
    if _is_full_disk(error):
        name = getattr(error, "filename", None) or "a file"
        return f"The disk is full while writing {name}: free some space and run again."
    if isinstance(error, PermissionError):
        return f"{error.filename} may not be read or written by this user: mend its permissions."
    if isinstance(error, MemoryError):
        return (
            "The memory is used up: close other programs, or lower engine.workers or "
            "training.batch_size in params.yaml."
        )
    if type(error).__name__ == "OutOfMemoryError":
        return (
            "The accelerator's memory is used up: set engine.device to cpu, or lower "
            "training.batch_size in params.yaml."
        )
    return None


def _is_full_disk(error: BaseException) -> bool:
    """Return whether there was no room; libraries that are not Python say so in words of their own classes."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return says_full_disk(str(error))


def says_full_disk(text: str) -> bool:
    """Return whether the words of some library or program say that there is no room on a disk."""
    return bool(_FULL.search(text))


def write_log(error: BaseException, state: Path) -> Path | None:
    """Write the traceback of ``error`` below ``state`` and return the file, None if that fails."""
    path = state / "logs" / f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(without_secrets("".join(traceback.format_exception(error))), encoding="utf-8")
    except OSError:
        return None
    return path


def _first_line(error: BaseException) -> str:
    lines = without_secrets(str(error)).strip().splitlines()
    return lines[0][:200] if lines else "no message"
