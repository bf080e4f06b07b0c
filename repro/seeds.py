"""The seeds of a cell side by side: one worker process and one thread each, progress in one place.

One thread a worker makes a run's arithmetic the same however many run at once, and on a few cores
it is also the faster way: propagation is bound by memory, not by arithmetic.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from repro.held_out import forbid_test
from repro.layout import Layout
from repro.worker_processes import run_apart

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


Show = Callable[[int, Message], None]
"""Shows a message, given the index of the job that sent it."""


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

    The first failure stops the other workers and is raised, with the worker's traceback as a note.
    Workers end by themselves when this process is killed, and none can read held-out data.

    Raises:
        ReproError: If a worker was killed.
    """
    names = [f"{title} {called} {seed}" for seed in seeds]
    with _display(names) as show:
        if workers <= 1 or len(jobs) == 1:
            return _run_here(work, jobs, show, finished)
        apart = functools.partial(_work_apart, work)
        return run_apart(
            apart, jobs, names, workers=workers, preloaded=PRELOADED, said=show, finished=finished
        )


def _run_here(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    show: Show,
    finished: Callable[[int, Result], None],
) -> list[Result]:
    global _tell
    previous = _tell
    results = []
    try:
        _use_one_thread()
        for number, job in enumerate(jobs):
            _tell = functools.partial(show, number)
            results.append(work(job))
            finished(number, results[-1])
        return results
    finally:
        _tell = previous


def _work_apart(work: Callable[[Job], Result], job: Job, send: Callable[[Message], None]) -> Result:
    """Return ``work(job)`` in a worker: no held-out data, one thread, messages to the parent."""
    global _tell
    forbid_test(Layout.find())
    _tell = send
    _use_one_thread()
    return work(job)


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@contextlib.contextmanager
def _display(names: Sequence[str]) -> Iterator[Show]:
    """Show one line a job on a terminal, else a plain line every half minute."""
    console = Console(stderr=True)
    if os.environ.get("REPRO_VERBOSITY") == "quiet":
        yield lambda number, message: None
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

    def show(number: int, message: Message) -> None:
        total = message.epoch + message.least_epochs
        progress.update(tasks[number], total=total, completed=message.epoch, line=message.line())

    with progress:
        yield show


def _plain_display(names: Sequence[str]) -> Show:
    shown_at: dict[int, float] = {}

    def show(number: int, message: Message) -> None:
        now = time.monotonic()
        if now - shown_at.setdefault(number, now) >= 30 or message.least_epochs == 0:
            shown_at[number] = now
            print(f"{names[number]}: {message.line()}", file=sys.stderr, flush=True)

    return show


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
