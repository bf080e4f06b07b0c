"""Noise studies of a data set as tables and figures, from the results that are there."""

from __future__ import annotations

from collections.abc import Iterable

from repro.cell_requests import named
from repro.figure_material import Material, materials_of
from repro.figures.model import Figure
from repro.figures.noise import NoiseMark, noise_figure
from repro.layout import Layout
from repro.noise_tables import place_of, unreached
from repro.params import Params
from repro.results import CellResult
from repro.robustness import KINDS, RELATIVE, TITLES, Curve, NoiseStudy, study
from repro.statistics.verdict import CORRECTION_NAMES
from repro.tables.model import p_text


def noise_figures_of(layout: Layout, params: Params, dataset: str) -> list[Figure]:
    """Return the figure of every noise study whose cells are evaluated; none where there are none."""
    return [noise_figure_of(found, params) for found in noise_studies_of(layout, params, dataset)]


def noise_studies_of(layout: Layout, params: Params, dataset: str) -> list[NoiseStudy]:
    """Return a study for each backbone and kind of noise that has evaluated cells.

    A variant takes part where its clean cell and at least one noisy one are evaluated; cells with both
    kinds of noise stand in no curve.
    """
    if not any(cell.dataset == dataset for cell in params.cells.values()):
        return []
    found = []
    for material in materials_of(layout, params, dataset):
        for kind in KINDS:
            curves = _curves(material, kind)
            if curves:
                correction = params.statistics.correction
                found.append(study(kind, curves, material.metrics, params, correction))
    return found


def _curves(material: Material, kind: str) -> list[Curve]:
    field = KINDS[kind]
    points: dict[str, dict[int, CellResult]] = {}
    for cell in material.cells.values():
        share = getattr(cell.cell, field)
        if share is None or (cell.cell.click_noise and cell.cell.text_noise):
            continue
        request = named(material.params, material.dataset, material.backbone, cell.cell.variant)
        clean = request.clean.variant
        if clean in material.cells:
            points.setdefault(clean, {})[share] = cell
    order = [variant for variant in material.cells if variant in points]
    return [Curve(material.cells[variant], dict(sorted(points[variant].items()))) for variant in order]


def noise_figure_of(found: NoiseStudy, params: Params) -> Figure:
    """Return the curves of a study."""
    marks = [
        mark for metric in found.metrics for curve in found.curves for mark in _marks(found, curve, metric)
    ]
    variants = " ".join(f"--variant {curve.variant}" for curve in found.curves)
    shares = ",".join(str(share) for share in found.shares)
    return noise_figure(
        f"noise-{found.kind}-{found.dataset}-{found.backbone}",
        f"Noise: {TITLES[found.kind]} on {found.dataset} with {found.backbone}",
        marks,
        axis=TITLES[found.kind],
        caption=_caption(found, params),
        told=_told(found, params),
        command=f"repro noise --kind {found.kind} --share {shares} --dataset {found.dataset} "
        f"--backbone {found.backbone} {variants} --metrics {','.join(found.metrics)} --figure",
        alpha=params.statistics.alpha,
    )


def _marks(found: NoiseStudy, curve: Curve, metric: str) -> Iterable[NoiseMark]:
    clean = float(curve.clean.values(metric).mean())
    yield NoiseMark(metric, curve.variant, 0, clean)
    if not curve.is_reached:
        yield from (NoiseMark(metric, curve.variant, share, clean) for share in curve.noisy)
    for change in found.changes:
        c = change.comparison
        if (change.variant, c.metric) == (curve.variant, metric):
            yield NoiseMark(
                metric,
                curve.variant,
                change.share,
                c.candidate_mean,
                c.difference,
                c.low,
                c.high,
                c.improvement,
                c.improvement_low,
                c.improvement_high,
                c.p_corrected,
            )


def _caption(found: NoiseStudy, params: Params) -> str:
    section = params.statistics
    told = f"{place_of(found)}. Left: mean metric. Right: its change from clean, in per cent of the clean value. "
    told += f"Bands: {100 * (1 - section.alpha):g} % bootstrap interval of the change, over users."
    if found.changes:
        c = found.changes[0].comparison
        told += (
            f" A full mark differs from clean (paired t, {CORRECTION_NAMES[c.correction]} over all "
            f"{c.family_size} tests), a hollow one is not shown to."
        )
    return " ".join([told, unreached(found)]).strip()


def _told(found: NoiseStudy, params: Params) -> str:
    """Return what the tests say of the first metric at the largest share."""
    sentences = []
    for one in found.contrasts:
        c = one.comparison
        if one.share != found.shares[-1] or c.metric != found.metrics[0] or one.scale != RELATIVE:
            continue
        word = "less" if c.difference > 0 else "more"
        shown = "is shown to lose" if c.p_corrected < params.statistics.alpha else "is not shown to lose"
        sentences.append(
            f"At {one.share} %, {one.first} {shown} a {'smaller' if word == 'less' else 'larger'} share than "
            f"{one.second} ({100 * c.difference:+.1f} points, corrected p {p_text(c.p_corrected)})."
        )
    return " ".join(sentences)
