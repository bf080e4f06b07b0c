"""The audit over the content: held-out reviews in own texts and in prompts, and what is only reported."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace

import pytest

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText
from irllrec.errors import TextError
from irllrec.text.auditing import TitleCount, audit_prompts, audit_texts
from irllrec.text.leakage import find_leak, home_of
from irllrec.text.prompts import Prompt, build_prompts
from irllrec.text.records import NodeIds
from irllrec.text.wording import plain_words
from tests.prepared_texts import review

IDS = NodeIds(("ann", "bob"), ("dune", "emma", "whale"))
TRAIN = Interactions.from_pairs([0, 1], [0, 2], 2, 3)
HELD_OUT = {
    "validation": Interactions.from_pairs([0], [1], 2, 3),
    "test": Interactions.from_pairs([1], [0], 2, 3),
}
TEST_REVIEW = "Sand, sand -- and MORE sand; I can't\nrecommend it."

ROWS = [
    PreparedText("item", 0, "title", "Dune"),
    PreparedText("item", 1, "title", "Emma Woodhouse"),
    PreparedText("item", 2, "title", "The Whale"),
    review(0, 0, "train", "A planet full of spice and worms."),
    review(1, 2, "train", "I loved every page about rope."),
    review(0, 1, "valid", "A match is made and unmade again."),
    review(1, 0, "test", TEST_REVIEW),
]


def _prompts(rows: list[PreparedText] = ROWS) -> list[Prompt]:
    return build_prompts(rows, TRAIN, domain="books", style="reasoning", most_tokens=3000)


def _saying(text: str, number: int = 1) -> list[Prompt]:
    """Return the prompts with one more line of evidence in the prompt of the ``number``-th node."""
    prompts = _prompts()
    system, (role, user) = prompts[number].messages
    user = user.replace("</evidence>", f"3. review: {text}\n</evidence>")
    prompts[number] = replace(prompts[number], messages=(system, (role, user)))
    return prompts


def test_words_are_compared_without_case_punctuation_and_spaces() -> None:
    assert plain_words(TEST_REVIEW) == " sand sand and more sand i can t recommend it "
    assert plain_words("Straße_9, \x1b[1m(ok)") == " strasse 9 ok "


def test_clean_texts_pass_and_are_counted() -> None:
    audit = audit_texts([*ROWS, review(1, 0, "test", "Too short.")], TRAIN, HELD_OUT, IDS)
    assert (audit.own_texts, audit.held_out_reviews, audit.short_reviews) == (3, 2, 1)
    assert audit.passed_over == 0


@pytest.mark.parametrize("kind", ["title", "profile", "text", "review"])
def test_an_own_text_that_holds_a_held_out_review_of_the_user_is_a_leak(kind: str) -> None:
    leaky = PreparedText("user", 1, kind, "Also: sand sand and more sand i can't recommend it!!")
    with pytest.raises(
        TextError, match=rf"A {kind} text of user 'bob' .* user 'bob' and item 'dune', which is a test"
    ) as caught:
        audit_texts([*ROWS, leaky], TRAIN, HELD_OUT, IDS)
    assert "give that review the user_id and item_id" in str(caught.value)


def test_an_own_text_that_holds_a_held_out_review_of_the_item_is_a_leak() -> None:
    leaky = PreparedText("item", 1, "text", "They say: a match is made, and unmade again")
    with pytest.raises(TextError, match="item 'emma' .* item 'emma', which is a validation interaction"):
        audit_texts([*ROWS, leaky], TRAIN, HELD_OUT, IDS)


@pytest.mark.parametrize(
    "row",
    [
        PreparedText("user", 0, "text", TEST_REVIEW),
        PreparedText("item", 2, "text", TEST_REVIEW),
        PreparedText("user", 1, "text", "Sand, sand and more sand; I can't."),
        PreparedText("user", 1, "text", "thousand sand and more sand i can t recommend it"),
        PreparedText("user", 1, "metadata:mood", TEST_REVIEW),
    ],
)
def test_other_nodes_parts_of_words_and_metadata_are_no_leak(row: PreparedText) -> None:
    audit_texts([*ROWS, row], TRAIN, HELD_OUT, IDS)


def test_words_that_a_training_review_has_as_well_prove_nothing() -> None:
    rows = [
        *ROWS,
        PreparedText("user", 1, "text", TEST_REVIEW),
        review(1, 2, "train", f"Same: {TEST_REVIEW}"),
    ]
    assert audit_texts(rows, TRAIN, HELD_OUT, IDS).passed_over == 1
    assert audit_prompts(_prompts(rows), rows, TRAIN, HELD_OUT, IDS).passed_over == 1


def test_a_review_marked_as_training_by_mistake_still_counts_as_held_out() -> None:
    rows = [replace(row, split="train") if row.split else row for row in ROWS]
    assert audit_texts(rows, TRAIN, HELD_OUT, IDS).held_out_reviews == 2


def test_titles_named_in_a_users_texts_are_counted_by_part() -> None:
    """Ann names Emma Woodhouse (validation); Bob names The Whale (training) and not whole words of others.

    Dune is neither two words nor eight characters, so that it is not looked for.
    """
    rows = [
        *ROWS,
        PreparedText("user", 0, "profile", "She adores Dune and emma woodhouse."),
        PreparedText("user", 1, "profile", "He reads the whale; the whaler not."),
    ]
    assert audit_texts(rows, TRAIN, HELD_OUT, IDS).titles == {
        "train": TitleCount(1, 1),
        "validation": TitleCount(1, 1),
        "test": TitleCount(0, 0),
    }


def test_prompts_from_training_pass_and_are_counted() -> None:
    """The hash is over the pairs (0, 0) and (1, 2) as little-endian int64."""
    audit = audit_prompts(_prompts(), ROWS, TRAIN, HELD_OUT, IDS)
    assert (audit.prompts, audit.pairs_seen, audit.within_training) == (5, 2, True)
    assert audit.held_out_reviews == 2
    assert audit.training_sha256 == hashlib.sha256(struct.pack("<4q", 0, 0, 1, 2)).hexdigest()


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ((1, 0), "user 'bob' and item 'dune', which is a test interaction"),
        ((0, 1), "user 'ann' and item 'emma', which is a validation interaction"),
        ((0, 2), "user 'ann' and item 'whale', which is no interaction"),
        ((0, 7), "user 'ann' and item number 7, which is no interaction"),
    ],
)
def test_a_prompt_that_saw_a_pair_outside_training_stops(pair: tuple[int, int], words: str) -> None:
    prompts = _prompts()
    prompts[1] = replace(prompts[1], saw=((1, 2), pair))
    with pytest.raises(TextError, match=f"The prompt of user 'bob' shows {words}"):
        audit_prompts(prompts, ROWS, TRAIN, HELD_OUT, IDS)


def test_a_prompt_that_holds_a_held_out_review_stops() -> None:
    with pytest.raises(TextError, match="The prompt of user 'bob' holds .* which is a test interaction"):
        audit_prompts(_saying(f"Well. {TEST_REVIEW}".replace("\n", " ")), ROWS, TRAIN, HELD_OUT, IDS)
    with pytest.raises(TextError, match="The prompt of item 'dune' holds .* which is a test interaction"):
        audit_prompts(_saying(TEST_REVIEW.replace("\n", " "), 2), ROWS, TRAIN, HELD_OUT, IDS)


def test_a_prompt_that_holds_the_cut_beginning_of_a_held_out_review_stops() -> None:
    with pytest.raises(TextError, match="The prompt of user 'bob' holds the review"):
        audit_prompts(_saying("Sand, sand -- and MORE sand; I ..."), ROWS, TRAIN, HELD_OUT, IDS)


@pytest.mark.parametrize("text", ["Sand, sand -- and MORE ...", "Sand, sand -- and MORE sand; I think so."])
def test_a_shorter_or_uncut_beginning_proves_nothing(text: str) -> None:
    audit_prompts(_saying(text), ROWS, TRAIN, HELD_OUT, IDS)


def test_a_loose_copy_of_a_long_held_out_review_is_found_though_the_prompt_cuts_it() -> None:
    long_review = " ".join(f"word{number}" for number in range(900))
    rows = [*ROWS, review(0, 1, "valid", long_review), PreparedText("user", 0, "review", long_review)]
    assert "word899" not in _prompts(rows)[0].messages[1][1]
    with pytest.raises(TextError, match="user 'ann' .* which is a validation interaction"):
        audit_texts(rows, TRAIN, HELD_OUT, IDS)


def test_a_cut_blurb_with_which_a_held_out_review_begins_is_no_leak() -> None:
    blurb = " ".join(f"blurb{number}" for number in range(900))
    rows = [*ROWS, PreparedText("item", 1, "text", blurb), review(0, 1, "valid", f"{blurb} I agree.")]
    assert "blurb5 " in _prompts(rows)[3].messages[1][1]
    audit_texts(rows, TRAIN, HELD_OUT, IDS)
    assert audit_prompts(_prompts(rows), rows, TRAIN, HELD_OUT, IDS).passed_over == 1


def test_audits_become_json() -> None:
    records = [
        audit_texts(ROWS, TRAIN, HELD_OUT, IDS).record(),
        audit_prompts(_prompts(), ROWS, TRAIN, HELD_OUT, IDS).record(),
    ]
    assert json.loads(json.dumps(records)) == records


def test_the_first_leak_is_found_with_its_record_and_how_many_there_are() -> None:
    leak = find_leak([((0, 0),), ((1, 2), (1, 0)), ((0, 1),)], TRAIN, HELD_OUT)
    assert leak is not None
    assert (leak.record, leak.pair, leak.home, leak.count) == (1, (1, 0), "a test", 2)
    assert find_leak([(), ((0, 0),)], TRAIN, HELD_OUT) is None
    assert find_leak([], TRAIN, HELD_OUT) is None


def test_an_interaction_outside_the_data_set_is_at_home_nowhere() -> None:
    assert home_of(0, 1, HELD_OUT) == "a validation"
    assert home_of(0, 3, HELD_OUT) == "no"
    assert home_of(1, -3, HELD_OUT) == "no"
