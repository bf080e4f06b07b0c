"""Refuses files of a bundle that would be dangerous or impossible to read, before anything reads them."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from irllrec.data.untrusted import parse_json
from repro.bundle.differences import Difference
from repro.yaml_text import YamlError, check_yaml

MOST_ARRAY_BYTES = 2 << 30
"""Of all arrays of a file together, in memory."""
MOST_YAML_BYTES = {"params.yaml": 1 << 20, "claims.yaml": 1 << 20, "dvc.lock": 64 << 20}
MOST_COLUMNS = 1000
MOST_TEXT_BYTES = 256 << 20
MOST_JSON_BYTES = 32 << 20
"""In memory, a JSON text takes up to twenty times as much."""
MOST_SAMPLES = 1_000_000
"""Samples of the bootstrap and of the randomisation test; more would keep a checker busy for days."""

_BYTES_OF_A_NUMBER = 8


def unreadable(folder: Path, names: Sequence[str]) -> list[Difference]:
    """Return the files that cannot be read safely, each with the reason; others are not opened later."""
    found = []
    for name in names:
        why = _problem(folder / name, name)
        if why:
            found.append(Difference(name, why, "a file that can be read"))
    return found


def _problem(path: Path, name: str) -> str:
    """Return why a file is not to be read, "" where it may be."""
    suffix = Path(name).suffix
    if suffix not in _GUARDS:
        return f"of a type ({suffix or 'none'}) that no bundle holds"
    try:
        return _GUARDS[suffix](path)
    except (ValueError, OSError, EOFError, LookupError, ArithmeticError, zipfile.BadZipFile, zlib.error):
        return f"not a readable {suffix.removeprefix('.')} file"
    except (RecursionError, MemoryError, NotImplementedError, TypeError, SyntaxError):
        return f"not a readable {suffix.removeprefix('.')} file"


def _text(path: Path) -> str:
    if path.stat().st_size > MOST_TEXT_BYTES:
        return f"larger than the {MOST_TEXT_BYTES:,} bytes that it may have"
    path.read_bytes().decode("utf-8")
    return ""


def _json(path: Path) -> str:
    if path.stat().st_size > MOST_JSON_BYTES:
        return f"larger than the {MOST_JSON_BYTES:,} bytes that it may have"
    parse_json(path.read_text(encoding="utf-8"))
    return ""


def _yaml(path: Path) -> str:
    """Refuse aliases, with which a few lines unfold to gigabytes."""
    limit = MOST_YAML_BYTES.get(path.name, 1 << 20)
    if path.stat().st_size > limit:
        return f"larger than the {limit:,} bytes that it may have"
    try:
        check_yaml(path.read_text(encoding="utf-8"), aliases=False)
    except YamlError as error:
        return "YAML with aliases, which no bundle holds" if "an alias" in str(error) else "not valid YAML"
    return ""


def _parquet(path: Path) -> str:
    import pyarrow
    import pyarrow.parquet

    try:
        held = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        types = {str(field.type) for field in held.schema_arrow}
        needed = held.metadata.num_rows * held.metadata.num_columns * _BYTES_OF_A_NUMBER
        if held.metadata.num_columns > MOST_COLUMNS or needed > MOST_ARRAY_BYTES:
            return f"a table of {needed:,} bytes, more than the {MOST_ARRAY_BYTES:,} that it may have"
        if not types <= {"int32", "int64", "double"}:
            return "a table with columns that are no numbers"
        if held.metadata.num_rows != sum(
            held.metadata.row_group(part).num_rows for part in range(held.metadata.num_row_groups)
        ):
            return "a table that claims other sizes than it has"
        held.read()
    except (pyarrow.ArrowException, OSError):
        return "not a readable parquet file"
    return ""


def _npz(path: Path) -> str:
    """Compare what each array's header claims with what is there, before anything is set aside for it."""
    total = 0
    with zipfile.ZipFile(path) as held:
        for info in held.infolist():
            if info.flag_bits & 0x1:
                return "an encrypted npz file"
            with held.open(info) as handle:
                version = np.lib.format.read_magic(handle)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
                if read is None:
                    return "an npz file of a form that no bundle holds"
                shape, _, dtype = read(handle)
                header = handle.tell()
            if dtype.kind not in "iufb":
                return "an npz file with arrays that are no numbers"
            claimed = math.prod(shape) * dtype.itemsize
            total += claimed
            if claimed + header != info.file_size or total > MOST_ARRAY_BYTES:
                return "an npz file that claims other sizes than it has"
    return ""


_GUARDS: dict[str, Callable[[Path], str]] = {
    **dict.fromkeys((".csv", ".md", ".txt", ".tex", ".html", ".jsonl"), _text),
    ".json": _json,
    ".yaml": _yaml,
    ".lock": _yaml,
    ".parquet": _parquet,
    ".npz": _npz,
}
