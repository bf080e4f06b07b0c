"""Time and peak memory of the pipeline's work as users, items and pairs grow, on generated data.

    python -m benchmarks.data_scale --name two-cores

Writes benchmarks/results/NAME-growth.json; `python -m benchmarks.data_scale_page NAME` fills docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.data_scale_data import SIZES, Size
from benchmarks.machine import machine_record
from benchmarks.step import RESULTS, ROOT
from repro import provenance
from repro.memory import free_bytes, gibibytes

BASE, EXACT, FAST = (f"training:lightgcn-{name}" for name in ("base", "irllrec", "irllrec-fast"))
TASKS = ("prepare", "graph", "sampling", BASE, FAST, EXACT, "evaluation:lightgcn-base", "statistics")
SIMPLE = ("training:ease-base", "training:itemknn-base")
# Exact translation alignment goes over all pairs of nodes: above so many nodes a step takes many minutes.
MOST_NODES_EXACT = 50_000


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the chosen tasks at the chosen sizes; the file grows with every task."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.data_scale", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--tasks", nargs="+", default=[*TASKS, *SIMPLE])
    parser.add_argument("--folder", type=Path, help="where data are kept between runs (default: nowhere)")
    parser.add_argument("--timeout", type=float, default=400, help="seconds a task may take")
    parser.add_argument("--name", default="latest")
    options = parser.parse_args(argv)
    path = RESULTS / f"{options.name}-growth.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"records": []}
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.sizes:
            folder = (options.folder or Path(scratch)) / name
            for task in _missing(folder, name) + list(options.tasks):
                print(f"{name}: {task}", file=sys.stderr, flush=True)
                record = {"size": name, "task": task, **_run(folder, task, SIZES[name], options.timeout)}
                kept = [one for one in found["records"] if (one["size"], one["task"]) != (name, task)]
                found = {**_about(), "records": [*kept, record]}
                RESULTS.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {path}.", file=sys.stderr)


def _missing(folder: Path, name: str) -> list[str]:
    return [] if (folder / "params.yaml").is_file() else [f"generate:{name}"]


def _run(folder: Path, task: str, size: Size, timeout: float) -> dict[str, Any]:
    """Return a task's record; one that is not run says why in its note."""
    counts = {"users": size.users, "items": size.items, "pairs": size.pairs, "text": size.text}
    note = _reason(folder, task, size)
    if note is not None:
        return {**counts, **note}
    load = os.getloadavg()[0]
    command = [sys.executable, "-m", "benchmarks.data_scale_tasks", str(folder), task]
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return {**counts, "note": f"stopped after {timeout:g} s"}
    if done.returncode != 0:
        return {**counts, "note": f"ended with code {done.returncode}"}
    return {**counts, "load": round(load, 1), **json.loads(done.stdout.splitlines()[-1])}


def _reason(folder: Path, task: str, size: Size) -> dict[str, Any] | None:
    """Return the note of a task that is not run here, with what it would take; None where it is run."""
    if not task.startswith("training:"):
        return None
    from benchmarks.data_scale_tasks import job_of
    from repro.layout import Layout
    from repro.memory_plan import job_need

    needed, free = job_need(job_of(Layout(folder), f"scale-{task.partition(':')[2]}")).total(1), free_bytes()
    told = {"predicted_bytes": needed}
    if needed > free:
        return {**told, "note": f"refused: {gibibytes(needed)} needed, {gibibytes(free)} free"}
    if task == EXACT and size.users + size.items > MOST_NODES_EXACT:
        return {**told, "note": "not run: a step goes over all pairs of nodes"}
    return None


def _about() -> dict[str, Any]:
    return {
        "machine": machine_record(1),
        "versions": provenance.versions(("torch", "numpy", "pyarrow")),
        "commit": provenance.commit(ROOT),
    }


if __name__ == "__main__":
    main()
