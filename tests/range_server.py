"""A local web server that sends parts of one file, well or badly, and counts what it sends."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Server:
    """What the server does, what it was asked, and how many bytes it sent."""

    url: str = ""
    content: bytes = b""
    honours_range: bool = True
    shift: int = 0
    total: int | str | None = None
    extra: bytes = b""
    break_after: int | None = None
    breaks: int = 0
    codes: list[int] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    bytes_sent: int = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, server: Server, *arguments: object) -> None:
        self.behaviour = server
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        return

    def _head(self, code: int, size: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def do_GET(self) -> None:
        server = self.behaviour
        if server.codes:
            self._head(server.codes.pop(0), 0)
            return
        if self.path != "/real/data.zip":  # as archive.org sends its readers on to a mirror host
            self._head(302 if self.path == "/m/archive/data.zip" else 404, 0, Location="/real/data.zip")
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        size = len(server.content)
        if wanted is None or not server.honours_range:
            self._send(200, server.content)
            return
        start, stop = int(wanted[1]), min(int(wanted[2] or size) + 1, size)
        server.ranges.append((start, stop))
        total = size if server.total is None else server.total
        if start >= size:
            self._head(416, 0, Content_Range=f"bytes */{total}")
            return
        named = f"bytes {start + server.shift}-{stop - 1 + server.shift}/{total}"
        self._send(206, server.content[start:stop] + server.extra, Content_Range=named)

    def _send(self, code: int, body: bytes, **headers: str) -> None:
        server = self.behaviour
        self._head(code, len(body), **headers)
        if server.break_after is not None and server.breaks > 0 and len(body) > server.break_after:
            server.breaks -= 1
            body = body[: server.break_after]
        server.bytes_sent += len(body)
        self.wfile.write(body)


@contextmanager
def serving(content: bytes = b"") -> Iterator[Server]:
    """Run a server whose ``url`` is a mirror with ``content`` as its ``archive/data.zip``."""
    behaviour = Server(content=content)
    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, behaviour))
    behaviour.url = f"http://127.0.0.1:{http_server.server_port}/m"
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield behaviour
    finally:
        http_server.shutdown()
        http_server.server_close()
        thread.join()
