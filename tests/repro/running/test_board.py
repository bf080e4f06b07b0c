"""The board from which lanes take cells."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from repro.running.board import ATTEMPTS, Board
from repro.running.workplace import sha256


def job(key: str) -> dict[str, Any]:
    return {"key": key, "attempt": 1, "died_on": [], "deaths": []}


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(str(tmp_path / "board"))


def test_each_cell_is_taken_once_and_in_order(board: Board) -> None:
    for number, key in enumerate(("long", "short")):
        board.offer(number, job(key))
    taken = [board.take(lane, "here") for lane in range(3)]
    assert [one and one["key"] for one in taken] == ["long", "short", None]


def test_what_a_killed_worker_had_taken_waits_again_when_its_lane_starts_anew(board: Board) -> None:
    board.offer(0, job("cell"))
    board.start_lane(0, "here")
    assert board.take(0, "here") is not None
    board.start_lane(1, "here")
    assert board.take(1, "here") is None, "the other lane still has it"
    board.start_lane(0, "here")
    again = board.take(1, "here")
    assert again is not None
    assert (again["attempt"], again["deaths"]) == (2, ["its worker was killed on here"])


def test_a_cell_whose_worker_died_goes_to_another_machine_where_there_is_one(board: Board) -> None:
    board.offer(0, job("cell"))
    for lane, host in enumerate(("small", "large")):
        board.start_lane(lane, host)
    board.take(0, "small")
    board.died(0, "small", "killed by signal 9")
    assert board.take(0, "small") is None
    again = board.take(1, "large")
    assert again is not None and again["key"] == "cell"


def test_a_cell_whose_machine_says_nothing_any_more_waits_again(board: Board) -> None:
    for number, key in enumerate(("lost", "slow")):
        board.offer(number, job(key))
    for lane, host in enumerate(("gone", "there")):
        board.start_lane(lane, host)
        board.take(lane, host)
    long_ago = time.time() - 200
    os.utime(board.folder / "lanes" / "000.json", (long_ago, long_ago))

    board.give_up_silent(120, since=time.time() - 100)
    assert list(board.lanes()) == [0, 1], "nobody listened for longer than 100 seconds"
    board.give_up_silent(120, since=long_ago)

    assert list(board.lanes()) == [1]
    again = board.take(2, "elsewhere")
    assert again is not None
    assert (again["key"], again["died_on"]) == ("lost", ["gone"])
    assert again["deaths"] == ["no word for 200 seconds from its worker on gone"]
    assert board.take(2, "elsewhere") is None, "the other lane speaks"


def test_a_cell_whose_workers_keep_dying_is_given_up(board: Board) -> None:
    board.offer(0, job("cell"))
    board.start_lane(0, "here")
    for _ in range(ATTEMPTS):
        assert board.take(0, "here") is not None
        assert board.results() == []
        board.died(0, "here", "killed")
    assert board.take(0, "here") is None
    (result,) = board.results()
    assert not result["ok"]
    assert result["deaths"] == ["killed on here"] * ATTEMPTS


def test_files_are_fetched_by_hash_and_come_back_beside_the_result(board: Board, tmp_path: Path) -> None:
    source = tmp_path / "train.npz"
    source.write_bytes(b"interactions")
    board.share({sha256(source): str(source)})
    assert board.fetch([sha256(source)]) == [b"interactions"]
    board.finish(0, {"key": "cell"}, {"runs/demo/model/seed-1": b"weights"})
    assert (board.arrived("cell") / "runs/demo/model/seed-1").read_bytes() == b"weights"
    assert board.results() == [{"key": "cell"}]
    board.remove("cell")
    assert board.results() == []


@pytest.mark.parametrize("name", ["../outside", "model/../../outside", "/outside"])
def test_a_file_that_leads_out_of_its_cell_is_never_written(board: Board, name: str) -> None:
    with pytest.raises(ValueError, match="leads out of|is not in the subpath"):
        board.finish(0, {"key": "cell"}, {name: b"x"})
    assert board.results() == []
