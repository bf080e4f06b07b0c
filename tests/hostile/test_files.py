"""Hostile files of every kind: each is read as what it is or refused in a sentence, in little memory and time."""

# ruff: noqa: E501 - one line a corpus reads better than four

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile import files
from tests.hostile.test_pickles import refusals

CORPORA: dict[str, tuple[str, Callable[[], dict[str, bytes]], frozenset[str]]] = {
    # A corpus, the reader that it is fed to, and what of it is no fault in that kind of file.
    "arrays": ("npz vectors", files.arrays, frozenset()),
    "archives": ("bundle", files.archives, frozenset({"only an end"})),
    "archives of texts": (
        "zip of texts",
        files.archives,
        frozenset(
            {"escape sequences", "bidi", "dot", "a home", "a long name", "a link", "a zip in a zip", "many members", "in front of an honest one",
             "behind an honest one", "only an end", "a NUL"}
        ),
    ),
    "csv": ("tsv", lambda: {k: v.replace(b",", b"\t") for k, v in files.delimited().items()}, frozenset({"carriage returns"})),
    "parquet": ("parquet", files.parquets, frozenset()),
    "jsonl": ("jsonl texts", files.lines, frozenset({"a list as id"})),
    "params.yaml": ("params.yaml", files.yamls, frozenset()),
    "sources.yaml": ("sources.yaml", files.yamls, frozenset()),
    "search spaces": ("search spaces", files.yamls, frozenset()),
    "edited params.yaml": (
        "edited params.yaml",
        files.yamls,
        frozenset(
            {"an unknown tag", "a tag that lies", "a number as key", "null as key", "a list as key", "a mapping as key", "infinity", "value", "a directive",
             "a binary that is none", "nothing", "a word", "a list", "digits", "digits in base 60", "a call", "an object", "a name", "a set of lists", "half of a pair", "a mark",
             "merging a word", "merging numbers", "no such day", "no such time", "a zone"}
        ),
    ),
    "safetensors": ("safetensors", files.tensors, frozenset()),
    "replies": ("model reply", files.replies, frozenset()),
}  # fmt: skip
KINDS = {"DataError", "ReproError", "TextError", "BadReplyError", "TrainingError", "UnsafePickleError"}
CALM_BYTES = 600 << 20


FAST = ("jsonl", "params.yaml")


@pytest.mark.parametrize(
    "corpus", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CORPORA]
)
def test_every_hostile_file_is_refused_in_a_sentence_within_memory_and_time(
    corpus: str, tmp_path: Path
) -> None:
    reader, make, may_be_read = CORPORA[corpus]
    made = make()
    record = refusals(reader, made, tmp_path)
    wrong = {
        label: (kind, sentence[:300], round(seconds, 1))
        for label, (kind, sentence, seconds) in record["found"].items()
        if (kind not in KINDS and not (kind == "" and label in may_be_read))
        or len(sentence) > 2000
        or seconds > 20
    }
    assert wrong == {}
    assert len(record["found"]) == len(made)
    assert record["grown_bytes"] < CALM_BYTES
    assert list(tmp_path.rglob("canary")) == [] and not Path("/tmp/canary").exists()
