"""The figures of differences: what each component contributes, and every variant against its base."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from repro.ablations import label_of
from repro.analysis import Pair, ablation_pairs, compare, main_questions
from repro.assembly import STARS_NOTE, comparison_row, interval_note
from repro.figure_material import Material, NotDrawableError, plural
from repro.figures.intervals import IntervalPanel, IntervalRow, draw_intervals, interval_height
from repro.figures.model import COLUMN_WIDTH, Figure
from repro.figures.style import Look, look_of, looks_of
from repro.params import Params
from repro.results import CellResult
from repro.statistics.comparison import Comparison, correct_family
from repro.statistics.verdict import CORRECTION_NAMES, stars
from repro.tables.comparisons import record_of
from repro.tables.model import WORSE, interval_text


@dataclass(frozen=True)
class _Row:
    """A pair that is drawn, with its label, the heading it stands under, and its look."""

    pair: Pair
    label: str
    group: str
    look: Look


def ablation_figure(material: Material) -> Figure:
    """Return bars of what leaving out each component changes; the family is the figure.

    Raises:
        NotDrawableError: If no ablated cell has results.
    """
    pairs = ablation_pairs(list(material.cells.values()))
    if not pairs:
        waiting = [name for name in material.waiting if "-no-" in name or "-with-" in name]
        fix = (
            f"evaluate {', '.join(waiting)} with `dvc repro`"
            if waiting
            else f"run `repro ablation --drop ITM --drop IA --dataset {material.dataset} --backbone "
            f"{material.backbone}`"
        )
        raise NotDrawableError(f"no component was left out of a model of {material.place}: {fix}.")
    rows = [
        _Row(pair, _ablation_label(pair), "", look_of(pair.candidate.cell.variant, place))
        for place, pair in enumerate(pairs)
    ]
    asked = [(pair, metric) for pair in pairs for metric in material.metrics]
    found = _family(asked, material.params)
    whole = pairs[0].reference
    means = ", ".join(f"{metric} {whole.values(metric).mean():.4f}" for metric in material.metrics)
    return _figure(
        material,
        "ablation",
        f"ablation-{material.place}",
        f"Ablation of {whole.cell.variant} with {material.backbone} on {material.dataset}",
        rows,
        found,
        axis="without − whole",
        bars=True,
        opening=(
            f"What changes where a component is left out of {whole.cell.variant} ({means}), or another text is "
            "read: a bar to the left says that the component helps."
        ),
    )


def comparison_name(materials: Sequence[Material], named: Sequence[str]) -> str:
    """Return the name of the comparison of these backbones, which says those that were asked for."""
    return "-".join(["comparison", materials[0].dataset, *(one.backbone for one in materials if named)])


def comparison_figure(materials: Sequence[Material], named: Sequence[str] = ()) -> Figure:
    """Return every variant's difference to the base of its backbone; the family is the main table's.

    Args:
        materials: Backbones of one data set, at least one.
        named: The backbones that were asked for by name; none where all are drawn.

    Raises:
        NotDrawableError: If no backbone has both base and another variant.
    """
    cells = [cell for material in materials for cell in material.plain]
    first = materials[0]
    asked = main_questions(cells, first.metrics)
    pairs = {pair.candidate.name: pair for pair, _ in asked if pair.reference.cell.variant == "base"}
    if not pairs:
        raise NotDrawableError(
            f"no backbone of {first.dataset} has results of base and of another variant: add them with "
            "`repro grid add`, then `dvc repro`."
        )
    looks = looks_of(list(dict.fromkeys(pair.candidate.cell.variant for pair in pairs.values())))
    rows = [
        _Row(
            pair,
            pair.candidate.cell.variant,
            pair.candidate.cell.backbone,
            looks[pair.candidate.cell.variant],
        )
        for pair in pairs.values()
    ]
    backbones = list(dict.fromkeys(row.group for row in rows))
    return _figure(
        first,
        "comparison",
        comparison_name(materials, named),
        f"Difference to base on {first.dataset}, {plural(len(backbones), 'backbone')}",
        rows,
        _family(asked, first.params),
        axis="variant − base",
        bars=False,
        opening="Each variant against base under the same backbone.",
        command=" ".join(
            [f"repro figures comparison --dataset {first.dataset}", *(f"--backbone {name}" for name in named)]
        ),
    )


def _ablation_label(pair: Pair) -> str:
    varied = pair.reference.cell
    return label_of(pair) + (f" ({varied.variant})" if varied.is_variation else "")


def _family(asked: Sequence[tuple[Pair, str]], params: Params) -> dict[tuple[str, str, str], Comparison]:
    """Return the corrected answers by candidate, reference and metric."""
    comparisons = correct_family(compare(asked, params), params.statistics.correction)
    return {(c.candidate, c.reference, c.metric): c for c in comparisons}


def _figure(
    material: Material,
    kind: str,
    name: str,
    title: str,
    rows: Sequence[_Row],
    found: Mapping[tuple[str, str, str], Comparison],
    *,
    axis: str,
    bars: bool,
    opening: str,
    command: str | None = None,
) -> Figure:
    params = material.params

    def answer(row: _Row, metric: str) -> Comparison:
        return found[row.pair.candidate.name, row.pair.reference.name, metric]

    panels = [
        IntervalPanel(
            metric,
            tuple(_drawn(row, answer(row, metric), params.statistics.alpha) for row in rows),
            params.statistics.equivalence_margin,
        )
        for metric in material.metrics
    ]
    return Figure(
        name=name,
        title=title,
        alt=_alt(rows, answer, material.metrics[0]),
        caption=" ".join([opening, *_notes(found, rows[0].pair.candidate, params, bars=bars)]),
        command=command or material.command(kind),
        size=(COLUMN_WIDTH, interval_height(panels[0].rows)),
        records=tuple(
            {"label": row.label, "backbone": row.pair.candidate.cell.backbone}
            | dict(record_of(comparison_row(answer(row, metric), (), params)))
            for row in rows
            for metric in material.metrics
        ),
        draw=lambda canvas: draw_intervals(canvas, panels, axis, bars=bars),
    )


def _drawn(row: _Row, c: Comparison, alpha: float) -> IntervalRow:
    mark = stars(c.p_corrected)
    return IntervalRow(
        label=row.label,
        group=row.group,
        look=row.look,
        value=c.difference,
        low=c.low,
        high=c.high,
        mark=mark + (WORSE if mark and c.difference < 0 else ""),
        shown=c.p_corrected < alpha,
    )


def _alt(rows: Sequence[_Row], answer: Callable[[_Row, str], Comparison], metric: str) -> str:
    """Return the counts of rows that are shown better or worse, and the two ends, on the first metric."""
    found = [answer(row, metric) for row in rows]
    marked = [c for c in found if stars(c.p_corrected)]
    better = sum(c.difference > 0 for c in marked)
    places = sorted(zip(rows, found, strict=True), key=lambda pair: pair[1].difference)
    ends = places if len(places) < 2 else [places[-1], places[0]]
    told = "; ".join(
        " ".join(
            filter(None, (_named(row), interval_text(c.difference, c.low, c.high), stars(c.p_corrected)))
        )
        for row, c in ends
    )
    return (
        f"On {metric}, of {plural(len(rows), 'row')} {better} {'is' if better == 1 else 'are'} shown to be higher "
        f"and {len(marked) - better} lower. {'Largest and smallest difference: ' if len(ends) > 1 else ''}{told}."
    )


def _named(row: _Row) -> str:
    return f"{row.group} {row.label}".strip()


def _notes(
    found: Mapping[tuple[str, str, str], Comparison], cell: CellResult, params: Params, *, bars: bool
) -> list[str]:
    one = next(iter(found.values()))
    marks = "faint bars are not shown to differ" if bars else "hollow marks are not shown to differ"
    family = (
        f"p: paired t-test over {plural(len(cell.users), 'user')}, each averaged over "
        f"{plural(len(cell.seeds), 'seed')}; {CORRECTION_NAMES[one.correction]} over all "
        f"{plural(one.family_size, 'test')} of the family."
    )
    return [
        f"{STARS_NOTE}; {WORSE} marks a lower value; {marks}. Grey band: what is too small to matter.",
        family,
        interval_note(params),
    ]
