"""Summarizers that replay: profiles that came with the data, and stored summary files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from irllrec.data.prepared import PreparedText
from irllrec.text.corpus import profiles_of
from irllrec.text.extractive import KEYPHRASE_COUNT
from irllrec.text.keyphrases import KeyphraseModel
from irllrec.text.records import (
    MOST_INTENTS,
    NodeIds,
    Summary,
    hash_texts,
    load_summaries,
)


def summarize_from_upstream(
    rows: Sequence[PreparedText], ids: NodeIds, substitutes: Sequence[Summary]
) -> list[Summary]:
    """Return the profiles that came with the data, with intents distilled from them.

    What those profiles saw is not known, so ``saw`` is empty. Intents are groups of keyphrases of
    the profile (``options`` says so). A node without a profile gets its substitute, marked by
    ``fallback``.

    Args:
        rows: The prepared texts.
        ids: Ids in node order.
        substitutes: Extractive summaries of all nodes, users first, in node order.
    """
    profiles = profiles_of(rows)
    documents = [
        (profiles[summary.role, summary.node],) if (summary.role, summary.node) in profiles else ()
        for summary in substitutes
    ]
    model = KeyphraseModel(documents)
    summaries = []
    for place, (substitute, document) in enumerate(zip(substitutes, documents, strict=True)):
        if not document:
            fallback = substitute.fallback or substitute.summarizer
            summaries.append(replace(substitute, summarizer="upstream", fallback=fallback))
            continue
        summaries.append(
            Summary(
                role=substitute.role,
                node=substitute.node,
                id=ids.of(substitute.role)[substitute.node],
                profile=document[0],
                intents=tuple(model.intents(place, MOST_INTENTS, KEYPHRASE_COUNT)),
                reasoning="",
                summarizer="upstream",
                saw=(),
                input_sha256=hash_texts(document),
                options={"intents": "extractive", "keyphrases": KEYPHRASE_COUNT},
            )
        )
    return summaries


def replay_summaries(path: Path, ids: NodeIds) -> list[Summary]:
    """Return the stored summaries of a file in node order, marked as pinned.

    The summarizer that wrote them stays in ``options`` beside the file's hash.

    Raises:
        TextError: If the file is missing or malformed, or does not hold one record a node.
    """
    summaries = load_summaries(path, ids)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return [
        replace(
            summary,
            summarizer="pinned",
            options={**summary.options, "written_by": summary.summarizer, "file_sha256": digest},
        )
        for summary in summaries
    ]
