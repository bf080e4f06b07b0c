"""A fast cell trained by the pipeline's own stages: what is recorded, shown and shared."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from irllrec import precision, recommender
from irllrec.precision import Shortcuts
from irllrec.text.embeddings import TextVectors, load_text_vectors, read_provenance, save_text_vectors
from irllrec.text.reduction import reduce_vectors
from repro.analysis import read_cells
from repro.assembly import main_table_of, pair_table_of
from repro.cell_requests import CellRequest
from repro.grid import ensure_cells
from repro.layout import Layout
from repro.params import load_params
from repro.stages import embed, evaluate, generate, prepare, summarize, train

ON_DEMO = ("demo", "lightgcn", "irllrec")
FEW = Shortcuts(text_dimension=8, translation_rows=30, matching_rows=20)
"""Fewer than the small demo's 100 nodes and than the columns of its text."""


@pytest.fixture
def shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``fast`` shorten what the small demo has; the seeds must be trained in this process."""
    for module in (precision, recommender):
        monkeypatch.setattr(module, "shortcuts_of", lambda wanted: FEW if wanted == "fast" else None)


def _trained(layout: Layout, *requests: CellRequest) -> list[str]:
    keys = ensure_cells(layout, list(requests))
    for key in keys:
        train.main([key])
        evaluate.main([key])
    return keys


def _record(layout: Layout, variant: str) -> dict[str, Any]:
    path = layout.run("demo", "lightgcn", variant) / "run.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def _widen_vectors(layout: Layout, columns: int) -> None:
    """Turn the demo's text vectors into a wider space, with a little noise in every direction."""
    path = layout.vectors("demo")
    narrow, generator = load_text_vectors(path), np.random.default_rng(3)
    turn = generator.normal(size=(narrow.user_intent.shape[1], columns))
    wide = {
        name: (rows @ turn + generator.normal(size=(len(rows), columns))).astype(np.float32)
        for name, rows in vars(narrow).items()
    }
    save_text_vectors(path, TextVectors(**wide), read_provenance(path))


def _hashes(layout: Layout, variant: str) -> dict[str, str]:
    folder = layout.run("demo", "lightgcn", variant)
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.usefixtures("shortened")
def test_a_fast_cell_says_what_it_shortened_and_stands_beside_the_exact_one(small: Layout) -> None:
    requests = [CellRequest("demo", "lightgcn", "base"), CellRequest(*ON_DEMO)]
    keys = _trained(small, *requests, CellRequest(*ON_DEMO, precision="fast"))
    exact, fast = (_record(small, variant) for variant in ("irllrec", "irllrec-fast"))
    _, kept = reduce_vectors(load_text_vectors(small.vectors("demo")), 8)
    assert (exact["precision"], fast["precision"]) == ("exact", "fast")
    assert fast["text"] == exact["text"] | {"reduction": {kind: asdict(one) for kind, one in kept.items()}}
    assert kept["profile"].dimension < kept["profile"].of
    assert fast["parameter_count"] < exact["parameter_count"]
    assert fast["params_sha256"] != exact["params_sha256"]
    assert not any(small.checkpoints.iterdir())

    params = load_params(small.params)
    cells = read_cells(small, params, keys)
    main = main_table_of(cells, ["recall@20"], params, "holm", None)
    assert {record["variant"] for record in main.records} == {"base", "irllrec"}
    pair = pair_table_of(
        cells[2], cells[1], ["recall@20"], params, correction="holm", why=False, wilcoxon=False
    )
    (line,) = [note for note in pair.notes if note.startswith("Provenance")]
    of, share = kept["profile"].of, 100 * kept["profile"].variance_kept
    assert re.search(rf"precision fast \(.*from {of} to 8 columns, {share:.1f}% of the variance.*\)", line)
    assert "exact (irllrec)" in line


@pytest.mark.usefixtures("shortened")
def test_a_fast_cell_trained_again_has_the_same_bytes_and_an_exact_one_others(small: Layout) -> None:
    fast = CellRequest(*ON_DEMO, precision="fast")
    _trained(small, fast)
    first = _hashes(small, "irllrec-fast")
    _trained(small, fast)
    assert _hashes(small, "irllrec-fast") == first
    _trained(small, CellRequest(*ON_DEMO))
    for name, digest in _hashes(small, "irllrec").items():
        assert first[name] != digest


@pytest.mark.usefixtures("shortened")
@pytest.mark.parametrize(
    "request_", [CellRequest(*ON_DEMO, ("TEXT",)), CellRequest(*ON_DEMO, text="shuffled")]
)
def test_control_runs_can_be_fast(small: Layout, request_: CellRequest) -> None:
    """They reduce the data set's own text and then take it away."""
    shortened = CellRequest(*ON_DEMO, request_.drop, text=request_.text, precision="fast")
    _trained(small, CellRequest(*ON_DEMO, precision="fast"), shortened)
    whole, control = (_record(small, variant) for variant in ("irllrec-fast", shortened.variant))
    assert control["text"]["reduction"] == whole["text"]["reduction"]
    assert control["parameter_count"] == whole["parameter_count"]
    assert control["per_seed"] != whole["per_seed"]


@pytest.mark.slow
def test_the_bytes_of_a_fast_cell_do_not_depend_on_how_many_seeds_run_at_once(small: Layout) -> None:
    """1,000 nodes, some 570 users a batch and text of 400 columns: every default shortcut is taken."""
    text = small.params.read_text(encoding="utf-8")
    sizes = "demo: {users: 600, items: 400, interactions: 6000, intents: 8, seed: 7}"
    text, count = re.subn(r"demo: \{users: 60,.*\}", sizes, text)
    assert count == 1
    text = text.replace("batch_size: 128, max_epochs: 6", "batch_size: 2048, max_epochs: 3")
    small.params.write_text(text, encoding="utf-8")
    for stage in (generate, prepare, summarize, embed):
        stage.main(["demo"])
    _widen_vectors(small, columns=400)
    fast = CellRequest(*ON_DEMO, precision="fast")
    _trained(small, fast)
    assert _record(small, "irllrec-fast")["text"]["reduction"]["profile"]["dimension"] == 384
    alone = _hashes(small, "irllrec-fast")
    small.params.write_text(small.params.read_text().replace("workers: 1", "workers: 2"), encoding="utf-8")
    _trained(small, fast)
    assert _hashes(small, "irllrec-fast") == alone
