"""Jobs in processes of their own, each with a pipe to this one, and nothing that all of them share.

A pool has semaphores and locks with names: one that is killed leaves them locked or counted by nobody.
Here a worker's death is the end of its pipe, and so is this process's death to a worker.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar

from repro.errors import ReproError

Job = TypeVar("Job")
Result = TypeVar("Result")
Send = Callable[[Any], None]
"""Sends something picklable from a worker to the process that started it."""


def run_apart(
    work: Callable[[Job, Send], Result],
    jobs: Sequence[Job],
    names: Sequence[str],
    *,
    workers: int,
    preloaded: Sequence[str],
    said: Callable[[int, Any], None],
    finished: Callable[[int, Result], None],
) -> list[Result]:
    """Return ``work(job, send)`` of every job, in order, each in a process of its own.

    Args:
        work: A module-level function.
        jobs: Picklable.
        names: What errors call the jobs.
        workers: How many run at once.
        preloaded: Modules that workers find imported, where they can be forked.
        said: Called with a job's index and each thing that it sent, in order.
        finished: Called with the index and the result of each job as soon as it is done.

    The first failure ends the other workers and is raised, with the worker's traceback as a note.

    Raises:
        ReproError: If a worker, or the process that workers are forked from, was killed.
        RuntimeError: If a result or an exception cannot be sent.
    """
    context = _context(preloaded)
    waiting = deque(enumerate(jobs))
    running: dict[Any, tuple[int, Any]] = {}
    results: dict[int, Result] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number, job = waiting.popleft()
                ours, theirs = context.Pipe()
                running[ours] = number, context.Process(target=_be_worker, args=(theirs, work, job))
                _start(running[ours][1], names[number])
                theirs.close()
            ready: list[Any] = wait(list(running))
            for connection in ready:
                number, process = running[connection]
                kind, content = _receive(connection, names[number])
                if kind == "said":
                    said(number, content)
                elif kind == "failed":
                    raise content
                else:
                    process.join()
                    connection.close()
                    del running[connection]
                    results[number] = content
                    finished(number, content)
        return [results[number] for number in range(len(jobs))]
    finally:
        _end(running)


def _context(preloaded: Sequence[str]) -> Any:
    """Return how workers are started.

    On Linux they fork from a server that has imported the libraries once, instead of each importing
    them again; elsewhere a fork may break what system libraries do with threads.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preloaded))
    return context


def _start(process: Any, name: str) -> None:
    with warnings.catch_warnings():
        # Python's helper that counts semaphores is started again if it was killed; there are none to lose here.
        warnings.filterwarnings("ignore", "resource_tracker: process died", UserWarning)
        try:
            process.start()
        except (EOFError, ConnectionError):  # the server that workers are forked from is gone
            raise _killed(name) from None


def _receive(connection: Any, name: str) -> tuple[str, Any]:
    """Return what a worker sent: ``said`` and anything, ``done`` and a result, or ``failed`` and an exception."""
    try:
        received: tuple[str, Any] = connection.recv()
        return received
    except (EOFError, OSError):
        raise _killed(name) from None


def _killed(name: str) -> ReproError:
    return ReproError(
        f"A process of the training was killed ({name}), as happens when the memory runs out: run the same "
        "command again, which goes on where it stopped; lower engine.workers in params.yaml if it happens again."
    )


def _end(running: dict[Any, tuple[int, Any]]) -> None:
    """End workers: by a signal, and by closing their pipes where nobody is left to pass on their end."""
    processes = [process for _, process in running.values() if process.is_alive()]
    for process in processes:
        process.terminate()
    for connection in running:
        connection.close()
    for process in processes:
        process.join()


def _be_worker(connection: Connection, work: Callable[[Job, Send], Result], job: Job) -> None:
    """Do one job in this process; send what is said meanwhile, then what came of it."""
    # Ctrl-C reaches the whole group; the parent decides, so that each worker ends without a trace.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(connection,), daemon=True).start()
    content: Any
    try:
        kind, content = "done", work(job, functools.partial(_send, connection, "said"))
    except BaseException as error:
        error.add_note(f"In the worker: {''.join(traceback.format_exception(error))}")
        kind, content = "failed", error
    try:
        ForkingPickler.loads(ForkingPickler.dumps(content))  # some exceptions can be written and not be read
    except Exception as error:
        told = RuntimeError(f"what a worker ended with cannot be sent ({error}): {content!r}")
        told.__notes__ = getattr(content, "__notes__", [])
        kind, content = "failed", told
    _send(connection, kind, content)


def _end_with_parent(connection: Connection) -> None:
    """End when the parent does, or closes its end; it sends nothing that could be waited for instead."""
    wait([connection])
    os._exit(1)


def _send(connection: Connection, kind: str, content: Any) -> None:
    try:
        connection.send((kind, content))
    except OSError:  # the parent is gone
        os._exit(1)
