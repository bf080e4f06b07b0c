"""Sensitivities of a data set as tables and figures, from the results that are there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from repro.cell_requests import CellRequest, named
from repro.figure_material import Material, materials_of
from repro.figures.model import Figure
from repro.figures.sensitivity import SettingMark, heat_figure, line_figure
from repro.layout import Layout
from repro.params import Params
from repro.sensitivity import Line, Number, Point, Sensitivity, sensitivities, usual_of
from repro.sensitivity_tables import NOT_TUNING, place_of, rows_of
from repro.statistics.verdict import CORRECTION_NAMES

_Line = tuple[tuple[str, ...], CellRequest]


def sensitivity_figures_of(layout: Layout, params: Params, dataset: str) -> list[Figure]:
    """Return the figures of every sensitivity whose cells are evaluated; none where there are none."""
    return sensitivity_figures(sensitivities_of(layout, params, dataset), params)


def sensitivities_of(layout: Layout, params: Params, dataset: str) -> list[Sensitivity]:
    """Return a line for each setting, and a grid for each two settings, that has evaluated cells.

    The cell whose settings were changed must be evaluated, too. A grid also takes the cells where only one
    of its settings was changed, and needs two values of both.
    """
    if not any(cell.dataset == dataset for cell in params.cells.values()):
        return []
    found = []
    for material in materials_of(layout, params, dataset):
        lines = _lines(material)
        found += sensitivities(lines, material.metrics, params, params.statistics.correction)
    return found


def sensitivity_figures(found: Sequence[Sensitivity], params: Params) -> list[Figure]:
    """Return one figure of all lines around a cell, and one for each grid."""
    made = []
    for key in dict.fromkeys(one.plain.key for one in found):
        there = [one for one in found if one.plain.key == key]
        lines = [one for one in there if len(one.settings) == 1]
        made += [_line_figure(lines, params)] if lines else []
        made += [_heat_figure(one, params) for one in there if len(one.settings) > 1]
    return made


def _lines(material: Material) -> list[Line]:
    params = material.params
    changed: dict[_Line, dict[tuple[Number, ...], str]] = {}
    for variant, result in material.cells.items():
        if not 1 <= len(result.cell.at) <= 2:
            continue
        request = named(params, material.dataset, material.backbone, variant)
        base = replace(request, settings=())
        if base.variant in material.cells:
            names, values = zip(*sorted(result.cell.at.items()), strict=True)
            changed.setdefault((names, base), {})[values] = variant
    found: list[Line] = []
    for (names, base), own in changed.items():
        usual = usual_of(params, base, names)
        points = own | _around(changed, names, base, usual)
        if len(names) == 2 and min(len({values[place] for values in points}) for place in (0, 1)) < 2:
            continue
        there = [Point(values, material.cells[variant]) for values, variant in sorted(points.items())]
        found.append((names, material.cells[base.variant], usual, there))
    return found


def _around(
    changed: dict[_Line, dict[tuple[Number, ...], str]],
    names: tuple[str, ...],
    base: CellRequest,
    usual: tuple[Number | None, ...],
) -> dict[tuple[Number, ...], str]:
    """Return the points that have the usual value of a setting: the cell itself, and the edges of a grid."""
    known = [value for value in usual if value is not None]
    if len(known) < len(usual):
        return {}
    found: dict[tuple[Number, ...], str] = {tuple(known): base.variant}
    for place in (0, 1) if len(names) == 2 else ():
        on_grid = {values[place] for values in changed[names, base]}
        for (value,), variant in changed.get(((names[place],), base), {}).items():
            if value in on_grid:
                found[(value, known[1]) if place == 0 else (known[0], value)] = variant
    return found


def _marks(found: Sensitivity, params: Params) -> list[SettingMark]:
    level = {metric: float(found.plain.values(metric).mean()) for metric in found.metrics}
    marks = []
    for row in rows_of(found, params):
        second = row.settings[1] if len(row.settings) > 1 else ("", math.nan)
        marks.append(
            SettingMark(
                row.settings[0][0],
                float(row.settings[0][1]),
                second[0],
                float(second[1]),
                row.metric,
                row.mean,
                level[row.metric] + row.low,
                level[row.metric] + row.high,
                row.p_corrected,
                row.is_usual,
            )
        )
    return marks


def _line_figure(lines: Sequence[Sensitivity], params: Params) -> Figure:
    cell = lines[0].plain.cell
    return line_figure(
        f"sensitivity-{cell.dataset}-{cell.backbone}-{cell.variant}",
        f"Sensitivity of {cell.variant} with {cell.backbone} on {cell.dataset}",
        [mark for one in lines for mark in _marks(one, params)],
        variant=cell.variant,
        caption=f"{place_of(lines[0])}. One setting changed at a time; the black diamond and the dotted line are the "
        f"cell as in the grid, bars the {_interval_words(params)} of the difference to it. Full marks differ from it "
        f"({_test_words(lines)}), hollow ones are not shown to. {NOT_TUNING}",
        command=_command(lines),
        alpha=params.statistics.alpha,
    )


def _heat_figure(found: Sensitivity, params: Params) -> Figure:
    cell = found.plain.cell
    names = "-".join(name.replace(".", "-").replace("_", "-") for name in found.settings)
    return heat_figure(
        f"sensitivity-{cell.dataset}-{cell.backbone}-{cell.variant}-{names}",
        f"Sensitivity of {cell.variant} to {' and '.join(found.settings)}, {cell.backbone} on {cell.dataset}",
        _marks(found, params),
        caption=f"{place_of(found)}. ◂: as in the grid; a star: shown to differ from it ({_test_words([found])}). "
        f"{NOT_TUNING}",
        command=_command([found]),
        alpha=params.statistics.alpha,
    )


def _interval_words(params: Params) -> str:
    return f"{100 * (1 - params.statistics.alpha):g} % bootstrap interval"


def _test_words(found: Sequence[Sensitivity]) -> str:
    comparisons = [c for one in found for c in one.comparisons.values()]
    if not comparisons:
        return "no test was made"
    first = comparisons[0]
    return f"paired t over users, {CORRECTION_NAMES[first.correction]} over all {first.family_size} tests"


def _command(found: Sequence[Sensitivity]) -> str:
    cell = found[0].plain.cell
    named_values = []
    for one in found:
        for place, name in enumerate(one.settings):
            values = sorted({point.values[place] for point in one.points})
            named_values.append(f"--set {name}={','.join(f'{value:g}' for value in values)}")
    grid = " --grid" if len(found[0].settings) > 1 else ""
    return (
        f"repro sensitivity {' '.join(named_values)}{grid} --dataset {cell.dataset} --backbone {cell.backbone} "
        f"--variant {cell.variant} --metrics {','.join(found[0].metrics)} --figure"
    )
