"""Start a command, kill it or a part of it at a moment, and wait until nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.faults.scratch import environment, words_of

KINDS = ("group", "leader", "below")
"""Kill the command and all below it; the command alone; one process below it, the command left to notice."""

_END_SECONDS = 90.0
"""More than a loaded machine needs to end what is ending; a process that lives longer is an orphan."""


@dataclass(frozen=True)
class Killed:
    """What became of a command that was to be killed.

    Attributes:
        in_time: Whether it was still running at the moment.
        seconds: How long it ran.
        hit: What was at work then: the deepest stage, ``DVC`` or the command itself.
        code: Its exit code.
        said: Its stderr.
        orphans: Command lines of processes that outlived it.
    """

    in_time: bool
    seconds: float
    hit: str
    code: int
    said: str
    orphans: tuple[str, ...]


def kill_at(root: Path, command: tuple[str, ...], moment: float, kind: str, choice: int) -> Killed:
    """Run a command in ``root`` and kill it ``moment`` seconds after its start.

    Args:
        root: The checkout.
        command: Begins with ``repro`` or ``dvc``.
        moment: Seconds.
        kind: One of KINDS.
        choice: Picks the process below that is killed, where the kind is ``below``.
    """
    started = time.monotonic()
    said = root.parent / f"{root.name}.stderr"
    with said.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            words_of(command),
            cwd=root,
            env=environment(root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    if process.returncode is not None:
        seconds = time.monotonic() - started
        return Killed(False, seconds, "", process.returncode, said.read_text(encoding="utf-8"), ())
    leader = psutil.Process(process.pid)
    below = leader.children(recursive=True)
    hit = _at_work(below)
    if kind == "below" and below:
        _kill(below[choice % len(below)])
    else:
        _kill(leader)
        for one in below if kind == "group" else ():
            _kill(one)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    orphans = _left(below)
    for one in [*orphans, leader]:
        _kill(one)
    code = process.wait()
    words = said.read_text(encoding="utf-8", errors="replace")
    said.unlink()
    names = tuple(name for one in orphans if (name := _words(one)))
    return Killed(True, time.monotonic() - started, hit, code, words, names)


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(signal.SIGKILL)


def _left(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that are still there after a while; one that waits to be reaped has ended."""
    deadline = time.monotonic() + _END_SECONDS
    left = processes
    while left and time.monotonic() < deadline:
        left = [one for one in left if _lives(one)]
        time.sleep(0.05)
    return left


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _at_work(below: list[psutil.Process]) -> str:
    words = [_words(one) for one in below]
    stages = [found for text in words if (found := re.search(r"repro\.stages\.(\w+)", text))]
    if stages:
        return f"stage {stages[-1][1]}"
    return "DVC" if any("dvc" in text for text in words) else "the command itself"


def _words(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[-160:]
    return ""


def of_one_sentence(said: str) -> bool:
    """Return whether a failure was told without a traceback, and a helper of Python's was replaced in silence."""
    return not any(words in said for words in ("Traceback", "is a bug in", "died unexpectedly, relaunching"))


assert os.name == "posix"
