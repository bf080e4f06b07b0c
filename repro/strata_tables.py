"""The tables of an analysis in groups: the comparisons within each, and the tests between them."""

from __future__ import annotations

import math
from typing import Any

from repro.analysis import family_note, scores_of
from repro.assembly import STARS_NOTE, comparison_row, interval_note
from repro.params import Params
from repro.statistics.interaction import Estimate
from repro.statistics.verdict import CORRECTION_NAMES, stars
from repro.stratified import RELATIVE, Cut, Interaction, Stratified
from repro.tables.comparisons import ComparisonRow, comparison_table
from repro.tables.model import (
    Block,
    Entry,
    Group,
    Line,
    Scalar,
    Table,
    figures,
    interval_text,
    p_text,
    short_metric,
)
from repro.tables.provenance import provenance_notes

NOT_SHOWN = "not shown"
"""The verdict where no test says that a gain differs between groups."""


def strata_tables(found: Stratified, params: Params) -> list[Table]:
    """Return the table of all groups and, under it, that of the tests between them."""
    return [groups_table(found, params), *([interaction_table(found, params)] if found.interactions else [])]


def groups_table(found: Stratified, params: Params) -> Table:
    """Return each variant against base in every group; the family is the whole table.

    The records also hold the tests between groups, beside each of the groups.
    """
    between = _between(found, params)
    sections: dict[str, list[ComparisonRow]] = {}
    for cut in found.cuts:
        cell, c = cut.pair.candidate.cell, cut.comparison
        facts = _facts(cut) | between[cut.pair.candidate.key, c.metric]
        gain = percent_text(c.improvement, c.improvement_low, c.improvement_high)
        row = comparison_row(c, _labels(cut), params, facts=facts, extra=(gain,))
        sections.setdefault(f"{cell.backbone}: {cell.variant} − base · {c.metric}", []).append(row)
    comparisons = [cut.comparison for cut in found.cuts]
    return comparison_table(
        f"{found.grouping.title}: {place_of(found)}",
        list(sections.items()),
        (found.grouping.column, *(["items"] if found.grouping.kind == "items" else []), "users"),
        ("base", "variant"),
        notes=[
            found.grouping.note,
            f"{STARS_NOTE}. " + family_note(comparisons, params),
            interval_note(params) + " 'relative': the difference as a share of the group's base, likewise.",
            *provenance_notes([scores_of(cell, found.metrics) for cell in found.cells]),
        ],
        alpha=params.statistics.alpha,
        extra_columns=(f"relative {_interval_words(params)}",),
    )


def interaction_table(found: Stratified, params: Params) -> Table:
    """Return the tests whether a variant's gain over base differs between groups: group × method."""
    alpha = params.statistics.alpha
    several = len(found.grouping.groups) > 2
    sloped = found.grouping.kind != "cold"
    backbones: dict[str, list[Line]] = {}
    for one in found.interactions:
        line = _line(one, found, alpha, sloped=sloped, several=several)
        backbones.setdefault(one.pair.candidate.cell.backbone, []).append(line)
    return Table(
        title=f"{found.grouping.title} × method: does the gain over base differ between groups?",
        columns=(
            "variant",
            "metric",
            "gain",
            f"{' − '.join(found.grouping.extremes)} {_interval_words(params)}",
            "p contrast",
            *((f"slope per doubling {_interval_words(params)}", "p slope") if sloped else ()),
            *(("F", "p F") if several else ()),
            "larger for",
        ),
        label_count=3,
        blocks=(Block("", tuple(Group(name, tuple(lines)) for name, lines in backbones.items())),),
        notes=_interaction_notes(found, params, sloped=sloped, several=several),
        records=tuple(_record(one, found, alpha) for one in found.interactions),
    )


def larger_for(one: Interaction, found: Stratified, alpha: float) -> str:
    """Return in a few words for which groups a gain is shown to be larger."""
    sparse = one.sparse_gain_more(alpha)
    if sparse is None:
        return "groups differ" if one.differs(alpha) else NOT_SHOWN
    return found.grouping.ends[0 if sparse else 1]


def place_of(found: Stratified) -> str:
    """Return the data set with its numbers of users and seeds."""
    first = found.cells[0]
    seeds = len(first.seeds)
    return f"{first.cell.dataset}, {len(first.users):,} users, {seeds} seed{'s' * (seeds != 1)}"


def percent_text(value: float, low: float, high: float, unit: str = "%") -> str:
    """Return a signed share in percent with its interval."""
    if math.isnan(value):
        return "–"
    text = f"{100 * value:+.1f}{unit}"
    return text if math.isnan(low) else f"{text} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _labels(cut: Cut) -> tuple[str, ...]:
    items = () if cut.group.item_count is None else (f"{cut.group.item_count:,}",)
    return (cut.group.label, *items, f"{cut.group.user_count:,} ({100 * cut.group.share:.0f}%)")


def _facts(cut: Cut) -> dict[str, Scalar]:
    facts: dict[str, Scalar] = {"group": cut.group.label, "share_of_users": round(cut.group.share, 6)}
    if cut.group.item_count is not None:
        facts["test_items"] = cut.group.item_count
    bounds = cut.comparison.improvement_low, cut.comparison.improvement_high
    return facts | dict(zip(("improvement_low", "improvement_high"), map(figures, bounds), strict=True))


def _between(found: Stratified, params: Params) -> dict[tuple[str, str], dict[str, Scalar]]:
    """Return for each variant and metric the tests between groups, as columns that all rows have."""
    told: dict[tuple[str, str], dict[str, Scalar]] = {}
    named = ("candidate", "reference", "metric", "scale")
    for one in found.interactions:
        columns = told.setdefault((one.pair.candidate.key, one.metric), {})
        for name, value in _record(one, found, params.statistics.alpha).items():
            if name not in named and not (one.scale == RELATIVE and name.startswith("slope")):
                columns[f"{one.scale}_interaction_{name}"] = value
    names = list(dict.fromkeys(name for columns in told.values() for name in columns))
    return {key: {name: columns.get(name) for name in names} for key, columns in told.items()}


def _line(one: Interaction, found: Stratified, alpha: float, *, sloped: bool, several: bool) -> Line:
    contrast, trend = one.contrast.sparse_minus_dense, one.trend
    p_values = {name: p_text(one.corrected.get(name, math.nan)) for name in ("contrast", "trend", "any")}
    marks = {name: stars(one.corrected.get(name, 1.0)) for name in p_values}
    f_value = f"{one.contrast.any_difference.statistic:.2f}" if "any" in one.corrected else "–"
    slope = "–" if trend is None else _value(one, trend)
    return Line(
        (
            Entry(one.pair.candidate.cell.variant),
            Entry(short_metric(one.metric)),
            Entry(one.scale),
            Entry(_value(one, contrast), raised=marks["contrast"]),
            Entry(p_values["contrast"]),
            *((Entry(slope, raised=marks["trend"]), Entry(p_values["trend"])) if sloped else ()),
            *((Entry(f_value, raised=marks["any"]), Entry(p_values["any"])) if several else ()),
            Entry(larger_for(one, found, alpha)),
        )
    )


def _value(one: Interaction, estimate: Estimate) -> str:
    if one.scale == RELATIVE:
        return percent_text(estimate.value, estimate.low, estimate.high, " pp")
    return interval_text(estimate.value, estimate.low, estimate.high)


def _record(one: Interaction, found: Stratified, alpha: float) -> dict[str, Scalar]:
    counts = dict(zip(one.contrast.groups, one.contrast.counts, strict=True))
    sparse, dense = one.contrast.compared
    omnibus = one.contrast.any_difference
    numbers: dict[str, float | None] = {
        **_estimate("sparse_minus_dense", one.contrast.sparse_minus_dense, one.corrected.get("contrast")),
        **_estimate("slope", one.trend, one.corrected.get("trend")),
        "f": omnibus.statistic,
        "f_numerator_degrees": omnibus.numerator_degrees,
        "f_denominator_degrees": omnibus.denominator_degrees,
        "f_p": omnibus.p_value,
        "f_p_corrected": one.corrected.get("any"),
    }
    return {
        "candidate": one.pair.candidate.name,
        "reference": one.pair.reference.name,
        "metric": one.metric,
        "scale": one.scale,
        "sparse_group": found.grouping.groups[sparse].label,
        "sparse_users": counts[sparse],
        "dense_group": found.grouping.groups[dense].label,
        "dense_users": counts[dense],
        **{name: figures(value) for name, value in numbers.items()},
        "verdict": larger_for(one, found, alpha),
        "tests_in_family": one.family_size,
        "correction": one.correction,
    }


def _estimate(name: str, estimate: Estimate | None, p_corrected: float | None) -> dict[str, float | None]:
    read: dict[str, Any] = {
        "": "value",
        "_low": "low",
        "_high": "high",
        "_t": "statistic",
        "_p": "p_value",
    }
    told = {f"{name}{end}": getattr(estimate, attribute, None) for end, attribute in read.items()}
    return told | {f"{name}_p_corrected": p_corrected}


def _interval_words(params: Params) -> str:
    return f"[{100 * (1 - params.statistics.alpha):g}% CI]"


def _interaction_notes(found: Stratified, params: Params, *, sloped: bool, several: bool) -> tuple[str, ...]:
    grouping, family = found.grouping, found.interactions[0]
    numbers = sorted({number for one in found.interactions for number in one.contrast.compared})
    compared = " − ".join(grouping.groups[number].label for number in (numbers[0], numbers[-1]))
    sparse, items = grouping.ends[0], grouping.kind == "items"
    test = "t-test" if items else "Welch's t-test"
    notes = [
        f"Contrast: {compared} {grouping.column}, {test}. Above 0 the gain is larger for {sparse}, also "
        "where both lose."
    ]
    if sloped:
        notes.append(
            f"Slope: change of the difference with twice the {grouping.axis}, least squares on log2(1 + number)"
            f"{'' if items else ' with HC3 errors'}; below 0 the gain is larger for {sparse}."
        )
    if several:
        omnibus = "F test" if items else "Welch's analysis of variance"
        notes.append(f"F: {omnibus}, any difference between groups.")
    if items:
        notes.append("Errors are clustered by user, who has a row in several groups.")
    by = "the contrast and the slope" if sloped else "the contrast"
    return (
        " ".join(notes),
        "Relative gains are shares of each group's base, compared in percentage points (delta method).",
        f"{STARS_NOTE}. {CORRECTION_NAMES[family.correction]} over all {family.family_size} "
        f"test{'s' * (family.family_size != 1)} of this table; 'larger for' goes by {by}.",
    )
