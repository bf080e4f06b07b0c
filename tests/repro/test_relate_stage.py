"""The stage relate on a small copy of the checkout, and who waits for it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import yaml

from irllrec.data.prepared import load_split, load_texts
from irllrec.errors import ConfigurationError, TextError
from irllrec.text.knowledge import load_knowledge
from repro.errors import ReproError
from repro.grid import CellRequest, add_dataset, cell_inputs, ensure_cells, remove_dataset
from repro.layout import Layout
from repro.params import load_params
from repro.stages import embed, generate, prepare, relate, summarize, train
from repro.workload import estimate

ROOT = Path(__file__).resolve().parents[2]
CLICKS = {"origin": "fetched", "split": {"how": "given"}, "seeds": [2023]}


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A checkout with a small demo: 60 users, 50 items, 700 interactions, 4 intents; one seed."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["generated"] = {"demo": {"users": 60, "items": 50, "interactions": 700, "intents": 4, "seed": 3}}
    params["datasets"] = {"demo": {**params["datasets"]["demo"], "seeds": [2023]}}
    params["text"]["demo"]["dimension"] = 16
    params["cells"] = {}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.setenv("REPRO_ROOT", str(tmp_path))
    return Layout(tmp_path)


@pytest.fixture
def summarized(layout: Layout) -> Layout:
    for stage in (generate, prepare, summarize):
        stage.main(["demo"])
    return layout


def test_every_entity_relates_two_items_of_the_data_set(summarized: Layout) -> None:
    relate.main(["demo"])
    knowledge = load_knowledge(summarized.knowledge("demo"))
    items: defaultdict[int, set[int]] = defaultdict(set)
    for item, entity in zip(knowledge.items.tolist(), knowledge.entities.tolist(), strict=True):
        items[entity].add(item)
    assert len(items) == knowledge.entity_count > 10
    assert min(len(owners) for owners in items.values()) >= 2
    assert set().union(*items.values()) <= set(range(50))


def test_relating_twice_gives_the_same_bytes(summarized: Layout) -> None:
    relate.main(["demo"])
    first = summarized.knowledge("demo").read_bytes()
    relate.main(["demo"])
    assert summarized.knowledge("demo").read_bytes() == first


def test_words_of_held_out_reviews_become_no_entity(summarized: Layout) -> None:
    """Every entity is found in the texts that training may read."""
    relate.main(["demo"])
    visible = " ".join(
        row.text.lower() for row in load_texts(summarized.prepared("demo")) if row.split in ("", "train")
    )
    with np.load(summarized.knowledge("demo"), allow_pickle=False) as stored:
        assert [name for name in stored["entity_names"] if name not in visible] == []


def test_relating_without_summaries_says_what_to_run(layout: Layout) -> None:
    generate.main(["demo"])
    prepare.main(["demo"])
    with pytest.raises(TextError, match="run the stage summarize first"):
        relate.main(["demo"])


def test_the_line_after_relating_counts_facts_by_relation(
    summarized: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    relate.main(["demo"])
    knowledge = load_knowledge(summarized.knowledge("demo"))
    count = len(knowledge.items)
    said = capsys.readouterr().err
    assert f"Knowledge of demo: {count} facts ({count} intent) on {knowledge.entity_count} entities" in said


def test_items_without_anything_in_common_leave_an_empty_graph_that_kgin_refuses(
    summarized: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    path = summarized.text("demo") / "summaries.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps({**record, "intents": []}) for record in records]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    relate.main(["demo"])
    assert "no two items share a tag or an intent phrase" in capsys.readouterr().err
    _train(summarized, "kgin")
    with pytest.raises(ConfigurationError, match="kgin needs a knowledge graph and that of this data set"):
        train.main(["demo-kgin-base"])


def _train(layout: Layout, backbone: str) -> str:
    """Add the cell of a backbone under base, three epochs long, and return its key."""
    (key,) = ensure_cells(layout, [CellRequest("demo", backbone, "base")])
    params = yaml.safe_load(layout.params.read_text(encoding="utf-8"))
    params["cells"][key]["override"] = {"training": {"max_epochs": 3}}
    params["engine"]["workers"] = 1
    layout.params.write_text(yaml.safe_dump(params), encoding="utf-8")
    return key


@pytest.mark.parametrize("backbone", ["kgin", "alpharec"])
def test_a_backbone_that_reads_text_itself_is_trained_under_base(summarized: Layout, backbone: str) -> None:
    embed.main(["demo"])
    relate.main(["demo"])
    train.main([_train(summarized, backbone)])
    record = json.loads((summarized.run("demo", backbone, "base") / "run.json").read_text(encoding="utf-8"))
    assert record["backbone"] == backbone
    assert load_split(summarized.prepared("demo"), "train").user_count == 60


def test_a_cell_watches_what_it_reads() -> None:
    assert cell_inputs(CellRequest("demo", "kgin", "base")) == "data/text/demo/knowledge.npz"
    assert cell_inputs(CellRequest("demo", "kgin", "irllrec")) == "data/text/demo"
    assert cell_inputs(CellRequest("demo", "alpharec", "base")) == "data/text/demo/vectors.npz"
    assert cell_inputs(CellRequest("demo", "lightgcn", "base")) == "data/prepared/demo/train.npz"


@pytest.mark.parametrize(("backbone", "what"), [("alpharec", "text"), ("kgin", "a knowledge graph")])
def test_a_backbone_that_reads_text_is_refused_on_a_data_set_without(
    checkout: Layout, backbone: str, what: str
) -> None:
    add_dataset(checkout, "movie", CLICKS)
    with pytest.raises(ReproError, match=f"{backbone} reads {what} and the data set movie has") as refusal:
        ensure_cells(checkout, [CellRequest("movie", backbone, "base")])
    assert "\n" not in str(refusal.value)


def test_a_removed_data_set_leaves_no_relate_stage_in_the_lock(checkout: Layout) -> None:
    add_dataset(checkout, "movie", {**CLICKS, "text": {"summarizer": "extractive", "embedder": "lsa"}})
    lock = checkout.root / "dvc.lock"
    lock.write_text(
        "schema: '2.0'\nstages:\n  relate@movie:\n    cmd: a\n  relate@demo:\n    cmd: b\n", encoding="utf-8"
    )
    remove_dataset(checkout, "movie")
    assert lock.read_text(encoding="utf-8") == "schema: '2.0'\nstages:\n  relate@demo:\n    cmd: b\n"


@pytest.mark.parametrize(
    ("backbone", "objective", "stale", "caused"),
    [
        ("kgin", "base", "relate@demo", True),
        ("kgin", "base", "embed@demo", False),
        ("kgin", "irllrec", "embed@demo", True),
        ("kgin", "irllrec", "relate@demo", True),
        ("alpharec", "base", "embed@demo", True),
        ("alpharec", "base", "relate@demo", False),
        ("lightgcn", "base", "relate@demo", False),
    ],
)
def test_training_is_expected_where_its_own_input_is_stale(
    checkout: Layout, backbone: str, objective: str, stale: str, caused: bool
) -> None:
    (key,) = ensure_cells(checkout, [CellRequest("demo", backbone, objective)])
    params = load_params(checkout.params)
    work = estimate(checkout, params, {key: params.cells[key]}, [stale])
    assert (f"train@{key}" in work.stages) == caused


@pytest.mark.parametrize(
    ("backbone", "objective", "text_stages"),
    [
        ("kgin", "base", ("summarize@demo", "relate@demo")),
        ("kgin", "irllrec", ("summarize@demo", "embed@demo", "relate@demo")),
        ("alpharec", "base", ("summarize@demo", "embed@demo")),
    ],
)
def test_summaries_that_are_made_again_renew_what_the_cell_reads_of_them(
    checkout: Layout, backbone: str, objective: str, text_stages: tuple[str, ...]
) -> None:
    (key,) = ensure_cells(checkout, [CellRequest("demo", backbone, objective)])
    params = load_params(checkout.params)
    work = estimate(checkout, params, {key: params.cells[key]}, ["summarize@demo"])
    assert work.stages == (*text_stages, f"train@{key}", f"evaluate@{key}")
