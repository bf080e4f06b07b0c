"""The table of deviations: what each difference between release and paper costs, one metric a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repro.tables.comparisons import Compared, ComparisonRow, record_of
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


@dataclass(frozen=True)
class DeviationRow:
    """One deviation on one data set and metric.

    Attributes:
        deviation: D-01 to D-12.
        what: The deviation in a few words.
        dataset: The data set.
        place: ``backbone/objective``, – where nothing can be run.
        metric: Empty where nothing was measured.
        compared: As released − as in the paper; None where no two cells are compared.
        verdict: ``better``, ``worse``, ``tied`` or ``undecided``: the release against the paper.
        stars: Marks of the corrected p-value.
        seeds: The training seeds.
        mean: Where no two cells are compared, the mean over users and seeds.
        seed_spread: Its standard deviation over seeds.
        draw_spread: Standard deviation over evaluations with other noise, where there is noise.
        identical: Both sides are equal in every metric shown, for every user and seed.
        missing: Why nothing was measured; empty where something was.
    """

    deviation: str
    what: str
    dataset: str
    place: str
    metric: str = ""
    compared: Compared | None = None
    verdict: str = ""
    stars: str = ""
    seeds: tuple[int, ...] = ()
    mean: float | None = None
    seed_spread: float | None = None
    draw_spread: float | None = None
    identical: bool = False
    missing: str = ""

    @property
    def note(self) -> str:
        """What the figures alone do not say, in a few words."""
        if self.missing:
            return "not measured, see below"
        if self.identical:
            return "equal for every user and seed"
        if self.draw_spread is not None:
            return f"±{self.draw_spread:.4f} between evaluations"
        return "" if self.seed_spread is None else f"±{self.seed_spread:.4f} over seeds"


_MEASURES = (
    "candidate",
    "reference",
    "users",
    "candidate_mean",
    "reference_mean",
    "difference",
    "improvement",
    "low",
    "high",
    "seeds_users_low",
    "seeds_users_high",
    "effect_size",
    "t",
    "p",
    "p_corrected",
    "p_randomisation",
    "p_tied_corrected",
    "stars",
    "verdict",
    "tests_in_family",
    "correction",
)


def deviations_table(rows: Sequence[DeviationRow], *, notes: Sequence[str], alpha: float) -> Table:
    """Return the table, one block a data set.

    Args:
        rows: In the order to show, data set by data set.
        notes: The caption.
        alpha: 1 − the coverage of the intervals.
    """
    blocks: dict[str, list[Line]] = {}
    for row in rows:
        blocks.setdefault(row.dataset, []).append(_line(row))
    columns = (
        "id",
        "the release",
        "cells",
        "metric",
        "as in paper",
        "as released",
        f"difference [{100 * (1 - alpha):g}% CI]",
        "… with seeds",
        "p corr.",
        "verdict",
        "seeds",
        "note",
    )
    return Table(
        title="Deviations: difference = as released − as in the paper, one switch turned at a time",
        columns=columns,
        label_count=4,
        blocks=tuple(Block(name, (Group("", tuple(lines)),)) for name, lines in blocks.items()),
        notes=tuple(notes),
        records=tuple(_record(row) for row in rows),
    )


def _line(row: DeviationRow) -> Line:
    labels = (row.deviation, row.what, row.place, short_metric(row.metric) if row.metric else "–")
    c = row.compared
    if c is None:
        means = ("–" if row.mean is None else fraction(row.mean), "–")
        return Line(
            tuple(Entry(text) for text in (*labels, *means, "–", "–", "–", "–", _count(row), row.note))
        )
    raised = row.stars + (WORSE if row.stars and c.difference < 0 else "")
    return Line(
        (
            *(Entry(text) for text in labels),
            Entry(fraction(c.reference_mean)),
            Entry(fraction(c.candidate_mean)),
            Entry(interval_text(c.difference, c.low, c.high), raised=raised),
            Entry(seeds_interval(c)),
            Entry(p_text(c.p_corrected)),
            Entry(row.verdict),
            Entry(_count(row)),
            Entry(row.note),
        )
    )


def seeds_interval(compared: Compared) -> str:
    """Return the interval of the difference where the seeds could have been others, too."""
    text = interval_text(compared.difference, compared.hierarchical_low, compared.hierarchical_high)
    return text.partition(" ")[2] or "–"


def _count(row: DeviationRow) -> str:
    return str(len(row.seeds)) if row.seeds else "–"


def _record(row: DeviationRow) -> Record:
    measures: Mapping[str, Scalar] = {}
    if row.compared is not None:
        measures = record_of(ComparisonRow(row.compared, (), row.verdict, row.stars))
    return {
        "deviation": row.deviation,
        "what": row.what,
        "dataset": row.dataset,
        "place": row.place,
        "metric": row.metric,
        **{name: measures.get(name) for name in _MEASURES},
        "mean": figures(row.mean),
        "seed_spread": figures(row.seed_spread),
        "draw_spread": figures(row.draw_spread),
        "identical": int(row.identical) if row.compared is not None else None,
        "seeds": " ".join(str(seed) for seed in row.seeds),
        "missing": row.missing,
    }
