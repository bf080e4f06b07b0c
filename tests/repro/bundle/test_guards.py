"""Files that must not be opened, found before anything opens them."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from irllrec.data.storage import write_arrays
from repro.bundle import guards
from repro.bundle.guards import unreadable


def _why(folder: Path, name: str, content: bytes) -> str:
    """Return why a file with this content is not to be read, "" where it may be."""
    (folder / name).write_bytes(content)
    found = unreadable(folder, [name])
    assert [one.file for one in found] in ([], [name])
    return found[0].stored if found else ""


def _npz(header: dict[str, object], content: bytes) -> bytes:
    """Return an npz file of one array whose header says what it likes."""
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(array, header)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("items.npy", array.getvalue() + content)
    return buffer.getvalue()


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def test_files_as_the_pipeline_writes_them_may_be_read(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", {"users": np.arange(5), "items": np.zeros((2, 5, 100), dtype=np.int32)})
    assert unreadable(tmp_path, ["a.npz"]) == []
    table = pa.table({"seed": [1, 2], "user": pa.array([0, 0], pa.int32()), "recall@20": [0.5, 0.25]})
    assert _why(tmp_path, "per_user.parquet", _parquet(table)) == ""
    assert _why(tmp_path, "run.json", b'{"seed": 1}') == ""
    assert _why(tmp_path, "params.yaml", b"a: {b: 1.0e-6}  # c\n") == ""


@pytest.mark.parametrize(
    "name", ["model.pkl", "code.py", "run.sh", "noending", "weights.safetensors", "x.npy"]
)
def test_other_kinds_of_files_are_refused(tmp_path: Path, name: str) -> None:
    assert "no bundle holds" in _why(tmp_path, name, b"x")


def test_arrays_of_objects_are_refused_unopened(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, items=np.array([{"a": 1}], dtype=object))
    assert "no numbers" in _why(tmp_path, "top_items.npz", buffer.getvalue())


def test_an_array_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    header = {"descr": "<i8", "fortran_order": False, "shape": (1 << 50,)}
    assert "claims other sizes" in _why(tmp_path, "a.npz", _npz(header, bytes(80)))
    header["shape"] = (9,)
    assert "claims other sizes" in _why(tmp_path, "a.npz", _npz(header, bytes(80)))
    header["shape"] = (10,)
    assert _why(tmp_path, "a.npz", _npz(header, bytes(80))) == ""


def test_arrays_that_would_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "MOST_ARRAY_BYTES", 100)
    write_arrays(tmp_path / "a.npz", {"x": np.zeros(8), "y": np.zeros(8)})
    assert "claims other sizes" in unreadable(tmp_path, ["a.npz"])[0].stored
    table = _parquet(pa.table({"seed": list(range(20))}))
    assert "more than the 100" in _why(tmp_path, "a.parquet", table)


def test_tables_with_texts_and_damaged_tables_are_refused(tmp_path: Path) -> None:
    assert "no numbers" in _why(tmp_path, "a.parquet", _parquet(pa.table({"seed": ["x"]})))
    content = _parquet(pa.table({"seed": list(range(500))}))
    assert "not a readable parquet" in _why(tmp_path, "a.parquet", content[: len(content) // 2])
    assert "not a readable parquet" in _why(tmp_path, "a.parquet", b"PAR1" + bytes(40) + b"PAR1")


def test_yaml_that_unfolds_is_refused(tmp_path: Path) -> None:
    """Nine lines of aliases of ten stand for a billion values."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "aliases" in _why(tmp_path, "params.yaml", "\n".join(lines).encode())
    assert "not valid YAML" in _why(tmp_path, "params.yaml", b"a: [1, 2")
    assert "larger than" in _why(tmp_path, "params.yaml", b"a: 1\n" * 300_000)


@pytest.mark.parametrize("content", [b"{", b"[" * 200_000, b"\xff\xfe", b""])
def test_json_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    assert _why(tmp_path, "metrics.json", content) == "not a readable json file"


def test_texts_that_are_no_texts_are_refused(tmp_path: Path) -> None:
    assert _why(tmp_path, "report.html", b"\xff\xd8\xff") == "not a readable html file"
