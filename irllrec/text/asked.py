"""Records of questions that were asked: the key of a question, its replies and its failures."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One time a question was asked, whatever came of it.

    Attributes:
        key: The question's key, see :func:`question_key`.
        attempt: 1 for the first; only replies that were no good count up.
        done_reason: Why the model stopped, if it said so.
        prompt_tokens: Tokens of the prompt, if the server counted them.
        reply_tokens: Tokens of the reply, if the server counted them.
        seconds: Wall time from request to reply.
        host: Address of the host.
        server_version: Version of the server, empty where it is not known.
        model: Name of the model.
        digest: Digest of the model.
        asked_at: When the reply came, in UTC.
        style: Style of the prompt.
        template: Name of the prompt's template.
        template_sha256: Hash of the template.
        input_sha256: Hash of what the prompt tells about the node.
        options: The sampling options of this very attempt, its seed among them.
        content: The raw text of the reply; empty where none came.
    """

    key: str
    attempt: int
    done_reason: str | None
    prompt_tokens: int | None
    reply_tokens: int | None
    seconds: float
    host: str
    server_version: str
    model: str
    digest: str
    asked_at: str
    style: str
    template: str
    template_sha256: str
    input_sha256: str
    options: Mapping[str, Any]
    content: str


@dataclass(frozen=True, kw_only=True)
class StoredReply(Asked):
    """A good reply; ``parsed`` is what it says, as JSON values."""

    parsed: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StoredFailure(Asked):
    """A reply that was no good or never came: which ``kind``, and a ``sentence`` about it."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Quarantined:
    """A question that is not asked again unless the user says so.

    Attributes:
        kind: Kind of its last failure.
        sentence: What was wrong with it.
        since: When it was given up, in UTC.
    """

    kind: str
    sentence: str
    since: str


@dataclass(frozen=True)
class FailureCounts:
    """How often a question failed, by kind.

    Attributes:
        ever: All its failures.
        standing: Those since it was last let out of quarantine.
    """

    ever: Counter[str] = field(default_factory=Counter)
    standing: Counter[str] = field(default_factory=Counter)


def question_key(
    *,
    digest: str,
    template_sha256: str,
    schema: Mapping[str, Any],
    options: Mapping[str, Any],
    input_sha256: str,
) -> str:
    """Return the SHA-256 of everything a reply depends on; equal questions have equal keys.

    The order of the options does not matter, nor whether a whole number is written 0 or 0.0; the order
    of the schema's keys does, because models write them in that order.
    """
    parts = [digest, template_sha256, schema, dict(sorted(_plain(options).items())), input_sha256]
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def utc_now() -> str:
    """Return the time as an ISO text in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in options.items()
    }
