"""The table that sets our cells against the published ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from repro.tables.model import (
    Block,
    Entry,
    Group,
    Line,
    Record,
    Table,
    figures,
    short_metric,
)

ABSENT = "–"

_MOST_NAMES = 3
"""So many untestable cells of one reason are named in their line; more are counted."""


@dataclass(frozen=True)
class Verified:
    """One cell and metric, ours against published.

    Attributes:
        dataset, backbone, variant, metric: Our names of it.
        ours: Mean over seeds and users; None where it is missing here.
        seed_count: 0 where it is missing here.
        interval: Over ``interval_over``; None where there is none.
        interval_over: ``seeds``, or ``users`` with one seed or where all seeds are equal.
        published: None where no paper has the cell.
        source: Of the published value.
        effect_ratio, delta_ri: Of the gain over base; None where there is none to compare.
        verdict: One of the five.
        why: What the verdict rests on, or why there is none.
    """

    dataset: str
    backbone: str
    variant: str
    metric: str
    ours: float | None
    seed_count: int
    interval: tuple[float, float] | None
    interval_over: str
    published: float | None
    source: str
    effect_ratio: float | None
    delta_ri: float | None
    verdict: str
    why: str

    @property
    def difference(self) -> float | None:
        """Ours − published."""
        if self.ours is None or self.published is None:
            return None
        return self.ours - self.published

    @property
    def relative_difference(self) -> float | None:
        """The difference as a share of the published value."""
        difference = self.difference
        return difference / self.published if difference is not None and self.published else None


@dataclass(frozen=True)
class Ranking:
    """Kendall's τ between our order of methods and the published one, on one data set and metric."""

    dataset: str
    metric: str
    method_count: int
    tau: float
    p_value: float


COLUMNS = ("backbone", "variant", "metric", "ours", "interval", "published", "diff.", "diff. %")
LAST_COLUMNS = ("ER", "ΔRI", "verdict", "why")


def verification_table(
    rows: Sequence[Verified], rankings: Sequence[Ranking], *, alpha: float, notes: Sequence[str]
) -> Table:
    """Return the table; cells that cannot be tested here stand together, counted by their reason.

    CSV and JSON hold every cell.

    Args:
        rows: The cells in the order to show.
        rankings: Rank correlations, told under the table.
        alpha: 1 − the coverage of the intervals.
        notes: The caption behind the counts and the correlations.
    """
    blocks = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        members = [row for row in rows if row.dataset == dataset]
        tested = [row for row in members if row.ours is not None]
        groups = [
            Group("", tuple(_line(row) for row in tested if row.backbone == backbone))
            for backbone in dict.fromkeys(row.backbone for row in tested)
        ]
        missing = _missing_lines([row for row in members if row.ours is None])
        groups += [Group("published, not here", missing)] if missing else []
        blocks.append(Block(dataset, tuple(groups)))
    found = {(ranking.dataset, ranking.metric): ranking for ranking in rankings}
    return Table(
        title="Verification: ours against published",
        columns=(*COLUMNS[:4], f"{100 * (1 - alpha):g}% interval", *COLUMNS[5:], *LAST_COLUMNS),
        label_count=3,
        blocks=tuple(blocks),
        notes=(_counts(rows), *(_ranking_words(ranking) for ranking in rankings), *notes),
        records=tuple(_record(row, found.get((row.dataset, row.metric))) for row in rows),
    )


def _line(row: Verified) -> Line:
    difference, share = row.difference, row.relative_difference
    entries = (
        row.backbone,
        row.variant,
        short_metric(row.metric),
        _fraction(row.ours),
        _interval(row),
        _fraction(row.published),
        ABSENT if difference is None else f"{difference:+.4f}",
        ABSENT if share is None else f"{100 * share:+.1f}%",
        ABSENT if row.effect_ratio is None else f"{row.effect_ratio:.2f}",
        ABSENT if row.delta_ri is None else f"{row.delta_ri:+.3f}",
        row.verdict,
        row.why,
    )
    return Line(tuple(Entry(text) for text in entries))


def _missing_lines(rows: Sequence[Verified]) -> tuple[Line, ...]:
    """Return one faint line a reason, with the cells that it holds for."""
    lines = []
    for why in dict.fromkeys(row.why for row in rows):
        names = list(dict.fromkeys((row.backbone, row.variant) for row in rows if row.why == why))
        backbones = list(dict.fromkeys(name for name, _ in names))
        if len(names) <= _MOST_NAMES and len(backbones) == 1:
            labels = backbones[0], ", ".join(variant for _, variant in names)
        else:
            labels = f"{len(backbones)} backbones", f"{len(names)} cells"
        blank = ("",) * (len(COLUMNS) + len(LAST_COLUMNS) - 4)
        texts = (*labels, *blank, "cannot test here", why)
        lines.append(Line(tuple(Entry(text) for text in texts), faint=True))
    return tuple(lines)


def _interval(row: Verified) -> str:
    if row.interval is None:
        return ABSENT
    bounds = f"[{row.interval[0]:.4f}, {row.interval[1]:.4f}]"
    if row.interval_over == "seeds":
        return bounds
    return f"{'one seed' if row.seed_count == 1 else 'same in every seed'}; users {bounds}"


def _counts(rows: Sequence[Verified]) -> str:
    counts = Counter(row.verdict for row in rows)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"{len(rows)} value{'s' * (len(rows) != 1)}: {told or 'none'}."


def _ranking_words(ranking: Ranking) -> str:
    return (
        f"Ranking of {ranking.method_count} methods on {ranking.dataset}, {ranking.metric}: "
        f"Kendall τ {ranking.tau:.2f} with the published one (p = {ranking.p_value:.2g})."
    )


def _fraction(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4f}"


def _record(row: Verified, ranking: Ranking | None) -> Record:
    low, high = row.interval or (None, None)
    return {
        "dataset": row.dataset,
        "backbone": row.backbone,
        "variant": row.variant,
        "metric": row.metric,
        "ours": figures(row.ours),
        "seeds": row.seed_count,
        "interval_over": row.interval_over if row.interval else None,
        "low": figures(low),
        "high": figures(high),
        "published": row.published,
        "source": row.source or None,
        "difference": figures(row.difference),
        "relative_difference": figures(row.relative_difference),
        "effect_ratio": figures(row.effect_ratio),
        "delta_ri": figures(row.delta_ri),
        "verdict": row.verdict,
        "why": row.why,
        "kendall_tau": figures(ranking.tau) if ranking else None,
        "ranked_methods": ranking.method_count if ranking else None,
    }
