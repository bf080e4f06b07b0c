"""One ``repro run`` from beginning to end: what is shared first, then cells on workers, then the tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.checkout_lock import writing
from repro.durations import spoken
from repro.engine import (
    prepare_repository,
    reproduce,
    require_raw_data,
    require_text_sources,
    stale_stages,
)
from repro.layout import Layout
from repro.memory import free_bytes
from repro.running.driving import Order, Outcome, run_cells
from repro.running.jobs import Share
from repro.running.pace import Pace, earlier_pace
from repro.running.pipeline import Pipeline
from repro.running.planning import (
    Selection,
    job_count,
    ready_tables,
    shared_stages,
    stale_steps,
    thread_share,
    visible_gpus,
)
from repro.stage_lock import locked_stages

if TYPE_CHECKING:
    from repro.params import Params

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """How the user wants the work done.

    Attributes:
        engine: One of :data:`repro.running.engines.ENGINES`.
        jobs: Workers, None for as many as fit.
        threads: Threads of each, None for an equal share of the cores.
        address: Of a Ray cluster, None for this machine.
        ship: Send files also to workers that see the checkout.
    """

    engine: str = "local"
    jobs: int | None = None
    threads: int | None = None
    address: str | None = None
    ship: bool = False


def run_grid(layout: Layout, params: Params, selection: Selection, wish: Wish, say: Say) -> Outcome:
    """Bring the selected cells up to date on several workers and return what became of them.

    Afterwards cache, lock and files are what ``dvc repro`` would have left.

    Raises:
        ReproError: If something that all cells need is missing or fails, or another pipeline is at work.
        KeyboardInterrupt: After Ctrl-C, when every process has ended and what was finished is in the lock.
    """
    cells = {key: params.cells[key] for key in selection.keys}
    require_raw_data(layout, params, sorted({cell.dataset for cell in cells.values()}))
    require_text_sources(layout, params, cells)
    with writing(layout):
        prepare_repository(layout)
        known = locked_stages(layout)
        stale = _with_shared(layout, params, selection, stale_stages(layout), say)
        pipeline = Pipeline(layout, known)
        try:
            return _run(layout, params, selection, stale, pipeline, wish, say)
        finally:
            pipeline.sort_lock()
            pipeline.close()


def plan_grid(
    layout: Layout, params: Params, selection: Selection, wish: Wish
) -> tuple[Order, Pace, list[str]]:
    """Return what :func:`run_grid` would run, at what pace, and what it would make first; nothing is changed."""
    prepare_repository(layout)
    stale = stale_stages(layout)
    first = shared_stages(params, selection, stale)
    order = _order(params, stale_steps(selection, stale), wish)
    return order, earlier_pace(layout, params, list(order.steps), order.share.threads), first


def _with_shared(
    layout: Layout, params: Params, selection: Selection, stale: Sequence[str], say: Say
) -> list[str]:
    """Make what cells share, through DVC, and return what is out of date then."""
    first = shared_stages(params, selection, stale)
    if not first:
        return list(stale)
    say(f"First what the cells share, through DVC: {', '.join(first)}.")
    reproduce(layout, first)
    return stale_stages(layout)


def _run(
    layout: Layout,
    params: Params,
    selection: Selection,
    stale: Sequence[str],
    pipeline: Pipeline,
    wish: Wish,
    say: Say,
) -> Outcome:
    steps, restored = _without_restored(pipeline, stale_steps(selection, stale))
    if restored:
        say(f"{_cells(restored)} taken from DVC's cache, where equal runs are kept.")
    outcome = Outcome()
    if steps:
        began = time.monotonic()
        order = _order(params, steps, wish)
        pace = earlier_pace(layout, params, list(steps), order.share.threads)
        say(announcement(order, pace))
        outcome = run_cells(layout, params, pipeline, order, pace)
        say(_summary(outcome, len(steps), time.monotonic() - began))
    if outcome.interrupted:
        raise KeyboardInterrupt
    pipeline.sort_lock()
    tables = ready_tables(params, stale_stages(layout))
    if tables and not outcome.failed:
        # What they read is up to date; without this switch DVC would look at every stage before them again.
        reproduce(layout, ["--single-item", *tables])
    if not steps and not restored and not tables:
        say("Everything is up to date.")
    return outcome


def _without_restored(
    pipeline: Pipeline, steps: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Sequence[str]], int]:
    """Return what must be run after taking from DVC's cache what is there, and how many cells needed nothing."""
    left: dict[str, Sequence[str]] = {}
    restored = 0
    for key, names in steps.items():
        rest = list(names)
        while rest and pipeline.restore(rest[0]):
            del rest[0]
        if rest:
            left[key] = rest
        else:
            restored += 1
    return left, restored


def _order(params: Params, steps: Mapping[str, Sequence[str]], wish: Wish) -> Order:
    free = free_bytes(params.engine.memory_limit_gib)
    jobs = job_count(wish.jobs, wish.threads, max(1, len(steps)), free)
    threads = thread_share(wish.threads, jobs) if wish.engine == "local" else wish.threads or 1
    device = params.engine.device
    gpus = visible_gpus(device) if wish.engine == "local" else (() if device == "cpu" else None)
    return Order(steps, wish.engine, jobs, Share(threads, gpus, wish.ship), wish.address)


def announcement(order: Order, pace: Pace) -> str:
    """Return what will run, how, and about how long."""
    left = pace.left(list(order.steps), {}, order.jobs)
    time_left = "the time is not known yet" if left is None else str(left)
    jobs, threads = order.jobs, order.share.threads
    where = "of a Ray cluster" if order.engine == "ray" else "on this machine"
    gpus = f", {len(order.share.gpus)} GPU(s) in turn" if order.share.gpus else ""
    return (
        f"Running {_cells(len(order.steps))} on {jobs} worker{'s' * (jobs != 1)} {where}, {threads} "
        f"thread{'s' * (threads != 1)} each{gpus}; {time_left}."
    )


def _summary(outcome: Outcome, count: int, seconds: float) -> str:
    failed = f", {len(outcome.failed)} failed" if outcome.failed else ""
    kept = " are in DVC's cache and dvc.lock" if outcome.done else ""
    return f"{len(outcome.done)} of {_cells(count)}{kept}{failed}; {spoken(seconds)}."


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"
