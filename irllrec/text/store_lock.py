"""One process at a time on a store: a lock file beside it that says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from irllrec.errors import TextError


class StoreLock:
    """An exclusive lock that the system gives back when its process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock of the store ``path``, in the file ``path.lock``, which stays.

        Raises:
            TextError: If another process holds it, naming the process and since when, or if the
                file cannot be written.
        """
        self.path = path.with_name(f"{path.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise TextError(
                f"{self.path} cannot be written ({error.strerror}): choose a folder you may write to."
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(os.pread(self._descriptor, 4096, 0))
            os.close(self._descriptor)
            raise TextError(
                f"{path} is in use by {holder}: wait for it to end or stop it, then run this again."
            ) from None
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write(json.dumps({"pid": os.getpid(), "machine": platform.node(), "since": now}))

    def release(self) -> None:
        """Give the lock back."""
        self._write("")
        os.close(self._descriptor)

    def _write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode("utf-8"), 0)


def _holder(content: bytes) -> str:
    try:
        found = json.loads(content)
        return f"process {found['pid']} on {found['machine']} since {found['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
