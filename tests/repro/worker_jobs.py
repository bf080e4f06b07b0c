"""What workers do in the tests, and ``python -m tests.repro.worker_jobs MODE FOLDER``: a command that has workers.

MODE names the process that is killed as soon as the first worker speaks; ``nothing`` kills none.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil

from repro.worker_processes import Send, run_apart

MODES = {"tracker": "resource_tracker import main", "server": "forkserver import main", "nothing": ""}


class DemandingError(Exception):
    """One that can be written and not be read again, as its second argument is not kept."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


def count(job: int, send: Send) -> int:
    """Say the numbers below a thousand, and return the square of the job."""
    for number in range(1000):
        send(number)
    return job * job


def fail(job: BaseException, send: Send) -> None:
    """Raise the job."""
    raise job


def fail_demandingly(job: int, send: Send) -> None:
    """Raise what cannot be read again by the parent."""
    raise DemandingError("the disk", "it is full")


def return_a_function(job: int, send: Send) -> object:
    """Return what cannot be written."""
    return lambda: job


def die_or_stay(job: str, send: Send) -> None:
    """Say the process's number and stay, or be killed once the file that the job names is there."""
    send(os.getpid())
    while job == "stay" or not Path(job).exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for(job: tuple[int, str], send: Send) -> int:
    """Say the process's number, and return the job's once the file is there."""
    send(os.getpid())
    while not Path(job[1]).exists():
        time.sleep(0.01)
    return job[0]


def main(mode: str, folder: Path) -> int:
    """Let two of four workers start, write their numbers to ``folder/started``, and wait for ``folder/go``."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in a shell's background ignores it
    started: list[int] = []

    def said(number: int, pid: int) -> None:
        started.append(pid)
        if len(started) == 2:
            _kill(MODES[mode])
            (folder / "started").write_text(" ".join(map(str, started)))

    names = [f"job {number}" for number in range(4)]
    jobs = [(number, str(folder / "go")) for number in range(4)]
    try:
        results = run_apart(
            wait_for, jobs, names, workers=2, preloaded=(), said=said, finished=lambda number, result: None
        )
    except KeyboardInterrupt:
        return 130
    print(results)
    return 0


def _kill(words: str) -> None:
    """Kill the processes below this one that have ``words`` in their command line, where there are words."""
    for one in psutil.Process().children() if words else ():
        if words in " ".join(one.cmdline()) and one.pid != os.getpid():
            one.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
