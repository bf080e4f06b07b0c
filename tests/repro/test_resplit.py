"""`repro data resplit`: another draw of the split under a name of its own, ready for the pipeline."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from irllrec.data.prepared import load_split
from repro.cli import run
from repro.layout import Layout
from repro.params import load_params
from repro.protocol.splits import other_splits
from repro.resplitting import text_warning
from repro.stages import embed, prepare, summarize

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(small: Layout) -> Layout:
    (small.root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", small.root / ".dvc" / "config")
    return small


def _codes(layout: Layout, name: str, part: str) -> np.ndarray:
    return load_split(layout.prepared(name), part).codes


def test_the_same_pairs_are_drawn_into_other_parts(
    project: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "resplit", "demo", "--seed", "2024"]) == 0
    assert "in the grid: demo-split2024-lightgcn-base" in capsys.readouterr().out
    for stage in (prepare, summarize, embed):
        stage.main(["demo-split2024"])
    parts = ("train", "valid", "test")
    whole = [
        np.sort(np.concatenate([_codes(project, name, part) for part in parts]))
        for name in ("demo", "demo-split2024")
    ]
    assert (whole[0] == whole[1]).all()
    assert set(_codes(project, "demo", "test")) != set(_codes(project, "demo-split2024", "test"))
    assert (project.raw("demo-split2024").with_suffix(".dvc")).is_file()


def test_cells_come_along_with_their_settings(project: Layout) -> None:
    before = load_params(project.params)
    assert run(["data", "resplit", "demo", "--seed", "5"]) == 0
    params = load_params(project.params)
    assert other_splits(params, "demo") == {5: "demo-split5"}
    assert params.datasets["demo-split5"].split.seed == 5
    assert params.datasets["demo-split5"].seeds == before.datasets["demo"].seeds
    assert params.datasets["demo-split5"].training == before.datasets["demo"].training
    for variant in ("base", "rlmrec-con", "rlmrec-gen", "irllrec"):
        one = before.cells[f"demo-lightgcn-{variant}"]
        other = params.cells[f"demo-split5-lightgcn-{variant}"]
        assert other.override == one.override
        assert other.settings == one.settings
        assert other.inputs == one.inputs.replace("demo", "demo-split5")
    assert not any(cell.is_variation for cell in params.cells.values() if cell.dataset == "demo-split5")
    assert "demo-split5-pop-base" not in params.cells
    assert params.text["demo-split5"].summaries_from == "data/prepared/demo-split5/text.parquet"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["demo", "--seed", "2023"], "split with seed 2023 already"),
        (["nowhere", "--seed", "1"], "has no data set 'nowhere'"),
    ],
)
def test_what_cannot_be_split_anew_is_told_in_a_sentence(
    project: Layout, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    before = project.params.read_text()
    assert run(["data", "resplit", *words]) == 1
    assert sentence in capsys.readouterr().err
    assert project.params.read_text() == before


def test_missing_raw_data_are_told_with_the_command_that_brings_them(
    project: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project.raw("demo"))
    assert run(["data", "resplit", "demo", "--seed", "1"]) == 1
    assert "is missing: bring it with `dvc repro generate@demo` first" in capsys.readouterr().err


def test_a_split_that_is_there_is_left_alone(project: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "resplit", "demo", "--seed", "7"]) == 0
    before = project.params.read_text()
    capsys.readouterr()
    assert run(["data", "resplit", "demo", "--seed", "7"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert project.params.read_text() == before


def test_texts_written_for_the_old_split_are_warned_of(project: Layout) -> None:
    params = load_params(project.params)
    assert text_warning(params, "demo") is None
    upstream = params.text["demo"].model_copy(update={"summarizer": "upstream"})
    told = text_warning(params.model_copy(update={"text": {"demo": upstream}}), "demo")
    assert told is not None
    assert "upper bound" in told
