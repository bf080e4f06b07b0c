"""The knowledge graph of a data set: which phrases become entities, and what is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from irllrec.data.prepared import PreparedText
from irllrec.errors import DataError
from irllrec.text.knowledge import load_knowledge
from irllrec.text.records import Role, Summary
from irllrec.text.relating import Fact, phrases_of, relate, write_knowledge


def _summary(item: int, *intents: str, role: Role = "item") -> Summary:
    return Summary(role, item, item, "A profile.", intents, "", "extractive", (), "")


def _genres(item: int, text: str, field: str = "metadata:genres") -> PreparedText:
    return PreparedText("item", item, field, text)


def _triples(facts: list[Fact]) -> list[tuple[int, str, str]]:
    return [(fact.item, fact.relation, fact.entity) for fact in facts]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Sourdough  Bread, OVEN", ["sourdough bread", "oven"]),
        ("war; “peace” | (love).\nsea", ["war", "“peace”", "love", "sea"]),
        ("Caf\u00e9", ["caf\u00e9"]),
        ("Cafe\u0301", ["caf\u00e9"]),
        (" , ;", []),
        ("", []),
    ],
)
def test_a_listing_falls_into_normalised_phrases(text: str, phrases: list[str]) -> None:
    assert phrases_of(text) == phrases


def test_items_that_share_a_phrase_share_an_entity_and_lonely_phrases_are_dropped() -> None:
    facts = relate([], [_summary(0, "Rye bread, oven"), _summary(1, "oven, galleon"), _summary(2, "OVEN")])
    assert _triples(facts) == [(item, "intent", "oven") for item in range(3)]


def test_a_phrase_that_nobody_else_has_gives_way_to_its_words() -> None:
    """ "the" and "enjoys" say nothing, "cosy" stands in one item only."""
    facts = relate([], [_summary(0, "enjoys the cosy bakery"), _summary(1, "bakery with coffee")])
    assert _triples(facts) == [(0, "intent", "bakery"), (1, "intent", "bakery")]


def test_a_shared_phrase_stays_whole() -> None:
    facts = relate([], [_summary(0, "rye bread"), _summary(1, "rye bread"), _summary(2, "white bread")])
    assert _triples(facts) == [(0, "intent", "rye bread"), (1, "intent", "rye bread")]


def test_every_metadata_field_is_a_relation_of_its_own() -> None:
    rows = [
        _genres(0, "Crime, War"),
        _genres(1, "War"),
        _genres(0, "war", "metadata:tags"),
        _genres(1, "war", "metadata"),
    ]
    assert _triples(relate(rows, [])) == [
        (0, "genres", "war"),
        (0, "tags", "war"),
        (1, "genres", "war"),
        (1, "metadata", "war"),
    ]


def test_an_intent_and_a_genre_of_the_same_words_are_one_entity() -> None:
    facts = relate([_genres(0, "War")], [_summary(1, "war")])
    assert _triples(facts) == [(0, "genres", "war"), (1, "intent", "war")]


def test_tags_are_not_taken_apart() -> None:
    assert relate([_genres(0, "year 1995"), _genres(1, "year 1996")], []) == []


def test_only_metadata_of_items_and_summaries_of_items_enter() -> None:
    """Neither users' summaries and metadata, nor reviews, profiles or titles."""
    rows = [
        PreparedText("user", 0, "metadata:tags", "war"),
        PreparedText("item", 0, "title", "war"),
        PreparedText("item", 1, "profile", "war"),
        PreparedText("user", 1, "review", "war", 1, 1, "train"),
        PreparedText("item", 0, "metadata:tags", "war", 0, 0, "test"),
    ]
    assert relate(rows, [_summary(0, "war", role="user"), _summary(1, "war", role="user")]) == []


def test_the_order_of_texts_and_summaries_does_not_matter() -> None:
    rows = [_genres(item, text) for item, text in enumerate(("war, sea", "sea", "war"))]
    summaries = [_summary(0, "rye bread"), _summary(2, "rye, bread"), _summary(1, "bread")]
    assert relate(rows, summaries) == relate(rows[::-1], summaries[::-1])


def test_stored_facts_are_numbered_by_the_alphabet_and_read_back(tmp_path: Path) -> None:
    facts = [Fact(0, "tags", "war"), Fact(2, "genres", "sea"), Fact(2, "tags", "war")]
    write_knowledge(tmp_path / "knowledge.npz", facts)
    knowledge = load_knowledge(tmp_path / "knowledge.npz")
    assert (knowledge.relation_count, knowledge.entity_count) == (2, 2)
    assert knowledge.items.tolist() == [0, 2, 2]
    assert knowledge.relations.tolist() == [1, 0, 1]
    assert knowledge.entities.tolist() == [1, 0, 1]
    with np.load(tmp_path / "knowledge.npz", allow_pickle=False) as stored:
        assert stored["relation_names"].tolist() == ["genres", "tags"]
        assert stored["entity_names"].tolist() == ["sea", "war"]


def test_no_facts_are_an_empty_graph(tmp_path: Path) -> None:
    write_knowledge(tmp_path / "knowledge.npz", [])
    knowledge = load_knowledge(tmp_path / "knowledge.npz")
    assert (len(knowledge.items), knowledge.relation_count, knowledge.entity_count) == (0, 0, 0)


def test_missing_knowledge_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"knowledge\.npz is missing: make it first"):
        load_knowledge(tmp_path / "knowledge.npz")
