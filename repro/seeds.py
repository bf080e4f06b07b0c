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
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

Job = TypeVar("Job")
Result = TypeVar("Result")

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


def say(message: Message) -> None:
    """Send a message from wherever a seed is trained to whoever shows progress."""
    _tell(message)


def run_seeds(
    work: Callable[[Job], Result], jobs: Sequence[Job], seeds: Sequence[int], *, workers: int, title: str
) -> list[Result]:
    """Return ``work(job)`` for every job, in order.

    Args:
        work: A module-level function; it may call :func:`say`.
        jobs: One a seed, picklable.
        seeds: The seeds, for display.
        workers: How many run at once; 1 runs them here, one after the other.
        title: What is trained, for display.

    The first failure stops the other workers and is raised. Workers end by themselves when this
    process is killed.
    """
    with _display(title, seeds) as show:
        if workers <= 1 or len(jobs) == 1:
            return _run_here(work, jobs, show)
        return _run_apart(work, jobs, min(workers, len(jobs)), show)


def _run_here(
    work: Callable[[Job], Result], jobs: Sequence[Job], show: Callable[[Message], None]
) -> list[Result]:
    global _tell
    previous, _tell = _tell, show
    try:
        _use_one_thread()
        return [work(job) for job in jobs]
    finally:
        _tell = previous


def _run_apart(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    show: Callable[[Message], None],
) -> list[Result]:
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(queue, show), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(queue, os.getpid())
    )
    try:
        futures: list[Future[Result]] = [pool.submit(work, job) for job in jobs]
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future.done() and future.exception() is not None:
                raise future.exception()  # type: ignore[misc]
        return [future.result() for future in futures]
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


def _listen(queue: Any, show: Callable[[Message], None]) -> None:
    while (message := queue.get()) is not None:
        show(message)


def _start_worker(queue: Any, parent: int) -> None:
    """Prepare a worker: one thread, messages to the parent, and no life without it."""
    global _tell
    _tell = queue.put
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    # Ctrl-C reaches the whole group; the parent decides, so that each worker ends without a trace.
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _use_one_thread()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@contextlib.contextmanager
def _display(title: str, seeds: Sequence[int]) -> Iterator[Callable[[Message], None]]:
    """Show one line a seed on a terminal, else a plain line every half minute."""
    console = Console(stderr=True)
    if os.environ.get("REPRO_VERBOSITY") == "quiet":
        yield lambda message: None
        return
    if not console.is_terminal:
        yield _plain_display(title)
        return
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[line]}"),
        console=console,
    )
    tasks: dict[int, TaskID] = {
        seed: progress.add_task(f"{title} seed {seed}", total=None, line="waiting") for seed in seeds
    }

    def show(message: Message) -> None:
        total = message.epoch + message.least_epochs
        progress.update(tasks[message.seed], total=total, completed=message.epoch, line=message.line())

    with progress:
        yield show


def _plain_display(title: str) -> Callable[[Message], None]:
    shown_at: dict[int, float] = {}

    def show(message: Message) -> None:
        now = time.monotonic()
        if now - shown_at.setdefault(message.seed, now) >= 30 or message.least_epochs == 0:
            shown_at[message.seed] = now
            print(f"{title} seed {message.seed}: {message.line()}", file=sys.stderr, flush=True)

    return show


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
