"""The switchboard's figures, from its analysis: records, words and marks."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis import Pair
from repro.figures.model import PAGE_WIDTH, Figure
from repro.figures.protocol import Mark, Switches, choices_height, curve_height, draw_choices, draw_curve
from repro.params import Params
from repro.protocol.sensitivity import Combined, Judged
from repro.protocol.settings import Setting
from repro.protocol.wording import counts_of, summary
from repro.statistics.verdict import CORRECTION_NAMES
from repro.tables.model import figures


def figures_of(
    pair: Pair, rows: Sequence[Judged], combined: Sequence[Combined], params: Params
) -> list[Figure]:
    """Return the choices one at a time, and the curve of all combinations where there are some."""
    found = [_choices(pair, rows, params)]
    if combined:
        found.append(_curve(pair, rows[0].choice.setting, combined, params))
    return found


def _choices(pair: Pair, rows: Sequence[Judged], params: Params) -> Figure:
    marks = [_mark_of(row) for row in rows]
    method = CORRECTION_NAMES[rows[0].comparison.correction]
    return Figure(
        name=f"protocol-{_place(pair)}",
        title=f"{_claim(pair)}: one choice of the protocol changed at a time",
        alt=summary(pair, rows),
        caption=(
            f"Difference of {_claim(pair)} as per cent of {pair.reference.cell.variant}'s mean, with the "
            f"{_percent(params)} bootstrap interval over {rows[0].comparison.user_count:,} users. The diamond is the "
            f"standing protocol; filled marks stay shown after {method}'s correction over all {len(rows)} rows. Words "
            "at the right tell where the verdict is another one."
        ),
        command=_command(pair),
        size=(PAGE_WIDTH, choices_height(marks)),
        records=tuple(
            {
                "protocol": mark.label,
                "metric": row.choice.setting.name,
                "improvement_percent": figures(mark.improvement),
                "low_percent": figures(mark.low),
                "high_percent": figures(mark.high),
                "p_corrected": figures(row.comparison.p_corrected),
                "verdict": row.verdict,
                "against_standing": row.outcome,
            }
            for row, mark in zip(rows, marks, strict=True)
        ),
        draw=lambda canvas: draw_choices(canvas, marks),
    )


def _mark_of(row: Judged) -> Mark:
    c = row.comparison
    scale = 100.0 / c.reference_mean if c.reference_mean else float("nan")
    switch = f"{row.choice.switch}: " if row.choice.switch else ""
    return Mark(
        label=switch + row.choice.option,
        improvement=c.difference * scale,
        low=c.low * scale,
        high=c.high * scale,
        shown=row.verdict in ("better", "worse"),
        standing=row.outcome == "standing",
        remark="" if row.outcome in ("standing", "stays") else row.outcome,
    )


def _curve(pair: Pair, standing: Setting, combined: Sequence[Combined], params: Params) -> Figure:
    alpha = params.statistics.alpha
    ordered = sorted(combined, key=lambda one: one.improvement)
    marks = [
        Mark(
            label=_words(one.setting),
            improvement=100 * one.improvement,
            low=100 * one.low / one.reference_mean if one.reference_mean else float("nan"),
            high=100 * one.high / one.reference_mean if one.reference_mean else float("nan"),
            shown=one.p_corrected < alpha,
            standing=one.setting == standing,
            options=_options(one.setting),
        )
        for one in ordered
    ]
    switches = _switches(combined)
    counts = counts_of(combined, alpha)
    least, most = marks[0].improvement, marks[-1].improvement
    return Figure(
        name=f"protocol-curve-{_place(pair)}",
        title=f"{_claim(pair)}: every combination of the cheap choices",
        alt=(
            f"{len(marks)} protocols in the order of the difference of {_claim(pair)}, from {least:+.1f} % to "
            f"{most:+.1f} %: higher in {counts['higher']}, lower in {counts['lower']}; after the correction "
            f"{counts['better corrected']} show a gain and {counts['worse corrected']} a loss."
        ),
        caption=(
            f"Specification curve: above, the difference as per cent of {pair.reference.cell.variant}'s mean with the "
            f"{_percent(params)} interval of the paired t-test; below, what each protocol chose. Filled circles stay "
            f"shown after {CORRECTION_NAMES[params.statistics.correction]}'s correction over all {len(marks)}; the "
            "diamond is the standing protocol. Differences of several metrics are comparable as shares only."
        ),
        command=_command(pair),
        size=(PAGE_WIDTH, curve_height(switches)),
        records=tuple(
            {
                "protocol": mark.label,
                "metric": one.setting.name,
                "improvement_percent": figures(mark.improvement),
                "low_percent": figures(mark.low),
                "high_percent": figures(mark.high),
                "p": figures(one.p_value),
                "p_corrected": figures(one.p_corrected),
            }
            for one, mark in zip(ordered, marks, strict=True)
        ),
        draw=lambda canvas: draw_curve(canvas, marks, switches),
    )


def _options(setting: Setting) -> tuple[str, ...]:
    metric = "recall / min(k, n)" if setting.counted == "reachable" else setting.metric
    users = "all" if setting.least_test_items == 1 else f"{setting.least_test_items} test items or more"
    return setting.mask, str(setting.cutoff), metric, setting.averaging, users


def _switches(combined: Sequence[Combined]) -> Switches:
    """Return the switches with the options that occur, in the order in which they were combined."""
    names = ("mask", "k", "metric", "mean over", "users")
    options = [_options(one.setting) for one in combined]
    return [(name, tuple(dict.fromkeys(row[column] for row in options))) for column, name in enumerate(names)]


def _words(setting: Setting) -> str:
    mask, _, metric, averaging, users = _options(setting)
    return f"{metric}@{setting.cutoff}, mask {mask}, mean over {averaging}, users: {users}"


def _claim(pair: Pair) -> str:
    return f"{pair.candidate.name} against {pair.reference.cell.variant}"


def _place(pair: Pair) -> str:
    cell, against = pair.candidate.cell, pair.reference.cell
    usual = (cell.variant, against.variant) == ("irllrec", "base")
    return f"{cell.dataset}-{cell.backbone}" + ("" if usual else f"-{cell.variant}-{against.variant}")


def _command(pair: Pair) -> str:
    cell, against = pair.candidate.cell, pair.reference.cell
    return (
        f"repro protocol --dataset {cell.dataset} --backbone {cell.backbone} --variant {cell.variant} "
        f"--against {against.variant}"
    )


def _percent(params: Params) -> str:
    return f"{100 * (1 - params.statistics.alpha):g} %"
