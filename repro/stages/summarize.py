"""Stage summarize: turn training-visible texts into a profile and up to three intents a node."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from irllrec.data.prepared import load_ids, load_split, load_texts
from irllrec.errors import TextError
from irllrec.text.corpus import gather
from irllrec.text.extractive import summarize_extractively
from irllrec.text.leakage import check_no_leakage
from irllrec.text.records import ROLES, NodeIds, Summary, write_summaries
from irllrec.text.summaries import replay_summaries, summarize_from_upstream
from irllrec.text.titles import summarize_by_titles
from repro.layout import Layout
from repro.params import Text
from repro.stages.entry import run
from repro.stages.text_settings import text_settings

HELD_OUT = {"validation": "valid", "test": "test"}


def main(argv: list[str]) -> None:
    """Summarize the data set named in ``argv`` as ``text.<name>`` of params.yaml says."""
    parser = argparse.ArgumentParser(prog="python -m repro.stages.summarize", description=__doc__)
    parser.add_argument("dataset", help="a name under `text` in params.yaml")
    name = parser.parse_args(argv).dataset
    layout = Layout.find()
    settings = text_settings(layout, name)
    prepared = layout.prepared(settings.dataset)
    ids = NodeIds(tuple(load_ids(prepared, "user")), tuple(load_ids(prepared, "item")))
    summaries = summarize(layout, settings, prepared, ids)
    held_out = {word: load_split(prepared, split) for word, split in HELD_OUT.items()}
    check_no_leakage(summaries, load_split(prepared, "train"), held_out)
    write_summaries(layout.text(name) / "summaries.jsonl", summaries)
    print(describe_coverage(name, summaries), file=sys.stderr)


def summarize(layout: Layout, settings: Text, prepared: Path, ids: NodeIds) -> list[Summary]:
    """Return one summary a node, users first, by the summarizer that ``settings`` name."""
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
    if settings.summarizer == "upstream":
        return summarize_from_upstream(rows, ids, substitutes)
    return substitutes


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
