"""Parts of a large file, from the web by range requests or from a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from irllrec.errors import DataError
from repro.download import (
    CHUNK,
    OTHER,
    Advance,
    TryAgainError,
    capped,
    check_answer,
    open_client,
    patiently,
)

if TYPE_CHECKING:
    import httpx

_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})")


class Spans(Protocol):
    """A file of known size of which parts can be had."""

    name: str
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` up to ``stop``."""

    def save(self, start: int, stop: int, target: Path, report: Advance) -> None:
        """Bring those bytes to ``target``; what is there already is taken for their beginning."""


class NoRangesError(Exception):
    """The server sends files as a whole only."""


class LocalFile:
    """A file on disk."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.name = str(path)
        self.size = path.stat().st_size
        _check_size(self.name, self.size, size)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` up to ``stop``."""
        with self.path.open("rb") as handle:
            handle.seek(start)
            return handle.read(stop - start)

    def save(self, start: int, stop: int, target: Path, report: Advance) -> None:
        """Copy those bytes to ``target``."""
        with self.path.open("rb") as source, target.open("wb") as copy:
            source.seek(start)
            done = 0
            while chunk := source.read(min(CHUNK, stop - start - done)):
                copy.write(chunk)
                done += len(chunk)
                report(done)


class WebFile:
    """A file on a server that knows byte ranges; a context that keeps its connection.

    The rules are those of ``download``: http(s) only, no step from https down to http, no more bytes
    than asked for, five attempts with growing waits. Every answer must name the expected size.

    Args:
        url: Its address, which may redirect.
        size: Its size in bytes.
    """

    def __init__(self, url: str, size: int) -> None:
        self.name = url
        self.size = size
        self._client = open_client()

    def __enter__(self) -> WebFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` up to ``stop``.

        Raises:
            NoRangesError: If the server sends the whole file.
            DataError: If the file has another size, or more comes than was asked for.
            ReproError: If it cannot be read in five attempts.
        """

        def attempt() -> bytes:
            content = b"".join(self._stream(start, stop))
            _check_complete(len(content), stop - start)
            return content

        return patiently(self.name, attempt)

    def save(self, start: int, stop: int, target: Path, report: Advance) -> None:
        """Append to ``target`` what it lacks of those bytes, and keep what came before an error.

        Raises:
            NoRangesError, DataError, ReproError: As :meth:`read`.
        """

        def attempt() -> None:
            done = target.stat().st_size if target.is_file() else 0
            if done > stop - start:
                target.unlink()
                done = 0
            report(done)
            with target.open("ab") as handle:
                for chunk in self._stream(start + done, stop) if start + done < stop else ():
                    handle.write(chunk)
                    done += len(chunk)
                    report(done)
            _check_complete(done, stop - start)

        patiently(self.name, attempt)

    def _stream(self, start: int, stop: int) -> Iterator[bytes]:
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{stop - 1}"}
        with self._client.stream("GET", self.name, headers=headers) as response:
            self._check_answer(response, start, stop)
            yield from capped(response, self.name, stop - start)

    def _check_answer(self, response: httpx.Response, start: int, stop: int) -> None:
        check_answer(self.name, response)
        code = response.status_code
        if code == 200:
            raise NoRangesError
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found:
            _check_size(self.name, int(found[3]), self.size)
        if code == 416 or not found or not found[1]:
            raise TryAgainError("the server did not send the part that was asked for")
        if int(found[1]) != start or int(found[2]) >= stop:
            raise TryAgainError("the server sent another part than was asked for")


def _check_complete(done: int, wanted: int) -> None:
    if done < wanted:
        raise TryAgainError(f"only {done:,} of {wanted:,} bytes came")


def _check_size(name: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise DataError(
            f"{name} is refused: it has {found:,} bytes instead of {wanted:,}, so it is not the archive of "
            f"data/sources.yaml; fetch it again, or {OTHER}"
        )
