"""Every reader under small random changes of honest files, and under all inputs that once went wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.readers import Reader, all_readers, judge

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
READERS = all_readers()
STEADY = settings(
    derandomize=True, deadline=None, max_examples=20, database=None, suppress_health_check=list(HealthCheck)
)
FRAGMENTS = (
    b"\x00", b"\xff", b"\x80", b'"', b"\n", b"\r", b",", b"{", b"[" * 70, b"9" * 4400, b"1e999", b"NaN",
    b"\\ud800", b"\x1b[2J",
    b"\xe2\x80\xae", b"&a [*a]", b"!!python/name:os.system ", b"<<: ", b"\xff\xff\xff\x7f", b"\xff" * 8,
)  # fmt: skip

edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 12),
        st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=6)),
    ),
    min_size=1,
    max_size=4,
)


def edited(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Return a content with some bytes at relative places replaced by others."""
    for place, length, fragment in changes:
        start = int(place * len(content))
        content = content[:start] + fragment + content[start + length :]
    return content


SLOW = (
    "safetensors",
    "model server answer",
    "download answer",
    "per_user.parquet",
    "run.json",
    "metrics.json",
)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in READERS]
)
def test_a_changed_file_is_read_or_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    contents = reader.seeds()

    @given(st.sampled_from(contents), edits)
    @STEADY
    def hold(content: bytes, changes: list[tuple[float, int, bytes]]) -> None:
        assert judge(reader, edited(content, changes), tmp_path) is None

    hold()


def _stored() -> list[tuple[Reader, Path]]:
    known = {name.replace(" ", "-"): reader for name, reader in READERS.items()}
    return [(known[path.parent.name], path) for path in sorted(CORPUS.glob("*/*"))]


@pytest.mark.parametrize(
    ("reader", "path"), [pytest.param(r, p, id=f"{p.parent.name}/{p.name}") for r, p in _stored()]
)
def test_what_once_went_wrong_is_read_or_refused_in_a_sentence(
    reader: Reader, path: Path, tmp_path: Path
) -> None:
    assert judge(reader, path.read_bytes(), tmp_path) is None


def test_the_stored_inputs_are_small() -> None:
    sizes = [path.stat().st_size for _, path in _stored()]
    assert len(sizes) >= 30
    assert max(sizes) < 8192
    assert sum(sizes) < 100_000


def test_a_wrong_sentence_or_another_error_counts_as_a_crash(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        from repro.errors import ReproError

        kind = path.read_bytes()
        raise (
            ReproError("x" * 5000) if kind == b"long" else KeyError("key") if kind == b"key" else MemoryError
        )

    reader = Reader("x", "x", fail, list)
    assert judge(reader, b"key", tmp_path) == "KeyError in no code of ours"
    assert judge(reader, b"memory", tmp_path) == "MemoryError in no code of ours"
    assert judge(reader, b"long", tmp_path) is None  # is cut before it is shown


@pytest.mark.slow
def test_the_campaign_counts_executions_and_names_what_went_wrong(tmp_path: Path) -> None:
    words = [
        "--minutes",
        "0.1",
        "--engine",
        "blind",
        "--reader",
        "ledger",
        "--reader",
        "csv",
        "--out",
        str(tmp_path),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "REPRO_ROOT"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.campaign", *words],
        cwd=ROOT, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    figures = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*/*/figures.json"))]
    assert len(figures) >= 2
    assert all(record["executions"] > 0 and record["crashes"] == {} for record in figures)
    assert "| all |" in done.stdout
