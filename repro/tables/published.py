"""Figures from papers, to stand beside ours."""

from __future__ import annotations

import csv
from collections.abc import Mapping
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


def read_published(folder: Path) -> Published:
    """Return every published row of the CSV files in ``folder``; the first file wins a metric.

    Raises:
        ReproError: If a file lacks a column or holds a value that is not a fraction.
    """
    rows: dict[tuple[str, str, str], PublishedRow] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ReproError(f"{path} lacks the column {missing[0]!r}: it needs {','.join(COLUMNS)}.")
            for record in reader:
                value = _fraction(path, reader.line_num, record["value"])
                key = (record["dataset"], record["backbone"], record["variant"])
                known = rows.get(key, PublishedRow(record["source"], {}))
                sources = known.source.split(" + ")
                source = (
                    known.source if record["source"] in sources else f"{known.source} + {record['source']}"
                )
                rows[key] = PublishedRow(source, {record["metric"]: value, **known.values})
    return rows


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
        raise ReproError(f"{path}:{line}: `value` is {text!r}: give a fraction in 0..1, not percent.")
    return value
