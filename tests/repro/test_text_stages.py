"""The stages generate, summarize and embed on a small copy of the checkout."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from irllrec.data.prepared import load_split
from irllrec.errors import DataError, TextError
from irllrec.text.embeddings import ARRAY_NAMES, load_text_vectors
from irllrec.text.encoder import SentenceEncoder
from irllrec.text.records import read_summaries, write_summaries
from repro.errors import ReproError
from repro.layout import Layout, text_sources
from repro.stages import embed, generate, prepare, summarize

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data" / "xrec-yelp"
ENCODER = "REPRO_SENTENCE_TRANSFORMER"


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A checkout with a small demo: 60 users, 50 items, 700 interactions, 4 intents."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["generated"] = {"demo": {"users": 60, "items": 50, "interactions": 700, "intents": 4, "seed": 3}}
    params["datasets"] = {"demo": params["datasets"]["demo"]}
    params["text"]["demo"]["dimension"] = 16
    params["cells"] = {}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.setenv("REPRO_ROOT", str(tmp_path))
    return Layout(tmp_path)


@pytest.fixture
def prepared(layout: Layout) -> Layout:
    generate.main(["demo"])
    prepare.main(["demo"])
    return layout


def _set_text(layout: Layout, **settings: object) -> None:
    params = yaml.safe_load(layout.params.read_text(encoding="utf-8"))
    made = text_sources("demo", "demo", str(settings["summarizer"]), str(settings["embedder"]))
    params["text"]["demo"] = {"dataset": "demo", **made, **settings}
    layout.params.write_text(yaml.safe_dump(params), encoding="utf-8")


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_generating_twice_gives_the_same_bytes(layout: Layout) -> None:
    generate.main(["demo"])
    first = _hashes(layout.raw("demo"))
    generate.main(["demo"])
    assert _hashes(layout.raw("demo")) == first
    assert set(first) == {"interactions.parquet", "text.jsonl", "ground_truth.npz", "manifest.json"}


def test_text_of_generated_data_names_interactions_of_the_data(layout: Layout) -> None:
    import pyarrow.parquet

    generate.main(["demo"])
    table = pyarrow.parquet.read_table(layout.raw("demo") / "interactions.parquet").to_pydict()
    pairs = set(zip(table["user_id"], table["item_id"], strict=True))
    lines = (layout.raw("demo") / "text.jsonl").read_text(encoding="utf-8").splitlines()
    reviews = [record for record in map(json.loads, lines) if record["kind"] == "review"]
    assert len(pairs) == 700
    assert reviews
    assert all((review["user_id"], review["item_id"]) in pairs for review in reviews)
    assert all(list(review) == ["role", "id", "kind", "text", "user_id", "item_id"] for review in reviews)


def test_no_interaction_is_lost_on_the_way_to_the_splits(prepared: Layout) -> None:
    counts = [len(load_split(prepared.prepared("demo"), name)) for name in ("train", "valid", "test")]
    assert sum(counts) == 700
    train, test = (load_split(prepared.prepared("demo"), name) for name in ("train", "test"))
    assert (train.item_degrees[test.items] > 0).all()
    assert (train.user_degrees > 0).all()


def test_a_data_set_that_is_not_generated_is_refused(layout: Layout) -> None:
    with pytest.raises(ReproError, match="'amazon' is not under `generated`; there are demo"):
        generate.main(["amazon"])


def test_the_default_text_path_gives_unit_vectors_for_every_node(prepared: Layout) -> None:
    summarize.main(["demo"])
    embed.main(["demo"])
    vectors = load_text_vectors(prepared.text("demo") / "vectors.npz")
    assert vectors.user_profile.shape == (60, 16)
    assert vectors.item_intent.shape == (50, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors.user_profile, axis=1), 1.0, rtol=1e-5)
    record = json.loads((prepared.text("demo") / "embedding.json").read_text(encoding="utf-8"))
    assert (record["summarizer"], record["embedder"]) == ("extractive", "lsa")
    assert record["coverage"]["user_profile"] == {"nodes": 60, "empty_texts": 0, "zero_rows": 0}


def test_both_stages_twice_give_the_same_bytes(prepared: Layout) -> None:
    summarize.main(["demo"])
    embed.main(["demo"])
    first = _hashes(prepared.text("demo"))
    summarize.main(["demo"])
    embed.main(["demo"])
    assert _hashes(prepared.text("demo")) == first


def test_summaries_saw_training_interactions_only(prepared: Layout) -> None:
    summarize.main(["demo"])
    train = load_split(prepared.prepared("demo"), "train")
    pairs = [pair for record in _read(prepared) for pair in record.saw]
    assert len(pairs) > 100
    assert train.contains([user for user, _ in pairs], [item for _, item in pairs]).all()


def test_pinned_summaries_that_saw_a_test_pair_stop_the_run(prepared: Layout) -> None:
    from dataclasses import replace

    summarize.main(["demo"])
    records = _read(prepared)
    test = load_split(prepared.prepared("demo"), "test")
    user, item = int(test.users[0]), int(test.items[0])
    records[user] = replace(records[user], saw=((user, item),))
    write_summaries(prepared.root / "stored.jsonl", records)
    _set_text(prepared, summarizer="pinned", summaries_from="stored.jsonl", embedder="lsa")
    before = (prepared.text("demo") / "summaries.jsonl").read_bytes()
    with pytest.raises(TextError, match=rf"saw the pair \(user {user}, item {item}\), which is a test"):
        summarize.main(["demo"])
    assert (prepared.text("demo") / "summaries.jsonl").read_bytes() == before


def test_pinned_summaries_give_the_vectors_of_the_run_they_come_from(prepared: Layout) -> None:
    summarize.main(["demo"])
    embed.main(["demo"])
    path = prepared.text("demo") / "vectors.npz"
    first = load_text_vectors(path)
    (prepared.text("demo") / "summaries.jsonl").rename(prepared.root / "stored.jsonl")
    _set_text(prepared, summarizer="pinned", summaries_from="stored.jsonl", embedder="lsa", dimension=16)
    summarize.main(["demo"])
    embed.main(["demo"])
    assert all(
        np.array_equal(getattr(load_text_vectors(path), name), getattr(first, name)) for name in ARRAY_NAMES
    )


def test_embedding_without_summaries_says_what_to_run(prepared: Layout) -> None:
    with pytest.raises(TextError, match="run the stage summarize first"):
        embed.main(["demo"])


def test_the_vectors_embedder_needs_vectors_that_came_with_the_data(prepared: Layout) -> None:
    summarize.main(["demo"])
    _set_text(prepared, summarizer="extractive", embedder="vectors")
    with pytest.raises(DataError, match=r"vectors\.npz is missing"):
        embed.main(["demo"])


def test_a_missing_encoder_folder_is_named(prepared: Layout) -> None:
    summarize.main(["demo"])
    _set_text(
        prepared, summarizer="extractive", embedder="sentence-transformers", vectors_from="no/such/folder"
    )
    with pytest.raises(TextError, match="no/such/folder is not a folder"):
        embed.main(["demo"])


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is not None, reason="sentence-transformers is installed"
)
def test_a_missing_encoder_package_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="sentence-transformers"):
        SentenceEncoder(tmp_path)


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_encoder_gives_the_published_vectors_of_the_same_profiles() -> None:
    """The vectors beside the data are all-MiniLM-L6-v2, of users' profiles and of "title. profile"."""
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    if not os.environ.get(ENCODER):
        pytest.skip(f"{ENCODER} names no folder of all-MiniLM-L6-v2")
    if not SHARED.is_dir():
        pytest.skip("../shared/data/xrec-yelp is not beside the checkout")
    encoder = SentenceEncoder(Path(os.environ[ENCODER]))
    with np.load(SHARED / "text_vectors.npz") as published:
        for role in ("user", "item"):
            lines = (SHARED / f"{role}_profiles.jsonl").read_text(encoding="utf-8").splitlines()
            records = {record[f"{role}_id"]: record for record in map(json.loads, lines)}
            ids = published[f"{role}_id"][:100].tolist()
            texts = [
                f"{records[one]['title']}. {records[one]['profile']}"
                if role == "item"
                else records[one]["profile"]
                for one in ids
            ]
            expected = published[role][:100].astype(np.float64)
            expected /= np.linalg.norm(expected, axis=1, keepdims=True)
            assert (encoder.encode(texts) * expected).sum(axis=1).min() > 0.999


@pytest.mark.real_data
def test_profiles_that_came_with_real_data_are_kept_and_embedded(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """150 users of the Yelp data with their language-model profiles through upstream and lsa."""
    from irllrec.data.raw import RawTable, TextRecord, write_raw

    if not SHARED.is_dir():
        pytest.skip("../shared/data/xrec-yelp is not beside the checkout")
    pairs = np.loadtxt(SHARED / "interactions.csv", delimiter=",", skiprows=1, usecols=(0, 1), dtype=np.int64)
    pairs = pairs[np.isin(pairs[:, 0], np.unique(pairs[:, 0])[:150])]
    profiles = {}
    for role, column in (("user", 0), ("item", 1)):
        known = set(pairs[:, column].tolist())
        lines = (SHARED / f"{role}_profiles.jsonl").read_text(encoding="utf-8").splitlines()
        records = [record for record in map(json.loads, lines) if record[f"{role}_id"] in known]
        profiles |= {(role, record[f"{role}_id"]): record["profile"] for record in records}
    layout.raw("demo").mkdir(parents=True)
    write_raw(
        layout.raw("demo"),
        RawTable(pairs[:, 0], pairs[:, 1]),
        manifest={"name": "demo", "origin": "imported", "source": [], "index": "ids"},
        texts=[TextRecord(role, one, "profile", text) for (role, one), text in profiles.items()],
    )
    _set_text(layout, summarizer="upstream", embedder="lsa", dimension=64)
    prepare.main(["demo"])
    summarize.main(["demo"])
    embed.main(["demo"])
    records = _read(layout)
    assert {record.role for record in records} == {"user", "item"}
    assert all(record.profile == profiles[record.role, record.id] for record in records)
    assert np.mean([len(record.intents) for record in records]) > 2.5
    assert load_text_vectors(layout.text("demo") / "vectors.npz").user_profile.shape == (150, 64)


def _read(layout: Layout) -> list:
    return read_summaries(layout.text("demo") / "summaries.jsonl")
