"""A corpus of malicious pickles: every one is refused in a sentence, in little memory and time, and nothing runs."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from irllrec.data.reading import read_matrix
from tests.hostile import pickles

ROOT = Path(__file__).resolve().parents[2]
READERS = (
    "pickled matrix",
    pytest.param("pickled profiles", marks=pytest.mark.slow),
    pytest.param("pickled vectors", marks=pytest.mark.slow),
)
CALM_BYTES = 400 << 20
"""The largest file of the corpus has 5 MB; its instructions take up to 100 bytes each."""


def refusals(reader: str, contents: dict[str, bytes], folder: Path) -> dict[str, Any]:
    """Return what came of reading each content in a process with bounded memory."""
    given, scratch = folder / "given", folder / "scratch"
    given.mkdir()
    scratch.mkdir()
    numbers = {f"{number:03d}": label for number, label in enumerate(contents)}
    for number, label in numbers.items():
        (given / number).write_bytes(contents[label])
    words = [sys.executable, "-m", "tests.hostile.refusals", reader, str(given), str(scratch)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    record: dict[str, Any] = json.loads(done.stdout)
    return {**record, "found": {numbers[number]: told for number, told in record["found"].items()}}


def test_the_corpus_is_large_enough_and_no_two_of_it_are_equal() -> None:
    made = [
        *pickles.executing(Path("x")).values(),
        *pickles.exhausting().values(),
        *pickles.malformed().values(),
    ]
    assert len(made) == len(set(made)) >= 100


def test_the_canary_sings_where_python_itself_unpickles(tmp_path: Path) -> None:
    """Many of them do run under ``pickle.loads``: the corpus is no paper tiger."""
    ran = 0
    for label in (
        "os.system, protocol 0",
        "subprocess, protocol 5",
        "eval, protocol 2",
        "exec",
        "INST",
        "OBJ",
    ):
        canary = tmp_path / label.replace(" ", "-")
        pickle.loads(pickles.executing(canary)[label])
        ran += canary.exists()
    assert ran == 6


@pytest.mark.parametrize("reader", READERS)
def test_no_pickle_that_would_execute_something_is_read_and_nothing_of_it_runs(
    reader: str, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    record = refusals(reader, pickles.executing(canary), tmp_path)
    for label, (kind, sentence, seconds) in record["found"].items():
        assert kind in ("UnsafePickleError", "DataError"), (label, kind, sentence)
        assert len(sentence) < 1500 and sentence.isprintable(), label
        assert seconds < 10, label
    merely_malformed = {label for label, (kind, _, _) in record["found"].items() if kind == "DataError"}
    assert merely_malformed <= {"STACK_GLOBAL of no strings", "type with metadata"}
    assert not canary.exists()
    assert record["grown_bytes"] < CALM_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["pickled matrix", "pickled profiles"])
def test_what_would_exhaust_the_machine_is_refused_in_bounded_memory_and_time(
    reader: str, tmp_path: Path
) -> None:
    made = pickles.exhausting() | pickles.malformed()
    if reader != "pickled matrix":
        del made["DUP without end"]  # to walk five million instructions once is enough
    record = refusals(reader, made, tmp_path)
    for label, (kind, sentence, seconds) in record["found"].items():
        assert kind in ("UnsafePickleError", "DataError"), (label, kind, sentence)
        assert len(sentence) < 1500 and "\n" not in sentence, label
        assert seconds < 60, label
    assert record["grown_bytes"] < CALM_BYTES


def test_what_stands_behind_the_end_of_a_pickle_is_not_looked_at(tmp_path: Path) -> None:
    for label, make in pickles.trailing().items():
        path = tmp_path / "x.pkl"
        path.write_bytes(make())
        assert read_matrix(path).user_count == 2, label
