"""The client of one host, against a server on this machine that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest

from irllrec.errors import TextError
from irllrec.text.chats import ChatReply, ChatRequest
from irllrec.text.client import OllamaHost, normalise_url
from irllrec.text.replies import schema_of
from irllrec.text.transport import GuardedTransport
from irllrec.text.troubles import HostTroubleError, ModelMissingError, RequestRefusedError
from tests.ollama_server import EMBEDDER, MODEL, VERSION, Faults, OllamaServer, embed_text, write_answer

Answer = TypeVar("Answer")

SCHEMA = {
    "type": "object",
    "properties": {"profile": {"type": "string"}, "intents": {"type": "array", "minItems": 3}},
}
REQUEST = ChatRequest(
    model="tiny",
    messages=(("system", "You write profiles."), ("user", "Sourdough bread and long galleons.")),
    schema=SCHEMA,
    options={"temperature": 0, "seed": 7, "num_ctx": 4096, "num_predict": 200},
)
EXPECTED = write_answer("You write profiles.\nSourdough bread and long galleons.", SCHEMA)


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


def talk(url: str, act: Callable[[OllamaHost], Awaitable[Answer]], **settings: Any) -> Answer:
    async def run() -> Answer:
        async with OllamaHost(url, **settings) as host:
            return await act(host)

    return asyncio.run(run())


def chat(url: str, request: ChatRequest = REQUEST, **settings: Any) -> ChatReply:
    return talk(url, lambda host: host.chat(request), **settings)


def trouble(url: str, **settings: Any) -> HostTroubleError:
    with pytest.raises(HostTroubleError) as caught:
        chat(url, **settings)
    return caught.value


def answer_raw(*pieces: bytes) -> tuple[str, threading.Thread]:
    """Serve these bytes to one connection, whatever it asks, and close it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection:
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


@pytest.mark.parametrize("streamed", [False, True])
def test_a_reply_comes_whole_with_its_counts(server: OllamaServer, streamed: bool) -> None:
    reply = chat(server.url, streamed=streamed)
    assert json.loads(reply.content) == EXPECTED
    assert reply.done_reason == "stop"
    # 19 + 1 + 34 characters of prompt, four to a token and one more.
    assert reply.prompt_tokens == 54 // 4 + 1
    assert reply.reply_tokens == len(reply.content) // 4 + 1
    assert (reply.host, reply.server_version) == (server.url, VERSION)
    assert 0 < reply.seconds < 5


def test_the_request_carries_schema_options_and_no_silent_cuts(server: OllamaServer) -> None:
    chat(server.url, keep_alive="5m")
    name, body = server.requests[-1]
    assert name == "chat"
    assert body["format"] == SCHEMA
    assert body["options"] == dict(REQUEST.options)
    assert body["messages"][0] == {"role": "system", "content": "You write profiles."}
    assert (body["stream"], body["keep_alive"]) == (False, "5m")
    assert (body["truncate"], body["shift"]) == (False, False)


def test_a_prompt_longer_than_the_context_is_refused_as_too_long(server: OllamaServer) -> None:
    request = ChatRequest("tiny", (("user", "word " * 100),), SCHEMA, {"seed": 1, "num_ctx": 50})
    with pytest.raises(RequestRefusedError, match="too long.*126 tokens.*raise num_ctx") as caught:
        chat(server.url, request)
    assert caught.value.too_long


def test_the_digest_is_found_under_the_exact_name_and_the_implied_tag(server: OllamaServer) -> None:
    server.models = {"tiny:latest": "1" * 64, "tiny:4b": "2" * 64}
    assert talk(server.url, lambda host: host.digest_of("tiny")) == "1" * 64
    assert talk(server.url, lambda host: host.digest_of("tiny:latest")) == "1" * 64
    assert talk(server.url, lambda host: host.digest_of("tiny:4b")) == "2" * 64
    assert talk(server.url, lambda host: host.digest_of("tin")) is None
    assert talk(server.url, lambda host: host.version()) == VERSION


def test_a_missing_model_is_named_with_the_command_that_gets_it(server: OllamaServer) -> None:
    server.models = {}
    with pytest.raises(ModelMissingError, match="does not have the model tiny: run `ollama pull tiny`"):
        chat(server.url)


def test_a_host_that_is_down_is_refused_trouble() -> None:
    with OllamaServer() as server:
        url = server.url
    for streamed in (False, True):
        assert trouble(url, streamed=streamed).kind == "refused"
    with pytest.raises(HostTroubleError, match=r"cannot be reached.*ollama serve"):
        talk(url, lambda host: host.version())


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("busy", "busy"),
        ("error", "server-error"),
        ("drop", "dropped"),
        ("half", "dropped"),
        ("garbage", "malformed"),
    ],
)
def test_each_fault_of_a_host_is_trouble_of_its_kind(
    server: OllamaServer, fault: str, kind: str, streamed: bool
) -> None:
    server.script = [fault]
    found = trouble(server.url, streamed=streamed)
    assert found.kind == kind
    assert server.url in str(found)
    assert json.loads(chat(server.url, streamed=streamed).content) == EXPECTED


def test_a_reply_that_takes_too_long_is_a_time_out(server: OllamaServer) -> None:
    server.script = ["hang", "hang"]
    for streamed in (False, True):
        found = trouble(server.url, reply_seconds=0.2, streamed=streamed)
        assert found.kind == "time-out"
        assert "within 0.2 s" in str(found)


def test_a_trickle_of_bytes_does_not_outlast_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.02):
                    connection.sendall(b" ")

        threading.Thread(target=trickle, daemon=True).start()
        with pytest.raises(HostTroubleError) as caught:
            talk(
                f"http://127.0.0.1:{listener.getsockname()[1]}",
                lambda host: host.version(),
                connect_seconds=0.3,
            )
        stop.set()
    assert caught.value.kind == "time-out"


def test_a_stream_that_ends_without_its_last_part_is_dropped(server: OllamaServer) -> None:
    server.script = ["stream-ends"]
    found = trouble(server.url, streamed=True)
    assert found.kind == "dropped"
    assert "without saying that it is done" in str(found)


def test_an_error_inside_a_stream_is_a_server_error(server: OllamaServer) -> None:
    server.script = ["stream-error"]
    found = trouble(server.url, streamed=True)
    assert found.kind == "server-error"
    assert "the runner has terminated" in str(found)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)]
)
def test_retry_after_is_read_as_seconds_or_date(header: str, seconds: float | None) -> None:
    with OllamaServer(faults=Faults(busy=1.0, retry_after=header)) as server:
        assert trouble(server.url).retry_after == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"message": 3}',
        b'{"message": {"role": "assistant", "content": "x"}, "done": true, "eval_count": -5}',
        b'{"message": {"role": "assistant", "content": "x"}, "done": true, "eval_count": 1e400}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"models": [{"digest": 3}]}',
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_every_malformed_body_is_host_trouble(body: bytes, streamed: bool) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()

    async def run() -> None:
        for act in ("version", "digest", "chat", "embed"):
            url, thread = answer_raw(head, body)
            async with OllamaHost(url, streamed=streamed) as host:
                host._version = "0"
                with pytest.raises(HostTroubleError) as caught:
                    await {
                        "version": host.version,
                        "digest": lambda host=host: host.digest_of("tiny"),
                        "chat": lambda host=host: host.chat(REQUEST),
                        "embed": lambda host=host: host.embed("tiny", ["text"]),
                    }[act]()
            assert caught.value.kind in ("malformed", "dropped")
            thread.join()

    asyncio.run(run())


def test_half_a_surrogate_pair_does_not_leave_the_client() -> None:
    body = b'{"message": {"role": "assistant", "content": "a\\ud83d"}, "done": true, "done_reason": "stop"}'
    url, thread = answer_raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body)

    async def run() -> ChatReply:
        async with OllamaHost(url) as host:
            host._version = "0"
            return await host.chat(REQUEST)

    assert asyncio.run(run()).content == "a?"
    thread.join()


def test_a_prompt_that_is_no_unicode_is_refused_and_not_the_hosts_fault(server: OllamaServer) -> None:
    request = ChatRequest("tiny", (("user", "a\ud83d"),), SCHEMA, {"seed": 1})
    with pytest.raises(RequestRefusedError, match="cannot be sent as UTF-8"):
        chat(server.url, request)


def test_a_redirect_is_named_and_not_followed(server: OllamaServer) -> None:
    head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {server.url}/api/chat\r\nContent-Length: 0\r\n\r\n"
    url, thread = answer_raw(head.encode())
    with pytest.raises(RequestRefusedError, match="sends us on to .*/api/chat"):
        talk(url, lambda host: host.version())
    thread.join()
    assert server.requests == []


def test_something_that_is_no_ollama_server_is_refused(server: OllamaServer) -> None:
    with pytest.raises(RequestRefusedError, match="status 404.*address of an Ollama server"):
        talk(f"{server.url}/elsewhere", lambda host: host.version())


def test_a_body_larger_than_the_limit_is_not_read_to_its_end(server: OllamaServer) -> None:
    found = trouble(server.url, most_bytes=60)
    assert found.kind == "malformed"
    assert "more than 60 bytes" in str(found)


def test_a_compressed_body_is_not_unpacked() -> None:
    url, thread = answer_raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")
    with pytest.raises(HostTroubleError, match="compressed"):
        talk(url, lambda host: host.version())
    thread.join()


def test_proxies_of_the_environment_are_not_used(
    server: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert talk(server.url, lambda host: host.version()) == VERSION


def test_vectors_come_back_one_a_text(server: OllamaServer) -> None:
    texts = ["bread oven", "galleon captain mutiny"]
    assert talk(server.url, lambda host: host.embed("tiny-embed", texts)) == [embed_text(t) for t in texts]
    name, body = server.requests[-1]
    assert (name, body["input"], body["truncate"]) == ("embed", texts, False)


def test_a_text_too_long_to_embed_is_refused(server: OllamaServer) -> None:
    with pytest.raises(RequestRefusedError, match="too long") as caught:
        talk(server.url, lambda host: host.embed(EMBEDDER, ["x" * 20_000]))
    assert caught.value.too_long


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        ("[[1, 2]]", "1 vectors"),
        ("[[1, 2], [1]]", "vectors of the sizes"),
        ("[[], []]", "vectors of the sizes"),
        ("[[1, NaN], [1, 2]]", "NaN or infinity"),
        ("[[1, Infinity], [1, 2]]", "NaN or infinity"),
    ],
)
def test_vectors_that_do_not_fit_are_host_trouble(vectors: str, problem: str) -> None:
    body = f'{{"model": "tiny", "embeddings": {vectors}}}'
    url, thread = answer_raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    with pytest.raises(HostTroubleError, match=problem):
        talk(url, lambda host: host.embed("tiny", ["one", "two"]))
    thread.join()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("box:8080/", "http://box:8080"),
        ("http://box", "http://box:80"),
        ("https://box/ollama/", "https://box:443/ollama"),
        ("http://[::1]:11434", "http://[::1]:11434"),
    ],
)
def test_an_address_is_completed(given: str, meant: str) -> None:
    assert normalise_url(given) == meant


@pytest.mark.parametrize("given", ["", "ftp://box", "file:///etc/passwd", "http://", "http://box:port"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(TextError, match=r"no address of a host: write it like http://127\.0\.0\.1:11434"):
        OllamaHost(given)


def test_a_password_in_an_address_is_refused_without_being_repeated() -> None:
    with pytest.raises(TextError, match="user name") as caught:
        OllamaHost("http://me:secret@box:11434")
    assert "secret" not in str(caught.value)


def test_a_cancelled_request_is_given_up_on_the_server_too(server: OllamaServer) -> None:
    server.script = ["hang"]

    async def run() -> None:
        async with OllamaHost(server.url) as host:
            task = asyncio.create_task(host.chat(REQUEST))
            while server.counts["asked"] == 0:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert server.counts["replied"] == 0


def test_the_transport_leaves_other_requests_as_they_are() -> None:
    seen: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    async def run() -> None:
        transport = GuardedTransport("http://box", most_bytes=100, inner=httpx.MockTransport(answer))
        async with httpx.AsyncClient(transport=transport, base_url="http://box") as client:
            await client.post("/api/embed", json={"input": "a"})
            await client.post("/api/chat", json={"model": MODEL})

    asyncio.run(run())
    assert json.loads(seen[0].content) == {"input": "a"}
    assert json.loads(seen[1].content) == {"model": MODEL, "truncate": False, "shift": False}


@pytest.mark.parametrize("think", [True, False, None])
def test_thinking_is_asked_for_beside_the_options(think: bool | None) -> None:
    options = {"seed": 1, "num_ctx": 4096} | ({} if think is None else {"think": think})

    async def ask_once(url: str) -> None:
        async with OllamaHost(url) as host:
            await host.chat(ChatRequest(MODEL, (("user", "a word or two"),), schema_of("plain"), options))

    with OllamaServer() as server:
        asyncio.run(ask_once(server.url))
        [body] = [body for name, body in server.requests if name == "chat"]
    assert body.get("think") is think
    assert "think" not in body["options"]
