"""How far a language model is with its questions: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from repro.durations import spoken
from repro.printing import one_line
from repro.stages.entry import VERBOSITY

if TYPE_CHECKING:
    from irllrec.text.questions import Progress

LINE_SECONDS = 15.0


class AskingDisplay:
    """Shows progress on stderr; use it as ``with AskingDisplay(title) as show`` and pass ``show.report``."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        self._title = title
        self._quiet = os.environ.get(VERBOSITY) == "quiet"
        console = Console(stderr=True)
        self._is_terminal = console.is_terminal and not self._quiet
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
        )
        self._bar = Bar(*columns, console=console, disable=not self._is_terminal)
        self._task = self._bar.add_task(title, total=None, told="")
        self._said_at = 0.0
        self._hosts: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def report(self, progress: Progress) -> None:
        """Take the state of a run."""
        if self._quiet:
            return
        self._tell_hosts(progress)
        if self._is_terminal:
            done = progress.done + progress.quarantined
            self._bar.update(self._task, total=progress.total, completed=done, told=told(progress))
        elif time.monotonic() - self._said_at >= LINE_SECONDS:
            self._said_at = time.monotonic()
            self._say(f"{self._title}: {progress.done:,} of {progress.total:,} · {told(progress)}")

    def _tell_hosts(self, progress: Progress) -> None:
        for host in progress.hosts:
            before = self._hosts.setdefault(host.url, "closed")
            if host.state != before and "trial" not in (host.state, before):
                self._say(f"Down: {host.last_trouble}" if host.state == "open" else f"Back: {host.url}")
            if host.state != "trial":
                self._hosts[host.url] = host.state

    def _say(self, sentence: str) -> None:
        from rich.markup import escape

        sentence = one_line(sentence)
        if self._is_terminal:
            self._bar.console.print(escape(sentence), highlight=False)
        else:
            print(sentence, file=sys.stderr, flush=True)


def told(progress: Progress) -> str:
    """Return rate, time left and what went wrong, in a few words."""
    parts = [f"{progress.replies_per_second:.2g}/s"]
    if progress.seconds_left is not None:
        parts.append(f"{spoken(progress.seconds_left)} left")
    parts.append(f"{progress.in_flight} in flight")
    bad = sum(progress.failed_attempts.values())
    troubles = sum(progress.troubles.values())
    parts += [f"{bad} bad replies"] if bad else []
    parts += [f"{progress.quarantined} given up"] if progress.quarantined else []
    parts += [f"{troubles} host troubles"] if troubles else []
    down = [host.url for host in progress.hosts if host.state == "open"]
    parts += [f"{len(down)} of {len(progress.hosts)} hosts down"] if down else []
    return " · ".join(parts)
