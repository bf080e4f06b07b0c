"""A question to a model and its reply, as they go over the wire, and whether all of both had room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ChatRequest:
    """What is asked of a model.

    Attributes:
        model: Name of the model, for example ``"qwen3:8b"``.
        messages: Pairs of role and text.
        schema: JSON schema the reply must follow, sent as ``format``.
        options: Sampling options: temperature, seed, num_ctx, num_predict; also ``think``, which the API
            takes beside them: whether a model that can reasons before it answers.
    """

    model: str
    messages: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class ChatReply:
    """What a model replied, and what the host said about it.

    Attributes:
        content: The reply's text, not yet parsed.
        done_reason: ``"stop"``, or ``"length"`` where the reply was cut off.
        prompt_tokens: Tokens of the prompt as the server counted them, if it did.
        reply_tokens: Tokens of the reply, if the server counted them.
        seconds: Wall time from request to reply.
        host: Address of the host.
        server_version: Version of the server.
    """

    content: str
    done_reason: str | None
    prompt_tokens: int | None
    reply_tokens: int | None
    seconds: float
    host: str
    server_version: str


def cut_off(reply: ChatReply, options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return kind and sentence where the prompt or the reply did not fit, else ``None``."""
    limit = options["num_ctx"]
    used = (reply.prompt_tokens or 0) + (reply.reply_tokens or 0)
    if used >= limit:
        return "context-full", (
            f"Prompt and reply take {used} tokens ({reply.prompt_tokens} and {reply.reply_tokens}) but num_ctx "
            f"is {limit}, so part of the prompt may be lost: raise num_ctx or send less text."
        )
    if reply.done_reason == "length":
        return "cut-off", (
            f"The reply was cut off after {reply.reply_tokens} tokens: raise num_predict "
            f"(now {options.get('num_predict', 'the server default')}) or ask for less."
        )
    return None
