"""The checkout: who writes in it, what is out of date, and what earlier failures left."""

from __future__ import annotations

from collections.abc import Iterator

from repro.checkout_lock import holder
from repro.diagnosis.findings import Finding, problem
from repro.engine import stale_stages
from repro.errors import ReproError
from repro.layout import Layout
from repro.pipeline_holders import damaged_record
from repro.shortened import first_few

_SHOWN = 5


def checkout(layout: Layout, *, quick: bool) -> Iterator[Finding]:
    """Yield who holds the lock, what a killed DVC left, stages out of date, and logs of unexpected errors.

    Args:
        layout: The checkout.
        quick: Leave out DVC's status, which takes seconds.
    """
    record = holder(layout)
    if record is None:
        yield Finding("lock", "free")
    else:
        yield Finding("lock", record.sentence(layout.root), f"wait for it, or stop it{record.how_to_stop()}")
    damaged = damaged_record(layout)
    if damaged is not None:
        yield problem(
            "DVC's record",
            f"{damaged.relative_to(layout.root)} is half-written: DVC was killed, and plain `dvc` stops at it",
            f"rm {damaged.relative_to(layout.root)}; `repro` commands that run the pipeline do it themselves",
        )
    if not quick:
        yield _grid(layout)
    yield _logs(layout)


def _grid(layout: Layout) -> Finding:
    try:
        stale = stale_stages(layout)
    except ReproError as error:
        return problem("grid", "DVC cannot tell", str(error))
    if stale:
        return Finding("grid", f"{len(stale)} stages out of date: {first_few(stale, _SHOWN)}", "dvc repro")
    return Finding("grid", "every cell is up to date")


def _logs(layout: Layout) -> Finding:
    logs = sorted(path.name for path in (layout.state / "logs").glob("bug-*.txt"))
    if not logs:
        return Finding("bugs", "none was logged")
    return Finding(
        "bugs",
        f"{len(logs)} logged in {layout.state / 'logs'}, the last in {logs[-1]}",
        "report them with their files, then delete those",
    )
