"""From raw to prepared: numbering, splits, text provenance, the card and the audit, by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irllrec.data.auditing import FAILED, PASSED, audit
from irllrec.data.cards import card_markdown, make_card
from irllrec.data.interactions import Interactions
from irllrec.data.prepared import (
    PreparedText,
    load_ids,
    load_split,
    load_texts,
    load_titles,
)
from irllrec.data.preparing import prepare, write_prepared
from irllrec.data.raw import RawTable, TextRecord, atomic_folder, hash_file, read_texts, write_raw
from irllrec.data.storage import read_arrays, read_json, save_interactions, write_json
from irllrec.errors import DataError

# user 10: a train, b valid; user 9: b train, c test (c is cold); ids sort as numbers, so 9 is node 0
TABLE = RawTable(
    np.array([10, 10, 9, 9]),
    np.array(["a", "b", "b", "c"], dtype=object),
    np.array(["train", "valid", "train", "test"], dtype=object),
)
TEXTS = (
    TextRecord("item", "b", "title", "Bee"),
    TextRecord("user", 10, "review", "Fine.", 10, "b"),
    TextRecord("user", 9, "review", "Hm."),
)
VECTORS = {
    "user_id": np.array([10, 9]),
    "user": np.array([[1.0, 0], [2, 0]]),
    "item_id": np.array(["c", "b", "a"]),
    "item": np.array([[3.0, 0], [4, 0], [5, 0]]),
    "item_intent": np.array([[6.0], [7], [8]]),
}


def _raw(folder: Path, table: RawTable = TABLE, **manifest: Any) -> Path:
    folder.mkdir(parents=True)
    vectors = VECTORS if table is TABLE else None
    texts = TEXTS if table is TABLE else ()
    described = {"name": "tiny", "index": "ids", "duplicates_removed": 3} | manifest
    write_raw(folder, table, manifest=described, texts=texts, vectors=vectors)
    return folder


def _prepared(tmp_path: Path) -> tuple[Path, Path]:
    raw, folder = _raw(tmp_path / "raw"), tmp_path / "prepared"
    folder.mkdir()
    split = {"how": "given", "ratio": [3, 1, 1], "seed": 2023}
    write_prepared(folder, prepare(raw, "given"), {"name": "tiny", "split": split})
    return raw, folder


def test_nodes_are_numbered_in_the_order_of_their_ids(tmp_path: Path) -> None:
    _, folder = _prepared(tmp_path)
    assert load_ids(folder, "user") == [9, 10]
    assert load_ids(folder, "item") == ["a", "b", "c"]
    assert load_titles(folder) == [None, "Bee", None]
    pairs = {
        name: list(zip((part := load_split(folder, name)).users.tolist(), part.items.tolist(), strict=True))
        for name in ("train", "valid", "test")
    }
    assert pairs == {"train": [(0, 1), (1, 0)], "valid": [(1, 1)], "test": [(0, 2)]}


def test_texts_keep_the_interaction_they_stem_from_and_its_part(tmp_path: Path) -> None:
    _, folder = _prepared(tmp_path)
    assert load_texts(folder) == [
        PreparedText("item", 1, "title", "Bee"),
        PreparedText("user", 1, "review", "Fine.", 1, 1, "valid"),
        PreparedText("user", 0, "review", "Hm."),
    ]


def test_vectors_come_in_node_order_and_intents_fall_back_on_profiles(tmp_path: Path) -> None:
    _, folder = _prepared(tmp_path)
    arrays = read_arrays(folder / "vectors.npz")
    assert arrays["user_profile"].tolist() == [[2, 0], [1, 0]]
    assert arrays["user_intent"].tolist() == [[2, 0], [1, 0]]
    assert arrays["item_profile"].tolist() == [[5, 0], [4, 0], [3, 0]]
    assert arrays["item_intent"].tolist() == [[8], [7], [6]]


def test_published_matrices_keep_their_row_and_column_numbers(tmp_path: Path) -> None:
    table = RawTable(np.array([3, 1]), np.array([0, 4]), np.array(["train", "train"], dtype=object))
    raw = _raw(tmp_path / "raw", table, index="identity", user_count=5, item_count=6)
    data = prepare(raw, "given")
    assert data.user_ids == [0, 1, 2, 3, 4]
    assert (data.splits["train"].users.tolist(), data.splits["train"].items.tolist()) == ([1, 3], [4, 0])


def test_texts_of_clicks_left_out_by_time_are_left_out_too(tmp_path: Path) -> None:
    """Item 7 first appears in test: its click and the review of it are left out."""
    users, items = [0, 0, 1, 1, 2, 2, 0, 1, 0, 2], [1, 2, 1, 2, 3, 2, 3, 3, 7, 1]
    raw = tmp_path / "raw"
    raw.mkdir()
    table = RawTable(np.array(users), np.array(items), timestamps=np.arange(10))
    texts = [TextRecord("user", 0, "review", "New!", 0, 7), TextRecord("user", 2, "review", "Ok.", 2, 1)]
    write_raw(raw, table, manifest={"index": "ids"}, texts=texts)
    data = prepare(raw, "time")
    assert [(text.text, text.split) for text in data.texts] == [("Ok.", "test")]
    assert (data.assignment.left_out, data.texts_left_out) == (1, 1)


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        (["valid", "test", "train", "train"], "user 10 has held-out items but no training item"),
        (["valid", "test", "valid", "test"], "has no training interaction"),
    ],
)
def test_a_user_without_training_items_is_refused(splits: list[str], sentence: str, tmp_path: Path) -> None:
    raw = _raw(tmp_path / "raw", RawTable(TABLE.user_ids, TABLE.item_ids, np.array(splits, dtype=object)))
    with pytest.raises(DataError, match=sentence):
        prepare(raw, "given")


@pytest.mark.parametrize(("how", "sentence"), [("given", "no split column"), ("time", "no timestamps")])
def test_a_split_that_the_data_do_not_allow_is_refused(how: str, sentence: str, tmp_path: Path) -> None:
    raw = _raw(tmp_path / "raw", RawTable(TABLE.user_ids, TABLE.item_ids))
    with pytest.raises(DataError, match=sentence):
        prepare(raw, how)


def test_the_card_counts_what_one_counts_by_hand(tmp_path: Path) -> None:
    """4 pairs over 2 x 3; item c is cold in test; user degrees in train 1, 1, item degrees 1, 1, 0."""
    _, folder = _prepared(tmp_path)
    card = make_card(folder)
    assert (card["users"], card["items"], card["interactions"]) == (2, 3, 4)
    assert card["density"] == pytest.approx(4 / 6)
    assert card["splits"]["train"] == {"interactions": 2, "users": 2, "items": 2}
    assert card["cold"]["valid"] == {"users": 0, "items": 0, "interactions_with_cold_item": 0}
    assert card["cold"]["test"] == {"users": 0, "items": 1, "interactions_with_cold_item": 1}
    assert card["train_degrees"]["item"]["0"] == 0
    assert card["train_degrees"]["item"]["0.5"] == 1
    assert card["train_degrees"]["item"]["mean"] == pytest.approx(2 / 3)
    assert card["duplicates_removed"] == 3
    assert card["text"]["user"] == {"with_text": 2, "coverage": 1.0, "kinds": {"review": 2}}
    assert card["text"]["item"]["with_text"] == 1
    assert card["text"]["reviews"] == {"train": 0, "valid": 1, "test": 0, "without_interaction": 1}
    assert "| cold items in test | 1 (in 1 interactions) |" in card_markdown(card)


def test_equal_data_give_equal_bytes(tmp_path: Path) -> None:
    one, two = _prepared(tmp_path / "one"), _prepared(tmp_path / "two")
    for first, second in zip(one, two, strict=True):
        names = sorted(path.name for path in first.iterdir())
        assert names == sorted(path.name for path in second.iterdir())
        assert all(hash_file(first / name) == hash_file(second / name) for name in names)


def _outcomes(raw: Path, folder: Path) -> dict[str, str]:
    return {check.name: check.outcome for check in audit(raw, folder)}


def test_a_sound_data_set_passes_every_check_and_reports_its_cold_items(tmp_path: Path) -> None:
    checks = {check.name: check for check in audit(*_prepared(tmp_path))}
    assert not [check for check in checks.values() if check.outcome == FAILED]
    cold = checks["held-out items unseen in training"]
    assert (cold.outcome, cold.detail) == (
        "reported",
        "valid 0 items in 0 interactions, test 1 items in 1 interactions",
    )


def _tamper(folder: Path, name: str, users: list[int], items: list[int]) -> None:
    """Store these pairs as they are, with a manifest that fits: only the invariant is broken."""
    part = Interactions(np.array(users, np.int32), np.array(items, np.int32), 2, 3)
    save_interactions(folder / f"{name}.npz", part)
    manifest = read_json(folder / "manifest.json")
    manifest["files"][f"{name}.npz"] = hash_file(folder / f"{name}.npz")
    write_json(folder / "manifest.json", manifest)


@pytest.mark.parametrize(
    ("name", "users", "items", "check"),
    [
        ("test", [0], [1], "no pair stands in two parts"),
        ("train", [0, 0, 1], [1, 1, 0], "no pair stands twice in a part"),
        ("train", [0], [1], "every user with held-out items has training items"),
        ("train", [0, 1, 1], [1, 0, 2], "no interaction got lost or was added"),
        ("train", [0, 1], [0, 1], "the parts can be made again from the raw data"),
        ("test", [0], [3], "all indices are in range"),
        ("test", [-1], [0], "all indices are in range"),
        ("valid", [1], [2], "every review is tied to an interaction of its part"),
    ],
)
def test_each_broken_invariant_fails_its_check(
    name: str, users: list[int], items: list[int], check: str, tmp_path: Path
) -> None:
    raw, folder = _prepared(tmp_path)
    _tamper(folder, name, users, items)
    outcomes = _outcomes(raw, folder)
    assert outcomes[check] == FAILED
    assert outcomes["prepared files have the hashes of the manifest"] == PASSED


@pytest.mark.parametrize("which", ["raw", "prepared"])
def test_a_changed_file_fails_the_hash_check(which: str, tmp_path: Path) -> None:
    raw, folder = _prepared(tmp_path)
    path = (raw / "text.jsonl") if which == "raw" else (folder / "users.parquet")
    path.write_bytes(path.read_bytes() + b" ")
    assert _outcomes(raw, folder)[f"{which} files have the hashes of the manifest"] == FAILED


def test_a_file_that_is_gone_fails_checks_and_raises_nothing(tmp_path: Path) -> None:
    raw, folder = _prepared(tmp_path)
    (folder / "train.npz").unlink()
    assert _outcomes(raw, folder)["no pair stands in two parts"] == FAILED


def test_reviews_without_an_interaction_are_reported(tmp_path: Path) -> None:
    outcomes = _outcomes(*_prepared(tmp_path))
    assert outcomes["reviews that name no interaction"] == "reported"


def test_texts_survive_the_round_through_the_raw_folder(tmp_path: Path) -> None:
    assert tuple(read_texts(_raw(tmp_path / "raw"))) == TEXTS


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_folder_appears_whole_or_not_at_all(error: type[BaseException], tmp_path: Path) -> None:
    target = tmp_path / "data"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(error), atomic_folder(target, replace=True) as folder:  # noqa: PT012
        (folder / "a").write_text("new")
        raise error
    assert (target / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_folder_that_exists_is_replaced_only_on_request(tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    with pytest.raises(DataError, match="--replace"), atomic_folder(target):
        pass
    with atomic_folder(target, replace=True) as folder:
        (folder / "a").write_text("new")
    assert (target / "a").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
