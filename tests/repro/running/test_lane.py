"""A lane at work on commands of the shell: what it makes of those that fail, are killed, or have to end."""

import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from repro.running.board import ATTEMPTS, Board
from repro.running.worker import run_lane

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    for package in ("irllrec", "repro"):
        (root / package).symlink_to(ROOT / package)
    (root / "probe").write_text("run")
    return root


def job(root: Path, command: str) -> dict[str, Any]:
    return {
        "key": "cell",
        "run": "run",
        "root": str(root),
        "probe": str(root / "probe"),
        "ship": False,
        "stages": [{"name": "train@cell", "cmd": command}],
        "code": {},
        "inputs": {},
        "texts": {},
        "outs": ["out"],
        "threads": 3,
        "gpus": ("4", "5"),
        "environment": {},
        "attempt": 1,
        "died_on": [],
        "deaths": [],
    }


def results_of(root: Path, command: str, lane: int = 0) -> list[dict[str, Any]]:
    board = Board(str(root / "board"))
    board.offer(0, job(root, command))
    thread = threading.Thread(target=run_lane, args=(lane, board))
    thread.start()
    deadline = time.monotonic() + 30
    while not board.results() and time.monotonic() < deadline:
        time.sleep(0.05)
    found = board.results()
    board.close()
    thread.join()
    return found


def test_a_stage_runs_in_a_folder_of_its_own_with_its_share_of_the_machine(root: Path) -> None:
    (result,) = results_of(root, 'echo "$OMP_NUM_THREADS $CUDA_VISIBLE_DEVICES $PWD" > out', lane=1)
    assert result["ok"]
    place = root / ".repro/running/cells/cell"
    assert (place / "out").read_text().split() == ["3", "5", str(place)]
    assert list(result["files"]) == ["out"]


def test_a_stage_that_fails_is_told_in_its_own_words_with_the_paths_of_the_checkout(root: Path) -> None:
    (result,) = results_of(
        root,
        'printf \'{"code": 1, "sentence": "%s/params.yaml is wrong.", "stage": "train"}\' "$PWD" '
        '> "$REPRO_FAILURE_FILE"; exit 1',
    )
    assert (result["ok"], result["sentence"]) == (False, f"{root}/params.yaml is wrong.")


def test_a_stage_that_says_nothing_is_told_by_its_last_line(root: Path) -> None:
    (result,) = results_of(root, "echo no such kernel >&2; exit 3")
    assert result["sentence"] == "train@cell: no such kernel"


def test_a_stage_that_is_killed_again_and_again_is_given_up_with_every_death(root: Path) -> None:
    (result,) = results_of(root, "kill -9 $$")
    assert not result["ok"]
    assert len(result["deaths"]) == ATTEMPTS
    assert "it was killed by signal 9 on" in result["deaths"][0]


def test_a_stage_that_is_killed_once_is_begun_again(root: Path) -> None:
    (result,) = results_of(root, f"if mkdir {root}/seen; then kill -9 $$; fi; echo done > out")
    assert result["ok"]
    assert len(result["deaths"]) == 1


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_closing_the_board_ends_a_stage_and_all_that_it_started(root: Path) -> None:
    board = Board(str(root / "board"))
    board.offer(0, job(root, f"sleep 300 & echo $! > {root}/pid; wait"))
    thread = threading.Thread(target=run_lane, args=(0, board))
    thread.start()
    deadline = time.monotonic() + 30
    while not ((root / "pid").exists() and (root / "pid").read_text().strip()):
        assert time.monotonic() < deadline, "the stage never started"
        time.sleep(0.05)
    board.close()
    thread.join()
    deadline = time.monotonic() + 10  # a killed process takes a moment to end
    while lives(int((root / "pid").read_text())):
        assert time.monotonic() < deadline, "the stage's own child lives on"
        time.sleep(0.01)
    assert board.results() == []


def test_a_code_file_that_changed_is_named_and_nothing_is_run(root: Path) -> None:
    board = Board(str(root / "board"))
    board.offer(0, {**job(root, "touch out"), "code": {"repro/layout.py": "0" * 64}})
    thread = threading.Thread(target=run_lane, args=(0, board))
    thread.start()
    while not board.results():
        time.sleep(0.05)
    board.close()
    thread.join()
    (result,) = board.results()
    assert f"{root}/repro/layout.py" in result["sentence"]
    assert "leave files alone" in result["sentence"]
