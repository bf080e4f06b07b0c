"""How far a bundle is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from repro.bundle.archive import Advance
from repro.durations import spoken
from repro.stages.entry import VERBOSITY

LINE_SECONDS = 15.0


@contextmanager
def steps(title: str, total: int) -> Iterator[Advance]:
    """Show a number of steps on stderr; nothing where the user asked for quiet."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    quiet = os.environ.get(VERBOSITY) == "quiet"
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}"),
    )
    lines = _Lines(title, total, silent=quiet or console.is_terminal)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(title, total=total, last="")

        def advance(name: str) -> None:
            bar.update(task, advance=1, last=name)
            lines.advance(name)

        yield advance


class _Lines:
    """The same for a log: at most one line in a quarter of a minute."""

    def __init__(self, title: str, total: int, *, silent: bool) -> None:
        self._title, self._total, self._silent = title, total, silent
        self._done = 0
        self._started = self._said = time.monotonic()

    def advance(self, name: str) -> None:
        self._done += 1
        now = time.monotonic()
        if self._silent or now - self._said < LINE_SECONDS or self._done == self._total:
            return
        left = (now - self._started) / self._done * (self._total - self._done)
        told = f"{self._title}: {self._done} of {self._total} ({name}), about {spoken(left)} left"
        print(told, file=sys.stderr, flush=True)
        self._said = now
