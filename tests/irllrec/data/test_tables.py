"""Interaction files of users, good and bad."""

import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from irllrec.data.tables import ColumnNames, parse_ids, read_interactions
from irllrec.errors import DataError


def _write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "user_id,item_id,split\n4,93,valid\n4,113,train\n7,93,test\n"),
        ("a.csv", "\ufeffitem_id,user_id,split\r\n93,4,validation\r\n113,4,Train\r\n93,7,test\r\n"),
        ("a.csv", '"user_id","item_id","split"\n"4","93","val"\n"4","113","train"\n"7","93","test"\n'),
        ("a.tsv", "user_id\titem_id\tsplit\n4\t93\tvalid\n4\t113\ttrain\n7\t93\ttest\n"),
        ("a.inter", "user_id:token\titem_id:token\tsplit:token\n4\t93\tvalid\n4\t113\ttrain\n7\t93\ttest\n"),
    ],
)
def test_every_delimited_form_gives_the_same_table(name: str, content: str, tmp_path: Path) -> None:
    table = read_interactions(_write(tmp_path, name, content)).table
    assert table.user_ids.tolist() == [4, 4, 7]
    assert table.item_ids.tolist() == [93, 113, 93]
    assert table.splits is not None
    assert table.splits.tolist() == ["valid", "train", "test"]
    assert table.timestamps is None


def test_parquet_with_other_column_names_is_read(tmp_path: Path) -> None:
    columns = {"who": ["b", "a"], "what": [1.0, 2.0], "when": [10, 5]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    table = read_interactions(tmp_path / "a.parquet", ColumnNames("who", "what", timestamp="when")).table
    assert table.user_ids.tolist() == ["b", "a"]
    assert table.item_ids.tolist() == [1, 2]
    assert table.timestamps is not None
    assert table.timestamps.tolist() == [10, 5]


def test_ratings_below_the_least_are_no_interactions(tmp_path: Path) -> None:
    path = _write(
        tmp_path, "a.inter", "user_id:token\titem_id:token\trating:float\n1\t1\t5\n1\t2\t2\n2\t1\t4\n"
    )
    read = read_interactions(path, rating_min=4)
    assert read.table.item_ids.tolist() == [1, 1]
    assert (read.below_rating, read.has_rating) == (1, True)


def test_exact_duplicates_are_removed_and_counted_and_the_first_moment_stays(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.csv", "user_id,item_id,timestamp\n1,1,30\n1,2,5\n1,1,10\n1,1,20\n")
    read = read_interactions(path)
    assert read.duplicates_removed == 2
    assert read.table.timestamps is not None
    assert read.table.item_ids.tolist() == [2, 1]
    assert read.table.timestamps.tolist() == [5, 10]


def test_ids_with_leading_zeros_stay_text_and_whole_floats_become_numbers() -> None:
    assert parse_ids(np.array(["007", "8"], dtype=object)).tolist() == ["007", "8"]
    assert parse_ids(np.array(["7.0", "-8"], dtype=object)).tolist() == [7, -8]
    assert parse_ids(np.array(["9" * 25], dtype=object)).tolist() == ["9" * 25]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "", r"a\.csv is empty"),
        ("a.csv", "user_id,item_id\n", r"header but no rows"),
        ("a.csv", "user,item_id\n1,2\n", r"no column 'user_id', it has 'user', 'item_id': .*--user-column"),
        ("a.csv", "user_id,item_id\n1,2\n,3\n", r"line 3: user_id is missing"),
        ("a.csv", "user_id,item_id\n1,2\n1,NaN\n", r"line 3: item_id is missing"),
        ("a.csv", "user_id,item_id\n1,2\n1,2,3\n", r"cannot be read: .*Expected 2 columns, got 3"),
        ("a.csv", "user_id,user_id,item_id\n1,1,2\n", r"column 'user_id' twice"),
        (
            "a.csv",
            "user_id,item_id,split\n1,2,train\n1,3,holdout\n",
            r"line 3: split is 'holdout': use train",
        ),
        (
            "a.csv",
            "user_id,item_id,split\n1,2,train\n3,3,test\n1,2,test\n",
            r"lines 2 and 4: user 1 and item 2",
        ),
        ("a.csv", "user_id,item_id,timestamp\n1,2,noon\n", r"line 2: timestamp is 'noon', not a number"),
        ("a.csv", "user_id,item_id,timestamp\n1,2,inf\n", r"line 2: timestamp is 'inf', not a number"),
        ("a.inter", "user_id\titem_id\n1\t2\n", r"header 'user_id' is not `name:type`"),
        ("a.xlsx", "PK", r"unknown kind '\.xlsx'"),
        ("a.parquet", "PAR?", r"a\.parquet cannot be read"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(
    name: str, content: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        read_interactions(_write(tmp_path, name, content))
    assert re.search(sentence, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_file_and_text_that_is_not_utf8_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        read_interactions(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"user_id,item_id\n\xff\xfe,1\n")
    with pytest.raises(DataError, match=r"b\.csv cannot be read"):
        read_interactions(tmp_path / "b.csv")


def test_a_least_rating_needs_a_rating_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--rating-column"):
        read_interactions(_write(tmp_path, "a.csv", "user_id,item_id\n1,2\n"), rating_min=3)
