"""params.yaml is refused by name where it is wrong, and read as numbers where it is right."""

from pathlib import Path

import pytest

from repro.errors import ReproError
from repro.layout import Layout
from repro.params import load_params

ROOT = Path(__file__).resolve().parents[2]


def _changed(layout: Layout, old: str, new: str) -> Path:
    text = layout.params.read_text()
    assert text.count(old) >= 1
    layout.params.write_text(text.replace(old, new, 1))
    return layout.params


def test_the_projects_own_file_is_valid_and_its_demo_has_five_seeds() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.datasets["demo"].seeds == (2023, 2024, 2025, 2026, 2027)
    assert params.protocol.cutoffs == (5, 10, 20)
    assert params.objectives["base"]["regularization"] == 1e-6


def test_text_settings_reach_the_data_set_they_name() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.datasets["demo"].text == params.text["demo"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("learning_rate: 0.001", "learning_rate: fast", "`training.learning_rate` is 'fast'"),
        ("learning_rate: 0.001", "learning_rat: 0.001", "learning_rat"),
        ("mask: train ", "mask: nothing ", "`protocol.mask` is 'nothing'"),
        ("cutoffs: [5, 10, 20]", "cutoffs: [5, 200]", "`protocol.cutoffs.1` is 200"),
        ("  patience: 5 ", "  patience: 0 ", "`training.patience` is 0"),
        ("backbone: lightgcn, objective: base", "backbone: nosuch, objective: base", "'nosuch'.*lightgcn"),
        ("demo-lightgcn-base:", "demo-base:", "cells.demo-base should be called demo-lightgcn-base"),
        ("code: irllrec/objectives/base.py", "code: other.py", "should be irllrec/objectives/base.py"),
        ("origin: generated", "origin: fetched", "datasets.demo has origin 'fetched'"),
        ("text:\n  demo:", "text:\n  dem:", "text.dem is of the data set demo: call it demo"),
        ("{dataset: demo, summ", "{dataset: dem, summ", "text.demo names no data set"),
        (
            "    seeds:",
            "    text: {summarizer: extractive, embedder: lsa}\n    seeds:",
            "under `text` as demo",
        ),
        (
            "summarizer: extractive",
            "summarizer: pinned",
            "text.demo.summaries_from is 'data/prepared/demo/text.parquet': the summarizer pinned reads a file",
        ),
        (
            "embedder: lsa",
            "embedder: sentence-transformers",
            "text.demo.vectors_from is 'data/text/demo/summaries.jsonl': .* the folder of a local model",
        ),
        (
            "embedder: lsa",
            "embedder: vectors",
            "text.demo.vectors_from is '.*' and should be data/prepared/demo/vectors.npz, which the embedder",
        ),
        (
            "summaries_from: data/prepared/demo/text.parquet, ",
            "",
            "text.demo.summaries_from is missing and should be data/prepared/demo/text.parquet",
        ),
        (
            "embedder: lsa, vectors_from: data/text/demo/summaries.jsonl",
            "embedder: sentence-transformers, vectors_from: ~/models/encoder",
            "text.demo.vectors_from is '~/models/encoder': .* relative to this file's folder or absolute",
        ),
        (
            "extractive, summaries_from: data/prepared/demo/text.parquet",
            "pinned, summaries_from: ./data/text/demo/summaries.jsonl",
            "text.demo.summaries_from is './data/text/demo/summaries.jsonl': the summarizer pinned",
        ),
        ("embedder: lsa", "embedder: bert", "`text.demo.embedder` is 'bert'"),
    ],
)
def test_a_wrong_entry_is_named_in_one_sentence(checkout: Layout, old: str, new: str, words: str) -> None:
    path = _changed(checkout, old, new)
    with pytest.raises(ReproError, match=words) as refusal:
        load_params(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("path", ["stored.jsonl", "../stored.jsonl", "/data/text/demo/summaries.jsonl"])
def test_pinned_summaries_may_lie_anywhere_but_where_the_stages_write(checkout: Layout, path: str) -> None:
    old = "extractive, summaries_from: data/prepared/demo/text.parquet"
    params = load_params(_changed(checkout, old, f"pinned, summaries_from: {path}"))
    assert params.text["demo"].summaries_from == path


def test_an_unknown_key_is_refused(checkout: Layout) -> None:
    path = _changed(checkout, "  patience: 5 ", "  patiense: 4\n  patience: 5 ")
    with pytest.raises(ReproError, match="unknown key `training.patiense`"):
        load_params(path)


def test_a_file_that_is_not_yaml_names_its_line(checkout: Layout) -> None:
    checkout.params.write_text("protocol: {}\ntraining: [1, 2\ncells: {}\n")
    with pytest.raises(ReproError, match="is not valid YAML: mend line 3"):
        load_params(checkout.params)


def test_a_missing_file_says_how_to_restore_it(tmp_path: Path) -> None:
    with pytest.raises(ReproError, match="git checkout params.yaml"):
        load_params(tmp_path / "params.yaml")
