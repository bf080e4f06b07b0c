"""Texts and vectors of users and items."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irllrec.data.raw import TextRecord
from irllrec.data.texts import TextFile, read_text_file
from irllrec.data.vectors import read_vector_file, read_vector_pair
from irllrec.errors import DataError

USERS, ITEMS = [1, 2], [10, 20]
PAIRS = {(1, 10), (1, 20), (2, 10)}


def _read(folder: Path, name: str, content: str, role: str, **options: Any) -> TextFile:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return read_text_file(
        path,
        role,
        lambda value: int(value) if int(value) in USERS else None,
        lambda value: int(value) if int(value) in ITEMS else None,
        lambda user, item: (user, item) in PAIRS,
        **options,
    )


def test_every_key_of_a_json_line_becomes_a_text_of_its_kind(tmp_path: Path) -> None:
    line = (
        '{"item_id": 10, "app_id": 3, "title": "Go", "profile": "Calm people.", "genres": ["Board", "Old"], '
        '"tags": [], "description": "Two play.", "metadata": {"year": 1900}, '
        '"reviews": [{"user_id": 2, "text": " Nice. "}, "Fine."]}\n\n'
    )
    found = _read(tmp_path, "i.jsonl", line, "item")
    assert found.records == [
        TextRecord("item", 10, "title", "Go"),
        TextRecord("item", 10, "profile", "Calm people."),
        TextRecord("item", 10, "metadata:genres", "Board, Old"),
        TextRecord("item", 10, "text", "Two play."),
        TextRecord("item", 10, "metadata:metadata", "year 1900"),
        TextRecord("user", 2, "review", "Nice.", 2, 10),
        TextRecord("item", 10, "review", "Fine."),
    ]
    assert found.ignored_keys == ("app_id",)
    assert found.reviews_without_interaction == 1


def test_a_line_that_names_both_sides_is_a_review_of_that_interaction(tmp_path: Path) -> None:
    found = _read(tmp_path, "u.jsonl", '{"user_id": 1, "item_id": 20, "text": "Loved it."}\n', "user")
    assert found.records == [TextRecord("user", 1, "review", "Loved it.", 1, 20)]


def test_recbole_files_give_titles_and_tags(tmp_path: Path) -> None:
    content = (
        "item_id:token\tmovie_title:token_seq\tgenre:token_seq\tyear:token\tscore:float\n"
        "10\tHeat\tCrime Drama\t1995\t7\n"
    )
    assert _read(tmp_path, "a.item", content, "item").records == [
        TextRecord("item", 10, "title", "Heat"),
        TextRecord("item", 10, "metadata:genre", "Crime Drama"),
        TextRecord("item", 10, "metadata:year", "year 1995"),
    ]
    content = "user_id:token\tgender:token\n1\tF\n"
    assert _read(tmp_path, "a.user", content, "user").records == [
        TextRecord("user", 1, "metadata:gender", "gender F")
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            '{"item_id": 10, "title": "a"}\n{"item_id": 30, "title": "b"}\n',
            r"line 2: item_id 30 is in no interaction",
        ),
        ('{"title": "a"}\n', r"line 1 has no item_id"),
        ('{"item_id": 10, "title": 7}\n', r"line 1: title is 7, not a string"),
        (
            '{"item_id": 10, "title": "a"}\n{"item_id": 10, "title": "b"}\n',
            r"lines 1 and 2: item 10 has two of",
        ),
        ('{"item_id": 10, "title"\n', r"line 1 is not JSON"),
        ("[1]\n", r"line 1 is not a JSON object"),
        (
            '{"item_id": 20, "reviews": [{"user_id": 2, "text": "x"}]}\n',
            r"line 1: a review of item 20 by user 2",
        ),
        ('{"item_id": 20, "reviews": [{"user_id": 9, "text": "x"}]}\n', r"user_id 9 is in no interaction"),
        ('{"item_id": 20, "reviews": [5]}\n', r"a review is neither a string nor"),
        ('{"item_id": 20}\n', r"holds no text"),
    ],
)
def test_a_bad_text_file_is_refused_in_one_sentence(content: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        _read(tmp_path, "i.jsonl", content, "item")
    assert re.search(sentence, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert "i.jsonl" in str(caught.value)


def test_unknown_nodes_are_left_out_and_counted_on_request(tmp_path: Path) -> None:
    content = '{"item_id": 10, "title": "a"}\n{"item_id": 30, "title": "b"}\n'
    found = _read(tmp_path, "i.jsonl", content, "item", skip_unknown=True)
    assert [record.id for record in found.records] == [10]
    assert found.skipped_rows == 1


def _vectors(**changes: Any) -> dict[str, Any]:
    good = {
        "user_id": np.array([2, 1]),
        "user": np.array([[2, 2], [1, 1]], dtype=np.float16),
        "item_id": np.array([10, 20]),
        "item": np.array([[3, 3], [4, 4]], dtype=np.float64),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def test_vectors_come_in_node_order_as_float32(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", **_vectors())
    read = read_vector_file(tmp_path / "v.npz", USERS, ITEMS)
    assert read["user"].dtype == np.float32
    assert read["user"].tolist() == [[1, 1], [2, 2]]
    assert read["item"].tolist() == [[3, 3], [4, 4]]
    assert set(read) == {"user_id", "user", "item_id", "item"}


def test_a_file_a_side_gives_the_same_as_one_file(tmp_path: Path) -> None:
    both = _vectors()
    np.savez(tmp_path / "u.npz", user_id=both["user_id"], user=both["user"])
    np.savez(tmp_path / "i.npz", item_id=both["item_id"], item=both["item"])
    np.savez(tmp_path / "v.npz", **both)
    one = read_vector_file(tmp_path / "v.npz", USERS, ITEMS)
    two = read_vector_pair(tmp_path / "u.npz", tmp_path / "i.npz", USERS, ITEMS)
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"item": None}, r"lacks the array 'item'"),
        ({"user_id": np.array([2, 3])}, r"user_id 3 \(row 1\) is in no interaction"),
        ({"user_id": np.array([2, 2])}, r"user_id 2 stands twice"),
        ({"user_id": np.array([2]), "user": np.ones((1, 2))}, r"no vector for user_id 1 \(1 missing\)"),
        ({"item": np.array([[3, np.nan], [4, 4]])}, r"item of item_id 10 is not finite"),
        ({"user": np.array([[1e300, 1], [1, 1]])}, r"user of user_id 2 is not finite"),
        ({"user": np.ones((3, 2))}, r"shape \(3, 2\)"),
        ({"user": np.ones((2, 3))}, r"item vectors have 2 dimensions and user vectors 3"),
        ({"user": np.ones((2, 2), dtype=np.int64)}, r"type int64"),
        ({"user_intent": np.ones((2, 2))}, r"only one of user_intent and item_intent"),
        ({"user": np.array([[None, 1], [1, 1]], dtype=object)}, r"not a readable npz"),
    ],
)
def test_a_bad_vector_file_is_refused_in_one_sentence(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "v.npz", **_vectors(**changes))
    with pytest.raises(DataError) as caught:
        read_vector_file(tmp_path / "v.npz", USERS, ITEMS)
    assert re.search(sentence, str(caught.value)), str(caught.value)
    assert "v.npz" in str(caught.value)


def test_unknown_rows_of_vectors_are_left_out_on_request(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "v.npz",
        **_vectors(user_id=np.array([2, 99, 1]), user=np.array([[2.0, 2], [9, 9], [1, 1]])),
    )
    read = read_vector_file(tmp_path / "v.npz", USERS, ITEMS, skip_unknown=True)
    assert read["user"].tolist() == [[1, 1], [2, 2]]
