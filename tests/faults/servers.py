"""What the commands talk to: a mirror of files over HTTP that is slow on purpose, and a language model."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from pathlib import Path
from typing import Any

from tests.ollama_server import OllamaServer

PIECES = 12
PAUSE_SECONDS = 0.05


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Sends a file in pieces with pauses, so that a download can be hit in its middle; continues parts."""

    def __init__(self, servers: Servers, *arguments: Any) -> None:
        self.servers = servers
        super().__init__(*arguments, directory=str(servers.mirror))

    def log_message(self, format: str, *arguments: object) -> None:
        return

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        size = -(-len(content) // PIECES)
        for place in range(start, len(content), size):
            if self.servers.drops > 0 and place > start:
                self.servers.drops -= 1
                self.close_connection = True
                self.connection.close()
                return
            try:
                self.wfile.write(content[place : place + size])
                self.wfile.flush()
            except OSError:
                return
            time.sleep(PAUSE_SECONDS)


class Servers:
    """Both servers, running while the object is entered.

    Attributes:
        mirror: The folder that the mirror serves.
        drops: How many of the next answers of the mirror break off in their middle.
    """

    def __init__(self, mirror: Path) -> None:
        mirror.mkdir(parents=True, exist_ok=True)
        self.mirror = mirror
        self.drops = 0
        self.ollama = OllamaServer(base_seed=2025)
        handler = functools.partial(_Handler, self)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Servers:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.ollama.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.ollama.stop()
