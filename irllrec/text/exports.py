"""Exported summaries: a compressed file whose content says where it is from and proves that it is whole.

The first line is a JSON object about the rest; the others are summary records. The hash is over the
records, not over the compressed bytes, which differ between versions of zlib.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irllrec.data.storage import atomic_path
from irllrec.data.untrusted import parse_json
from irllrec.errors import TextError

FORMAT = "irllrec-repro summaries 1"
MOST_BYTES = 1 << 30
"""Uncompressed; the summaries of 100,000 nodes take about 0.2 GB."""


@dataclass(frozen=True)
class Export:
    """The content of an exported file.

    Attributes:
        header: What the first line says: format, count of records, their hash, and where they are from.
        lines: The records as JSON texts.
    """

    header: Mapping[str, Any]
    lines: tuple[str, ...]


def write_export(path: Path, lines: Sequence[str], provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write records and where they are from, atomically, and return the header.

    The same records and provenance give the same bytes: no time and no name of a file stand in it.

    Args:
        path: The file, ending in ``.gz``.
        lines: Records as JSON texts without line ends.
        provenance: Anything that JSON can hold; it goes into the header.
    """
    header = {**provenance, "format": FORMAT, "records": len(lines), "records_sha256": _hash_of(lines)}
    content = "".join(
        f"{line}\n" for line in (json.dumps(header, sort_keys=True, ensure_ascii=False), *lines)
    )
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as packed:
        packed.write(content.encode("utf-8"))
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return header


def read_export(path: Path) -> Export:
    """Return the content of an exported file, after checking that it is whole.

    Raises:
        TextError: If it is missing, damaged, too large, or not such a file.
    """
    try:
        with gzip.open(path, "rb") as packed:
            content = packed.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise TextError(
            f"{path} is missing: make it with `repro text export`, or correct the path."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise TextError(f"{path} is not a readable gzip file ({error}): copy it again.") from None
    if len(content) > MOST_BYTES:
        raise TextError(f"{path} is refused: it holds more than {MOST_BYTES:,} bytes when unpacked.")
    try:
        first, *lines = content.decode("utf-8").removesuffix("\n").split("\n")
        header = parse_json(first)
    except ValueError:
        raise TextError(f"{path} does not begin with a header: make it with `repro text export`.") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TextError(f"{path} is not an export of summaries ({FORMAT}): make it with `repro text export`.")
    if header.get("records") != len(lines) or header.get("records_sha256") != _hash_of(lines):
        raise TextError(
            f"{path} holds {len(lines)} records that are not the {header.get('records')} it was made with: "
            "it was changed or cut off, copy it again."
        )
    return Export(header, tuple(lines))


def _hash_of(lines: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8") + b"\n")
    return digest.hexdigest()
