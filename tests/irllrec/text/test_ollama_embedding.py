"""Text vectors from embedding models on hosts: batches, interruptions and vectors that are no good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irllrec.errors import TextError
from irllrec.text.client import OllamaHost
from irllrec.text.embeddings import FloatArray
from irllrec.text.lanes import AskingLimits
from irllrec.text.ollama_embedding import embed_texts
from irllrec.text.store import ReplyStore
from irllrec.text.troubles import HostsUnreachableError
from tests.ollama_server import DIMENSION, EMBEDDER, Faults, OllamaServer, embed_text

DIGEST = "b" * 64
QUICK = AskingLimits(first_pause_seconds=0.01, longest_pause_seconds=0.05, give_up_seconds=0.5)
TEXTS = [f"reader {word} of bread" for word in ("one", "two", "three", "four", "five", "six", "seven")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReplyStore]:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        yield store


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


def embed(
    texts: Sequence[str], servers: Sequence[OllamaServer], store: ReplyStore, **settings: Any
) -> FloatArray:
    async def act() -> FloatArray:
        hosts = [OllamaHost(server.url, connect_seconds=1.0, reply_seconds=2.0) for server in servers]
        chosen = {"batch_size": 2, "limits": QUICK, "digest": DIGEST, "model": EMBEDDER, **settings}
        try:
            return await embed_texts(texts, hosts, store, **chosen)
        finally:
            for host in hosts:
                await host.close()

    return asyncio.run(act())


def expected(text: str) -> np.ndarray:
    vector = np.asarray(embed_text(text))
    return vector / np.linalg.norm(vector)


def test_each_text_gets_its_own_vector_of_length_one(server: OllamaServer, store: ReplyStore) -> None:
    vectors = embed(TEXTS, [server], store)
    assert (vectors.shape, vectors.dtype) == ((7, DIMENSION), np.float32)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert vector == pytest.approx(expected(text), abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(7), abs=1e-6)


def test_texts_are_sent_in_batches_of_the_given_size(server: OllamaServer, store: ReplyStore) -> None:
    embed(TEXTS, [server], store, batch_size=3)
    sent = [body["input"] for name, body in server.requests if name == "embed"]
    assert sorted(map(len, sent)) == [1, 3, 3]
    assert sorted(text for batch in sent for text in batch) == sorted(TEXTS)


def test_an_empty_text_is_a_zero_row_and_is_not_sent(server: OllamaServer, store: ReplyStore) -> None:
    vectors = embed(["", TEXTS[0], "  ", TEXTS[1]], [server], store)
    assert not vectors[[0, 2]].any()
    assert vectors[3] == pytest.approx(expected(TEXTS[1]), abs=1e-6)
    assert [body["input"] for name, body in server.requests if name == "embed"] == [TEXTS[:2]]


def test_texts_that_are_all_empty_need_no_host(store: ReplyStore) -> None:
    assert embed(["", ""], [], store).tolist() == [[0.0], [0.0]]
    assert embed([], [], store).shape == (0, 1)


def test_an_interrupted_embedding_goes_on_where_it_stopped(server: OllamaServer, store: ReplyStore) -> None:
    seen: list[tuple[int, int]] = []

    def stop_after_two_batches(done: int, total: int) -> None:
        seen.append((done, total))
        if done >= 4:
            server.stop()

    with pytest.raises(HostsUnreachableError):
        embed(TEXTS, [server], store, progress=stop_after_two_batches)
    before = server.counts["embedded"]
    server.start()
    vectors = embed(TEXTS, [server], store, progress=lambda done, total: seen.append((done, total)))
    assert server.counts["embedded"] - before <= 2
    assert vectors[6] == pytest.approx(expected(TEXTS[6]), abs=1e-6)
    assert seen[-1] == (7, 7)
    server.stop()
    assert np.array_equal(embed(TEXTS, [server], store), vectors)


def test_another_model_or_batch_size_is_embedded_anew(server: OllamaServer, store: ReplyStore) -> None:
    embed(TEXTS[:2], [server], store)
    embed(TEXTS[:2], [server], store, batch_size=1)
    server.models[EMBEDDER] = "e" * 64
    embed(TEXTS[:2], [server], store, digest="e" * 64)
    assert server.counts["embedded"] == 1 + 2 + 1


def test_a_host_with_another_model_than_expected_is_refused(server: OllamaServer, store: ReplyStore) -> None:
    with pytest.raises(TextError, match="tiny-embed:latest with the digest bbb.* not eee"):
        embed(TEXTS, [server], store, digest="e" * 64)


@pytest.mark.parametrize("fault", ["busy", "error", "drop", "garbage"])
def test_a_hosts_fault_loses_no_text(server: OllamaServer, store: ReplyStore, fault: str) -> None:
    server.script = ["", fault, "", fault]
    vectors = embed(TEXTS, [server], store)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert vector == pytest.approx(expected(text), abs=1e-6)


def test_a_batch_that_breaks_every_host_stops_with_its_place(store: ReplyStore) -> None:
    class Poisoned(OllamaServer):
        def draw(self, question: str) -> tuple[str, float]:
            return ("error" if TEXTS[4] in question else ""), 0.0

    limits = AskingLimits(first_pause_seconds=0.01, longest_pause_seconds=0.02, most_troubles=2)
    with Poisoned() as server, pytest.raises(TextError, match="failed 2 times at the 2 texts from text 4 on"):
        embed(TEXTS, [server], store, limits=limits)


def test_a_text_too_long_for_the_model_is_named_with_the_fix(server: OllamaServer, store: ReplyStore) -> None:
    server.most_embedded_characters = 40
    texts = [*TEXTS[:3], "a long tale " * 5, TEXTS[4]]
    names = [f"profile of user 'A{number}'" for number in range(5)]
    with pytest.raises(
        TextError, match=r"profile of user 'A3' \(60 characters, 'a long tale.*shorten it or use"
    ):
        embed(texts, [server], store, names=names)


def test_a_batch_counted_as_one_text_is_embedded_one_by_one(store: ReplyStore) -> None:
    class Counting(OllamaServer):
        def draw(self, question: str) -> tuple[str, float]:
            return ("too-long" if "\x1f" in question else ""), 0.0

    with Counting() as server:
        vectors = embed(TEXTS, [server], store)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert vector == pytest.approx(expected(text), abs=1e-6)


@pytest.mark.parametrize("broken", [[0.0, 0.0], [1e300, 0.0]])
def test_a_vector_without_direction_is_refused_with_its_text(
    server: OllamaServer, store: ReplyStore, monkeypatch: pytest.MonkeyPatch, broken: list[float]
) -> None:
    async def answer(_: OllamaHost, model: str, texts: Sequence[str]) -> list[list[float]]:
        return [broken if text == TEXTS[5] else [1.0, 2.0] for text in texts]

    monkeypatch.setattr(OllamaHost, "embed", answer)
    with pytest.raises(TextError, match="zero or not finite for the text 5: check that tiny-embed"):
        embed(TEXTS, [server], store)


def test_vectors_that_change_their_size_are_refused(
    server: OllamaServer, store: ReplyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_: OllamaHost, model: str, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0] * (3 if TEXTS[6] in texts else 2) for _ in texts]

    monkeypatch.setattr(OllamaHost, "embed", answer)
    with pytest.raises(TextError, match="vectors of size 3 after others of size 2"):
        embed(TEXTS, [server], store)


def test_a_batch_of_no_texts_is_refused(server: OllamaServer, store: ReplyStore) -> None:
    with pytest.raises(TextError, match="batch size is 0"):
        embed(TEXTS, [server], store, batch_size=0)


def test_no_host_says_which_embedder_needs_none(store: ReplyStore) -> None:
    with OllamaServer(faults=Faults()) as server:
        pass
    with pytest.raises(HostsUnreachableError, match="ollama pull tiny-embed:latest.*lsa"):
        embed(TEXTS, [server], store)
