"""Cells that are fed another reading of their data set's texts."""

from pathlib import Path

import pytest

from repro.cell_requests import CellRequest, checked, named
from repro.errors import ReproError
from repro.grid import ensure_cells
from repro.layout import Layout
from repro.params import load_params
from repro.params_file import ParamsFile
from repro.stages import embed, summarize, train
from repro.workload import read_by

CHAT = {
    "dataset": "demo",
    "summarizer": "ollama",
    "summaries_from": "data/prepared/demo/text.parquet",
    "chat": {"model": "a-model", "domain": "books"},
    "embedder": "lsa",
    "vectors_from": "data/text/demo/summaries.jsonl",
}


def _wanted(**varied: object) -> CellRequest:
    return CellRequest("demo", "lightgcn", "irllrec", **varied)  # type: ignore[arg-type]


def _with_language_model(layout: Layout) -> None:
    file = ParamsFile(layout.params)
    file.insert("text", "demo", CHAT)
    file.save()


def test_a_variant_names_its_text_and_is_read_back(small: Layout) -> None:
    request = _wanted(text="shuffled")
    assert request.variant == "irllrec-with-shuffled"
    assert named(load_params(small.params), "demo", "lightgcn", request.variant) == request


def test_titles_get_an_entry_and_stages_of_their_own(small: Layout) -> None:
    [key] = ensure_cells(small, [_wanted(text="titles")])
    params = load_params(small.params)
    entry = params.text["demo-titles"]
    assert (entry.dataset, entry.summarizer, entry.embedder) == ("demo", "titles", "lsa")
    cell = params.cells[key]
    assert cell.inputs == "data/text/demo-titles/vectors.npz"
    assert read_by(cell) == ["prepare@demo", "embed@demo-titles"]
    assert cell.is_ablation


def test_shuffled_text_needs_no_entry(small: Layout) -> None:
    [key] = ensure_cells(small, [_wanted(text="shuffled")])
    params = load_params(small.params)
    assert list(params.text) == ["demo"]
    assert params.cells[key].inputs == "data/text/demo/vectors.npz"


def test_dropping_the_reasoning_asks_the_same_model_with_a_plain_template(small: Layout) -> None:
    _with_language_model(small)
    [key] = ensure_cells(small, [_wanted(drop=("COT",))])
    params = load_params(small.params)
    plain = params.text["demo-plain"].chat
    assert plain is not None
    assert (plain.model, plain.domain, plain.style) == ("a-model", "books", "plain")
    assert params.cells[key].inputs == "data/text/demo-plain/vectors.npz"


def test_dropping_the_reasoning_of_a_summarizer_without_any_is_refused(small: Layout) -> None:
    with pytest.raises(ReproError, match="the summarizer 'extractive' of demo writes none"):
        checked(load_params(small.params), _wanted(drop=("COT",)))


@pytest.mark.parametrize(
    ("varied", "words"),
    [
        (
            {"text": "dreams"},
            "There is no text 'dreams' of demo: choose shuffled, titles, or add text.demo-dreams",
        ),
        ({"text": "titles", "drop": ("TEXT",)}, "--drop TEXT already says which text is read"),
    ],
)
def test_an_impossible_text_is_refused(small: Layout, varied: dict[str, object], words: str) -> None:
    with pytest.raises(ReproError, match=words):
        checked(load_params(small.params), _wanted(**varied))


def test_another_text_under_an_objective_that_reads_none_is_refused(small: Layout) -> None:
    with pytest.raises(ReproError, match="lightgcn under base reads no text"):
        checked(load_params(small.params), CellRequest("demo", "lightgcn", "base", text="titles"))


def test_a_control_is_trained_on_its_own_text(small: Layout) -> None:
    """The shuffled cell reads the file of the whole cell and ends elsewhere."""
    keys = ensure_cells(small, [_wanted(), _wanted(text="shuffled"), _wanted(text="titles")])
    summarize.main(["demo-titles"])
    embed.main(["demo-titles"])
    for key in keys:
        train.main([key])
    models = [
        _model(small, variant) for variant in ("irllrec", "irllrec-with-shuffled", "irllrec-with-titles")
    ]
    contents = {path.read_bytes() for path in models}
    assert len(contents) == 3


def _model(layout: Layout, variant: str) -> Path:
    return layout.run("demo", "lightgcn", variant) / "model" / "seed-2023.safetensors"
