"""The table of claims: verdicts first, each with the test that it hangs on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from repro.tables.model import (
    Block,
    Entry,
    Group,
    Line,
    Record,
    Scalar,
    Table,
    figures,
    interval_text,
    p_text,
    short_metric,
)

ABSENT = "–"
ALL_PLACES = "all"


class Tested(Protocol):
    """What is shown of one test of a claim."""

    @property
    def name(self) -> str: ...
    @property
    def candidate(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def sign(self) -> int: ...
    @property
    def user_count(self) -> int: ...
    @property
    def seed_count(self) -> int: ...
    @property
    def candidate_mean(self) -> float: ...
    @property
    def reference_mean(self) -> float: ...
    @property
    def difference(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def seeds_low(self) -> float: ...
    @property
    def seeds_high(self) -> float: ...
    @property
    def effect_size(self) -> float: ...
    @property
    def statistic(self) -> float: ...
    @property
    def p_value(self) -> float: ...
    @property
    def p_corrected(self) -> float: ...
    @property
    def margin(self) -> float: ...
    @property
    def p_tied_corrected(self) -> float: ...
    @property
    def detectable(self) -> float: ...
    @property
    def family_size(self) -> int: ...
    @property
    def correction(self) -> str: ...


@dataclass(frozen=True)
class TestRow:
    """One test with what it shows.

    Attributes:
        test: Its figures.
        finding: ``as claimed``, ``opposite``, ``tied`` or ``open``.
        stars: Marks of the corrected p-value.
        decides: Whether the verdict hangs on it.
    """

    __test__ = False

    test: Tested
    finding: str
    stars: str
    decides: bool


@dataclass(frozen=True)
class ClaimRow:
    """A claim at one place; ``dataset`` and ``backbone`` are None over all places."""

    claim: str
    title: str
    source: str
    dataset: str | None
    backbone: str | None
    verdict: str
    why: str
    command: str
    tests: tuple[TestRow, ...]


_COLUMNS = ("decided by", "metric", "difference [{}% CI]", "d_z", "p corr.", "detectable", "users", "seeds")


def claims_table(rows: Sequence[ClaimRow], *, every_test: bool, alpha: float, notes: Sequence[str]) -> Table:
    """Return the table; CSV and JSON hold every test in any case.

    Args:
        rows: Claim after claim.
        every_test: Show all tests of a claim and what each shows, not only the one that its verdict hangs on.
        alpha: 1 − the coverage of the intervals.
        notes: The caption behind the counts.
    """
    columns = tuple(column.format(f"{100 * (1 - alpha):g}") for column in _COLUMNS)
    groups = []
    for claim in dict.fromkeys(row.claim for row in rows):
        members = [row for row in rows if row.claim == claim]
        lines = tuple(line for row in members if row.tests for line in _lines(row, every_test))
        lines += _untested([row for row in members if not row.tests and row.dataset is not None])
        by = "the paper's" if members[0].source == "paper" else "ours"
        groups.append(Group(f"{claim}  {members[0].title} ({by})", lines))
    return Table(
        title="Claims and what our results say of them",
        columns=("data set", "backbone", "verdict", *columns),
        label_count=3,
        blocks=(Block("", tuple(groups)),),
        notes=(_counts(rows), *notes),
        records=tuple(record for row in rows for record in _records(row)),
    )


def _counts(rows: Sequence[ClaimRow]) -> str:
    places = [row for row in rows if row.dataset is not None]
    counts = Counter(row.verdict for row in places)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    claims = len(dict.fromkeys(row.claim for row in places))
    return f"{claims} claim{'s' * (claims != 1)} at {len(places)} place{'s' * (len(places) != 1)}: {told}."


def _lines(row: ClaimRow, every_test: bool) -> list[Line]:
    """Return the line of the verdict, and behind it one for every test where they are wanted."""
    labels = (row.dataset or ALL_PLACES, row.backbone or ALL_PLACES, row.verdict)
    deciding = next((one for one in row.tests if one.decides), None)
    lines = [_line(labels, deciding)]
    if every_test and row.dataset is not None:
        lines += [_line(("", "", f"· {one.finding}"), one) for one in row.tests]
    return lines


def _untested(rows: Sequence[ClaimRow]) -> tuple[Line, ...]:
    """Return one faint line for each data set where no test of the claim could be made."""
    lines = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        names = [row.backbone or ALL_PLACES for row in rows if row.dataset == dataset]
        backbone = names[0] if len(names) == 1 else f"{len(names)} backbones"
        lines.append(_line((dataset or ALL_PLACES, backbone, rows[0].verdict), None))
    return tuple(lines)


def _line(labels: Sequence[str], one: TestRow | None) -> Line:
    if one is None:
        return Line(tuple(Entry(text) for text in (*labels, *(ABSENT,) * len(_COLUMNS))), faint=True)
    test = one.test
    return Line(
        (
            *(Entry(label) for label in labels),
            Entry(test.name),
            Entry(short_metric(test.metric)),
            Entry(interval_text(test.difference, test.low, test.high), raised=one.stars),
            Entry(f"{test.effect_size:+.3f}"),
            Entry(p_text(test.p_corrected)),
            Entry(ABSENT if math.isnan(test.detectable) else f"{test.detectable:.4f}"),
            Entry(f"{test.user_count:,}"),
            Entry(str(test.seed_count)),
        )
    )


def _records(row: ClaimRow) -> list[Record]:
    """Return one record a test; one without a test where none could be made, and over all places."""
    head: dict[str, Scalar] = {
        "claim": row.claim,
        "title": row.title,
        "source": row.source,
        "dataset": row.dataset or ALL_PLACES,
        "backbone": row.backbone or ALL_PLACES,
        "verdict": row.verdict,
        "why": row.why,
        "command": row.command,
    }
    tests = row.tests if row.dataset is not None else ()
    return [{**head, **_figures(one)} for one in tests or (None,)]


_NUMBERS = (
    "candidate_mean",
    "reference_mean",
    "difference",
    "low",
    "high",
    "seeds_low",
    "seeds_high",
    "effect_size",
    "statistic",
    "p_value",
    "p_corrected",
    "margin",
    "p_tied_corrected",
    "detectable",
)


def _figures(one: TestRow | None) -> dict[str, Scalar]:
    test = one.test if one else None
    plain = ("name", "candidate", "reference", "metric")
    record: dict[str, Scalar] = {field: getattr(test, field, None) for field in plain}
    record |= {
        "expected": {1: "higher", -1: "lower"}[test.sign] if test else None,
        "users": test.user_count if test else None,
        "seeds": test.seed_count if test else None,
    }
    record |= {field: figures(getattr(test, field, None)) for field in _NUMBERS}
    return record | {
        "stars": one.stars if one else None,
        "finding": one.finding if one else None,
        "decides": int(one.decides) if one else None,
        "tests_in_family": test.family_size if test else None,
        "correction": test.correction if test else None,
    }
