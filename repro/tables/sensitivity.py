"""Tables over the values of a setting: one row a value, or a grid of two settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from repro.tables.model import (
    WORSE,
    Block,
    Entry,
    Group,
    Line,
    Mark,
    Record,
    Table,
    figures,
    fraction,
    interval_text,
    p_text,
    short_metric,
)


@dataclass(frozen=True)
class SettingRow:
    """One value of a setting, or one pair of values, on one metric.

    Attributes:
        settings: Names and values, in order.
        metric: Such as ``recall@20``.
        mean: Over seeds and users.
        mark: Its rank among the values.
        is_usual: Whether the cell has this value; it is then compared with nothing, and what follows is NaN.
        difference, low, high: To the cell as it is, with its interval.
        effect_size, p_corrected: Of that difference.
        verdict: In one word.
        stars: Marks of the corrected p-value.
    """

    settings: tuple[tuple[str, int | float], ...]
    metric: str
    mean: float
    mark: Mark
    is_usual: bool
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    effect_size: float = math.nan
    p_corrected: float = math.nan
    verdict: str = ""
    stars: str = ""

    @property
    def raised(self) -> str:
        return self.stars + (WORSE if self.stars and self.difference < 0 else "")


USUAL = "as in the grid"


def value_text(value: float) -> str:
    """Return a setting's value as short as it can be read."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def line_table(
    title: str, sections: Sequence[tuple[str, Sequence[SettingRow]]], notes: Sequence[str], alpha: float
) -> Table:
    """Return one row for each value and metric.

    Args:
        title: One line.
        sections: Heading and rows of each setting.
        notes: The caption.
        alpha: 1 − the coverage of the intervals.
    """
    return Table(
        title=title,
        columns=(
            "value",
            "metric",
            "mean",
            f"difference [{100 * (1 - alpha):g}% CI]",
            "d_z",
            "p corr.",
            "verdict",
        ),
        label_count=2,
        blocks=(Block("", tuple(Group(name, tuple(_line(row) for row in rows)) for name, rows in sections)),),
        notes=tuple(notes),
        records=tuple(_record(row) for _, rows in sections for row in rows),
    )


def grid_table(title: str, rows: Sequence[SettingRow], notes: Sequence[str]) -> Table:
    """Return a grid of two settings for each metric, with means and marks."""
    (down, _), (across, _) = rows[0].settings
    columns = sorted({row.settings[1][1] for row in rows})
    blocks = []
    for metric in dict.fromkeys(row.metric for row in rows):
        found = {(row.settings[0][1], row.settings[1][1]): row for row in rows if row.metric == metric}
        lines = [
            Line((Entry(value_text(first)), *(_cell(found.get((first, second))) for second in columns)))
            for first in sorted({values[0] for values in found})
        ]
        blocks.append(Block(metric, (Group("", tuple(lines)),)))
    return Table(
        title=title,
        columns=(f"{down} ↓  {across} →", *(value_text(value) for value in columns)),
        label_count=1,
        blocks=tuple(blocks),
        notes=tuple(notes),
        records=tuple(_record(row) for row in rows),
    )


def _line(row: SettingRow) -> Line:
    value = value_text(row.settings[0][1])
    shown = interval_text(row.difference, row.low, row.high) if not row.is_usual else USUAL
    return Line(
        (
            Entry(value),
            Entry(short_metric(row.metric)),
            Entry(fraction(row.mean), row.mark),
            Entry(shown, raised=row.raised),
            Entry("–" if math.isnan(row.effect_size) else f"{row.effect_size:+.3f}"),
            Entry(p_text(row.p_corrected)),
            Entry(row.verdict or "–"),
        )
    )


def _cell(row: SettingRow | None) -> Entry:
    if row is None:
        return Entry("–")
    return Entry(("◂ " if row.is_usual else "") + fraction(row.mean), row.mark, row.raised)


def _record(row: SettingRow) -> Record:
    names = dict(zip(("setting", "second_setting"), row.settings, strict=False))
    first, second = names["setting"], names.get("second_setting", ("", None))
    return {
        "setting": first[0],
        "value": first[1],
        "second_setting": second[0],
        "second_value": second[1],
        "metric": row.metric,
        "mean": figures(row.mean),
        "mark": row.mark,
        "as_in_grid": "yes" if row.is_usual else "",
        "difference": figures(row.difference),
        "low": figures(row.low),
        "high": figures(row.high),
        "effect_size": figures(row.effect_size),
        "p_corrected": figures(row.p_corrected),
        "verdict": row.verdict,
        "stars": row.stars,
    }
