"""Progress of a run: every worker on a line of its own, or plain lines where there is no terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from repro.durations import spoken
from repro.printing import one_line
from repro.remarks import remark
from repro.running.pace import Left, Pace
from repro.stages.entry import VERBOSITY

PLAIN_EVERY_SECONDS = 30.0


class Display:
    """Shows lanes while they work; a context.

    Args:
        count: How many cells there are to run.
        jobs: How many lanes.
        pace: What is known of times.
        console: Where it is shown; by default stderr.
    """

    def __init__(self, count: int, jobs: int, pace: Pace, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._quiet = os.environ.get(VERBOSITY) == "quiet"
        self._live = Live(console=self._console, auto_refresh=False) if self._is_terminal() else None
        self._count, self._jobs, self._pace = count, jobs, pace
        self._done = self._failed = 0
        self._shown: dict[str, float] = {}

    def __enter__(self) -> Display:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(Text(""), refresh=True)
            self._live.stop()

    def say(self, sentence: str) -> None:
        """Print a line above the lanes."""
        if self._live:
            self._console.print(Text(one_line(sentence)))
        else:
            remark(sentence)

    def finished(self, key: str, seconds: float, host: str, left: Left | None) -> None:
        """Say that a cell is done."""
        self._done += 1
        rest = f", {left} left" if left and left.seconds >= 1 and self._done < self._count else ""
        self.say(f"{key}: done in {spoken(seconds)} on {host} ({self._done} of {self._count}{rest})")

    def failed(self, key: str) -> None:
        """Say that a cell failed; why is said at the end."""
        self._failed += 1
        self.say(f"{key}: failed; the others go on")

    def show(self, lanes: Mapping[int, Mapping[str, Any]], left: Left | None) -> None:
        """Show what lanes do now."""
        if self._quiet:
            return
        if self._live:
            self._live.update(self._table(lanes, left), refresh=True)
            return
        now = time.time()
        for number, lane in lanes.items():
            key = lane.get("key")
            if key and now - self._shown.setdefault(key, float(lane["since"])) >= PLAIN_EVERY_SECONDS:
                self._shown[key] = now
                words = (f"worker {number + 1}", *self._words(lane, now))
                remark(" · ".join(filter(None, words)))

    def _is_terminal(self) -> bool:
        return self._console.is_terminal and not self._quiet

    def _words(self, lane: Mapping[str, Any], now: float) -> tuple[str, str, str]:
        """Return a lane's cell, how long it has been at it of about how long, and its stage's last line."""
        spent, whole = now - float(lane["since"]), self._pace.of(lane["key"])
        step = str(lane["stage"]).partition("@")[0]
        of = f" of ~{spoken(whole)}" if whole is not None and whole > spent else ""
        line = str(lane.get("line", ""))
        shown = "" if line.startswith("→") else line.removeprefix(f"{lane['key']} ")
        return str(lane["key"]), f"{step} {spoken(spent)}{of}", shown

    def _table(self, lanes: Mapping[int, Mapping[str, Any]], left: Left | None) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), expand=True, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=3)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=3)
        now = time.time()
        for number, lane in sorted(lanes.items()):
            words = self._words(lane, now) if lane.get("key") else ("waiting", "", "")
            host = f"{number + 1} {lane.get('host', '')}".strip()
            table.add_row(Text(host, style="dim"), *(Text(word) for word in words))
        failed = f", {self._failed} failed" if self._failed else ""
        rest = f" · {left} left" if left and left.seconds >= 1 else ""
        whole = Table.grid()
        whole.add_row(table)
        whole.add_row(Text(f"{self._done} of {self._count} cells done{failed}{rest}", style="bold"))
        return whole
