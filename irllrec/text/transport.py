"""The HTTP transport under the Ollama client: bounded bodies, sorted errors, no silent cuts.

The official client drops the headers of an error (and with them Retry-After), follows redirects, reads
bodies of any size and cannot ask the server to refuse a prompt that is too long. All four are mended
here, below it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from irllrec.errors import TextError
from irllrec.text.troubles import HostTroubleError, ModelMissingError, RequestRefusedError

MOST_ERROR_BYTES = 65_536
LONGEST_QUOTE = 300


class GuardedTransport(httpx.AsyncBaseTransport):
    """Passes requests on and turns every answer that is not a success into one of our errors.

    Proxies named in the environment are not used: a host is reached directly or not at all.
    """

    def __init__(self, url: str, *, most_bytes: int, inner: httpx.AsyncBaseTransport | None = None) -> None:
        """Prepare a transport to one host.

        Args:
            url: The host's address, for the sentences.
            most_bytes: Largest body that is read.
            inner: What really sends; a plain HTTP transport if not given.
        """
        self._url = url
        self._most_bytes = most_bytes
        self._inner = inner or httpx.AsyncHTTPTransport(verify=url.startswith("https:"))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response to ``request``, its body bounded.

        Raises:
            HostTroubleError: On 5xx, 429, 408, or a body that is too large or compressed.
            ModelMissingError: On 404 that speaks of a model.
            RequestRefusedError: On every other status but success, redirects included.
        """
        response = await self._inner.handle_async_request(await _without_silent_cuts(request))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        if not response.is_success:
            raise await self._error_of(response, response.stream)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.stream.aclose()
            raise HostTroubleError(
                f"{self._url} sent a compressed body though none was asked for: name the Ollama server "
                "itself, not a proxy before it.",
                kind="malformed",
            )
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(response.stream, self._most_bytes, self._url),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _error_of(self, response: httpx.Response, stream: httpx.AsyncByteStream) -> TextError:
        status = response.status_code
        if response.has_redirect_location:
            await stream.aclose()
            return RequestRefusedError(
                f"{self._url} sends us on to {_quote(response.headers['location'])}: "
                "name that address as the host if it is the one you mean."
            )
        message = _message_of(await _read_start(stream))
        if status in (429, 503):
            return HostTroubleError(
                f"{self._url} is busy (status {status}: {message}): it is asked again later.",
                kind="busy",
                retry_after=_seconds_of(response.headers.get("retry-after")),
            )
        if "context" in message and ("exceeds" in message or "longer than" in message):
            return RequestRefusedError(
                f"{self._url} says that the text is too long ({message}): raise num_ctx or send less text.",
                too_long=True,
            )
        if status == 404 and "model" in message:
            return ModelMissingError(f"{self._url} does not have the model ({message}).")
        if status == 408 or status >= 500:
            return HostTroubleError(
                f"{self._url} failed with status {status} ({message}): look into the log of that server.",
                kind="time-out" if status == 408 else "server-error",
            )
        return RequestRefusedError(
            f"{self._url} refused the request with status {status} ({message}): check that this is the "
            "address of an Ollama server, and the model's name and options."
        )


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, most_bytes: int, url: str) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._url = url

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._most_bytes:
                raise HostTroubleError(
                    f"{self._url} sent more than {self._most_bytes} bytes in one reply: "
                    "check that this is the address of an Ollama server.",
                    kind="malformed",
                )
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _without_silent_cuts(request: httpx.Request) -> httpx.Request:
    """Return a chat request that fails where the prompt or the reply does not fit into the context.

    By default the server drops the front of a prompt that is too long and answers as if nothing had
    happened; the token count of such a reply lies well below the context's size, so it cannot be told
    from a good one. Servers older than 0.12.6 ignore both keys.
    """
    if not request.url.path.endswith("/api/chat"):
        return request
    body = json.loads(await request.aread())
    content = json.dumps({**body, "truncate": False, "shift": False}, ensure_ascii=False).encode("utf-8")
    headers = [pair for pair in request.headers.multi_items() if pair[0].lower() != "content-length"]
    return httpx.Request(
        request.method, request.url, headers=headers, content=content, extensions=request.extensions
    )


async def _read_start(stream: httpx.AsyncByteStream) -> bytes:
    start = b""
    try:
        async for chunk in stream:
            start += chunk
            if len(start) >= MOST_ERROR_BYTES:
                break
    finally:
        await stream.aclose()
    return start[:MOST_ERROR_BYTES]


def _message_of(body: bytes) -> str:
    text = body.decode("utf-8", errors="replace")
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        text = str(json.loads(text)["error"])
    return _quote(text) or "without a word"


def _quote(text: str) -> str:
    plain = " ".join(text.encode("utf-8", errors="replace").decode("utf-8").split()).rstrip(".")
    return plain if len(plain) <= LONGEST_QUOTE else f"{plain[:LONGEST_QUOTE]}…"


def _seconds_of(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header, given as a number or a date; ``None`` if unreadable."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
