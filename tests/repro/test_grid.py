"""The grid is edited as a careful person would edit params.yaml: comments stay, mistakes are refused."""

import pytest

from repro.cli import run
from repro.errors import ReproError
from repro.grid import CellRequest, add_dataset, ensure_cells, remove, remove_dataset
from repro.layout import Layout
from repro.params import load_params

AMAZON = {"origin": "fetched", "split": {"how": "given"}, "seeds": [2023, 2024]}
UPSTREAM = {"summarizer": "upstream", "embedder": "vectors"}


def test_the_key_of_an_ablation_lists_what_is_dropped_in_one_order() -> None:
    first = CellRequest("demo", "lightgcn", "irllrec", ("NOISE", "ITM"))
    second = CellRequest("demo", "lightgcn", "irllrec", ("ITM", "NOISE"))
    assert first.key == second.key == "demo-lightgcn-irllrec-no-itm-noise"


def test_adding_a_cell_changes_one_line_and_keeps_every_comment(checkout: Layout) -> None:
    before = checkout.params.read_text().splitlines()
    keys = ensure_cells(checkout, [CellRequest("demo", "lightgcn", "irllrec", ("GSL",))])
    after = checkout.params.read_text().splitlines()
    assert keys == ["demo-lightgcn-irllrec-no-gsl"]
    assert [line for line in after if line not in before] == [after[-1]]
    assert [line for line in after if line in before] == before
    cell = load_params(checkout.params).cells[keys[0]]
    assert (cell.drop, cell.inputs) == (("GSL",), "data/text/demo/vectors.npz")


def test_a_cell_that_is_there_is_named_and_the_file_stays(checkout: Layout) -> None:
    before = checkout.params.read_bytes()
    assert ensure_cells(checkout, [CellRequest("demo", "lightgcn", "base")]) == ["demo-lightgcn-base"]
    assert checkout.params.read_bytes() == before


def test_without_writing_a_missing_cell_is_only_named(checkout: Layout) -> None:
    before = checkout.params.read_bytes()
    request = CellRequest("demo", "lightgcn", "irllrec", ("IA",))
    assert ensure_cells(checkout, [request], write=False) == ["demo-lightgcn-irllrec-no-ia"]
    assert checkout.params.read_bytes() == before


def test_a_data_set_with_text_gets_every_objective_and_one_without_only_base(checkout: Layout) -> None:
    with_text = add_dataset(checkout, "amazon", {**AMAZON, "text": UPSTREAM})
    without = add_dataset(checkout, "movie", AMAZON)
    variants = ["base", "rlmrec-con", "rlmrec-gen", "irllrec"]
    assert with_text == [f"amazon-lightgcn-{variant}" for variant in variants]
    assert without == ["movie-lightgcn-base"]
    params = load_params(checkout.params)
    assert params.datasets["amazon"].text is not None
    assert params.datasets["movie"].text is None
    assert params.cells["movie-lightgcn-base"].inputs == "data/prepared/movie/train.npz"


def test_a_data_set_is_added_with_the_paths_that_its_text_is_made_from(checkout: Layout) -> None:
    add_dataset(checkout, "amazon", {**AMAZON, "text": UPSTREAM})
    add_dataset(checkout, "movie", {**AMAZON, "text": {"embedder": "lsa", "summarizer": "extractive"}})
    written = checkout.params.read_text()
    assert (
        "  amazon: {dataset: amazon, summarizer: upstream, summaries_from: data/prepared/amazon/text.parquet, "
        "embedder: vectors, vectors_from: data/prepared/amazon/vectors.npz}\n"
    ) in written
    assert (
        "  movie: {dataset: movie, summarizer: extractive, summaries_from: data/prepared/movie/text.parquet, "
        "embedder: lsa, vectors_from: data/text/movie/summaries.jsonl}\n"
    ) in written


def test_a_path_of_the_users_own_is_kept_and_a_missing_one_is_refused(checkout: Layout) -> None:
    pinned = {"summarizer": "pinned", "embedder": "lsa"}
    before = checkout.params.read_bytes()
    with pytest.raises(ReproError, match="text.amazon.summaries_from is missing: .* a file of stored"):
        add_dataset(checkout, "amazon", {**AMAZON, "text": pinned})
    assert checkout.params.read_bytes() == before
    add_dataset(checkout, "amazon", {**AMAZON, "text": {**pinned, "summaries_from": "stored.jsonl"}})
    assert load_params(checkout.params).text["amazon"].summaries_from == "stored.jsonl"


def test_a_data_set_added_and_removed_leaves_the_file_as_it_was(checkout: Layout) -> None:
    before = checkout.params.read_text()
    add_dataset(checkout, "amazon", {**AMAZON, "text": UPSTREAM}, published=True)
    assert checkout.params.read_text() != before
    remove_dataset(checkout, "amazon")
    assert checkout.params.read_text() == before


def test_of_the_embedded_data_set_only_the_cells_go(
    checkout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPRO_ROOT", str(checkout.root))
    add_dataset(checkout, "amazon", {**AMAZON, "text": UPSTREAM}, published=True)
    before = load_params(checkout.params)
    assert run(["grid", "remove", "--dataset", "demo"]) == 0
    assert "removed: all cells of demo, which the pipeline makes and keeps itself" in capsys.readouterr().err
    after = load_params(checkout.params)
    assert after.datasets == before.datasets
    assert after.cells == {key: cell for key, cell in before.cells.items() if cell.dataset == "amazon"}


def test_a_data_set_that_loses_its_text_keeps_no_text_stage(checkout: Layout) -> None:
    add_dataset(checkout, "movie", {**AMAZON, "text": UPSTREAM})
    add_dataset(checkout, "movie", AMAZON)
    assert "movie" not in load_params(checkout.params).text


def test_published_settings_are_those_of_the_method(checkout: Layout) -> None:
    """METHOD's table: lightgcn gen on amazon has 2 layers, 1e-7, mask .15, weight .1, temperature .5."""
    add_dataset(checkout, "amazon", {**AMAZON, "text": UPSTREAM}, published=True)
    cell = load_params(checkout.params).cells["amazon-lightgcn-rlmrec-gen"]
    assert cell.settings == "published"
    assert cell.override.backbone == {"layers": 2}
    assert cell.override.objective == {
        "regularization": 1e-7,
        "mask_ratio": 0.15,
        "recon_weight": 0.1,
        "recon_temperature": 0.5,
    }


def test_an_ablation_takes_over_the_settings_of_the_whole_model(checkout: Layout) -> None:
    add_dataset(checkout, "yelp", {**AMAZON, "text": UPSTREAM}, published=True)
    (key,) = ensure_cells(checkout, [CellRequest("yelp", "lightgcn", "irllrec", ("ITM",))])
    cells = load_params(checkout.params).cells
    assert cells[key].override == cells["yelp-lightgcn-irllrec"].override
    assert cells[key].override.objective["pair_weight"] == 0.01
    assert cells[key].settings == "published"


def test_removing_a_cell_removes_its_run_and_its_lock_entries(checkout: Layout) -> None:
    key = "demo-lightgcn-irllrec-no-text"
    run = checkout.run("demo", "lightgcn", "irllrec-no-text")
    run.mkdir(parents=True)
    lock = checkout.root / "dvc.lock"
    lock.write_text(
        f"schema: '2.0'\nstages:\n  train@{key}:\n    cmd: a\n  train@demo-lightgcn-base:\n    cmd: b\n"
    )
    remove(checkout, [key])
    assert key not in load_params(checkout.params).cells
    assert not run.exists()
    assert lock.read_text() == "schema: '2.0'\nstages:\n  train@demo-lightgcn-base:\n    cmd: b\n"


def test_removing_the_last_cell_leaves_a_valid_file(checkout: Layout) -> None:
    remove(checkout, list(load_params(checkout.params).cells))
    assert load_params(checkout.params).cells == {}
    ensure_cells(checkout, [CellRequest("demo", "lightgcn", "base")])
    assert list(load_params(checkout.params).cells) == ["demo-lightgcn-base"]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (CellRequest("nosuch", "lightgcn", "base"), "data set 'nosuch'.*demo"),
        (CellRequest("demo", "nosuch", "base"), "backbone 'nosuch'.*lightgcn"),
        (CellRequest("demo", "lightgcn", "nosuch"), "objective 'nosuch'.*irllrec"),
        (CellRequest("demo", "lightgcn", "irllrec", ("NOSUCH",)), "component 'NOSUCH'.*MOMENTUM"),
        (CellRequest("demo", "lightgcn", "base", ("ITM",)), "base has no component to drop"),
        (CellRequest("demo", "lightgcn", "rlmrec-con", ("ITM",)), "rlmrec-con has only TEXT to drop"),
        (CellRequest("demo", "lightgcn", "irllrec", ("COT",)), "'extractive' of demo writes none"),
    ],
)
def test_an_impossible_request_is_refused_in_one_sentence(
    checkout: Layout, request_: CellRequest, words: str
) -> None:
    before = checkout.params.read_bytes()
    with pytest.raises(ReproError, match=words) as refusal:
        ensure_cells(checkout, [request_])
    assert "\n" not in str(refusal.value)
    assert checkout.params.read_bytes() == before


def test_an_objective_that_reads_text_is_refused_on_a_data_set_without(checkout: Layout) -> None:
    add_dataset(checkout, "movie", AMAZON)
    with pytest.raises(ReproError, match="irllrec reads text and the data set movie has none"):
        ensure_cells(checkout, [CellRequest("movie", "lightgcn", "irllrec")])


def test_an_invalid_data_set_is_refused_and_the_file_stays(checkout: Layout) -> None:
    before = checkout.params.read_bytes()
    with pytest.raises(ReproError, match="seeds"):
        add_dataset(checkout, "amazon", {"origin": "fetched", "split": {"how": "given"}, "seeds": []})
    assert checkout.params.read_bytes() == before
