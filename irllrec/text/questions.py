"""What is asked, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from irllrec.text.chats import ChatRequest
from irllrec.text.lanes import HostStatus

if TYPE_CHECKING:
    from irllrec.text.replies import Style


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question and where it comes from.

    Attributes:
        key: See :func:`irllrec.text.asked.question_key`; equal keys are asked once.
        request: What is sent; its options name at least ``seed`` and ``num_ctx``.
        style: Style of the prompt.
        template: Name of the prompt's template.
        template_sha256: Hash of the template.
        input_sha256: Hash of what the prompt tells about the node.
    """

    key: str
    request: ChatRequest
    style: Style
    template: str
    template_sha256: str
    input_sha256: str


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        total: Distinct questions.
        done: Those with a reply, earlier runs included.
        failed_attempts: Bad replies of this run, by kind.
        troubles: Failures of hosts in this run, by kind.
        quarantined: Questions given up, earlier runs included.
        in_flight: Questions being asked right now.
        replies_per_second: Good replies over the last minute.
        seconds_left: Estimated from that rate; ``None`` while there is none.
        hosts: State of each host.
    """

    total: int
    done: int
    failed_attempts: Mapping[str, int]
    troubles: Mapping[str, int]
    quarantined: int
    in_flight: int
    replies_per_second: float
    seconds_left: float | None
    hosts: tuple[HostStatus, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        answered: Questions that got a good reply in this run.
        already_answered: Questions whose reply was in the store before.
        failed_attempts: Bad replies of this run, by kind.
        troubles: Failures of hosts in this run, by kind.
        quarantined: Questions given up, in this run or before, by kind of their last failure.
        seconds: Wall time.
        prompt_tokens: Tokens of all prompts of this run, as far as they were counted.
        reply_tokens: Tokens of all replies of this run, as far as they were counted.
    """

    answered: int
    already_answered: int
    failed_attempts: Mapping[str, int]
    troubles: Mapping[str, int]
    quarantined: Mapping[str, int]
    seconds: float
    prompt_tokens: int
    reply_tokens: int
