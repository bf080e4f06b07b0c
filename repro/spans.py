"""Parts of a large file, from the web by range requests or from a folder."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from irllrec.errors import DataError
from repro import download
from repro.download import (
    _CHUNK,
    _OTHER,
    _TEMPORARY_CODES,
    ATTEMPTS,
    CONNECT_SECONDS,
    READ_SECONDS,
    REDIRECT_LIMIT,
    Advance,
    _capped,
    _check,
    _TryAgainError,
)
from repro.errors import ReproError

if TYPE_CHECKING:
    import httpx

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_T = TypeVar("_T")


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
        _check_size(self.name, f"{self.size:,}", size)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` up to ``stop``."""
        with self.path.open("rb") as handle:
            handle.seek(start)
            return handle.read(stop - start)

    def save(self, start: int, stop: int, target: Path, report: Advance) -> None:
        """Copy those bytes to ``target``."""
        with self.path.open("rb") as source, target.open("wb") as copy:
            source.seek(start)
            while (done := copy.tell()) < stop - start:
                copy.write(source.read(min(_CHUNK, stop - start - done)))
                report(copy.tell())


class WebFile:
    """A file on a server that knows byte ranges; a context that keeps its connection.

    The rules are those of ``download``: http(s) only, no step from https down to http, no more bytes
    than asked for, five attempts with growing waits. Every answer must name the expected size.

    Args:
        url: Its address, which may redirect.
        size: Its size in bytes.
    """

    def __init__(self, url: str, size: int) -> None:
        import httpx

        self.name = url
        self.size = size
        self._client = httpx.Client(
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=True,
            max_redirects=REDIRECT_LIMIT,
            event_hooks={"request": [_check]},
        )

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

        return self._patiently(attempt)

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

        self._patiently(attempt)

    def _stream(self, start: int, stop: int) -> Iterator[bytes]:
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{stop - 1}"}
        with self._client.stream("GET", self.name, headers=headers) as response:
            self._check_answer(response, start, stop)
            yield from _capped(response, self.name, stop - start)

    def _check_answer(self, response: httpx.Response, start: int, stop: int) -> None:
        code = response.status_code
        if code in _TEMPORARY_CODES:
            raise _TryAgainError(f"the server answered {code}")
        if code not in (200, 206, 416):
            raise ReproError(f"{self.name} cannot be read, the server answered {code}: {_OTHER}")
        if urlsplit(self.name).scheme == "https" and response.url.scheme != "https":
            raise ReproError(f"{self.name} redirects to the unencrypted {response.url}: {_OTHER}")
        if code == 200:
            raise NoRangesError
        named = response.headers.get("Content-Range", "")
        total = named.rpartition("/")[2]
        if total.isdecimal():
            _check_size(self.name, f"{int(total):,}", self.size)
        found = _CONTENT_RANGE.fullmatch(named)
        if code == 416 or not found or not total.isdecimal():
            raise _TryAgainError("the server did not send the part that was asked for")
        if int(found[1]) != start or int(found[2]) >= stop:
            raise _TryAgainError("the server sent another part than was asked for")

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        import httpx

        for number in range(1, ATTEMPTS + 1):
            try:
                return attempt()
            except httpx.UnsupportedProtocol:
                raise ReproError(f"{self.name} leads to something that is not http(s): {_OTHER}") from None
            except httpx.TooManyRedirects:
                raise ReproError(
                    f"{self.name} redirects more than {REDIRECT_LIMIT} times: {_OTHER}"
                ) from None
            except httpx.InvalidURL as error:
                raise ReproError(f"{self.name} is not a valid URL ({error}): check --from.") from None
            except (_TryAgainError, httpx.TransportError) as error:
                reason = str(error).strip() or type(error).__name__
            if number < ATTEMPTS:
                time.sleep(download.FIRST_WAIT_SECONDS * 2 ** (number - 1))
        raise ReproError(
            f"{self.name} could not be read in {ATTEMPTS} attempts ({reason}): check the connection and run "
            f"the same command again, it goes on where it stopped; {_OTHER}"
        )


def _check_complete(done: int, wanted: int) -> None:
    if done < wanted:
        raise _TryAgainError(f"only {done:,} of {wanted:,} bytes came")


def _check_size(name: str, found: str, wanted: int) -> None:
    if found != f"{wanted:,}":
        raise DataError(
            f"{name} is refused: it has {found} bytes instead of {wanted:,}, so it is not the archive of "
            f"data/sources.yaml; fetch it again, or {_OTHER}"
        )
