"""Asking a language model about the nodes of a data set, with progress shown and one sentence at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from repro.asking_display import AskingDisplay
from repro.durations import spoken
from repro.language_model import (
    Asking,
    asking_of,
    chat_of,
    find_digest,
    prompts_of,
    put_questions,
)
from repro.layout import Layout
from repro.params import Params
from repro.text_params import OllamaEngine, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from irllrec.text.prompts import Prompt
    from irllrec.text.questions import Outcome
    from irllrec.text.store import ReplyStore


def ask_entry(layout: Layout, params: Params, name: str, *, retry: bool = False) -> str:
    """Ask what the entry ``name`` has no reply for, and return one sentence about it.

    Raises:
        ReproError, DataError, TextError: Where nothing can be asked; what was finished is kept.
    """
    from irllrec.data.prepared import load_split, load_texts
    from irllrec.text.store import ReplyStore

    text = params.text[name]
    prepared = layout.prepared(text.dataset)
    prompts = prompts_of(text, chat_of(name, text), load_texts(prepared), load_split(prepared, "train"))
    with ReplyStore(layout.replies(text.dataset)) as store:
        _, outcome = ask_about(params.engine.ollama, name, text, prompts, store, retry=retry)
    return f"{name}: {said(outcome)}"


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
