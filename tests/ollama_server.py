"""A small server that speaks the Ollama protocol, with faults on purpose and replies made of the prompt.

Replies are a function of the prompt and the schema alone, so a test can tell whether each is there and is
the right one. Faults of the host are drawn anew for each request; faults of a reply depend on the prompt
and the seed, as they do with a model: the same question with the same seed fails in the same way again.

Run it by hand with ``python tests/ollama_server.py --port 11434 --faults busy=0.1,hang=0.02``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import select
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL = "tiny:latest"
EMBEDDER = "tiny-embed:latest"
VERSION = "0.12.6"
DIMENSION = 16
WORD = re.compile(r"[A-Za-z]{3,}")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Shares between 0 and 1, drawn for each request of a host; the first that is drawn happens.

    ``bad_replies`` is a share of questions instead: half of them get one bad reply, half get two, before
    the good one; ``hopeless`` questions get bad replies for ever. ``outages`` are seconds up and seconds
    down in turn.
    """

    busy: float = 0.0
    error: float = 0.0
    drop: float = 0.0
    half: float = 0.0
    hang: float = 0.0
    garbage: float = 0.0
    bad_replies: float = 0.0
    hopeless: float = 0.0
    retry_after: str = "0"
    outages: tuple[float, float] | None = None

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read ``busy=0.1,outages=5:2``."""
        known = {entry.name for entry in fields(cls)}
        values: dict[str, Any] = {}
        for part in filter(None, text.split(",")):
            name, _, value = part.partition("=")
            if name not in known:
                raise SystemExit(f"unknown fault {name}: choose among {', '.join(sorted(known))}")
            if name == "outages":
                up, _, down = value.partition(":")
                values[name] = (float(up), float(down))
            else:
                values[name] = value if name == "retry_after" else float(value)
        return cls(**values)


HOST_FAULTS = ("busy", "error", "drop", "half", "hang", "garbage")
BAD_REPLIES = ("schema", "empty", "length", "not-json", "half-json")


def share(*words: object) -> float:
    """Return a number in [0, 1) that depends on the words alone."""
    digest = hashlib.sha256("\x1f".join(map(str, words)).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def hash_messages(messages: Any) -> str:
    """Return the name under which a question stands in the log; takes dicts or pairs."""
    pairs = [[m["role"], m["content"]] if isinstance(m, dict) else list(m) for m in messages]
    return hashlib.sha256(json.dumps(pairs).encode("utf-8")).hexdigest()


def write_answer(prompt: str, schema: Any, place: str = "") -> Any:
    """Return a value that fits the JSON schema, its texts made of words of the prompt."""
    if not isinstance(schema, dict):
        return _phrase(prompt, place, 4)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        inner = schema.get("properties", {})
        return {name: write_answer(prompt, rule, f"{place}/{name}") for name, rule in inner.items()}
    if kind == "array":
        count = schema.get("minItems", schema.get("maxItems", 3))
        return [write_answer(prompt, schema.get("items"), f"{place}/{number}") for number in range(count)]
    if kind in ("integer", "number"):
        return int(share(prompt, place) * 10)
    return _phrase(prompt, place, 4 if "/intents" in place else 12)[: schema.get("maxLength")]


def _phrase(prompt: str, place: str, count: int) -> str:
    words = list(dict.fromkeys(word.lower() for word in WORD.findall(prompt))) or ["nothing"]
    start = int(share(prompt, place) * len(words))
    chosen = [words[(start + step) % len(words)] for step in range(min(count, len(words)))]
    mark = hashlib.sha256(f"{place}\x1f{prompt}".encode("utf-8", "replace")).hexdigest()[:8]
    return " ".join([*chosen, mark])


def embed_text(text: str) -> list[float]:
    """Return a vector to which each word adds its own direction."""
    total = [0.0] * DIMENSION
    for word in WORD.findall(text.lower()) or [text]:
        for axis in range(DIMENSION):
            total[axis] += share(word, axis) - 0.5
    return total


class OllamaServer:
    """One host. ``start`` and ``stop`` may be called in turn; the port stays the same."""

    def __init__(
        self,
        *,
        port: int = 0,
        faults: Faults | None = None,
        latency: tuple[float, float] = (0.0, 0.0),
        models: dict[str, str] | None = None,
        log: Path | None = None,
        seed: int = 0,
        base_seed: int = 0,
        most_embedded_characters: int = 10_000,
    ) -> None:
        """Prepare a host.

        Args:
            port: 0 for any free one.
            faults: What goes wrong and how often.
            latency: Shortest and longest time for a reply, in seconds; short ones are more frequent.
            models: Digests by name.
            log: File to which each request and each reply is appended as one JSON line.
            seed: Draws the faults and latencies.
            base_seed: Seed of a question's first attempt; later attempts count up from it.
            most_embedded_characters: Longest text that is embedded; longer ones are refused.
        """
        self.port = port
        self.faults = faults or Faults()
        self.latency = latency
        self.models = {MODEL: "a" * 64, EMBEDDER: "b" * 64} if models is None else models
        self.log_path = log
        self.seed = seed
        self.base_seed = base_seed
        self.most_embedded_characters = most_embedded_characters
        self.script: list[str] = []
        self.requests: list[tuple[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._number = 0
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> OllamaServer:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; requests are answered in threads."""
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.host = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on and drop those there are."""
        if self._server is None:
            return
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_connections()
        self._server = None

    def live_with_outages(self, stop: threading.Event) -> None:
        """Go down and come back in turn until ``stop`` is set."""
        assert self.faults.outages is not None
        up, down = self.faults.outages
        while not stop.wait(up * (0.5 + share(self.seed, "up", self.counts["outage"]))):
            self.log("outage")
            self.stop()
            if stop.wait(down):
                return
            self.start()

    def draw(self, question: str) -> tuple[str, float]:
        """Return the fault of this request, or an empty text, and its latency."""
        with self._lock:
            self._number += 1
            number = self._number
            scripted = self.script.pop(0) if self.script else None
        low, high = self.latency
        wait = low + (high - low) * share(self.seed, "latency", number, question) ** 3
        if scripted is not None:
            return scripted, wait
        point = share(self.seed, "fault", number, question)
        for name in HOST_FAULTS:
            point -= getattr(self.faults, name)
            if point < 0:
                return name, wait
        return "", wait

    def bad_reply(self, question: str, seed: int) -> str:
        """Return how the reply to this question with this seed is bad, or an empty text."""
        point = share("bad", question)
        attempt = seed - self.base_seed
        hopeless, bad = self.faults.hopeless, self.faults.bad_replies
        if point >= hopeless + bad or (
            point >= hopeless and attempt >= (1 if point < hopeless + bad / 2 else 2)
        ):
            return ""
        return BAD_REPLIES[int(share("kind", question, seed) * len(BAD_REPLIES))]

    def log(self, event: str, **content: object) -> None:
        """Append one line to the log file and count the event."""
        with self._lock:
            self.counts[event] += 1
        if self.log_path is None:
            return
        line = json.dumps({"event": event, "port": self.port, "at": time.time(), **content}) + "\n"
        descriptor = os.open(self.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, line.encode("utf-8"))
        finally:
            os.close(descriptor)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    host: OllamaServer

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed are nothing to print a traceback for."""


class _HungUpError(Exception):
    """The client hung up, or the host is going down."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *arguments: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(_HungUpError, OSError):
            super().handle()

    def do_GET(self) -> None:
        host = self.server.host
        if self.path == "/api/version":
            self._send({"version": VERSION})
        elif self.path == "/api/tags":
            self._send({"models": [_listed(name, digest) for name, digest in host.models.items()]})
        else:
            self._send({"error": "not found"}, 404)

    def do_POST(self) -> None:
        host = self.server.host
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        name = self.path.removeprefix("/api/")
        host.requests.append((name, body))
        if name == "pull":
            self._pull(body)
        elif name not in ("chat", "embed", "show"):
            self._send({"error": "not found"}, 404)
        elif _full(body.get("model", "")) not in host.models:
            self._send({"error": f"model {body.get('model')!r} not found"}, 404)
        elif name == "show":
            self._send({"details": {"family": "tiny"}, "capabilities": ["completion"]})
        elif name == "embed":
            self._embed(body)
        else:
            self._chat(body)

    def _chat(self, body: Any) -> None:
        host = self.server.host
        question = hash_messages(body["messages"])
        options = body.get("options", {})
        seed = options.get("seed", 0)
        fault, wait = host.draw(question)
        host.log("asked", question=question, seed=seed, fault=fault)
        prompt = "\n".join(message["content"] for message in body["messages"])
        prompt_tokens = len(prompt) // 4 + 1
        if prompt_tokens >= options.get("num_ctx", 4096) and body.get("truncate") is False:
            text = f"request ({prompt_tokens} tokens) exceeds the available context size"
            return self._send({"error": text}, 400)
        if fault == "refuse":
            return self._send({"error": "invalid option"}, 400)
        if self._fail_before(fault, wait):
            return None
        bad = fault if fault in BAD_REPLIES else host.bad_reply(question, seed)
        content = _content(write_answer(prompt, body.get("format")), bad)
        last = {
            "done": True,
            "done_reason": "length" if bad == "length" else "stop",
            "prompt_eval_count": prompt_tokens,
            "eval_count": len(content) // 4 + 1,
        }
        if body.get("stream", True):
            self._stream(body["model"], content, last, fault)
        else:
            reply = {"model": body["model"], "message": {"role": "assistant", "content": content}, **last}
            self._send(reply, half=fault == "half")
        host.log("replied", question=question, seed=seed, bad=bad)
        return None

    def _embed(self, body: Any) -> None:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        fault, wait = self.server.host.draw("\x1f".join(texts))
        self.server.host.log("embedded", texts=len(texts), fault=fault)
        if fault == "too-long" or max(map(len, texts)) > self.server.host.most_embedded_characters:
            return self._send({"error": "the input length exceeds the context length"}, 400)
        if not self._fail_before(fault, wait):
            self._send({"model": body["model"], "embeddings": [embed_text(text) for text in texts]})
        return None

    def _fail_before(self, fault: str, wait: float) -> bool:
        if fault == "busy":
            self._send({"error": "server busy"}, 503, {"Retry-After": self.server.host.faults.retry_after})
            return True
        self._sleep(3600.0 if fault == "hang" else wait)
        if fault == "error":
            self._send({"error": "the runner has terminated"}, 500)
        elif fault == "drop":
            self._hang_up()
        elif fault == "garbage":
            self._send_bytes(b"<html>This is no JSON</html>")
        return fault in ("error", "garbage")

    def _stream(self, model: str, content: str, last: Any, fault: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        middle = len(content) // 2
        for piece in (content[:middle], content[middle:]):
            self._chunk({"model": model, "message": {"role": "assistant", "content": piece}, "done": False})
            if fault == "half":
                self._hang_up()
            if fault == "stream-error":
                self._chunk({"error": "the runner has terminated"})
                break
        if fault not in ("stream-error", "stream-ends"):
            self._chunk({"model": model, "message": {"role": "assistant", "content": ""}, **last})
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, value: Any) -> None:
        line = json.dumps(value).encode("utf-8") + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def _pull(self, body: Any) -> None:
        self.server.host.models[_full(body["model"])] = "c" * 64
        self._send({"status": "success"})

    def _send(
        self, value: Any, status: int = 200, headers: dict[str, str] | None = None, *, half: bool = False
    ) -> None:
        self._send_bytes(json.dumps(value).encode("utf-8"), status, headers, half=half)

    def _send_bytes(
        self, content: bytes, status: int = 200, headers: dict[str, str] | None = None, *, half: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if half:
            self.wfile.write(content[: len(content) // 2])
            self._hang_up()
        self.wfile.write(content)

    def _sleep(self, seconds: float) -> None:
        """Wait as a model at work does: it stops when the client hangs up or the host goes down."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.server.host.closing.is_set():
                raise _HungUpError
            readable, _, _ = select.select([self.connection], [], [], min(left, 0.25))
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise _HungUpError
            if readable:
                time.sleep(min(left, 0.05))

    def _hang_up(self) -> None:
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        raise _HungUpError


def _content(answer: Any, bad: str) -> str:
    if bad == "schema":
        return json.dumps({"something": "else"})
    if bad == "empty":
        return ""
    if bad == "not-json":
        return "I would rather talk about the weather."
    text = json.dumps(answer)
    return text[: len(text) // 2] if bad in ("length", "half-json") else text


def _full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _listed(name: str, digest: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "digest": digest,
        "size": 1000,
        "modified_at": "2025-10-12T10:00:00Z",
        "details": {"family": "tiny", "parameter_size": "1M", "quantization_level": "F16"},
    }


def main() -> None:
    """Serve on one or more ports until the process is ended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--port", type=int, action="append", required=True, help="repeat it for several hosts"
    )
    parser.add_argument(
        "--faults", type=Faults.parse, default=Faults(), help="for example busy=0.1,drop=0.05"
    )
    parser.add_argument("--latency", default="0:0", help="shortest and longest in seconds, LOW:HIGH")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--base-seed", type=int, default=0)
    parser.add_argument("--model", action="append", default=[], help="NAME=DIGEST; repeat it for several")
    chosen = parser.parse_args()
    low, _, high = chosen.latency.partition(":")
    models = dict(text.partition("=")[::2] for text in chosen.model) or None
    stop = threading.Event()
    for number, port in enumerate(chosen.port):
        server = OllamaServer(
            port=port,
            faults=chosen.faults,
            latency=(float(low), float(high or low)),
            models=models,
            log=chosen.log,
            seed=chosen.seed + number,
            base_seed=chosen.base_seed,
        )
        server.start()
        print(server.url, flush=True)
        if chosen.faults.outages:
            threading.Thread(target=server.live_with_outages, args=(stop,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        stop.wait()


if __name__ == "__main__":
    main()
