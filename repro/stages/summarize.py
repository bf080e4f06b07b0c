"""Stage summarize: turn training-visible texts into a profile and up to three intents a node."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irllrec.data.prepared import load_ids, load_split, load_texts
from irllrec.data.storage import write_json
from irllrec.errors import TextError
from irllrec.text.auditing import audit_prompts, audit_texts
from irllrec.text.corpus import gather
from irllrec.text.extractive import summarize_extractively
from irllrec.text.leakage import check_no_leakage
from irllrec.text.prompts import Prompt
from irllrec.text.records import ROLES, NodeIds, Summary, write_summaries
from irllrec.text.store import ReplyStore
from irllrec.text.summaries import replay_summaries, summarize_from_upstream
from irllrec.text.titles import summarize_by_titles
from irllrec.text.written import written_summaries
from repro.language_model import chat_of, prompts_of, replies_of, store_path
from repro.layout import Layout
from repro.params import load_params
from repro.stages.entry import read_name, run
from repro.stages.text_settings import text_settings
from repro.text_params import ASKING, Text
from repro.text_run import ask_about, said

HELD_OUT = {"validation": "valid", "test": "test"}


def main(argv: list[str]) -> None:
    """Summarize by the entry of ``text`` that ``argv`` names; writes summaries.jsonl and audit.json."""
    name = read_name(argv, "summarize", "a name under `text` in params.yaml")
    layout = Layout.find()
    settings = text_settings(layout, name)
    prepared = layout.prepared(settings.dataset)
    ids = NodeIds(tuple(load_ids(prepared, "user")), tuple(load_ids(prepared, "item")))
    train = load_split(prepared, "train")
    held_out = {word: load_split(prepared, split) for word, split in HELD_OUT.items()}
    rows = load_texts(prepared)
    audit: dict[str, Any] = {"texts": audit_texts(rows, train, held_out, ids).record()}
    prompts: list[Prompt] = []
    if settings.summarizer in ASKING:
        prompts = prompts_of(settings, chat_of(name, settings), rows, train)
        audit["prompts"] = audit_prompts(prompts, rows, train, held_out, ids).record()
    summaries = summarize(layout, name, settings, prepared, ids, prompts)
    check_no_leakage(summaries, train, held_out)
    audit["summaries"] = _seen(summaries)
    write_json(layout.text(name) / "audit.json", audit)
    write_summaries(layout.text(name) / "summaries.jsonl", summaries)
    print(describe_coverage(name, summaries), file=sys.stderr)


def summarize(
    layout: Layout, name: str, settings: Text, prepared: Path, ids: NodeIds, prompts: Sequence[Prompt]
) -> list[Summary]:
    """Return one summary a node, users first, by the summarizer that ``settings`` name.

    Args:
        layout: The checkout.
        name: The entry under ``text``.
        settings: The entry.
        prepared: Its data set.
        ids: Ids in node order.
        prompts: What a language model is asked, where the summarizer asks one.
    """
    if settings.summarizer == "pinned":
        return replay_summaries(layout.root / settings.summaries_from, ids)
    rows, train = load_texts(prepared), load_split(prepared, "train")
    if settings.summarizer == "titles":
        return summarize_by_titles(rows, train, ids)
    substitutes = summarize_extractively(gather(rows, train), ids)
    if not any(summary.profile for summary in substitutes):
        raise TextError(
            f"{prepared / 'text.parquet'} holds no text that training may see: import texts with "
            "`repro data import --user-text/--item-text`, or run only the variant base."
        )
    if settings.summarizer in ("upstream", "distilled"):
        substitutes = summarize_from_upstream(rows, ids, substitutes)
    return _ask(layout, name, settings, substitutes, ids, prompts) if prompts else substitutes


def _ask(
    layout: Layout,
    name: str,
    settings: Text,
    substitutes: Sequence[Summary],
    ids: NodeIds,
    prompts: Sequence[Prompt],
) -> list[Summary]:
    """Ask what has no reply yet, and return the summaries that all replies make."""
    engine = load_params(layout.params).engine.ollama
    with ReplyStore(store_path(layout, settings.dataset)) as store:
        asking, outcome = ask_about(engine, name, settings, prompts, store)
        replies = replies_of(asking, store)
    print(f"{name}: {said(outcome)}", file=sys.stderr)
    return written_summaries(prompts, replies, substitutes, ids, summarizer=settings.summarizer)


def _seen(summaries: Sequence[Summary]) -> dict[str, int]:
    """Return how many summaries say what they saw, and how many pairs, all of them found in training."""
    return {
        "records": len(summaries),
        "records_that_saw_interactions": sum(1 for summary in summaries if summary.saw),
        "pairs": sum(len(summary.saw) for summary in summaries),
    }


def describe_coverage(name: str, summaries: Sequence[Summary]) -> str:
    """Return one line that counts nodes without text and nodes another summarizer stepped in for."""
    parts = []
    for role in ROLES:
        of_role = [summary for summary in summaries if summary.role == role]
        empty = sum(1 for summary in of_role if not summary.profile)
        replaced = sum(1 for summary in of_role if summary.fallback not in {None, "none"})
        parts.append(f"{len(of_role)} {role}s ({empty} without text, {replaced} by fallback)")
    return f"Summaries of {name}: {', '.join(parts)}."


if __name__ == "__main__":
    run(main)
