"""Figures from papers, to stand beside ours."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.errors import ReproError

COLUMNS = ("source", "dataset", "backbone", "variant", "metric", "value")

STANDALONE_BACKBONE = "lightgcn"
"""Papers list a method of its own (alpharec) under the backbone it was compared on; here it is a backbone."""


@dataclass(frozen=True)
class PublishedRow:
    """One row of a paper: its source, and its figures by metric as fractions."""

    source: str
    values: Mapping[str, float]


Published = Mapping[tuple[str, str, str], PublishedRow]
"""(dataset, backbone, variant) → the row."""


IRLLREC_DATASETS = ("amazon", "yelp", "movie")
"""Data sets of IRLLRec's own table, whose figures are not among those kept here."""


def read_published(folder: Path, sources: Sequence[str] = ()) -> Published:
    """Return every published row of the CSV files in ``folder``; the first file wins a metric.

    Args:
        folder: Holds the files.
        sources: Only figures of these sources, each named as in the files or by how that name
            begins; empty takes all.

    Raises:
        ReproError: If a file lacks a column or holds a value that is not a fraction, or a source
            is in no file.
    """
    known_sources: set[str] = set()
    rows: dict[tuple[str, str, str], PublishedRow] = {}
    for path in sorted(folder.glob("*.csv")):
        with _readable(path), path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle, restval="")
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ReproError(f"{path} lacks the column {missing[0]!r}: it needs {','.join(COLUMNS)}.")
            for record in reader:
                value = _fraction(path, reader.line_num, record["value"])
                known_sources.add(record["source"])
                if sources and not record["source"].startswith(tuple(sources)):
                    continue
                key = (record["dataset"], record["backbone"], record["variant"])
                known = rows.get(key, PublishedRow(record["source"], {}))
                told = known.source.split(" + ")
                source = known.source if record["source"] in told else f"{known.source} + {record['source']}"
                rows[key] = PublishedRow(source, {record["metric"]: value, **known.values})
    for source in sources:
        if not any(name.startswith(source) for name in known_sources):
            raise ReproError(
                f"{folder}: no figures of the source {source!r}: choose {', '.join(sorted(known_sources))}."
            )
    return rows


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (csv.Error, UnicodeDecodeError) as error:
        raise ReproError(f"{path} is no CSV file in UTF-8 ({error}): restore it or mend it.") from None


def published_row(published: Published, dataset: str, backbone: str, variant: str) -> PublishedRow | None:
    """Return the published row of one of our rows, None where no paper we hold has it."""
    found = published.get((dataset, backbone, variant))
    if found is None and variant == "base":
        return published.get((dataset, STANDALONE_BACKBONE, backbone))
    return found


def _fraction(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ReproError(f"{path}:{line}: `value` is {text!r:.80}: give a fraction in 0..1, not percent.")
    return value
