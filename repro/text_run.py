"""Asking a language model about the nodes of a data set, with progress shown and one sentence at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from repro.asking_display import AskingDisplay
from repro.durations import spoken
from repro.language_model import Asking, asking_of, chat_of, find_digest, put_questions
from repro.text_params import OllamaEngine, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from irllrec.text.prompts import Prompt
    from irllrec.text.questions import Outcome
    from irllrec.text.store import ReplyStore


def ask_about(
    engine: OllamaEngine,
    name: str,
    text: Text,
    prompts: Sequence[Prompt],
    store: ReplyStore,
    *,
    retry: bool = False,
) -> tuple[Asking, Outcome]:
    """Put the questions of prompts to the hosts, showing progress; what has a reply is not asked.

    Raises:
        TextError: As :func:`repro.language_model.put_questions`.
    """
    chat = chat_of(name, text)
    digest = find_digest(engine, text, chat, prompts, store)
    asking = asking_of(text, chat, prompts, digest)
    with AskingDisplay(f"Summaries of {name}") as display:
        try:
            outcome = put_questions(engine, chat, asking, store, retry=retry, report=display.report)
        except KeyboardInterrupt:
            print(
                f"Interrupted: the replies so far are kept in {store.path}; the same command goes on.",
                file=sys.stderr,
            )
            raise
    return asking, outcome


def said(outcome: Outcome) -> str:
    """Return what came of a run, in one sentence."""
    parts = [f"{outcome.answered:,} answered in {spoken(outcome.seconds)}"]
    parts += [f"{outcome.already_answered:,} had a reply before"] if outcome.already_answered else []
    if outcome.answered:
        parts.append(f"{outcome.prompt_tokens:,} + {outcome.reply_tokens:,} tokens read and written")
    for what, counts in (
        ("bad replies", outcome.failed_attempts),
        ("host troubles", outcome.troubles),
        ("given up", outcome.quarantined),
    ):
        if counts:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
            parts.append(f"{what}: {kinds}")
    return "; ".join(parts) + "."
