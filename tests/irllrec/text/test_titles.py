"""Summaries that are nothing but titles."""

import numpy as np
import pytest

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText
from irllrec.errors import TextError
from irllrec.text.records import NodeIds
from irllrec.text.titles import MOST_TITLES, summarize_by_titles

IDS = NodeIds(("u0", "u1"), ("a", "b", "c"))
TRAIN = Interactions.from_pairs(np.array([0, 0]), np.array([0, 2]), 2, 3)
ROWS = [
    PreparedText("item", 0, "title", "Dune"),
    PreparedText("item", 1, "title", "Emma"),
    PreparedText("item", 2, "title", "Ulysses"),
    PreparedText("item", 0, "text", "A long description of sand."),
    PreparedText("user", 0, "review", "I loved the worms", user=0, item=0, split="train"),
]


def test_a_user_is_the_titles_of_her_training_items_and_an_item_its_own() -> None:
    """User 0 trained on items 0 and 2; user 1 on nothing."""
    summaries = summarize_by_titles(ROWS, TRAIN, IDS)
    assert [summary.profile for summary in summaries] == ["Dune; Ulysses", "", "Dune", "Emma", "Ulysses"]
    assert summaries[0].intents == ("Dune; Ulysses",)
    assert summaries[0].saw == ((0, 0), (0, 2))
    assert [summary.fallback for summary in summaries] == [None, "none", None, None, None]


def test_of_many_items_titles_are_taken_evenly() -> None:
    """With 100 items every second title is told."""
    count = 2 * MOST_TITLES
    rows = [PreparedText("item", item, "title", f"t{item}") for item in range(count)]
    train = Interactions.from_pairs(np.zeros(count, int), np.arange(count), 1, count)
    user = summarize_by_titles(rows, train, NodeIds(("u",), tuple(range(count))))[0]
    assert user.profile.split("; ") == [f"t{item}" for item in range(0, count, 2)]
    assert len(user.saw) == MOST_TITLES


def test_a_data_set_without_titles_is_refused() -> None:
    with pytest.raises(TextError, match="No item of the data set has a title"):
        summarize_by_titles([ROWS[3]], TRAIN, IDS)
