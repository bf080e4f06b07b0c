"""Downloads from a real local server that behaves well and badly."""

import functools
import hashlib
import http.server
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from irllrec.errors import DataError
from repro import download
from repro.download import is_url, mirror_address, obtain
from repro.errors import ReproError
from repro.sources import SourceFile, load_sources, verify

ROOT = Path(__file__).resolve().parents[2]
CONTENT = bytes(itertools.islice(itertools.cycle(range(251)), 300_000))
FILE = SourceFile(name="f.pkl", what="a test", bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


@dataclass
class Server:
    """What the server does, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    break_after: int | None = None
    breaks: int = 0
    honours_range: bool = True
    lies_about_range: bool = False
    codes: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, server: Server, *arguments: object) -> None:
        self.behaviour = server
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        return

    def do_GET(self) -> None:
        server = self.behaviour
        server.ranges.append(self.headers.get("Range"))
        if server.codes:
            self.send_response(server.codes.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and server.honours_range:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            shown = 0 if server.lies_about_range else start
            self.send_response(206)
            self.send_header(
                "Content-Range", f"bytes {shown}-{len(server.content) - 1}/{len(server.content)}"
            )
        else:
            self.send_response(200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.break_after is not None and server.breaks > 0:
            server.breaks -= 1
            body = body[: server.break_after]
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.01)
    behaviour = Server()
    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, behaviour))
    behaviour.url = f"http://127.0.0.1:{http_server.server_port}/file"
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield behaviour
    http_server.shutdown()
    http_server.server_close()
    thread.join()


def test_a_whole_file_comes_with_its_hashes_and_progress(server: Server, tmp_path: Path) -> None:
    steps: list[int] = []
    found = obtain(server.url, FILE, tmp_path / "f", steps.append)
    assert (tmp_path / "f").read_bytes() == CONTENT
    blob = hashlib.sha1(f"blob {len(CONTENT)}\0".encode() + CONTENT).hexdigest()
    assert found == {"bytes": len(CONTENT), "sha256": FILE.sha256, "git_blob": blob}
    assert steps == sorted(steps)
    assert steps[-1] == len(CONTENT)


def test_a_partial_file_is_continued_where_it_stopped(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT[:1000])
    obtain(server.url, FILE, tmp_path / "f")
    assert server.ranges == ["bytes=1000-"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_connection_that_breaks_twice_is_resumed(server: Server, tmp_path: Path) -> None:
    server.break_after, server.breaks = 70_000, 2
    obtain(server.url, FILE, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.ranges[0] is None
    assert all(asked for asked in server.ranges[1:])


def test_a_server_that_knows_no_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.honours_range = False
    (tmp_path / "f").write_bytes(CONTENT[:1000])
    obtain(server.url, FILE, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_that_sends_another_range_is_not_believed(server: Server, tmp_path: Path) -> None:
    server.lies_about_range = True
    (tmp_path / "f").write_bytes(CONTENT[:1000])
    obtain(server.url, FILE, tmp_path / "f")
    assert server.ranges == ["bytes=1000-", None]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_verified_file_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    obtain(server.url, FILE, tmp_path / "f")
    assert server.ranges == []


def test_a_part_of_an_altered_file_cannot_poison_the_next_try(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="altered"):
        obtain(server.url, FILE, tmp_path / "f")
    assert not (tmp_path / "f").exists()
    obtain(server.url, FILE, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(code: int, server: Server, tmp_path: Path) -> None:
    server.codes = [code, code]
    obtain(server.url, FILE, tmp_path / "f")
    assert len(server.ranges) == 3


def test_a_server_in_lasting_trouble_is_given_up(server: Server, tmp_path: Path) -> None:
    server.codes = [503] * 50
    with pytest.raises(ReproError, match=r"in 5 attempts \(the server answered 503\)"):
        obtain(server.url, FILE, tmp_path / "f")


def test_a_missing_page_is_not_asked_for_twice(server: Server, tmp_path: Path) -> None:
    server.codes = [404, 404]
    with pytest.raises(ReproError, match=r"the server answered 404: .*--from"):
        obtain(server.url, FILE, tmp_path / "f")
    assert len(server.ranges) == 1


def test_an_altered_file_is_refused_named_and_removed(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(DataError, match=r"/file is refused: its sha256 is .* altered") as caught:
        obtain(server.url, FILE, tmp_path / "f")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "f").exists()


def test_a_file_that_is_too_long_is_refused_before_it_is_stored_whole(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT * 3
    with pytest.raises(DataError, match="more bytes than the file has"):
        obtain(server.url, FILE, tmp_path / "f")
    assert not (tmp_path / "f").is_file() or (tmp_path / "f").stat().st_size <= len(CONTENT)


def test_a_file_of_unknown_size_is_pinned_by_its_git_blob(server: Server, tmp_path: Path) -> None:
    blob = hashlib.sha1(f"blob {len(CONTENT)}\0".encode() + CONTENT).hexdigest()
    pinned = SourceFile(name="f", what="a test", git_blob=blob)
    assert obtain(server.url, pinned, tmp_path / "f")["git_blob"] == blob
    server.content = CONTENT + b"x"
    with pytest.raises(DataError, match=f"git_blob is .* instead of {blob}"):
        obtain(server.url, pinned, tmp_path / "g")


def test_redirects_are_followed_but_not_for_ever(server: Server, tmp_path: Path) -> None:
    obtain(server.url.replace("/file", "/away"), FILE, tmp_path / "f")
    with pytest.raises(ReproError, match="more than 5 times"):
        obtain(server.url.replace("/file", "/loop"), FILE, tmp_path / "g")


def test_a_server_that_is_not_there_gives_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.001)
    with pytest.raises(ReproError, match="could not be read in 5 attempts") as caught:
        obtain("http://127.0.0.1:1/file", FILE, tmp_path / "f")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["ftp://host/f", "file:///etc/passwd", "s3://bucket/f"])
def test_only_http_is_a_url(address: str) -> None:
    with pytest.raises(ReproError, match=r"give an http\(s\) URL or a folder"):
        is_url(address)


def test_a_mirror_may_be_named_at_any_of_its_levels() -> None:
    path = "rlmrec/amazon/trn_mat.pkl"
    assert mirror_address("/m", path) == "/m/rlmrec/amazon/trn_mat.pkl"
    assert mirror_address("/m/rlmrec/", path) == "/m/rlmrec/amazon/trn_mat.pkl"
    assert mirror_address("http://h/rlmrec/amazon", path) == "http://h/rlmrec/amazon/trn_mat.pkl"


def test_a_folder_is_copied_and_a_missing_or_larger_file_refused(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.write_bytes(CONTENT)
    obtain(str(origin), FILE, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    with pytest.raises(ReproError, match="is missing: a mirror is laid out"):
        obtain(str(tmp_path / "nothing"), FILE, tmp_path / "g")
    origin.write_bytes(CONTENT + b"x")
    with pytest.raises(DataError, match="origin is refused"):
        obtain(str(origin), FILE, tmp_path / "g")


def test_git_blob_ids_are_those_of_git(tmp_path: Path) -> None:
    """`git hash-object` of the six bytes "hello\\n" is ce013625030ba8dba906f756967f9e9ca394464a."""
    (tmp_path / "f").write_bytes(b"hello\n")
    file = SourceFile(name="f", what="a test", git_blob="ce013625030ba8dba906f756967f9e9ca394464a")
    assert verify(tmp_path / "f", file, "f")["bytes"] == 6


def test_every_published_matrix_is_listed_with_a_pin_and_a_public_address() -> None:
    sources = load_sources(ROOT / "data" / "sources.yaml")
    assert list(sources.datasets) == ["amazon", "yelp", "steam", "movie"]
    train = sources.dataset("steam").files.train
    assert (train.bytes, train.sha256) == (None, None)
    assert train.git_blob == "712f64a4b77af99ece18fc9adc5b0756451112d2"
    assert sources.mirror_path("movie", sources.dataset("movie").files.test) == "irllrec/movie/tst_mat.pkl"
    assert sources.url("amazon", sources.dataset("amazon").files.train) == (
        "https://raw.githubusercontent.com/BlueGhostYi/DMRec/"
        "58ff3029601c935f1fdfa1f0df85a6c38300f4f1/data/amazon/trn_mat.pkl"
    )
    assert sources.archives["rlmrec-text"].file.bytes == 475_035_502
