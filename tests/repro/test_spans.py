"""Parts of a file from a real local server that behaves well and badly, and from disk."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from irllrec.errors import DataError
from repro import download
from repro.errors import ReproError
from repro.spans import LocalFile, NoRangesError, WebFile
from tests.range_server import Server, serving

CONTENT = bytes(itertools.islice(itertools.cycle(range(251)), 300_000))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.001)
    with serving(CONTENT) as behaviour:
        yield behaviour


@pytest.fixture
def web(server: Server) -> Iterator[WebFile]:
    with WebFile(f"{server.url}/archive/data.zip", len(CONTENT)) as file:
        yield file


def test_a_part_is_asked_for_through_a_redirect_and_nothing_else_is_sent(
    server: Server, web: WebFile
) -> None:
    assert web.read(1000, 1010) == CONTENT[1000:1010]
    assert web.read(len(CONTENT) - 1, len(CONTENT)) == CONTENT[-1:]
    assert server.ranges == [(1000, 1010), (len(CONTENT) - 1, len(CONTENT))]
    assert server.bytes_sent == 11


def test_a_part_on_disk_is_continued_up_to_its_end(server: Server, web: WebFile, tmp_path: Path) -> None:
    steps: list[int] = []
    part = tmp_path / "part"
    part.write_bytes(CONTENT[500:600])
    web.save(500, 200_000, part, steps.append)
    assert part.read_bytes() == CONTENT[500:200_000]
    assert server.ranges == [(600, 200_000)]
    assert (steps[0], steps[-1], steps) == (100, 199_500, sorted(steps))
    web.save(500, 200_000, part, steps.append)
    assert len(server.ranges) == 1


def test_a_part_that_is_too_long_is_taken_anew(server: Server, web: WebFile, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"x" * 11)
    web.save(500, 510, part, lambda _: None)
    assert part.read_bytes() == CONTENT[500:510]


def test_an_empty_part_asks_for_nothing(server: Server, web: WebFile, tmp_path: Path) -> None:
    web.save(500, 500, tmp_path / "part", lambda _: None)
    assert (tmp_path / "part").read_bytes() == b""
    assert server.ranges == []


def test_a_connection_that_breaks_goes_on_where_it_broke(
    server: Server, web: WebFile, tmp_path: Path
) -> None:
    server.break_after, server.breaks = 70_000, 3
    web.save(0, len(CONTENT), tmp_path / "part", lambda _: None)
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert [start for start, _ in server.ranges] == [0, 70_000, 140_000, 210_000]
    server.breaks = 1
    assert web.read(0, 100_000) == CONTENT[:100_000]


def test_what_came_before_the_last_attempt_failed_is_kept(
    server: Server, web: WebFile, tmp_path: Path
) -> None:
    server.break_after, server.breaks = 10_000, 50
    with pytest.raises(ReproError, match=r"in 5 attempts .*it goes on where it stopped"):
        web.save(0, len(CONTENT), tmp_path / "part", lambda _: None)
    assert (tmp_path / "part").read_bytes() == CONTENT[:50_000]


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_server_in_trouble_is_asked_again_and_given_up_in_the_end(
    code: int, server: Server, web: WebFile
) -> None:
    server.codes = [code] * 4
    assert web.read(0, 5) == CONTENT[:5]
    server.codes = [code] * 50
    with pytest.raises(ReproError, match=rf"in 5 attempts \(the server answered {code}\)"):
        web.read(0, 5)
    assert len(server.codes) == 45


def test_a_page_that_is_not_there_is_not_asked_for_twice(server: Server) -> None:
    with (
        WebFile(f"{server.url}/other", 10) as web,
        pytest.raises(ReproError, match=r"the server answered 404: .*--from"),
    ):
        web.read(0, 5)


def test_a_server_without_ranges_is_recognised_before_the_whole_file_comes(
    server: Server, web: WebFile
) -> None:
    server.honours_range = False
    with pytest.raises(NoRangesError):
        web.read(0, 5)


@pytest.mark.parametrize("shift", [-1, 1, 4096])
def test_a_server_that_sends_another_part_is_not_believed(
    shift: int, server: Server, web: WebFile, tmp_path: Path
) -> None:
    server.shift = shift
    with pytest.raises(ReproError, match=r"in 5 attempts \(the server sent another part"):
        web.save(5000, 5010, tmp_path / "part", lambda _: None)
    assert (tmp_path / "part").read_bytes() == b""


@pytest.mark.parametrize("total", ["*", "12x", "9" * 5000, "-1", ""])
def test_a_server_that_hides_the_size_is_not_believed(total: str, server: Server, web: WebFile) -> None:
    server.total = total
    with pytest.raises(ReproError, match=r"in 5 attempts \(the server did not send the part"):
        web.read(0, 5)


def test_a_server_that_sends_more_than_was_asked_for_is_refused(server: Server, web: WebFile) -> None:
    server.extra = b"more"
    with pytest.raises(DataError, match="sends more bytes"):
        web.read(0, 5)


@pytest.mark.parametrize("asked", [0, 299_990, 400_000])
def test_a_file_of_another_size_is_refused_at_the_first_answer(asked: int, server: Server) -> None:
    with (
        WebFile(f"{server.url}/archive/data.zip", 500_000) as web,
        pytest.raises(DataError, match="it has 300,000 bytes instead of 500,000"),
    ):
        web.read(asked, asked + 5)
    assert len(server.ranges) == 1


def _answering(**headers: str) -> Any:
    """Return a connection whose every address redirects to http://plain.example, which answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "https":
            return httpx.Response(302, headers={"Location": headers["location"]})
        return httpx.Response(206, headers={"Content-Range": "bytes 0-4/10"}, content=b"01234")

    return httpx.Client(
        transport=httpx.MockTransport(answer),
        follow_redirects=True,
        max_redirects=5,
        event_hooks={"request": [download._check]},
    )


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://plain.example/f", "redirects to the unencrypted http://plain.example/f"),
        ("ftp://plain.example/f", "not http(s)"),
        ("https://other.example/f", "redirects more than 5 times"),
    ],
)
def test_a_redirect_that_leads_astray_is_refused(location: str, words: str) -> None:
    with WebFile("https://safe.example/f", 10) as web:
        web._client.close()
        web._client = _answering(location=location)
        with pytest.raises(ReproError) as caught:
            web.read(0, 5)
    assert words in str(caught.value)


def test_a_server_that_is_not_there_gives_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.001)
    with (
        WebFile("http://127.0.0.1:1/f", 10) as web,
        pytest.raises(ReproError, match="in 5 attempts") as caught,
    ):
        web.read(0, 5)
    assert "\n" not in str(caught.value)


def test_parts_of_a_file_on_disk_are_read_and_copied(tmp_path: Path) -> None:
    path, part = tmp_path / "file", tmp_path / "part"
    path.write_bytes(CONTENT)
    file = LocalFile(path, len(CONTENT))
    assert file.read(7, 12) == CONTENT[7:12]
    part.write_bytes(b"something else")
    file.save(10, 290_000, part, lambda _: None)
    assert part.read_bytes() == CONTENT[10:290_000]
    with pytest.raises(DataError, match=r"file is refused: it has 300,000 bytes instead of 7"):
        LocalFile(path, 7)
