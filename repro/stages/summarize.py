"""Stage summarize: turn training-visible texts into a profile and up to three intents a node."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText, load_split, load_texts
from irllrec.data.storage import write_json
from irllrec.errors import TextError
from irllrec.text.asked import StoredReply
from irllrec.text.auditing import audit_prompts, audit_texts
from irllrec.text.corpus import gather
from irllrec.text.extractive import summarize_extractively
from irllrec.text.leakage import check_no_leakage
from irllrec.text.prompts import Prompt
from irllrec.text.records import ROLES, NodeIds, Summary, write_summaries
from irllrec.text.store import ReplyStore
from irllrec.text.summaries import replay_summaries, summarize_from_upstream
from irllrec.text.titles import summarize_by_titles
from irllrec.text.written import Place, written_summaries
from repro.language_model import chat_of, prompts_of, replies_of
from repro.layout import Layout
from repro.params import Params, load_params
from repro.stages.entry import read_name, run
from repro.text_params import ASKING
from repro.text_run import ask_about, said

HELD_OUT = {"validation": "valid", "test": "test"}


@dataclass(frozen=True)
class _Prepared:
    """What is read of a data set: held-out interactions only to refuse what saw them."""

    folder: Path
    ids: NodeIds
    train: Interactions
    held_out: Mapping[str, Interactions]
    rows: Sequence[PreparedText]

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(
            folder=folder,
            ids=NodeIds.load(folder),
            train=load_split(folder, "train"),
            held_out={word: load_split(folder, split) for word, split in HELD_OUT.items()},
            rows=load_texts(folder),
        )


def main(argv: list[str]) -> None:
    """Summarize by the entry of ``text`` that ``argv`` names; writes summaries.jsonl and audit.json."""
    name = read_name(argv, "summarize", "a name under `text` in params.yaml")
    layout = Layout.find()
    params = load_params(layout.params)
    settings = params.text_of(name)
    data = _Prepared.load(layout.prepared(settings.dataset))
    audit: dict[str, Any] = {"texts": audit_texts(data.rows, data.train, data.held_out, data.ids).record()}
    prompts: list[Prompt] = []
    if settings.summarizer in ASKING:
        prompts = prompts_of(settings, chat_of(name, settings), data.rows, data.train)
        found = audit_prompts(prompts, data.rows, data.train, data.held_out, data.ids)
        audit["prompts"] = found.record()
    summaries = _summarize(layout, params, name, data, prompts)
    check_no_leakage(summaries, data.train, data.held_out)
    audit["summaries"] = _seen(summaries)
    write_json(layout.text(name) / "audit.json", audit)
    write_summaries(layout.text(name) / "summaries.jsonl", summaries)
    print(describe_coverage(name, summaries), file=sys.stderr)


def _summarize(
    layout: Layout, params: Params, name: str, data: _Prepared, prompts: Sequence[Prompt]
) -> list[Summary]:
    """Return one summary a node, users first, by the summarizer that the entry ``name`` tells.

    ``prompts`` are what a language model is asked; none where the summarizer asks none.
    """
    settings, ids = params.text_of(name), data.ids
    if settings.summarizer == "pinned":
        return replay_summaries(layout.root / settings.summaries_from, ids)
    if settings.summarizer == "titles":
        return summarize_by_titles(data.rows, data.train, ids)
    substitutes = summarize_extractively(gather(data.rows, data.train), ids)
    if not any(summary.profile for summary in substitutes):
        raise TextError(
            f"{data.folder / 'text.parquet'} holds no text that training may see: import texts with "
            "`repro data import --user-text/--item-text`, or run only the variant base."
        )
    if settings.summarizer in ("upstream", "distilled"):
        substitutes = summarize_from_upstream(data.rows, ids, substitutes)
    if not prompts:
        return substitutes
    replies = _ask(layout, params, name, prompts)
    return written_summaries(prompts, replies, substitutes, ids, summarizer=settings.summarizer)


def _ask(layout: Layout, params: Params, name: str, prompts: Sequence[Prompt]) -> Mapping[Place, StoredReply]:
    """Ask what has no reply yet, and return the good reply about each node that has one."""
    settings = params.text_of(name)
    with ReplyStore(layout.replies(settings.dataset)) as store:
        asking, outcome = ask_about(params.engine.ollama, name, settings, prompts, store)
        replies = replies_of(asking, store)
    print(f"{name}: {said(outcome)}", file=sys.stderr)
    return replies


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
