"""Exported summaries: equal bytes, whole or refused."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from irllrec.errors import TextError
from irllrec.text import exports
from irllrec.text.exports import read_export, write_export
from irllrec.text.records import Summary, read_summaries, summary_lines

SUMMARY = Summary(
    role="user",
    node=0,
    id="ann\u2028one",
    profile="Likes sourdough\x85 and boats.",
    intents=("bake bread", "sail", "read"),
    reasoning="She wrote so.",
    summarizer="ollama",
    saw=((0, 1),),
    input_sha256="ab",
    reply={"digest": "d1", "attempt": 1},
)
RECORDS = [SUMMARY, replace(SUMMARY, role="item", id="b")]


def _written(folder: Path, name: str = "one.jsonl.gz") -> Path:
    write_export(folder / name, summary_lines(RECORDS), {"dataset": "shop"})
    return folder / name


def test_what_was_written_is_read_back_line_separators_included(tmp_path: Path) -> None:
    assert read_summaries(_written(tmp_path)) == RECORDS


def test_equal_content_gives_equal_bytes_whatever_the_name(tmp_path: Path) -> None:
    one, other = _written(tmp_path), _written(tmp_path, "another.jsonl.gz")
    assert one.read_bytes() == other.read_bytes()


def test_the_header_says_where_the_records_are_from(tmp_path: Path) -> None:
    header = read_export(_written(tmp_path)).header
    assert (header["dataset"], header["records"], header["format"]) == ("shop", 2, exports.FORMAT)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines[:-1], "1 records that are not the 2"),
        (lambda lines: [lines[0], lines[1].replace("boats", "goats"), lines[2]], "was changed or cut off"),
        (lambda lines: lines[1:], "is not an export of summaries"),
        (lambda lines: ["{", *lines[1:]], "does not begin with a header"),
        (lambda lines: ["[" * 100_000, *lines[1:]], "does not begin with a header"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, change, words: str) -> None:
    path = _written(tmp_path)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in change(_lines(path))).encode()))
    with pytest.raises(TextError, match=words):
        read_summaries(path)


def _lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().removesuffix("\n").split("\n")


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b"x" * 100)[:-20]])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(TextError, match=r"damaged\.jsonl\.gz"):
        read_summaries(path)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_BYTES", 100)
    with pytest.raises(TextError, match="more than 100 bytes when unpacked"):
        read_export(_written(tmp_path))


def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="repro text export"):
        read_summaries(tmp_path / "none.jsonl.gz")


def test_a_record_of_an_export_is_checked_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl.gz"
    write_export(path, [json.dumps({"role": "user"})], {})
    with pytest.raises(TextError, match=r"bad\.jsonl\.gz, line 2 lacks 'node'"):
        read_summaries(path)
