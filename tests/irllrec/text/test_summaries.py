"""Summaries: what may be read, what is written, and the proof that nothing held out was seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText
from irllrec.errors import TextError
from irllrec.text.corpus import gather
from irllrec.text.extractive import listing, summarize_extractively
from irllrec.text.keyphrases import KeyphraseModel
from irllrec.text.leakage import check_no_leakage
from irllrec.text.records import NodeIds, Summary, check_coverage, read_summaries, write_summaries
from irllrec.text.summaries import replay_summaries, summarize_from_upstream
from tests.prepared_texts import review

IDS = NodeIds(("ann", "bob", "eve"), ("bread", "boats", "both"))
TRAIN = Interactions.from_pairs([0, 1, 2], [0, 1, 2], 3, 3)
HELD_OUT = {
    "validation": Interactions.from_pairs([1], [2], 3, 3),
    "test": Interactions.from_pairs([0, 2], [1, 1], 3, 3),
}
CANARY = "zanzibarine"

ROWS = [
    PreparedText("item", 0, "title", "Rye Days"),
    PreparedText("item", 0, "text", "Sourdough bread from rye and a hot oven."),
    PreparedText("item", 1, "text", "Galleon and mutiny under a captain."),
    PreparedText("item", 2, "text", "A captain who bakes sourdough bread."),
    review(0, 0, "train", "My oven made sourdough bread."),
    review(1, 1, "train", "Mutiny on a galleon, what a captain."),
    review(0, 1, "test", f"Mutiny {CANARY}, mutiny."),
    review(2, 1, "test", f"The {CANARY} again and {CANARY}."),
    review(1, 2, "valid", f"Bread and {CANARY}."),
]


def _summaries() -> list[Summary]:
    return summarize_extractively(gather(ROWS, TRAIN), IDS)


def test_a_token_of_held_out_reviews_reaches_no_summary_and_no_vocabulary() -> None:
    texts = gather(ROWS, TRAIN)
    model = KeyphraseModel([node.document for nodes in texts.values() for node in nodes])
    assert "mutiny" in model.vocabulary
    assert all(CANARY not in phrase for phrase in model.vocabulary)
    assert all(CANARY not in json.dumps(record.profile + record.reasoning) for record in _summaries())
    assert all(CANARY not in intent for record in _summaries() for intent in record.intents)


def test_the_canary_would_be_found_if_its_reviews_were_training_reviews() -> None:
    rows = [replace(row, split="train") if row.split else row for row in ROWS]
    texts = gather(rows, TRAIN)
    model = KeyphraseModel([node.document for nodes in texts.values() for node in nodes])
    assert CANARY in model.vocabulary


def test_a_training_review_is_read_for_its_user_and_its_item() -> None:
    texts = gather(ROWS, TRAIN)
    assert texts["user"][0].texts == ("My oven made sourdough bread.",)
    assert texts["item"][0].title == "Rye Days"
    assert texts["item"][0].texts == (
        "Sourdough bread from rye and a hot oven.",
        "My oven made sourdough bread.",
    )
    assert texts["user"][0].saw == texts["item"][0].saw == ((0, 0),)


def test_a_user_without_reviews_is_described_by_her_training_items() -> None:
    eve = gather(ROWS, TRAIN)["user"][2]
    assert eve.texts == ("A captain who bakes sourdough bread.",)
    assert eve.saw == ((2, 2),)


def test_one_summary_a_node_with_up_to_three_intents() -> None:
    summaries = _summaries()
    assert [(record.role, record.node, record.id) for record in summaries] == [
        ("user", 0, "ann"),
        ("user", 1, "bob"),
        ("user", 2, "eve"),
        ("item", 0, "bread"),
        ("item", 1, "boats"),
        ("item", 2, "both"),
    ]
    assert all(1 <= len(record.intents) <= 3 for record in summaries)
    assert summaries[0].profile.startswith("This user is likely to enjoy ")
    assert "oven" in summaries[0].profile
    assert summaries[3].profile.startswith("Rye Days is likely to be enjoyed for ")


def test_a_node_without_text_has_an_empty_profile_and_says_so() -> None:
    rows = [row for row in ROWS if row.item != 1 and row.node != 1]
    boats = summarize_extractively(gather(rows, TRAIN), IDS)[4]
    assert (boats.profile, boats.intents, boats.fallback) == ("", (), "none")


def test_the_same_texts_give_the_same_summaries() -> None:
    assert _summaries() == _summaries()


def test_keyphrases_are_ordered_by_tfidf() -> None:
    """Documents: galleon twice (df 2), captain once (df 3), harbour once (df 2).

    Weights (1 + ln tf)·(ln(4/(1+df)) + 1): galleon 1.693·1.288 = 2.180, harbour 1.288, captain 1.
    """
    model = KeyphraseModel(
        [["galleon. galleon. captain. harbour"], ["galleon. captain"], ["captain. harbour"]]
    )
    assert model.keyphrases(0, 5) == ["galleon", "harbour", "captain"]


def test_words_that_stand_together_become_one_phrase() -> None:
    documents = [["the night train to town"], ["a night train"], ["night train, tea"], ["tea in town"]]
    model = KeyphraseModel(documents)
    assert model.vocabulary == ("night train", "tea", "town")


def test_intents_group_phrases_that_go_together() -> None:
    cooks = [["oven. flour. crust"]] * 4
    sailors = [["galleon. mutiny. captain"]] * 4
    both = ["oven. oven. flour. crust. galleon. mutiny. captain"]
    intents = KeyphraseModel([*cooks, *sailors, both]).intents(8, 2, 6)
    assert [set(intent.split(", ")) for intent in intents] == [
        {"oven", "flour", "crust"},
        {"galleon", "mutiny", "captain"},
    ]


def test_listing_reads_like_a_sentence() -> None:
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"


def test_training_summaries_pass_the_leakage_check() -> None:
    check_no_leakage(_summaries(), TRAIN, HELD_OUT)


@pytest.mark.parametrize(
    ("pair", "home"), [((1, 2), "a validation"), ((0, 1), "a test"), ((1, 0), "no"), ((0, 9), "no")]
)
def test_a_pair_outside_training_stops_with_role_id_and_pair(pair: tuple[int, int], home: str) -> None:
    summaries = _summaries()
    summaries[4] = replace(summaries[4], saw=((1, 1), pair))
    with pytest.raises(
        TextError, match=rf"item 'boats' saw the pair \(user {pair[0]}, item {pair[1]}\), which is {home} "
    ):
        check_no_leakage(summaries, TRAIN, HELD_OUT)


def test_a_review_wrongly_marked_as_training_is_caught() -> None:
    rows = [replace(row, split="train") if row.split else row for row in ROWS]
    with pytest.raises(TextError, match="test interaction"):
        check_no_leakage(summarize_extractively(gather(rows, TRAIN), IDS), TRAIN, HELD_OUT)


def test_upstream_profiles_are_kept_word_by_word_and_the_rest_falls_back() -> None:
    profile = "This user is likely to enjoy galleons, mutiny and old maps."
    rows = [*ROWS, PreparedText("user", 1, "profile", profile)]
    summaries = summarize_from_upstream(rows, IDS, _summaries())
    assert summaries[1].profile == profile
    assert (summaries[1].saw, summaries[1].fallback) == ((), None)
    assert summaries[1].options["intents"] == "extractive"
    assert {"mutiny"} & {phrase for intent in summaries[1].intents for phrase in intent.split(", ")}
    assert (summaries[0].summarizer, summaries[0].fallback) == ("upstream", "extractive")
    assert summaries[0].profile == _summaries()[0].profile


def test_summaries_come_back_from_disk_unchanged(tmp_path: Path) -> None:
    write_summaries(tmp_path / "summaries.jsonl", _summaries())
    assert read_summaries(tmp_path / "summaries.jsonl") == _summaries()


def test_replaying_marks_the_summaries_as_pinned_and_keeps_their_author(tmp_path: Path) -> None:
    write_summaries(tmp_path / "stored.jsonl", list(reversed(_summaries())))
    replayed = replay_summaries(tmp_path / "stored.jsonl", IDS)
    assert [record.profile for record in replayed] == [record.profile for record in _summaries()]
    assert {record.summarizer for record in replayed} == {"pinned"}
    assert replayed[0].options["written_by"] == "extractive"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[:-1], "no record for item 'both'"),
        (lambda records: [*records, records[0]], "user 'ann' stands there twice"),
        (lambda records: [replace(records[0], id="zoe"), *records[1:]], "has the id 'zoe'"),
        (lambda records: [replace(records[0], node=7), *records[1:]], "user 7"),
    ],
)
def test_pinned_summaries_must_cover_each_node_once(change, message: str) -> None:
    with pytest.raises(TextError, match=message):
        check_coverage(change(_summaries()), IDS, "stored.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "not a JSON object"),
        ('{"role": "user"}', "lacks 'node'"),
        (None, "intents"),
    ],
)
def test_a_malformed_summary_file_is_named_with_its_line(
    tmp_path: Path, line: str | None, message: str
) -> None:
    if line is None:
        write_summaries(tmp_path / "ok.jsonl", _summaries()[:1])
        record = json.loads((tmp_path / "ok.jsonl").read_text())
        line = json.dumps({**record, "intents": ["a", "b", "c", "d"]})
    (tmp_path / "stored.jsonl").write_text(line + "\n")
    with pytest.raises(TextError, match=message):
        read_summaries(tmp_path / "stored.jsonl")
