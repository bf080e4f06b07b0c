"""Process groups: Ctrl-C reaches every process of a pipeline, and none outlives its command."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from repro.errors import ReproError
from repro.lock_records import is_same_process
from repro.pipeline_holders import is_dvc

_GRACE_SECONDS = 20.0
_GENERATIONS = 4
"""DVC starts a stage through a shell, and that through a second one."""


def end_with_dvc() -> None:
    """Let this process, a stage, end as soon as the DVC above it does; does nothing where there is none.

    DVC that was killed leaves its stage behind, which would write beside the one of the next run.
    """
    found = _dvc_above()
    if found is not None:
        threading.Thread(target=_end_after, args=(found,), daemon=True).start()


def _dvc_above() -> int | None:
    """Return the number of the process of DVC that started this one, None where none did."""
    import psutil

    try:
        for process in psutil.Process().parents()[:_GENERATIONS]:
            if is_dvc(process.cmdline()):
                return int(process.pid)
    except psutil.Error:
        pass
    return None


def _end_after(pid: int) -> None:
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):  # without it, or where it has ended already, the loop tells
            descriptor = os.pidfd_open(pid)
            select.select([descriptor], [], [])
            os.close(descriptor)
    while is_same_process(pid, None):
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def wait_and_pass_signals(process: subprocess.Popen[bytes]) -> int:
    """Wait for the group's leader and return its exit code; no process of the group outlives the call.

    On Ctrl-C or termination the whole group is interrupted. A leader that was killed from outside
    leaves a running stage behind: that is interrupted too.

    Raises:
        ReproError: If the leader was killed.
        KeyboardInterrupt: After Ctrl-C or termination.
    """
    try:
        # Termination counts as Ctrl-C, so that no stage is left behind without its parent.
        with handling((signal.SIGTERM, signal.SIGHUP), _interrupt):
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


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def handling(numbers: Sequence[signal.Signals], handler: Callable[[int, object], None]) -> Iterator[None]:
    """Give signals to ``handler`` for a while; only the main thread can, in another nothing is changed.

    A hang-up that is ignored stays ignored: that is what ``nohup`` asks for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {
        number: signal.signal(number, handler)
        for number in numbers
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
