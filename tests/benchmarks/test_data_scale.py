"""The pipeline on data whose dense matrices could not exist, and the record of the growth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.data_scale_data import NAME, Size, make_checkout
from benchmarks.data_scale_page import growth_table, prediction_table
from repro.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
# User × item would be 80 GB as float32 and 20 GB as bytes, node × node 810 GB and 203 GB.
LARGE = Size("large", users=400_000, items=50_000, pairs=450_000, text=8)
ADDRESS_SPACE_GIB = 5.0


def _checkout(root: Path, size: Size) -> Layout:
    """A checkout with small weights and few samples, so that what is left to grow is the data."""
    layout = make_checkout(root, size)
    content: dict[str, Any] = yaml.safe_load(layout.params.read_text(encoding="utf-8"))
    content["training"]["embedding_size"] = 4
    content["objectives"]["irllrec"]["intents"] = 4
    content["statistics"] |= {"bootstrap_samples": 100, "randomisation_samples": 100}
    layout.params.write_text(yaml.safe_dump(content), encoding="utf-8")
    return layout


def _run(layout: Layout, task: str, gib: float, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.data_scale_tasks", str(layout.root), task]
    command += [f"--address-space={gib}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return record


def test_every_task_runs_on_a_small_data_set(tmp_path: Path) -> None:
    layout = _checkout(tmp_path, Size("small", users=300, items=120, pairs=3000, text=8))
    assert _run(layout, "prepare", ADDRESS_SPACE_GIB, "--held-out-users=50")["peak_bytes"] > 0
    trained = _run(layout, "training:lightgcn-irllrec-fast", ADDRESS_SPACE_GIB)
    assert trained["predicted_bytes"] > 0 and trained["step_seconds"] > 0
    assert (layout.run(NAME, "lightgcn", "irllrec-fast") / "model").is_dir()


@pytest.mark.slow
def test_the_pipeline_goes_through_where_no_dense_matrix_could(tmp_path: Path) -> None:
    layout = _checkout(tmp_path, LARGE)
    _run(layout, "prepare", ADDRESS_SPACE_GIB, "--held-out-users=500")
    cell = "lightgcn-irllrec-fast"
    for task in (f"training:{cell}", f"evaluation:{cell}", "statistics"):
        record = _run(layout, task, ADDRESS_SPACE_GIB)
        assert record["peak_bytes"] < ADDRESS_SPACE_GIB * 2**30, task


def _record(size: str, task: str, **figures: Any) -> dict[str, Any]:
    counts = {"users": 11_000, "items": 9_332, "pairs": 120_464, "text": 384}
    return {"size": size, "task": task, **counts, **figures}


RECORDS = [
    _record("1x", "graph", seconds=0.0512, peak_bytes=2**28),
    _record(
        "1x",
        "training:lightgcn-base",
        seconds=9.0,
        step_seconds=0.25,
        peak_bytes=2**30,
        predicted_bytes=2**29,
    ),
    _record("10x", "training:lightgcn-irllrec", predicted_bytes=2**33, note="not run: a step is long"),
]


def test_the_table_tells_seconds_and_memory_of_every_task() -> None:
    lines = growth_table(RECORDS).splitlines()
    assert lines[0] == "| | 1× | 10× |"
    assert "| graph | 0.0512 s, 0.25 GiB | – |" in lines
    assert "| step, lightgcn base | 0.25 s, 1.00 GiB | – |" in lines


def test_predictions_stand_beside_what_was_measured() -> None:
    lines = prediction_table(RECORDS).splitlines()
    assert "| step, lightgcn base | 1× | 0.50 | 1.00 | 0.50 |" in lines
    assert "| step, lightgcn irllrec | 10× | 8.00 | not run: a step is long | – |" in lines
