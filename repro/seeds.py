"""The seeds of a cell side by side: one worker process and one thread each, progress in one place.

One thread a worker makes a run's arithmetic the same however many run at once, and on a few cores
it is also the faster way: propagation is bound by memory, not by arithmetic.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from repro.held_out import forbid_test
from repro.layout import Layout

Job = TypeVar("Job")
Result = TypeVar("Result")

PRELOADED = (
    "irllrec.recommender",
    "irllrec.training.loop",
    "irllrec.evaluation.ranking",
    "repro.seed_training",
)
"""What every worker needs; nothing in them reads a file of the checkout."""

_tell: Callable[[Any], None] = lambda message: None  # noqa: E731 - replaced in each worker


@dataclass(frozen=True)
class Message:
    """What a worker says after an epoch.

    Attributes:
        seed: Whose run.
        epoch: Epochs done.
        terms: Mean of each weighted loss term.
        best: Best validation value, None before the first.
        value: Latest validation value, None where the epoch had none.
        stale: Validations since the best.
        least_epochs: Fewest epochs still to come: until patience runs out without a better value.
        seconds: Time spent on this seed so far.
    """

    seed: int
    epoch: int
    terms: dict[str, float]
    best: float | None
    value: float | None
    stale: int
    least_epochs: int
    seconds: float

    def line(self) -> str:
        """Return the message as one line for people."""
        losses = " ".join(f"{name} {value:.4g}" for name, value in self.terms.items())
        best = "–" if self.best is None else f"{self.best:.4f}"
        left = self.seconds / self.epoch * self.least_epochs
        return f"epoch {self.epoch} · {losses} · best {best} ({self.stale} stale) · ≥ {_clock(left)} left"


_Numbered = tuple[int, Message]
"""A message and the index of the job that sent it."""


def say(message: Message) -> None:
    """Send a message from wherever a seed is trained to whoever shows progress."""
    _tell(message)


def run_seeds(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    seeds: Sequence[int],
    *,
    workers: int,
    title: str,
    called: str = "seed",
    finished: Callable[[int, Result], None] = lambda number, result: None,
) -> list[Result]:
    """Return ``work(job)`` for every job, in order.

    Args:
        work: A module-level function; it may call :func:`say`.
        jobs: One a seed, picklable.
        seeds: The seeds, or other numbers of the jobs, for display.
        workers: How many run at once; 1 runs them here, one after the other.
        title: What is trained, for display.
        called: What ``seeds`` are numbers of, for display.
        finished: Called here with the index and the result of each job as soon as it is done.

    The first failure stops the other workers and is raised. Workers end by themselves when this
    process is killed, and none can read held-out data.
    """
    with _display([f"{title} {called} {seed}" for seed in seeds]) as show:
        if workers <= 1 or len(jobs) == 1:
            return _run_here(work, jobs, show, finished)
        return _run_apart(work, jobs, min(workers, len(jobs)), show, finished)


def _run_here(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    show: Callable[[_Numbered], None],
    finished: Callable[[int, Result], None],
) -> list[Result]:
    global _tell
    previous, _tell = _tell, show
    results = []
    try:
        _use_one_thread()
        for number, job in enumerate(jobs):
            results.append(_work_on(work, number, job))
            finished(number, results[-1])
        return results
    finally:
        _tell = previous


def _work_on(work: Callable[[Job], Result], number: int, job: Job) -> Result:
    """Return ``work(job)``; what is said meanwhile carries the job's number."""
    global _tell
    plain = _tell

    def tell(message: Message) -> None:
        plain((number, message))

    _tell = tell
    try:
        return work(job)
    finally:
        _tell = plain


def _run_apart(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    show: Callable[[_Numbered], None],
    finished: Callable[[int, Result], None],
) -> list[Result]:
    context = _context()
    queue = context.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(queue, show), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(queue,))
    try:
        numbers: dict[Future[Result], int] = {
            pool.submit(_work_on, work, number, job): number for number, job in enumerate(jobs)
        }
        for future in as_completed(numbers):
            finished(numbers[future], future.result())
        return [future.result() for future in numbers]
    except BaseException:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True)
        queue.put(None)
        listener.join()


def _listen(queue: Any, show: Callable[[_Numbered], None]) -> None:
    while (message := queue.get()) is not None:
        show(message)


def _context() -> Any:
    """Return how workers are started.

    On Linux they fork from a server that has imported the libraries once, instead of each importing
    them again; elsewhere a fork may break what system libraries do with threads.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _start_worker(queue: Any) -> None:
    """Prepare a worker: no held-out data, one thread, messages to the parent, no life without it."""
    global _tell
    forbid_test(Layout.find())
    _tell = queue.put
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C reaches the whole group; the parent decides, so that each worker ends without a trace.
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _use_one_thread()


def _end_with_parent() -> None:
    """End when the process that asked for this worker does; a server that forked it waits for its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@contextlib.contextmanager
def _display(names: Sequence[str]) -> Iterator[Callable[[_Numbered], None]]:
    """Show one line a job on a terminal, else a plain line every half minute."""
    console = Console(stderr=True)
    if os.environ.get("REPRO_VERBOSITY") == "quiet":
        yield lambda numbered: None
        return
    if not console.is_terminal:
        yield _plain_display(names)
        return
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[line]}"),
        console=console,
    )
    tasks: list[TaskID] = [progress.add_task(name, total=None, line="waiting") for name in names]

    def show(numbered: _Numbered) -> None:
        number, message = numbered
        total = message.epoch + message.least_epochs
        progress.update(tasks[number], total=total, completed=message.epoch, line=message.line())

    with progress:
        yield show


def _plain_display(names: Sequence[str]) -> Callable[[_Numbered], None]:
    shown_at: dict[int, float] = {}

    def show(numbered: _Numbered) -> None:
        number, message = numbered
        now = time.monotonic()
        if now - shown_at.setdefault(number, now) >= 30 or message.least_epochs == 0:
            shown_at[number] = now
            print(f"{names[number]}: {message.line()}", file=sys.stderr, flush=True)

    return show


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
