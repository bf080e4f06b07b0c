"""The text of a data set by a language model, through the stages and ``repro text``, against a server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from irllrec.data.prepared import load_ids, load_split, load_texts
from irllrec.errors import TextError
from irllrec.text.auditing import audit_prompts
from irllrec.text.embeddings import load_text_vectors
from irllrec.text.records import NodeIds, Summary, read_summaries
from repro.cli import run
from repro.errors import ReproError
from repro.grid import add_dataset
from repro.importing import ImportRequest, import_dataset
from repro.language_model import prompts_of
from repro.layout import Layout
from repro.params import load_params
from repro.params_file import ParamsFile
from repro.stages import embed, prepare, summarize
from repro.text_audits import audit_rows, stored_audits
from repro.text_params import Chat
from repro.text_work import ask_entry
from tests import ollama_server
from tests.ollama_server import EMBEDDER, MODEL, Faults, OllamaServer

ROOT = Path(__file__).resolve().parents[2]
XREC = ROOT.parent / "shared" / "data" / "xrec-yelp"
CHAT = {"model": "tiny", "domain": "books", "num_ctx": 4096, "num_predict": 512}
ENTRY = {
    "dataset": "demo",
    "summarizer": "ollama",
    "summaries_from": "data/prepared/demo/text.parquet",
    "chat": CHAT,
    "embedder": "lsa",
    "vectors_from": "data/text/demo/summaries.jsonl",
    "dimension": 16,
}


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer(base_seed=2025) as running:
        yield running


def _configure(layout: Layout, hosts: list[str], **entry: object) -> None:
    file = ParamsFile(layout.params)
    file.insert("text", "demo", {**ENTRY, **entry})
    engine = {"hosts": hosts, "timeout_seconds": 10, "give_up_seconds": 0.5}
    file.update("engine", {})
    file.lines = [line for line in file.lines if not line.startswith("  ollama:")]
    place = file.lines.index(next(line for line in file.lines if line.startswith("engine:")))
    file.lines.insert(place + 1, f"  ollama: {json.dumps(engine)}")
    file.save()


@pytest.fixture
def asked(small: Layout, server: OllamaServer) -> Layout:
    """The small checkout with summaries by the server's model."""
    _configure(small, [server.url])
    summarize.main(["demo"])
    return small


def _summaries(layout: Layout) -> list[Summary]:
    return read_summaries(layout.text("demo") / "summaries.jsonl")


def _chats(server: OllamaServer) -> int:
    return sum(1 for name, _ in server.requests if name == "chat")


def test_every_node_with_text_gets_a_summary_of_the_model_with_its_identity(
    asked: Layout, server: OllamaServer
) -> None:
    summaries = _summaries(asked)
    own = [summary for summary in summaries if summary.fallback is None]
    assert len(summaries) == 100
    assert len(own) > 90
    assert {(summary.summarizer, summary.model, summary.reply["digest"]) for summary in own} == {
        ("ollama", "tiny", server.models[MODEL])
    }
    assert all(len(summary.intents) == 3 and summary.reasoning for summary in own)
    assert {summary.options["temperature"] for summary in own} == {0}


def test_what_was_answered_is_not_asked_again_and_gives_the_same_bytes(
    asked: Layout, server: OllamaServer
) -> None:
    path = asked.text("demo") / "summaries.jsonl"
    before, count = path.read_bytes(), _chats(server)
    assert count > 90
    path.unlink()
    summarize.main(["demo"])
    assert path.read_bytes() == before
    assert _chats(server) == count


def test_what_is_finished_needs_no_server(asked: Layout, server: OllamaServer) -> None:
    path = asked.text("demo") / "summaries.jsonl"
    before = path.read_bytes()
    server.stop()
    summarize.main(["demo"])
    assert path.read_bytes() == before


def test_without_a_server_one_sentence_names_the_ways_out(small: Layout) -> None:
    _configure(small, ["http://127.0.0.1:9"])
    with pytest.raises(TextError) as refusal:
        summarize.main(["demo"])
    sentence = str(refusal.value)
    for words in ("ollama serve", "ollama pull tiny", "pinned", "extractive"):
        assert words in sentence
    assert "\n" not in sentence


def test_another_model_behind_the_same_name_is_asked_everything_again(
    asked: Layout, server: OllamaServer
) -> None:
    count = _chats(server)
    server.models[MODEL] = "c" * 64
    summarize.main(["demo"])
    assert _chats(server) == 2 * count
    assert {summary.reply["digest"] for summary in _summaries(asked) if summary.reply} == {"c" * 64}


@pytest.mark.parametrize(
    "change", [{"domain": "games"}, {"style": "plain"}, {"seed": 7}, {"num_predict": 600}]
)
def test_a_changed_setting_of_the_prompt_asks_everything_again(
    asked: Layout, server: OllamaServer, change: dict[str, object]
) -> None:
    count = _chats(server)
    _configure(asked, [server.url], chat={**CHAT, **change})
    summarize.main(["demo"])
    assert _chats(server) == 2 * count


@pytest.mark.parametrize("change", [{"chat": {**CHAT, "most_attempts": 5}}, {"dimension": 8}])
def test_a_setting_that_no_reply_depends_on_asks_nothing_again(
    asked: Layout, server: OllamaServer, change: dict[str, object]
) -> None:
    count = _chats(server)
    _configure(asked, [server.url], **change)
    summarize.main(["demo"])
    assert _chats(server) == count


def test_a_changed_text_asks_again_about_the_nodes_that_read_it(asked: Layout, server: OllamaServer) -> None:
    """The first item's title is read by itself and by the users who trained with it."""
    import pyarrow.parquet as parquet

    from irllrec.data.prepared import load_split

    path = asked.prepared("demo") / "text.parquet"
    table = parquet.read_table(path).to_pandas()
    row = table.index[(table.role == "item") & (table.kind == "title")][0]
    item = int(table.loc[row, "node"])
    table.loc[row, "text"] = "An Entirely Different Title"
    table.to_parquet(path, index=False)
    readers = load_split(asked.prepared("demo"), "train").item_degrees[item]
    count = _chats(server)
    summarize.main(["demo"])
    assert _chats(server) == count + 1 + readers


def test_a_node_without_a_good_reply_falls_back_and_is_counted(
    small: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    with OllamaServer(base_seed=2025, faults=Faults(hopeless=0.2)) as bad:
        _configure(small, [bad.url], chat={**CHAT, "most_attempts": 2})
        summarize.main(["demo"])
        embed.main(["demo"])
        fallen = [summary for summary in _summaries(small) if summary.fallback == "extractive"]
        assert fallen
        assert all(summary.summarizer == "ollama" and summary.profile for summary in fallen)
        record = json.loads((small.text("demo") / "embedding.json").read_text())
        assert record["summary_fallbacks"]["extractive"] == len(fallen)
        assert record["summary_coverage"] == pytest.approx(1 - len(fallen) / 100)
        assert _fallbacks_told(capsys.readouterr().err) == len(fallen)
        assert run(["text", "status", "--dataset", "demo", "--format", "json"]) == 0
        [status] = json.loads(capsys.readouterr().out)["rows"]
        assert sum(int(part.split()[0]) for part in status["given up"].split(", ")) == len(fallen)
        assert status["to ask"] == "0"


def _fallbacks_told(text: str) -> int:
    """Return the fallbacks of users and items that the sentence on coverage tells."""
    line = next(line for line in text.splitlines() if line.startswith("Summaries of demo"))
    return sum(map(int, re.findall(r"(\d+) by fallback", line)))


def _answered(layout: Layout) -> list[Summary]:
    return [summary for summary in _summaries(layout) if summary.reply]


def test_given_up_questions_are_asked_again_on_request(small: Layout) -> None:
    with OllamaServer(base_seed=2025, faults=Faults(hopeless=0.2)) as host:
        _configure(small, [host.url], chat={**CHAT, "most_attempts": 1})
        summarize.main(["demo"])
        count = _chats(host)
        summarize.main(["demo"])
        assert _chats(host) == count
        host.faults = Faults()
        sentence = ask_entry(small, load_params(small.params), "demo", retry=True)
        assert sentence.startswith(f"demo: {100 - len(_answered(small))} answered")
        summarize.main(["demo"])
        assert not [summary for summary in _summaries(small) if summary.fallback == "extractive"]


def test_the_audit_of_the_prompts_stands_beside_the_summaries(asked: Layout) -> None:
    audit = json.loads((asked.text("demo") / "audit.json").read_text())
    assert audit["prompts"]["within_training"] is True
    assert audit["prompts"]["prompts"] == sum(1 for summary in _summaries(asked) if summary.reply)
    assert audit["summaries"]["pairs"] == sum(len(summary.saw) for summary in _summaries(asked)) > 0


def test_vectors_by_an_embedding_model_are_unit_rows_with_its_identity(
    asked: Layout, server: OllamaServer
) -> None:
    _configure(asked, [server.url], embedder="ollama", embedding={"model": "tiny-embed", "batch_size": 8})
    embed.main(["demo"])
    vectors = load_text_vectors(asked.vectors("demo"))
    for matrix in (vectors.user_profile, vectors.item_intent):
        assert np.allclose(np.linalg.norm(matrix, axis=1), 1.0, atol=1e-5)
    assert not np.array_equal(vectors.user_profile, vectors.user_intent)
    record = json.loads((asked.text("demo") / "embedding.json").read_text())
    assert (record["model"], record["model_sha256"], record["batch_size"]) == (
        "tiny-embed",
        server.models[EMBEDDER],
        8,
    )
    before = asked.vectors("demo").read_bytes()
    server.stop()
    embed.main(["demo"])
    assert asked.vectors("demo").read_bytes() == before


def test_exported_summaries_are_replayed_without_a_server(
    asked: Layout, server: OllamaServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embed.main(["demo"])
    before = load_text_vectors(asked.vectors("demo"))
    path = tmp_path / "stored.jsonl.gz"
    assert run(["text", "export", "--dataset", "demo", "--to", str(path)]) == 0
    first = path.read_bytes()
    assert run(["text", "export", "--dataset", "demo", "--to", str(path)]) == 0
    assert path.read_bytes() == first
    server.stop()
    pinned = {**ENTRY, "summarizer": "pinned", "summaries_from": str(path)}
    file = ParamsFile(asked.params)
    file.insert("text", "demo", pinned)
    file.save()
    summarize.main(["demo"])
    embed.main(["demo"])
    after = load_text_vectors(asked.vectors("demo"))
    assert np.array_equal(before.user_profile, after.user_profile)
    replayed = _summaries(asked)
    assert {summary.summarizer for summary in replayed} == {"pinned"}
    assert {summary.reply["digest"] for summary in replayed if summary.reply} == {server.models[MODEL]}
    assert run(["text", "run", "--dataset", "demo"]) == 1
    server.start()
    found = _drift(capsys, "--sample", "5", "--no-train")
    assert {value for (what, _), value in found.items() if what.startswith("same")} == {"100.0%"}


def test_the_estimate_asks_nothing(
    small: Layout, server: OllamaServer, capsys: pytest.CaptureFixture[str]
) -> None:
    _configure(small, [server.url])
    assert run(["text", "estimate", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["role"] for row in rows] == ["user", "item"]
    assert [row["prompts"] for row in rows] == ["60", "40"]
    assert _chats(server) == 0


def test_a_node_is_shown_with_its_prompt_and_its_reply(
    asked: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    user = str(_summaries(asked)[0].id)
    assert run(["text", "show", user, "--dataset", "demo", "--prompt"]) == 0
    out = capsys.readouterr().out
    assert _summaries(asked)[0].profile in out
    assert "<evidence>" in out
    assert "reply      attempt 1" in out


def test_an_unknown_node_is_refused_by_name(asked: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["text", "show", "nobody", "--dataset", "demo"]) == 1
    assert "demo has no user 'nobody'" in capsys.readouterr().err


def test_an_entry_that_asks_no_model_is_refused_with_the_setting_to_change(
    small: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["text", "run", "--dataset", "demo"]) == 1
    assert "summarizer 'extractive', which asks no language model" in capsys.readouterr().err


def test_drift_of_a_model_that_writes_otherwise_is_seen_in_text_vectors_and_metrics(
    asked: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    embed.main(["demo"])
    before = (asked.root / ".repro" / "text" / "demo.sqlite").read_bytes()
    first = _drift(capsys, "--sample", "30", "--no-train")
    assert {value for (what, _), value in first.items() if what.startswith("same")} == {"100.0%"}
    write = ollama_server.write_answer
    monkeypatch.setattr(
        ollama_server,
        "write_answer",
        lambda prompt, schema, place="": write(f"otherwise {prompt}", schema, place),
    )
    found = _drift(capsys, "--sample", "30")
    assert {value for (what, _), value in found.items() if what.startswith("same")} == {"0.0%"}
    likeness = [float(value) for (what, _), value in found.items() if what == "likeness of profiles"]
    assert max(likeness) < 1
    assert any(what == "recall@20" for what, _ in found)
    assert (asked.root / ".repro" / "text" / "demo.sqlite").read_bytes() == before


def _drift(capsys: pytest.CaptureFixture[str], *options: str) -> dict[tuple[str, str], str]:
    capsys.readouterr()
    assert run(["text", "drift", "--dataset", "demo", "--format", "json", *options]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    return {(row["what"], row["of"]): row["value"] for row in rows}


def test_a_user_text_that_repeats_a_test_review_stops_the_stage_and_is_named(small: Layout) -> None:
    """Her own text quotes what she wrote about an item of the test part."""
    import pyarrow.parquet as parquet

    path = small.prepared("demo") / "text.parquet"
    table = parquet.read_table(path).to_pandas()
    review = table[(table.kind == "review") & (table.split == "test") & (table.role == "user")].iloc[0]
    own = {**review, "kind": "text", "text": f"As I said: {review.text}", "user": -1, "item": -1, "split": ""}
    table.loc[len(table)] = own
    table.to_parquet(path, index=False)
    ids = {role: load_ids(small.prepared("demo"), role) for role in ("user", "item")}
    with pytest.raises(TextError) as refusal:
        summarize.main(["demo"])
    sentence = str(refusal.value)
    assert f"user {ids['user'][review['user']]}" in sentence.replace("'", "")
    assert f"item {ids['item'][review['item']]}" in sentence.replace("'", "")
    assert "test" in sentence


def test_the_data_card_shows_the_audit(asked: Layout) -> None:
    rows = dict(audit_rows(stored_audits(asked, load_params(asked.params), "demo")))
    assert rows["text demo: prompts"].endswith("interactions, all of training")
    assert rows["text demo: held-out reviews in prompts"].startswith("0 of ")
    assert rows["text demo: held-out reviews in prompts"] != "0 of 0 looked for"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chat": None}, "text.demo.chat is missing: ollama reads it"),
        ({"summarizer": "extractive"}, "text.demo.chat is not read by extractive: remove it"),
        ({"embedder": "ollama"}, "text.demo.embedding is missing: ollama reads it"),
        ({"chat": {**CHAT, "domain": "cars"}}, "`text.demo.chat.domain` is 'cars'"),
        ({"chat": {**CHAT, "num_ctx": 10}}, "`text.demo.chat.num_ctx` is 10"),
    ],
)
def test_a_wrong_entry_is_refused_by_key(small: Layout, change: dict[str, object], words: str) -> None:
    entry = {key: value for key, value in {**ENTRY, **change}.items() if value is not None}
    file = ParamsFile(small.params)
    file.insert("text", "demo", entry)
    with pytest.raises(ReproError, match=re.escape(words)):
        file.save()


@pytest.mark.real_data
@pytest.mark.skipif(not XREC.is_dir(), reason="needs the folder shared/data/xrec-yelp beside the checkout")
def test_every_prompt_about_real_users_holds_training_interactions_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XRec's Yelp: 2,228 users and 2,473 businesses with published profiles."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    layout = Layout(tmp_path)
    request = ImportRequest(
        name="xrec",
        interactions=XREC / "interactions_split.csv",
        user_text=XREC / "user_profiles.jsonl",
        item_text=XREC / "item_profiles.jsonl",
    )
    monkeypatch.setenv("REPRO_ROOT", str(tmp_path))
    add_dataset(layout, "xrec", import_dataset(layout, request).entry)
    prepare.main(["xrec"])
    chat = Chat(model="any", domain="businesses")
    text = load_params(layout.params).text["xrec"]
    rows = load_texts(layout.prepared("xrec"))
    splits = {split: load_split(layout.prepared("xrec"), split) for split in ("train", "valid", "test")}
    prompts = prompts_of(text, chat, rows, splits["train"])
    ids = NodeIds.load(layout.prepared("xrec"))
    audit = audit_prompts(
        prompts, rows, splits["train"], {name: splits[name] for name in ("valid", "test")}, ids
    )
    assert audit.prompts == 2228 + 2473
    assert audit.pairs_seen > 0.99 * len(splits["train"])
    assert max(prompt.estimated_tokens for prompt in prompts) <= chat.num_ctx - chat.num_predict


def test_distilled_intents_keep_the_published_profile(small: Layout, server: OllamaServer) -> None:
    """Every node but the first user has a profile; hers falls back to keyphrases, marked."""
    import pandas as pd
    import pyarrow.parquet as parquet

    path = small.prepared("demo") / "text.parquet"
    table = parquet.read_table(path).to_pandas()
    counts = {"user": 60, "item": 40}
    profiles = [
        {"role": role, "node": node, "kind": "profile", "text": f"Enjoys mysteries and maps, {role} {node}."}
        for role, count in counts.items()
        for node in range(count)
        if (role, node) != ("user", 0)
    ]
    rows = pd.DataFrame(profiles).assign(user=-1, item=-1, split="")[list(table.columns)]
    pd.concat([table, rows], ignore_index=True).to_parquet(path, index=False)
    _configure(small, [server.url], summarizer="distilled")
    summarize.main(["demo"])
    summaries = _summaries(small)
    assert {summary.summarizer for summary in summaries} == {"distilled"}
    assert [summary.fallback for summary in summaries][:2] == ["extractive", None]
    own = summaries[1:]
    assert all(summary.profile.startswith("Enjoys mysteries and maps") for summary in own)
    assert all(len(summary.intents) == 3 and summary.saw == () for summary in own)
    assert {summary.template for summary in own} == {"user-distil-books", "item-distil-books"}
    assert _chats(server) == 99
