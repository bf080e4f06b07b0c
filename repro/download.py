"""Files from the web or a mirror folder: streamed, resumed, capped in size, checked before use."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from irllrec.data.raw import disk_errors
from irllrec.errors import DataError
from repro.errors import ReproError
from repro.sources import SourceFile, verify

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.5
REDIRECT_LIMIT = 5
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
CHUNK = 1 << 18
TEMPORARY_CODES = frozenset({408, 425, 429, 500, 502, 503, 504})

_T = TypeVar("_T")

Advance = Callable[[int], None]
"""Called with the number of bytes that are there after each step."""


class TryAgainError(Exception):
    """An attempt failed in a way that another may not."""


def obtain(
    address: str, file: SourceFile, target: Path, advance: Advance | None = None
) -> dict[str, str | int]:
    """Bring one file to ``target`` and return its size and hashes, checked against its pins.

    What is already at ``target`` is kept: a whole file is only checked, a part is continued. A file
    that is not what it should be is removed.

    Args:
        address: An http(s) URL, or the path of a file in a mirror folder.
        file: What the file must be.
        target: The partial file; its folder must exist.
        advance: Told how many bytes there are.

    Raises:
        DataError: If the content is not what the pins say, or the disk is full.
        ReproError: If the address cannot be read.
    """
    report = advance or (lambda _: None)
    with disk_errors(target):
        if target.is_file() and file.bytes is not None and target.stat().st_size >= file.bytes:
            with contextlib.suppress(DataError):
                return verify(target, file, address)
            target.unlink()
        if is_url(address):
            _download(address, file, target, report)
        else:
            _copy(Path(address), file, target, report)
        try:
            return verify(target, file, address)
        except DataError:
            target.unlink(missing_ok=True)
            raise


def is_url(address: str) -> bool:
    """Return whether an address is an http(s) URL; another scheme is refused.

    Raises:
        ReproError: For schemes such as ftp or file.
    """
    scheme, mark, _ = address.partition("://")
    if not mark:
        return False
    if scheme.lower() not in ("http", "https"):
        raise ReproError(f"{address} uses {scheme}://: give an http(s) URL or a folder.")
    return True


def mirror_address(base: str, path: str) -> str:
    """Return where ``path`` (``<source>/<dataset>/<file>``) lies in the mirror ``base``.

    ``base`` may be the mirror itself, or its folder of the source or of the data set.
    """
    parts = path.split("/")
    last = base.rstrip("/").rsplit("/", 1)[-1]
    if last in parts[:-1]:
        parts = parts[parts.index(last) + 1 :]
    return "/".join([base.rstrip("/"), *parts])


def _copy(origin: Path, file: SourceFile, target: Path, report: Advance) -> None:
    try:
        size = origin.stat().st_size
        if not origin.is_file():
            raise FileNotFoundError
    except OSError:
        raise ReproError(
            f"{origin} is missing: a mirror is laid out <source>/<dataset>/<file>; check --from."
        ) from None
    if size > file.size_limit:
        raise DataError(f"{origin} is refused: it has {size:,} bytes, more than {file.size_limit:,}.")
    done = 0
    with origin.open("rb") as source, target.open("wb") as copy:
        while chunk := source.read(CHUNK):
            copy.write(chunk)
            done += len(chunk)
            report(done)


def _download(url: str, file: SourceFile, target: Path, report: Advance) -> None:
    with open_client() as client:
        patiently(url, lambda: _attempt(client, url, file, target, report))


def open_client() -> httpx.Client:
    """Return a client that follows a few redirects and asks http(s) addresses only."""
    import httpx

    return httpx.Client(
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=True,
        max_redirects=REDIRECT_LIMIT,
        event_hooks={"request": [_check]},
    )


def patiently(url: str, attempt: Callable[[], _T]) -> _T:
    """Return what ``attempt`` returns, making up to five with growing waits between them.

    Raises:
        ReproError: If the last attempt failed too, or ``url`` redirects for ever or astray.
    """
    import httpx

    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except httpx.UnsupportedProtocol:
            raise ReproError(f"{url} leads to something that is not http(s): {OTHER}") from None
        except httpx.TooManyRedirects:
            raise ReproError(f"{url} redirects more than {REDIRECT_LIMIT} times: {OTHER}") from None
        except httpx.InvalidURL as error:
            raise ReproError(f"{url} is not a valid URL ({error}): check --from.") from None
        except (TryAgainError, httpx.TransportError) as error:
            reason = str(error).strip() or type(error).__name__
        if number < ATTEMPTS:
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (number - 1))
    raise ReproError(
        f"{url} could not be read in {ATTEMPTS} attempts ({reason}): check the connection and run the same "
        f"command again, it goes on where it stopped; {OTHER}"
    )


OTHER = "name a mirror folder or URL with --from."


def _check(request: httpx.Request) -> None:
    if request.url.scheme not in ("http", "https"):
        raise ReproError(f"{request.url} is not http(s): {OTHER}")


def check_answer(url: str, response: httpx.Response) -> None:
    """Refuse an answer that is no content, or that came unencrypted where ``url`` is not.

    Raises:
        TryAgainError: If the server is in trouble that may pass.
        ReproError: For any other answer than 200, 206 and 416.
    """
    code = response.status_code
    if code in TEMPORARY_CODES:
        raise TryAgainError(f"the server answered {code}")
    if code not in (200, 206, 416):
        raise ReproError(f"{url} cannot be read, the server answered {code}: {OTHER}")
    if urlsplit(url).scheme == "https" and response.url.scheme != "https":
        raise ReproError(f"{url} redirects to the unencrypted {response.url}: {OTHER}")


def _attempt(client: httpx.Client, url: str, file: SourceFile, target: Path, report: Advance) -> None:
    """Make one request that continues the partial file, or starts it where that is not possible."""
    have = target.stat().st_size if target.is_file() else 0
    if have and (file.bytes is None or have >= file.bytes):
        target.unlink()
        have = 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", url, headers=headers) as response:
        check_answer(url, response)
        code = response.status_code
        if code == 416:
            target.unlink(missing_ok=True)
            raise TryAgainError("the server refused to continue")
        if code == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            target.unlink(missing_ok=True)
            raise TryAgainError("the server sent another part than was asked for")
        done = have if code == 206 else 0
        with target.open("ab" if done else "wb") as handle:
            for chunk in capped(response, url, file.size_limit - done):
                handle.write(chunk)
                done += len(chunk)
                report(done)
    if file.bytes is not None and done < file.bytes:
        raise TryAgainError(f"only {done:,} of {file.bytes:,} bytes came")


def capped(response: httpx.Response, url: str, room: int) -> Iterator[bytes]:
    """Yield the body as it arrives, unbuffered so that a break loses nothing, refusing what exceeds ``room`` bytes."""
    for chunk in response.iter_raw():
        room -= len(chunk)
        if room < 0:
            raise DataError(
                f"{url} is refused: it sends more bytes than the file has; fetch it again, or {OTHER}"
            )
        yield chunk
