"""Process groups: Ctrl-C reaches every process of a pipeline, and no second pipeline starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from repro.errors import ReproError
from repro.layout import Layout

_GRACE_SECONDS = 20.0


def refuse_second_pipeline(layout: Layout) -> None:
    """Raise if a living process holds DVC's locks: two pipelines would write the same files."""
    try:
        held = json.loads((layout.root / ".dvc" / "tmp" / "rwlock").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    writers = list(held.get("write", {}).items())
    readers = [(path, holder) for path, holders in held.get("read", {}).items() for holder in holders]
    for path, holder in (*writers, *readers):
        if _is_alive(int(holder["pid"])):
            raise ReproError(
                f"Another `{holder['cmd']}` (process {holder['pid']}) is at work on {path}: "
                "wait for it to end, or stop it."
            )


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_and_pass_signals(process: subprocess.Popen[bytes]) -> int:
    """Wait for the group's leader; on Ctrl-C or termination interrupt the group and wait for its end."""
    try:
        with _terminations_interrupt():
            return process.wait()
    except KeyboardInterrupt:
        _end_group(process)
        raise


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Interrupt the group; a group that does not end in time, or a second Ctrl-C, is killed."""
    try:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(_GRACE_SECONDS)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except ProcessLookupError:
        process.wait()


@contextmanager
def _terminations_interrupt() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that no stage is left behind without its parent."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
