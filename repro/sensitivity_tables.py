"""The tables of sensitivities: each value against the cell as it is."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis import family_note, scores_of
from repro.assembly import STARS_NOTE, interval_note
from repro.hyperparameters import TEXT_WIDTH
from repro.params import Params
from repro.sensitivity import Point, Sensitivity
from repro.statistics.verdict import stars, verdict
from repro.tables.model import Mark, Table
from repro.tables.provenance import provenance_notes
from repro.tables.sensitivity import SettingRow, grid_table, line_table, value_text

NOT_TUNING = (
    "These are test values: choosing a setting by them is not tuning, and its result would be too good. "
    "`repro sweep` chooses on the validation split."
)


def sensitivity_tables(found: Sequence[Sensitivity], params: Params) -> list[Table]:
    """Return one table of all lines around a cell, and one for each grid.

    Args:
        found: Around one cell or several.
        params: Holds the level of tests and intervals.
    """
    tables = []
    for key in dict.fromkeys(one.plain.key for one in found):
        there = [one for one in found if one.plain.key == key]
        lines = [one for one in there if len(one.settings) == 1]
        if lines:
            tables.append(_line_table(lines, params))
        tables += [_grid_table(one, params) for one in there if len(one.settings) > 1]
    return tables


def place_of(found: Sensitivity) -> str:
    """Return variant, backbone, data set, users and seeds in words."""
    cell, seeds = found.plain.cell, len(found.plain.seeds)
    return (
        f"{cell.variant} with {cell.backbone} on {cell.dataset}, {len(found.plain.users):,} users, "
        f"{seeds} seed{'s' * (seeds != 1)}"
    )


def rows_of(found: Sensitivity, params: Params) -> list[SettingRow]:
    """Return every point on every metric as a row of a table."""
    rows = []
    for metric in found.metrics:
        for point, mark in zip(found.points, found.marks(metric), strict=True):
            rows.append(_row(found, point, metric, mark, params))
    return rows


def _row(found: Sensitivity, point: Point, metric: str, mark: Mark, params: Params) -> SettingRow:
    named = tuple(zip(found.settings, point.values, strict=True))
    mean = found.mean(point, metric)
    if found.is_plain(point):
        return SettingRow(named, metric, mean, mark, is_usual=True)
    c = found.comparisons[point.values, metric]
    return SettingRow(
        named,
        metric,
        mean,
        mark,
        is_usual=False,
        difference=c.difference,
        low=c.low,
        high=c.high,
        effect_size=c.effect_size,
        p_corrected=c.p_corrected,
        verdict=verdict(c, params.statistics.alpha),
        stars=stars(c.p_corrected),
    )


def _line_table(lines: Sequence[Sensitivity], params: Params) -> Table:
    sections = []
    for one in lines:
        usual = "not reduced" if one.usual[0] is None else value_text(one.usual[0])
        sections.append((f"{one.settings[0]} (the cell has {usual})", rows_of(one, params)))
    return line_table(
        f"Sensitivity: {place_of(lines[0])}",
        sections,
        [
            "One setting changed at a time, all others as in the grid. Difference: to the cell as it is there. "
            "Best value of a setting in bold, second underlined.",
            *_notes(lines, params),
        ],
        params.statistics.alpha,
    )


def _grid_table(found: Sensitivity, params: Params) -> Table:
    return grid_table(
        f"Sensitivity: {place_of(found)}",
        rows_of(found, params),
        [
            f"Mean by {found.settings[0]} (rows) and {found.settings[1]} (columns). ◂: as in the grid. Best in bold, "
            "second underlined; stars: different from the cell as in the grid, ▼ below it.",
            *_notes([found], params),
        ],
    )


def _notes(found: Sequence[Sensitivity], params: Params) -> list[str]:
    comparisons = [c for one in found for c in one.comparisons.values()]
    narrow = any(TEXT_WIDTH in one.settings for one in found)
    return [
        f"{STARS_NOTE}. {family_note(comparisons, params)}",
        *([interval_note(params)] if any(len(one.settings) == 1 for one in found) else []),
        *(
            ["text.dimension: the stored text vectors on their leading principal components."]
            if narrow
            else []
        ),
        NOT_TUNING,
        *provenance_notes([scores_of(found[0].plain, found[0].metrics)]),
    ]
