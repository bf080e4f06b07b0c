"""Building a knowledge graph about items from their metadata and their text intents.

Entities are phrases: a genre, a tag, a keyphrase of an intent. Two items that share a phrase share an
entity; a phrase that only one item has relates nothing and is dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from irllrec.data.prepared import PreparedText
from irllrec.data.storage import write_arrays
from irllrec.text.keyphrases import SKIPPED_WORDS, WORD
from irllrec.text.records import Summary

INTENT = "intent"
METADATA = "metadata"
LEAST_ITEMS = 2
SHORTEST_WORD = 3

_SEPARATORS = re.compile(r"[,;|\n]")
_EDGES = " \t.:!?\"'`()[]{}*#-–—_"


@dataclass(frozen=True, order=True)
class Fact:
    """One triple.

    Attributes:
        item: Index of the item.
        relation: A metadata field such as ``genres``, or ``intent``.
        entity: A normalised phrase.
    """

    item: int
    relation: str
    entity: str


def relate(rows: Iterable[PreparedText], summaries: Iterable[Summary]) -> list[Fact]:
    """Return the facts about all items, sorted.

    Every metadata field is a relation of its own, and the intents of the items' summaries are the
    relation ``intent``. An intent phrase that no other item has gives way to its words, because
    summarizers rarely write the same phrase twice; entities that fewer than two items have are
    dropped at the end.

    Args:
        rows: Texts of the data set. Only metadata of items count, which stem from no interaction.
        summaries: Summaries that passed the leakage guard; only those of items count.
    """
    facts = {fact for row in rows for fact in _metadata_facts(row)}
    intents = {fact for summary in summaries for fact in _intent_facts(summary)}
    shared = _shared_entities(facts | intents)
    for fact in intents:
        facts |= {fact} if fact.entity in shared else _word_facts(fact)
    shared = _shared_entities(facts)
    return sorted(fact for fact in facts if fact.entity in shared)


def phrases_of(text: str) -> list[str]:
    """Return the phrases of a listing, without capitals, doubled spaces and outer punctuation.

    Phrases are separated by commas, semicolons, bars and line ends; empty ones are left out.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    phrases = (" ".join(part.split()).strip(_EDGES) for part in _SEPARATORS.split(plain))
    return [phrase for phrase in phrases if phrase]


def write_knowledge(path: Path, facts: Sequence[Fact]) -> None:
    """Write the facts as npz, with the names of relations and entities; no facts give empty arrays.

    Relations and entities are numbered by the alphabet, so equal facts give equal bytes.
    """
    relations = sorted({fact.relation for fact in facts})
    entities = sorted({fact.entity for fact in facts})
    relation_of = {name: number for number, name in enumerate(relations)}
    entity_of = {name: number for number, name in enumerate(entities)}
    write_arrays(
        path,
        {
            "items": np.asarray([fact.item for fact in facts], dtype=np.int32),
            "relations": np.asarray([relation_of[fact.relation] for fact in facts], dtype=np.int32),
            "entities": np.asarray([entity_of[fact.entity] for fact in facts], dtype=np.int32),
            "relation_count": np.asarray(len(relations), dtype=np.int64),
            "entity_count": np.asarray(len(entities), dtype=np.int64),
            "relation_names": np.asarray(relations, dtype=np.str_),
            "entity_names": np.asarray(entities, dtype=np.str_),
        },
    )


def _metadata_facts(row: PreparedText) -> Iterable[Fact]:
    kind, _, name = row.kind.partition(":")
    if row.role != "item" or kind != METADATA or row.names_interaction:
        return ()
    return (Fact(row.node, name or METADATA, phrase) for phrase in phrases_of(row.text))


def _intent_facts(summary: Summary) -> Iterable[Fact]:
    if summary.role != "item":
        return ()
    return (Fact(summary.node, INTENT, phrase) for text in summary.intents for phrase in phrases_of(text))


def _word_facts(fact: Fact) -> set[Fact]:
    words = {word for word in WORD.findall(fact.entity) if len(word) >= SHORTEST_WORD and word[0].isalpha()}
    return {Fact(fact.item, fact.relation, word) for word in words - SKIPPED_WORDS}


def _shared_entities(facts: Iterable[Fact]) -> set[str]:
    items: defaultdict[str, set[int]] = defaultdict(set)
    for fact in facts:
        items[fact.entity].add(fact.item)
    return {entity for entity, owners in items.items() if len(owners) >= LEAST_ITEMS}
