"""Tables with one paired comparison a row: ablations, user groups, single comparisons, significance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from repro.tables.model import (
    WORSE,
    Block,
    Entry,
    Group,
    Line,
    Record,
    Scalar,
    Table,
    figures,
    fraction,
    interval_text,
    p_text,
    short_metric,
)


class Compared(Protocol):
    """What is shown of a comparison candidate − reference."""

    @property
    def candidate(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def user_count(self) -> int: ...
    @property
    def candidate_mean(self) -> float: ...
    @property
    def reference_mean(self) -> float: ...
    @property
    def difference(self) -> float: ...
    @property
    def improvement(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def hierarchical_low(self) -> float: ...
    @property
    def hierarchical_high(self) -> float: ...
    @property
    def effect_size(self) -> float: ...
    @property
    def statistic(self) -> float: ...
    @property
    def p_value(self) -> float: ...
    @property
    def p_corrected(self) -> float: ...
    @property
    def p_randomisation(self) -> float: ...
    @property
    def p_tied_corrected(self) -> float: ...
    @property
    def family_size(self) -> int: ...
    @property
    def correction(self) -> str: ...


@dataclass(frozen=True)
class ComparisonRow:
    """One comparison with what names it.

    Attributes:
        labels: First cells of the row, for people.
        verdict: ``better``, ``worse``, ``tied`` or ``undecided``.
        stars: Marks of the corrected p-value.
        facts: Columns for CSV and JSON beside the comparison's own.
        extra: Last cells of the row, for people.
    """

    compared: Compared
    labels: tuple[str, ...]
    verdict: str
    stars: str
    facts: Record = field(default_factory=dict)
    extra: tuple[str, ...] = ()


def comparison_table(
    title: str,
    sections: Sequence[tuple[str, Sequence[ComparisonRow]]],
    label_columns: Sequence[str],
    mean_columns: tuple[str, str],
    *,
    notes: Sequence[str],
    alpha: float,
    extra_columns: Sequence[str] = (),
    seeds_interval: bool = False,
) -> Table:
    """Return a table of comparisons.

    Args:
        title: What is compared.
        sections: Heading and rows of each part.
        label_columns: Headers of the labels of the rows.
        mean_columns: Headers of the reference's and the candidate's mean, in this order.
        notes: The caption.
        alpha: 1 − the coverage of the intervals.
        extra_columns: Headers of the rows' ``extra``.
        seeds_interval: Whether to show the interval over seeds × users in a column of its own.
    """
    wider: tuple[str, ...] = ("… with seeds",) if seeds_interval else ()
    columns = (
        *label_columns,
        "metric",
        *mean_columns,
        f"difference [{100 * (1 - alpha):g}% CI]",
        *wider,
        "d_z",
        "p corr.",
        "verdict",
        *extra_columns,
    )
    groups = tuple(Group(name, tuple(_line(row, seeds_interval) for row in rows)) for name, rows in sections)
    return Table(
        title=title,
        columns=columns,
        label_count=len(label_columns) + 1,
        blocks=(Block("", groups),),
        notes=tuple(notes),
        records=tuple(record_of(row) for _, rows in sections for row in rows),
    )


def record_of(row: ComparisonRow) -> Record:
    """Return every figure of a comparison as a plain record; metrics and differences are fractions."""
    c = row.compared
    record: dict[str, Scalar] = {
        "candidate": c.candidate,
        "reference": c.reference,
        "metric": c.metric,
        "users": c.user_count,
    }
    numbers: dict[str, Callable[[Compared], float]] = {
        "candidate_mean": lambda c: c.candidate_mean,
        "reference_mean": lambda c: c.reference_mean,
        "difference": lambda c: c.difference,
        "improvement": lambda c: c.improvement,
        "low": lambda c: c.low,
        "high": lambda c: c.high,
        "seeds_users_low": lambda c: c.hierarchical_low,
        "seeds_users_high": lambda c: c.hierarchical_high,
        "effect_size": lambda c: c.effect_size,
        "t": lambda c: c.statistic,
        "p": lambda c: c.p_value,
        "p_corrected": lambda c: c.p_corrected,
        "p_randomisation": lambda c: c.p_randomisation,
        "p_tied_corrected": lambda c: c.p_tied_corrected,
    }
    record |= {name: figures(read(c)) for name, read in numbers.items()}
    record |= {
        "stars": row.stars,
        "verdict": row.verdict,
        "tests_in_family": c.family_size,
        "correction": c.correction,
    }
    return record | dict(row.facts)


def _line(row: ComparisonRow, seeds_interval: bool) -> Line:
    c = row.compared
    raised = row.stars + (WORSE if row.stars and c.difference < 0 else "")
    wider: tuple[Entry, ...] = ()
    if seeds_interval:
        text = interval_text(c.difference, c.hierarchical_low, c.hierarchical_high)
        wider = (Entry(text.partition(" ")[2] or "–"),)
    return Line(
        (
            *(Entry(label) for label in row.labels),
            Entry(short_metric(c.metric)),
            Entry(fraction(c.reference_mean)),
            Entry(fraction(c.candidate_mean)),
            Entry(interval_text(c.difference, c.low, c.high), raised=raised),
            *wider,
            Entry(f"{c.effect_size:+.3f}"),
            Entry(p_text(c.p_corrected)),
            Entry(row.verdict),
            *(Entry(text) for text in row.extra),
        )
    )
