"""A table as data: what is shown, and the plain records behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from repro.metric_kinds import header_of

Mark = Literal["", "best", "second"]
Scalar = str | int | float | None
Record = Mapping[str, Scalar]

WORSE = "▼"
"""Stands after the stars of a value that is significantly below what it is compared with."""


@dataclass(frozen=True)
class Entry:
    """One shown value: its text, its rank in the block, and what stands raised after it."""

    text: str
    mark: Mark = ""
    raised: str = ""


@dataclass(frozen=True)
class Line:
    """One row; ``faint`` rows (published figures) stand back behind ours."""

    entries: tuple[Entry, ...]
    faint: bool = False


@dataclass(frozen=True)
class Group:
    """Rows that belong together, under a heading (empty: none)."""

    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Block:
    """A part of the table with its own title, in the main table one data set."""

    title: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Table:
    """A whole table.

    Attributes:
        title: One line.
        columns: Headers; the first ``label_count`` name the row and are repeated where a narrow
            terminal makes the table break.
        label_count: How many columns are labels, aligned to the left.
        blocks: The rows.
        notes: The caption: what the marks mean, how many tests, where the numbers are from.
        records: One plain record a row for CSV and JSON, all with the same keys.
    """

    title: str
    columns: tuple[str, ...]
    label_count: int
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    records: tuple[Record, ...]


def figures(value: float | None) -> float | None:
    """Return a number with six significant figures, None where it is not finite.

    Six figures are more than a run can reproduce across machines in the sum of its users, and few
    enough that the order of a sum does not show.
    """
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def ranks(values: Sequence[float]) -> list[Mark]:
    """Return the mark of each value: the highest is best, the next distinct one second.

    Values are compared as they are printed, with four decimals: what looks equal is marked equal.
    NaN has no rank.
    """
    printed = [round(value, 4) for value in values]
    distinct = sorted({value for value in printed if not math.isnan(value)}, reverse=True)
    names: dict[float, Mark] = dict(zip(distinct[:2], ("best", "second"), strict=False))
    return [names.get(value, "") for value in printed]


def fraction(value: float) -> str:
    """Return a metric with four decimals as papers print it, – where there is none."""
    return "–" if math.isnan(value) else f"{value:.4f}"


def p_text(value: float) -> str:
    """Return a p-value with two figures, never as 0."""
    if math.isnan(value):
        return "–"
    return "<1e-16" if value < 1e-16 else f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def interval_text(difference: float, low: float, high: float) -> str:
    """Return a signed difference and its interval."""
    if math.isnan(difference):
        return "–"
    if math.isnan(low):
        return f"{difference:+.4f}"
    return f"{difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def short_metric(metric: str) -> str:
    """Return the header of a metric: ``recall@20`` is ``R@20``, ``ndcg@20`` is ``N@20``."""
    return header_of(metric)
