"""The main table: data sets, backbones and variants against metrics, with marks and an improvement row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from repro.metric_kinds import is_accuracy, is_of_lists, value_text
from repro.tables.model import (
    WORSE,
    Block,
    Entry,
    Group,
    Line,
    Mark,
    Record,
    Scalar,
    Table,
    figures,
    fraction,
    ranks,
    short_metric,
)
from repro.tables.published import Published, published_row

OURS = "irllrec"

ABSENT = "–"
"""Stands for a fact that does not apply to a row."""


class Tested(Protocol):
    """What the table needs to know of a comparison candidate − reference."""

    @property
    def difference(self) -> float: ...
    @property
    def improvement(self) -> float: ...
    @property
    def p_corrected(self) -> float: ...


Tests = Mapping[tuple[str, str, str], Tested]
"""(candidate, reference, metric) → the comparison; sides are named dataset/backbone/variant."""


@dataclass(frozen=True)
class Scores:
    """One row of ours: means over users and seeds, and how the run was made.

    Attributes:
        facts: Provenance of the row by name: settings, fidelity, summarizer, commit, ….
        means: NaN where a metric cannot be computed.
        ranges: Lowest and highest seed of metrics that have one value a seed and none for a user.
    """

    dataset: str
    backbone: str
    variant: str
    means: Mapping[str, float]
    facts: Mapping[str, str]
    seed_count: int
    user_count: int
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.backbone}/{self.variant}"


def main_table(
    scores: Sequence[Scores],
    tests: Tests,
    metrics: Sequence[str],
    stars: Callable[[float], str],
    *,
    published: Published | None,
    notes: Sequence[str],
) -> Table:
    """Return the main table.

    Args:
        scores: Our rows in the order to show, data set by data set, backbone by backbone.
        tests: Comparisons with each backbone's base and of irllrec with the best other variant.
        metrics: Columns, for example ``recall@20``.
        stars: The marks of a corrected p-value.
        published: Figures to put under our rows; None leaves them out.
        notes: The caption.
    """
    blocks: list[Block] = []
    records: list[Record] = []
    for dataset, rows in _by(scores, "dataset"):
        marks = {metric: _marks([row.means[metric] for row in rows], metric) for metric in metrics}
        placed = {row.name: {metric: marks[metric][i] for metric in metrics} for i, row in enumerate(rows)}
        groups = []
        for backbone, members in _by(rows, "backbone"):
            lines: list[Line] = []
            for row in members:
                line, record = _value_line(row, tests, metrics, stars, placed[row.name])
                lines.append(line)
                records.append(record)
                if published is not None:
                    line, record = _published_line(row, published, metrics)
                    lines.append(line)
                    records.append(record)
            improvement = _improvement_line(members, tests, metrics, stars)
            if improvement:
                lines.append(improvement[0])
                records.append(improvement[1])
            groups.append(Group(backbone, tuple(lines)))
        blocks.append(Block(f"{dataset}  ({_sizes(rows)})", tuple(groups)))
    return Table(
        title="Main results",
        columns=("variant", *(short_metric(metric) for metric in metrics)),
        label_count=1,
        blocks=tuple(blocks),
        notes=tuple(notes),
        records=tuple(records),
    )


def best_other(rows: Sequence[Scores], metric: str) -> Scores | None:
    """Return the variant beside irllrec with the highest mean; None where there is no other."""
    others = [row for row in rows if row.variant != OURS]
    return max(others, key=lambda row: row.means[metric]) if others else None


def _by(rows: Iterable[Scores], attribute: str) -> list[tuple[str, list[Scores]]]:
    groups: dict[str, list[Scores]] = {}
    for row in rows:
        groups.setdefault(getattr(row, attribute), []).append(row)
    return list(groups.items())


def _sizes(rows: Sequence[Scores]) -> str:
    seeds = sorted({row.seed_count for row in rows})
    users = sorted({row.user_count for row in rows})
    told = "-".join(str(count) for count in (seeds if len(seeds) == 1 else [seeds[0], seeds[-1]]))
    return f"{told} seed{'s' * (seeds != [1])}, {', '.join(f'{count:,}' for count in users)} users"


def _value_line(
    row: Scores,
    tests: Tests,
    metrics: Sequence[str],
    stars: Callable[[float], str],
    marks: Mapping[str, Mark],
) -> tuple[Line, Record]:
    entries = [Entry(row.variant)]
    record = _record("value", row)
    base = f"{row.dataset}/{row.backbone}/base"
    for metric in metrics:
        test = tests.get((row.name, base, metric))
        raised = stars(test.p_corrected) if test else ""
        if test and raised and test.difference < 0:
            raised += WORSE
        entries.append(Entry(_value_text(row, metric), marks[metric], raised))
        record[metric] = figures(row.means[metric])
        if is_of_lists(metric):
            low, high = row.ranges[metric]
            record |= {f"{metric}_lowest_seed": figures(low), f"{metric}_highest_seed": figures(high)}
        record[f"{metric}_mark"] = marks[metric]
        record[f"{metric}_stars"] = raised.rstrip(WORSE)
        record[f"{metric}_versus"] = base.rsplit("/", 1)[1] if test else ""
        record[f"{metric}_difference"] = figures(test.difference) if test else None
        record[f"{metric}_p_corrected"] = figures(test.p_corrected) if test else None
    return Line(tuple(entries)), record


def _published_line(row: Scores, published: Published, metrics: Sequence[str]) -> tuple[Line, Record]:
    found = published_row(published, row.dataset, row.backbone, row.variant)
    values = found.values if found else {}
    record = _record("published", row) | {"source": found.source if found else "no published number"}
    for metric in metrics:
        empty = (*_RANGE, *_MARKS) if is_of_lists(metric) else _MARKS
        record |= {metric: values.get(metric)} | {f"{metric}_{name}": None for name in empty}
    label = f"  {found.source.split('-table')[0]}" if found else "  no published number"
    entries = (Entry(label), *(Entry(fraction(values.get(metric, math.nan))) for metric in metrics))
    return Line(entries, faint=True), record


_MARKS = ("mark", "stars", "versus", "difference", "p_corrected")
_RANGE = ("lowest_seed", "highest_seed")


def _marks(values: Sequence[float], metric: str) -> list[Mark]:
    """Return the marks of a column; none beyond accuracy, where no side is better by itself."""
    return ranks(values) if is_accuracy(metric) else [""] * len(values)


def _value_text(row: Scores, metric: str) -> str:
    """Return the mean and, where no user has a value, the lowest and highest seed."""
    text = value_text(metric, row.means[metric])
    if metric not in row.ranges or row.seed_count == 1:
        return text
    low, high = (value_text(metric, value) for value in row.ranges[metric])
    return f"{text} [{low}, {high}]"


def _improvement_line(
    rows: Sequence[Scores], tests: Tests, metrics: Sequence[str], stars: Callable[[float], str]
) -> tuple[Line, Record] | None:
    ours = next((row for row in rows if row.variant == OURS), None)
    if ours is None or len(rows) == 1:
        return None
    entries = [Entry("vs best other")]
    record = _record("improvement", ours)
    for metric in metrics:
        if not is_accuracy(metric):
            entries.append(Entry(ABSENT))
            empty = (*_RANGE, *_MARKS) if is_of_lists(metric) else _MARKS
            record |= {metric: None} | {f"{metric}_{name}": None for name in empty}
            continue
        other = best_other(rows, metric)
        assert other is not None
        test = tests[ours.name, other.name, metric]
        raised = stars(test.p_corrected)
        gain = "–" if math.isnan(test.improvement) else f"{100 * test.improvement:+.2f}%"
        entries.append(Entry(gain, raised=raised))
        record[metric] = figures(test.improvement)
        record[f"{metric}_mark"] = ""
        record[f"{metric}_stars"] = raised
        record[f"{metric}_versus"] = other.variant
        record[f"{metric}_difference"] = figures(test.difference)
        record[f"{metric}_p_corrected"] = figures(test.p_corrected)
    return Line(tuple(entries)), record


def _record(kind: str, row: Scores) -> dict[str, Scalar]:
    return {
        "kind": kind,
        "dataset": row.dataset,
        "backbone": row.backbone,
        "variant": row.variant,
        "seeds": row.seed_count,
        "users": row.user_count,
        **{name.replace(" ", "_"): "" if value == ABSENT else value for name, value in row.facts.items()},
        "source": "",
    }
