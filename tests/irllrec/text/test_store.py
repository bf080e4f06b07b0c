"""The store of replies: what is kept, what is refused, and that nothing is lost when a process is killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irllrec.errors import TextError
from irllrec.text.asked import StoredFailure, StoredReply, question_key
from irllrec.text.store import APPLICATION_ID, ReplyStore

ASKED: dict[str, Any] = {
    "key": "k1",
    "attempt": 2,
    "done_reason": "stop",
    "prompt_tokens": 812,
    "reply_tokens": 96,
    "seconds": 2.5,
    "host": "http://127.0.0.1:11434",
    "server_version": "0.12.6",
    "model": "tiny",
    "digest": "a" * 64,
    "asked_at": "2025-10-12T10:00:00.000+00:00",
    "style": "reasoning",
    "template": "user-reasoning-books",
    "template_sha256": "b" * 64,
    "input_sha256": "c" * 64,
    "options": {"seed": 8, "temperature": 0.3, "num_ctx": 4096},
    "content": '{"profile": "Brot, Öl und 面包"}',
}
REPLY = StoredReply(**ASKED, parsed={"profile": "Brot, Öl und 面包", "intents": ["a", "b", "c"]})
FAILURE = StoredFailure(
    **{**ASKED, "attempt": 1, "content": "nonsense"}, kind="schema", sentence="No intents."
)

KEY_PARTS: dict[str, Any] = {
    "digest": "a" * 64,
    "template_sha256": "b" * 64,
    "schema": {"type": "object", "properties": {"profile": {"type": "string"}}},
    "options": {"temperature": 0, "seed": 1, "num_ctx": 4096, "num_predict": 200},
    "input_sha256": "c" * 64,
}


def test_a_reply_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        assert store.add_reply(REPLY)
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        assert store.reply("k1") == REPLY
        assert store.reply("k2") is None
        assert store.answered() == {"k1"}


def test_a_second_reply_to_a_question_changes_nothing(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        assert store.add_reply(REPLY)
        assert not store.add_reply(replace(REPLY, content="another"))
        assert store.reply("k1") == REPLY


def test_failures_are_kept_in_their_order_with_their_text(tmp_path: Path) -> None:
    second = replace(FAILURE, attempt=2, kind="cut-off", done_reason="length", prompt_tokens=None)
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        store.add_failure(FAILURE)
        store.add_failure(second)
        assert store.failures("k1") == [FAILURE, second]
        assert store.failures("k2") == []
        assert store.failure_counts()["k1"].standing == {"schema": 1, "cut-off": 1}
        assert store.quarantined() == {}


def test_a_question_given_up_is_quarantined_until_released_and_then_starts_anew(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        store.add_failure(FAILURE)
        store.add_failure(FAILURE, give_up=True)
        store.add_failure(replace(FAILURE, key="k2"))
        assert store.quarantined()["k1"].kind == "schema"
        assert store.quarantined()["k1"].sentence == "No intents."
        store.release(["k1", "k2", "k3"])
        assert store.quarantined() == {}
        counts = store.failure_counts()
        assert (counts["k1"].ever["schema"], counts["k1"].standing["schema"]) == (2, 0)
        assert counts["k2"].standing["schema"] == 1


def test_a_good_reply_ends_a_quarantine(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        store.add_failure(FAILURE, give_up=True)
        store.add_reply(REPLY)
        assert store.quarantined() == {}


def test_texts_that_no_file_can_hold_are_stored_with_question_marks(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        store.add_reply(replace(REPLY, content="a\ud83d\0b", parsed={"profile": "x\udc00"}))
        stored = store.reply("k1")
        assert stored is not None
        assert (stored.content, stored.parsed) == ("a?\0b", {"profile": "x?"})


def test_vectors_come_back_bit_by_bit_and_are_not_overwritten(tmp_path: Path) -> None:
    vectors = np.asarray([[0.1, -2.5, 3e-20], [1e30, 0.0, 7.0]], dtype=np.float32)
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        store.add_vectors("b1", vectors, model="tiny-embed", digest="d", host="h")
        store.add_vectors("b1", vectors * 2, model="tiny-embed", digest="d", host="h")
        found = store.vectors("b1")
        assert found is not None
        assert found.dtype == np.float32
        assert np.array_equal(found, vectors)
        assert store.vectors("b2") is None


def test_every_commit_is_flushed_to_the_disk(tmp_path: Path) -> None:
    """2 is FULL: the write-ahead log is flushed at each commit."""
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        assert store._run("PRAGMA journal_mode") == [("wal",)]
        assert store._run("PRAGMA synchronous") == [(2,)]


def test_a_closed_store_is_one_file_and_its_lock(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        store.add_reply(REPLY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["replies.sqlite", "replies.sqlite.lock"]


def test_a_failed_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        with pytest.raises(TypeError):
            store.add_reply(replace(REPLY, parsed={"profile": object()}))
        assert store.answered() == set()
        assert store.add_reply(REPLY)


@pytest.mark.parametrize("content", [b"This is a text, not a database. " * 50, b"\0" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "replies.sqlite"
    path.write_bytes(content)
    with pytest.raises(TextError, match=r"replies\.sqlite is no reply store or is damaged.*move it away"):
        ReplyStore(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(TextError, match=r"replies\.sqlite is an SQLite file of another program"):
        ReplyStore(path)
    assert path.read_bytes() == before


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    ReplyStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()
    with pytest.raises(TextError, match="store version 9 but this program reads 1"):
        ReplyStore(path)


def test_a_damaged_store_is_refused_with_the_way_to_rescue_it(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with ReplyStore(path) as store:
        for number in range(200):
            store.add_reply(replace(REPLY, key=f"k{number}", content="word " * 100))
    content = bytearray(path.read_bytes())
    content[8192 : 8192 + 40_000] = os.urandom(40_000)
    path.write_bytes(content)
    with pytest.raises(TextError, match=r"damaged.*sqlite3 replies\.sqlite \.recover"):
        ReplyStore(path)


def test_a_store_in_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TextError, match="cannot be written"):
        ReplyStore(tmp_path / "file" / "replies.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(TextError, match=r"folder\.sqlite cannot be read or written"):
        ReplyStore(tmp_path / "folder.sqlite")


def test_a_second_process_is_told_who_holds_the_store_and_since_when(tmp_path: Path) -> None:
    program = f"""if True:
        from pathlib import Path
        from irllrec.errors import TextError
        from irllrec.text.store import ReplyStore
        try:
            ReplyStore(Path({str(tmp_path / "replies.sqlite")!r}))
        except TextError as error:
            print(error)
    """
    with ReplyStore(tmp_path / "replies.sqlite"):
        said = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        since = datetime.fromisoformat(json.loads((tmp_path / "replies.sqlite.lock").read_text())["since"])
    assert f"replies.sqlite is in use by process {os.getpid()} on " in said
    assert since.isoformat() in said
    assert since.utcoffset() == timedelta(0)
    assert "stop it" in said
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == ""


def test_a_killed_process_leaves_its_commits_and_no_lock(tmp_path: Path) -> None:
    program = f"""if True:
        import sys
        from dataclasses import replace
        from pathlib import Path
        from irllrec.text.asked import StoredReply
        from irllrec.text.store import ReplyStore
        store = ReplyStore(Path({str(tmp_path / "replies.sqlite")!r}))
        reply = StoredReply(**{ASKED!r}, parsed={{}})
        for number in range(100_000):
            store.add_reply(replace(reply, key=str(number)))
            print(number, flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.read().split()
    process.wait()
    process.stdout.close()
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        kept = store.answered()
    assert set(said) <= kept
    # At most one reply was stored and not yet told.
    assert len(kept) - len(said) <= 1


def test_equal_questions_have_equal_keys_however_they_are_written() -> None:
    key = question_key(**KEY_PARTS)
    assert len(key) == 64
    options = {"num_predict": 200, "num_ctx": 4096, "seed": 1, "temperature": 0.0}
    assert question_key(**{**KEY_PARTS, "options": options}) == key


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "d" * 64},
        {"template_sha256": "d" * 64},
        {"input_sha256": "d" * 64},
        {"schema": {"properties": {"profile": {"type": "string"}}, "type": "object"}},
        {"options": {**KEY_PARTS["options"], "seed": 2}},
        {"options": {**KEY_PARTS["options"], "temperature": 0.1}},
    ],
)
def test_a_change_of_anything_a_reply_depends_on_changes_the_key(change: dict[str, Any]) -> None:
    assert question_key(**{**KEY_PARTS, **change}) != question_key(**KEY_PARTS)


def test_a_store_is_read_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "replies of mine?.sqlite"
    with ReplyStore(path) as store:
        store.add_reply(REPLY)
        with ReplyStore(path, read_only=True) as reader:
            assert reader.answered() == {"k1"}
            with pytest.raises(TextError, match="cannot be read or written"):
                reader.add_reply(replace(REPLY, key="k2"))
            store.add_reply(replace(REPLY, key="k3"))
            assert reader.answered() == {"k1", "k3"}


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(TextError):
        ReplyStore(tmp_path / "none.sqlite", read_only=True)
    assert not list(tmp_path.iterdir())


def test_digests_of_a_model_come_in_the_order_of_their_last_replies(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        for key, digest, day in (("k1", "new", 12), ("k2", "old", 10), ("k3", "new", 9)):
            asked_at = f"2025-10-{day:02}T10:00:00.000+00:00"
            store.add_reply(replace(REPLY, key=key, digest=digest, asked_at=asked_at))
        store.add_reply(replace(REPLY, key="k4", model="another", digest="else"))
        assert store.digests("tiny") == ["old", "new"]
        assert store.costs("tiny") == [(2.5, 96)] * 3
