"""Runs cells on lanes and enters each into DVC as it comes back; what fails does not stop the others."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irllrec.data.storage import write_text
from repro.errors import ReproError
from repro.failures import DONE, OUR_BUG, USER_ERROR
from repro.layout import Layout
from repro.leftovers import clear_running
from repro.processes import handling
from repro.running import engines
from repro.running.board import ATTEMPTS, Board, Record
from repro.running.checking import Origin, check_arrived, check_readable, install
from repro.running.display import Display
from repro.running.jobs import Sender, Share
from repro.running.pace import Left, Pace, longest_first
from repro.running.pipeline import ChangedInputsError, Inputs, Pipeline

if TYPE_CHECKING:
    from repro.params import Params

PAUSE_SECONDS = 0.2
SILENT_SECONDS = 120.0
"""How long a lane may say nothing: lanes at work speak every second, but not while they are sent large files."""

AWAKE_SECONDS = 10.0
"""A longer time between two looks at the lanes means that the command was halted, or its machine asleep."""


@dataclass
class Outcome:
    """What became of the cells.

    Attributes:
        done: Cells that were run and are in DVC's lock.
        failed: The sentence of each that failed.
        code: The exit code.
        interrupted: Whether Ctrl-C ended it.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    code: int = DONE
    interrupted: bool = False


@dataclass(frozen=True)
class Order:
    """What is to be run, where.

    Attributes:
        steps: The names of the stages of each cell, in order.
        engine: One of :data:`repro.running.engines.ENGINES`.
        jobs: How many lanes.
        share: What each lane gets.
        address: Of a Ray cluster.
    """

    steps: Mapping[str, Sequence[str]]
    engine: str
    jobs: int
    share: Share
    address: str | None = None


def run_cells(layout: Layout, params: Params, pipeline: Pipeline, order: Order, pace: Pace) -> Outcome:
    """Run cells on lanes and return what became of them.

    Args:
        layout: The checkout, whose lock the caller holds.
        params: Its params.yaml.
        pipeline: Its pipeline.
        order: What is to be run.
        pace: What is known of times.

    Every cell that came back is entered into DVC's cache and lock at once. Ctrl-C stops the lanes; what was
    finished stays.

    Raises:
        ReproError: If lanes cannot be started, or all of them were killed again and again.
    """
    sender = Sender(layout, order.share)
    clear_running(layout)
    board = Board(str(layout.state / "running" / f"board-{sender.run}"))
    try:
        drive = _Drive(layout, params, pipeline, order, pace, sender, board)
        return drive.run()
    finally:
        clear_running(layout)


class _Drive:
    """One run: what is out, and what came back."""

    def __init__(
        self,
        layout: Layout,
        params: Params,
        pipeline: Pipeline,
        order: Order,
        pace: Pace,
        sender: Sender,
        board: Board,
    ) -> None:
        from repro.provenance import versions

        self._layout, self._params, self._pipeline, self._order = layout, params, pipeline, order
        self._pace, self._sender, self._board = pace, sender, board
        self._origin = Origin(sender.commit, versions())
        self._read: dict[str, Inputs] = {}
        self._deaths: dict[str, int] = {}
        self._pending: list[str] = []
        self._outcome = Outcome()
        self._looked = self._awake_since = time.time()

    def run(self) -> Outcome:
        self._offer()
        with noted_interrupts() as is_interrupted, self._display() as display:
            lanes = engines.start(
                self._order.engine, self._board, self._order.jobs, self._order.share, self._order.address
            )
            try:
                while self._pending and not is_interrupted() and lanes.error is None:
                    if not self._collect(display, lanes.finished):
                        time.sleep(PAUSE_SECONDS)
                    if lanes.may_be_lost:
                        self._give_up_lost()
                    self._show(display)
            finally:
                display.show({}, None)
                lanes.stop()
                self._collect(display, lanes.finished)
            self._outcome.interrupted = bool(self._pending) and is_interrupted()
            if self._pending and lanes.error is not None:
                raise _broken(lanes.error, self._outcome)
        return self._outcome

    def _give_up_lost(self) -> None:
        """Let the cells of lost machines wait again; a command that slept could hear none, and waits anew."""
        now = time.time()
        if now - self._looked > AWAKE_SECONDS:
            self._awake_since = now
        self._looked = now
        self._board.give_up_silent(SILENT_SECONDS, self._awake_since)

    def _display(self) -> Display:
        return Display(len(self._order.steps), self._order.jobs, self._pace)

    def _offer(self) -> None:
        probe = self._board.folder / "probe"
        write_text(probe, self._sender.run)
        for number, key in enumerate(longest_first(self._pace, list(self._order.steps))):
            names = self._order.steps[key]
            self._read[key] = self._pipeline.inputs(names)
            job = self._sender.job(key, [self._pipeline.view(name) for name in names], probe)
            self._pending.append(key)
            self._board.offer(number, job)
        self._board.share(self._sender.files())

    def _collect(self, display: Display, count: Callable[[], None]) -> bool:
        """Enter what came back; return whether anything did."""
        results = [result for result in self._board.results() if result["key"] in self._pending]
        entered: list[Record] = []
        for result in results:
            key = result["key"]
            self._pending.remove(key)
            try:
                self._enter(result)
            except ReproError as error:
                self._fail(key, str(error), USER_ERROR if result["ok"] else result["code"])
                display.failed(key)
            else:
                entered.append(result)
            finally:
                self._forget(result)
        self._pipeline.write_lock([name for one in entered for name in self._order.steps[one["key"]]])
        for result in entered:
            seconds = sum(result["seconds"].values())
            self._pace.note(result["key"], seconds)
            self._outcome.done.append(result["key"])
            count()
            display.finished(result["key"], seconds, result["host"], self._left(self._board.lanes()))
        return bool(results)

    def _enter(self, result: Record) -> None:
        """Check what came back, put it into the checkout and into DVC's cache.

        Raises:
            ReproError: If the cell failed, or what came back is not right.
        """
        key, names = result["key"], self._order.steps[result["key"]]
        if not result["ok"]:
            raise ReproError(result.get("sentence") or _given_up(key, result["deaths"]))
        folder = self._place(key) if result["seen"] else self._board.arrived(key)
        outs = [out for name in names for out in self._pipeline.view(name).outs]
        check_arrived(folder, outs, result["files"], key, result["host"])
        trained = any(name.startswith("train@") for name in names)
        check_readable(self._layout, folder, self._params, key, self._origin if trained else None)
        try:
            self._pipeline.require(names, self._read[key])
            self._pipeline.clear(names)
            install(self._layout, folder, outs)
            self._pipeline.commit(names)
        except ChangedInputsError as error:
            raise ReproError(
                f"{key}: {self._layout.root / str(error)} changed while it was trained, so its results were not "
                "taken: run the same command again."
            ) from None
        if result["timing"]:
            write_text(self._layout.timings(key), result["timing"])

    def _forget(self, result: Record) -> None:
        for folder in (self._board.arrived(result["key"]), self._place(result["key"])):
            shutil.rmtree(folder, ignore_errors=True)
        self._board.remove(result["key"])

    def _place(self, key: str) -> Path:
        """Return the work folder of a cell whose worker sees the checkout."""
        return self._layout.state / "running" / "cells" / key

    def _fail(self, key: str, sentence: str, code: int) -> None:
        self._outcome.failed[key] = sentence if sentence.startswith(key) else f"{key}: {sentence}"
        self._outcome.code = max(self._outcome.code, OUR_BUG if code == OUR_BUG else USER_ERROR)

    def _show(self, display: Display) -> None:
        lanes = self._board.lanes()
        for lane in lanes.values():
            key, deaths = lane.get("key"), lane.get("deaths", [])
            if key and len(deaths) > self._deaths.get(key, 0):
                self._deaths[key] = len(deaths)
                display.say(f"{key}: {deaths[-1]}; attempt {len(deaths) + 1} of {ATTEMPTS} on {lane['host']}")
        display.show(lanes, self._left(lanes))

    def _left(self, lanes: Mapping[int, Mapping[str, Any]]) -> Left | None:
        now = time.time()
        at_work = {
            lane["key"]: now - float(lane["since"])
            for lane in lanes.values()
            if lane.get("key") in self._pending
        }
        waiting = [key for key in self._pending if key not in at_work]
        return self._pace.left(waiting, at_work, self._order.jobs)


def _given_up(key: str, deaths: Sequence[str]) -> str:
    return (
        f"{key}: given up after {len(deaths)} attempts ({'; '.join(deaths)}): the memory may have run out "
        "(`repro doctor`): choose fewer --jobs."
    )


def _broken(error: Exception, outcome: Outcome) -> ReproError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    done = f"{len(outcome.done)} cells are finished and kept; " if outcome.done else ""
    return ReproError(
        f"The workers ended before their cells ({first}): {done}run the same command again, with fewer --jobs if "
        "the memory ran out."
    )


@contextmanager
def noted_interrupts() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C, termination and hang-up be asked about, so that none breaks into writing the lock."""
    seen = threading.Event()
    with handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), lambda number, frame: seen.set()):
        yield seen.is_set
