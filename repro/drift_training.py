"""Training one cell on two texts, by the pipeline's own stages in two scratch checkouts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Params
from repro.stages.entry import VERBOSITY
from repro.text_views import text_entry
from repro.yaml_text import load_yaml

if TYPE_CHECKING:
    from irllrec.text.embeddings import TextVectors
    from repro.statistics.comparison import Comparison

OLD, NEW = "old text", "new text"


def cell_reading(params: Params, name: str) -> str | None:
    """Return the cell to train for the entry ``name``: irllrec if there is one, else the first that reads it."""
    found = [key for key, cell in params.cells.items() if text_entry(cell) == name and not cell.is_variation]
    ours = [key for key in found if params.cells[key].objective == "irllrec"]
    return next(iter(ours + found), None)


def compare_trained(
    layout: Layout, params: Params, key: str, texts: dict[str, TextVectors]
) -> list[Comparison]:
    """Return the test metrics of a cell trained on the new text against the old, its first seed.

    Args:
        layout: The checkout.
        params: Its params.yaml.
        key: The cell.
        texts: ``old text`` and ``new text``.

    Raises:
        ReproError: If a training fails.
    """
    from repro.analysis import chief_metrics, read_cells, settings_of, streams_of
    from repro.params import load_params
    from repro.statistics.comparison import Question, answer, correct_family

    cell = params.cell(key)
    values: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="repro-drift-") as folder:
        for side, vectors in texts.items():
            scratch = _scratch(layout, params, key, vectors, Path(folder) / side.replace(" ", "-"))
            print(f"Training {key}, one seed, on the {side} …", file=sys.stderr)
            for stage in ("train", "evaluate"):
                _run(scratch, stage, key)
            [result] = read_cells(scratch, load_params(scratch.params), [key])
            values[side] = {metric: result.values(metric) for metric in chief_metrics(params)}
        questions = [Question(NEW, OLD, metric) for metric in chief_metrics(params)]
        found = answer(values, questions, settings_of(params), streams_of(params, cell.dataset, "drift"))
    return correct_family(found, params.statistics.correction)


def _scratch(layout: Layout, params: Params, key: str, vectors: TextVectors, root: Path) -> Layout:
    """Make a checkout that holds one cell, one seed and other text vectors."""
    from irllrec.text.embeddings import save_text_vectors

    cell = params.cell(key)
    entry = text_entry(cell)
    assert entry is not None
    root.mkdir(parents=True)
    scratch = Layout(root)
    content = load_yaml(layout.params.read_text(encoding="utf-8"), layout.params)
    content["cells"] = {key: content["cells"][key]}
    seeds = content["datasets"][cell.dataset]["seeds"]
    content["datasets"][cell.dataset]["seeds"] = seeds[:1]
    scratch.params.write_text(yaml.safe_dump(content), encoding="utf-8")
    shutil.copy(layout.root / "dvc.yaml", root / "dvc.yaml")
    shutil.copytree(layout.prepared(cell.dataset), scratch.prepared(cell.dataset))
    save_text_vectors(scratch.vectors(entry), vectors)
    if layout.knowledge(entry).is_file():
        shutil.copy(layout.knowledge(entry), scratch.knowledge(entry))
    return scratch


def _run(scratch: Layout, stage: str, key: str) -> None:
    environment = {**os.environ, "REPRO_ROOT": str(scratch.root), VERBOSITY: "quiet"}
    done = subprocess.run(
        [sys.executable, "-m", f"repro.stages.{stage}", key],
        cwd=scratch.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ReproError(f"{stage} {key} failed: {last}")
