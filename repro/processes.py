"""Process groups: Ctrl-C reaches every process of a pipeline, and no second pipeline starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
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
                f"Another DVC command (process {holder['pid']}) is at work on {path}: "
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
    """Wait for the group's leader and return its exit code; no process of the group outlives the call.

    On Ctrl-C or termination the whole group is interrupted. A leader that was killed from outside
    leaves a running stage behind: that is interrupted too.

    Raises:
        ReproError: If the leader was killed.
        KeyboardInterrupt: After Ctrl-C or termination.
    """
    try:
        with _terminations_interrupt():
            code = process.wait()
    except KeyboardInterrupt:
        _end_group(process)
        raise
    if code < 0:
        _end_group(process)
        raise ReproError(
            f"DVC was killed from outside (signal {-code}): run the same command again, it goes on where it "
            "stopped; if nobody killed it, the memory may have run out (`repro doctor`)."
        )
    return code


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Interrupt the group; one that does not end in time is terminated, then killed.

    A second Ctrl-C goes to the next, harder signal at once.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            if _has_ended(process):
                return
        except KeyboardInterrupt:
            continue
        except ProcessLookupError:
            break
    process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether every process of the group has ended within the time of grace."""
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline:
        process.poll()
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


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
