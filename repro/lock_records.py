"""Who holds the lock of a checkout: as a record in a file, and as a sentence."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import platform
import shlex
import signal
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from repro.durations import spoken
from repro.redaction import without_secrets

LONGEST_COMMAND = 200


@dataclass(frozen=True)
class Record:
    """A process that writes in a checkout.

    Attributes:
        command: Its command line.
        pid: Its number, 0 where it is not known.
        host: The machine it runs on.
        user: Who started it.
        since: When it began to write, ISO 8601 with a time zone; empty where it is not known.
    """

    command: str
    pid: int
    host: str
    user: str
    since: str

    @classmethod
    def of_this_process(cls) -> Self:
        """Return the record of the calling process, from now on."""
        name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
        command = without_secrets(shlex.join([name, *sys.argv[1:]]))[:LONGEST_COMMAND]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(command, os.getpid(), platform.node(), _user(), now)

    @classmethod
    def unknown(cls) -> Self:
        """Return the record of a process of which nothing is known."""
        return cls("another process", 0, platform.node(), "", "")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the record that :meth:`text` wrote, None for anything else, half a record included."""
        try:
            found = json.loads(text)
            record = cls(**found)
        except (ValueError, TypeError):
            return None
        texts = (record.command, record.host, record.user, record.since)
        if not all(isinstance(value, str) for value in texts) or type(record.pid) is not int:
            return None
        return record

    def text(self) -> str:
        """Return the record as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"

    def is_dead(self) -> bool:
        """Return whether the process is known to have ended: of this machine, and not there any more."""
        if self.pid <= 0 or self.host != platform.node():
            return False
        return not is_same_process(self.pid, self._began())

    def sentence(self, root: Path) -> str:
        """Return who writes in ``root``, since when and how long, as a clause without an end."""
        if self.pid <= 0:
            return f"Another process is at work in {root}"
        whose = f" of {self.user}" if self.user and self.user != _user() else ""
        where = f" on {self.host}" if self.host and self.host != platform.node() else ""
        return f"`{self.command}` (process {self.pid}{whose}{where}) is at work in {root}{self._time()}"

    def how_to_stop(self) -> str:
        """Return the command that stops the process, with a leading space; empty where none would."""
        if self.pid <= 0 or self.host != platform.node() or self.is_dead():
            return ""
        return f" with `kill {'' if _ignores_interrupts(self.pid) else '-INT '}{self.pid}`"

    def _began(self) -> datetime | None:
        try:
            began = datetime.fromisoformat(self.since)
        except ValueError:
            return None
        return began if began.tzinfo is not None else None

    def _time(self) -> str:
        began = self._began()
        if began is None:
            return ""
        local, now = began.astimezone(), datetime.now().astimezone()
        clock = local.strftime("%H:%M" if local.date() == now.date() else "%Y-%m-%d %H:%M")
        lasted = (now - local).total_seconds()
        # A clock that was set back since makes the length of time meaningless.
        return f" since {clock}" + (f" (for {spoken(lasted)})" if lasted >= 0 else "")


def is_same_process(pid: int, began: datetime | None) -> bool:
    """Return whether a process of this number lives that is no younger than what it did at ``began``.

    Numbers are given again, soonest in containers: a younger process is another one. An hour's grace
    lets the clock be set back.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started = datetime.fromtimestamp(process.create_time(), UTC)
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OverflowError, ValueError, OSError):
        return True
    return began is None or started <= began + timedelta(hours=1)


def _ignores_interrupts(pid: int) -> bool:
    """Return whether Ctrl-C does nothing to a process, as where a script started it with ``&``.

    Only Linux tells; elsewhere the answer is no.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        (ignored,) = (int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:"))
        return bool(ignored >> (signal.SIGINT - 1) & 1)
    return False


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
