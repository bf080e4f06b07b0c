"""One Ollama host: the only module of the library that speaks to a server.

The official asynchronous client does the talking. It comes without time-outs and raises errors of many
libraries; here each call has a time limit and every failure is one of three: the host is in trouble, the
model is missing, or the request is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import ollama

from irllrec.errors import TextError
from irllrec.text.chats import ChatReply, ChatRequest
from irllrec.text.transport import GuardedTransport
from irllrec.text.troubles import HostTroubleError, ModelMissingError, RequestRefusedError

DEFAULT_PORT = 11434
MOST_REPLY_BYTES = 64 * 1024 * 1024
MOST_TOKENS = 2**53

UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What the official client raises, unsorted, where a body is not JSON or not what the API promises."""


class OllamaHost:
    """A server that speaks the Ollama protocol. Use it as ``async with OllamaHost(url) as host``.

    Redirects are not followed and proxies of the environment are not used. Where the environment sets
    ``OLLAMA_API_KEY`` the official client sends it along as a bearer token.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_seconds: float = 10.0,
        reply_seconds: float = 600.0,
        streamed: bool = False,
        keep_alive: str = "30m",
        most_bytes: int = MOST_REPLY_BYTES,
    ) -> None:
        """Prepare a host; nothing is sent yet.

        Args:
            url: Address such as ``http://127.0.0.1:11434``.
            connect_seconds: Limit for a connection, and for the small questions (version, models).
            reply_seconds: Limit for one whole reply, the loading of the model included.
            streamed: Whether replies are read token by token.
            keep_alive: How long the server keeps the model loaded after a request.
            most_bytes: Largest body that is read.

        Raises:
            TextError: If the address is not one of http or https, or carries a password.
        """
        self.url = normalise_url(url)
        self._connect_seconds = connect_seconds
        self._reply_seconds = reply_seconds
        self._streamed = streamed
        self._keep_alive = keep_alive
        self._version: str | None = None
        # httpx logs a line for each request, thousands of them.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        transport = GuardedTransport(self.url, most_bytes=most_bytes)
        settings: dict[str, Any] = {
            "transport": transport,
            "timeout": httpx.Timeout(reply_seconds, connect=connect_seconds),
            "headers": {"accept-encoding": "identity"},
            "follow_redirects": False,
            "trust_env": False,
        }
        self._client = ollama.AsyncClient(self.url, **settings)
        self._plain = httpx.AsyncClient(base_url=self.url, **settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
        await self._plain.aclose()

    async def version(self) -> str:
        """Return the server's version and remember it for the replies to come.

        Raises:
            HostTroubleError: If the host does not answer.
            RequestRefusedError: If what answers is no Ollama server.
        """
        async with self._failures("its version", self._connect_seconds):
            content = (await self._plain.get("/api/version")).json()
            version = content["version"]
            if not isinstance(version, str):
                raise TypeError("the version is not a text")
        self._version = version
        return version

    async def digest_of(self, model: str) -> str | None:
        """Return the digest of a model as the host lists it, or ``None`` if the host does not have it.

        A name without a tag means the tag ``latest``.

        Raises:
            HostTroubleError: If the host does not answer.
        """
        async with self._failures("its models", self._connect_seconds):
            listed = await self._client.list()
        digests = {entry.model: entry.digest for entry in listed.models}
        return digests.get(model) or digests.get(f"{model}:latest")

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Return the model's whole reply.

        Raises:
            HostTroubleError: If the host fails, or its reply breaks off.
            ModelMissingError: If the host does not have the model.
            RequestRefusedError: If the host will not take the request.
        """
        version = self._version or await self.version()
        options = dict(request.options)
        arguments = {
            "think": options.pop("think", None),
            "model": request.model,
            "messages": [{"role": role, "content": text} for role, text in request.messages],
            "format": dict(request.schema),
            "options": options,
            "keep_alive": self._keep_alive,
        }
        start = time.perf_counter()
        async with self._failures(f"a reply of {request.model}", self._reply_seconds, request.model):
            content, last = await (self._stream(arguments) if self._streamed else self._whole(arguments))
            counts = [_count(last.prompt_eval_count), _count(last.eval_count)]
        return ChatReply(
            content=content.encode("utf-8", errors="replace").decode("utf-8"),
            done_reason=last.done_reason,
            prompt_tokens=counts[0],
            reply_tokens=counts[1],
            seconds=time.perf_counter() - start,
            host=self.url,
            server_version=version,
        )

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector a text, all of one size and finite; no text is cut.

        Raises:
            HostTroubleError: If the host fails or its vectors do not fit the texts.
            ModelMissingError: If the host does not have the model.
            RequestRefusedError: If a text is too long for the model.
        """
        async with self._failures(f"vectors of {model}", self._reply_seconds, model):
            response = await self._client.embed(
                model=model, input=list(texts), truncate=False, keep_alive=self._keep_alive
            )
            vectors = [list(map(float, row)) for row in response.embeddings]
        problem = _problem_of(vectors, len(texts))
        if problem:
            raise HostTroubleError(
                f"{self.url} sent {problem} for {len(texts)} texts: check that {model} is an embedding model.",
                kind="malformed",
            )
        return vectors

    async def _whole(self, arguments: Mapping[str, Any]) -> tuple[str, ollama.ChatResponse]:
        response = await self._client.chat(**arguments, stream=False)
        if response.done is not True:
            raise self._broken_off()
        return response.message.content or "", response

    async def _stream(self, arguments: Mapping[str, Any]) -> tuple[str, ollama.ChatResponse]:
        pieces: list[str] = []
        parts: Any = await self._client.chat(**arguments, stream=True)
        async with contextlib.aclosing(parts):
            async for part in parts:
                pieces.append(part.message.content or "")
                if part.done:
                    return "".join(pieces), part
        raise self._broken_off()

    def _broken_off(self) -> HostTroubleError:
        return HostTroubleError(
            f"{self.url} ended a reply without saying that it is done: it is asked again.", kind="dropped"
        )

    @contextlib.asynccontextmanager
    async def _failures(self, wanted: str, seconds: float, model: str = "") -> AsyncIterator[None]:
        """Turn whatever goes wrong inside into one of our three errors."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except ModelMissingError:
            raise ModelMissingError(
                f"{self.url} does not have the model {model}: run `ollama pull {model}` on that machine."
            ) from None
        except TextError:
            raise
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise self._trouble("refused", f"cannot be reached ({error or type(error).__name__})") from None
        except (TimeoutError, httpx.TimeoutException):
            raise self._trouble("time-out", f"did not send {wanted} within {seconds:g} s") from None
        except ConnectionError as error:
            # The official client raises exactly this class where no connection could be made.
            if type(error) is ConnectionError:
                raise self._trouble("refused", "cannot be reached") from None
            raise self._trouble("dropped", f"lost the connection before {wanted} came") from None
        except (httpx.NetworkError, httpx.RemoteProtocolError, OSError):
            raise self._trouble("dropped", f"lost the connection before {wanted} came") from None
        except ollama.ResponseError as error:
            raise self._trouble("server-error", f"broke off with the error {error.error!r}") from None
        except UnicodeEncodeError as error:
            raise RequestRefusedError(
                f"The text cannot be sent as UTF-8 ({error.reason} at {error.start}): mend the data set's text."
            ) from None
        except (httpx.HTTPError, httpx.StreamError, *UNREADABLE) as error:
            raise self._trouble("malformed", f"sent something else than {wanted} ({_short(error)})") from None

    def _trouble(self, kind: Any, problem: str) -> HostTroubleError:
        return HostTroubleError(
            f"{self.url} {problem}: check that `ollama serve` runs there and that the address is right.",
            kind=kind,
        )


def normalise_url(text: str) -> str:
    """Return a host's address with its scheme and port.

    An address without a scheme means http and the port 11434; one with a scheme and without a port
    means that scheme's own port.

    Raises:
        TextError: If it is not an address of http or https, or holds a password, a query or a fragment.
    """
    address = text.strip()
    bare = "://" not in address
    try:
        parts = urlsplit(f"http://{address}" if bare else address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TextError(f"{text!r} is no address of a host: write it like http://127.0.0.1:{DEFAULT_PORT}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise TextError(
            f"The host {parts.hostname} is given with a user name, a query or a fragment: "
            "write only scheme, name, port and path."
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    chosen = port or (DEFAULT_PORT if bare else {"http": 80, "https": 443}[parts.scheme])
    return f"{parts.scheme}://{name}:{chosen}{parts.path.rstrip('/')}"


def _count(tokens: int | None) -> int | None:
    if tokens is not None and not 0 <= tokens < MOST_TOKENS:
        raise ValueError(f"{tokens} tokens")
    return tokens


def _problem_of(vectors: Sequence[Sequence[float]], text_count: int) -> str | None:
    if len(vectors) != text_count:
        return f"{len(vectors)} vectors"
    sizes = {len(vector) for vector in vectors}
    if len(sizes) > 1 or 0 in sizes:
        return f"vectors of the sizes {sorted(sizes)}"
    if not all(math.isfinite(value) for vector in vectors for value in vector):
        return "vectors with NaN or infinity"
    return None


def _short(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:120]}" if lines else type(error).__name__
