"""dvc.lock as a second record of hashes and settings."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from repro.bundle.pins import pins_part, unpinned
from repro.bundle.record import Bundle, Contained
from repro.layout import Layout

CELL = "demo-lightgcn-base"
LOCK = """\
schema: '2.0'
stages:
  train@demo-lightgcn-base:
    cmd: train
    params:
      params.yaml:
        objectives.base:
          regularization: 1e-06
        training:
          learning_rate: 0.001
          patience: 5
    outs:
    - path: runs/demo/lightgcn/base/run.json
      hash: md5
      md5: {run}
  evaluate@demo-lightgcn-base:
    cmd: evaluate
  tabulate@demo:
    cmd: tabulate
    outs:
    - path: results/demo/main.csv
      md5: {table}
"""
PARAMS = """\
training: {learning_rate: 0.001, patience: 5}
objectives:
  base: {regularization: 1.0e-6}
"""
TABLES = {"tables/main-demo.csv": "variant,recall@20\n"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    run = tmp_path / "runs" / "demo" / "lightgcn" / "base" / "run.json"
    run.parent.mkdir(parents=True)
    run.write_bytes(b'{"epochs": 6}')
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    hashes = {"run": _md5(b'{"epochs": 6}'), "table": _md5(TABLES["tables/main-demo.csv"].encode())}
    (tmp_path / "dvc.lock").write_text(LOCK.format(**hashes), encoding="utf-8")
    return Layout(tmp_path)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _bundle(**told: tuple[str, ...]) -> Bundle:
    held = {"demo": Contained(origin="generated", interactions="included")}
    return Bundle(version="1", commit=None, datasets=held, cells=(CELL,), **told)


def test_files_settings_and_tables_of_the_pipeline_agree(layout: Layout) -> None:
    assert unpinned(layout, [CELL], TABLES) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("runs/demo/lightgcn/base/run.json", "6", "7", "runs/demo/lightgcn/base/run.json"),
        ("params.yaml", "1.0e-6", "1.0e-5", "params.yaml: objectives.base"),
        ("params.yaml", "patience: 5", "patience: 6", "params.yaml: training"),
        ("dvc.lock", "evaluate@demo-lightgcn-base", "evaluate@demo-mf-base", f"evaluate@{CELL} in dvc.lock"),
        (
            "dvc.lock",
            "results/demo/main.csv\n      md5: ",
            "results/demo/main.csv\n      md5: 0",
            "results/demo/main.csv",
        ),
    ],
)
def test_what_does_not_agree_is_named(layout: Layout, file: str, old: str, new: str, named: str) -> None:
    path = layout.root / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert unpinned(layout, [CELL], TABLES) == [named]
    assert [one.file for one in pins_part(layout, _bundle(), TABLES).differences] == [named]


def test_what_did_not_agree_when_the_bundle_was_made_is_a_note_and_no_difference(layout: Layout) -> None:
    (layout.root / "runs/demo/lightgcn/base/run.json").write_bytes(b"{}")
    part = pins_part(layout, _bundle(not_pinned=("runs/demo/lightgcn/base/run.json",)), TABLES)
    assert part.differences == ()
    assert "not pinned when the bundle was made: runs/demo/lightgcn/base/run.json" in part.note


def test_what_agrees_though_it_did_not_was_changed_later(layout: Layout) -> None:
    part = pins_part(layout, _bundle(not_pinned=("params.yaml: training",)), TABLES)
    assert [one.file for one in part.differences] == ["params.yaml: training"]


@pytest.mark.parametrize("content", ["", "[]", "stages: 3", "stages: {a: 1}", "a: ["])
def test_a_lock_that_is_none_is_told(layout: Layout, content: str) -> None:
    (layout.root / "dvc.lock").write_text(content, encoding="utf-8")
    (found,) = pins_part(layout, _bundle(), TABLES).differences
    assert found.file == "dvc.lock"


def test_without_a_lock_that_is_said(layout: Layout) -> None:
    (layout.root / "dvc.lock").unlink()
    assert unpinned(layout, [CELL], TABLES) == ["no dvc.lock"]
