"""Groups of a data set as tables and figures, from the results that are there."""

from __future__ import annotations

from collections.abc import Sequence

from repro.figure_material import materials_of
from repro.figures.model import Figure
from repro.figures.strata import StrataMark, strata_figure
from repro.groupings import GroupingRequest, read_grouping
from repro.layout import Layout
from repro.params import Params
from repro.statistics.verdict import CORRECTION_NAMES, stars
from repro.strata_tables import NOT_SHOWN, larger_for, place_of
from repro.stratified import ABSOLUTE, Cut, Interaction, Stratified, stratify
from repro.tables.model import p_text

_NAMES = {"users": "sparsity", "items": "popularity", "cold": "cold"}


def strata_figures_of(
    layout: Layout, params: Params, dataset: str, groups: str = "published", by: str = "users"
) -> list[Figure]:
    """Return a figure for each backbone; none where nothing can be compared.

    Only evaluated cells of the main table take part; nothing is trained.

    Args:
        layout: The checkout.
        params: Its params.yaml.
        dataset: Name of a data set of the grid.
        groups: As ``repro sparsity --groups``; not read for cold users.
        by: As ``repro sparsity --by``.
    """
    found = stratified_of(layout, params, dataset, _request(by, groups))
    return strata_figures(found, params) if found else []


def stratified_of(layout: Layout, params: Params, dataset: str, wanted: GroupingRequest) -> Stratified | None:
    """Return the comparisons in groups of all evaluated main cells, None where no base has a variant beside it.

    For tables and figures of the same groups, compute this once.
    """
    materials = [
        material
        for material in materials_of(layout, params, dataset)
        if "base" in {cell.cell.variant for cell in material.plain} and len(material.plain) > 1
    ]
    cells = [cell for material in materials for cell in material.plain]
    if not cells:
        return None
    return stratify(cells, wanted.of(cells[0]), materials[0].metrics, params, params.statistics.correction)


def strata_figures(found: Stratified, params: Params) -> list[Figure]:
    """Return the figure of each backbone: sizes of groups, methods over groups, differences to base."""
    backbones = dict.fromkeys(cut.pair.candidate.cell.backbone for cut in found.cuts)
    return [_figure(found, backbone, params) for backbone in backbones]


def _request(by: str, groups: str) -> GroupingRequest:
    return read_grouping(by, None if by == "cold" else groups)


def _figure(found: Stratified, backbone: str, params: Params) -> Figure:
    grouping = found.grouping
    dataset = found.cells[0].cell.dataset
    cuts = [cut for cut in found.cuts if cut.pair.candidate.cell.backbone == backbone]
    stem = "-".join(part for part in (_NAMES[grouping.kind], dataset, backbone, grouping.name) if part)
    metrics = ",".join(found.metrics)
    variants = list(dict.fromkeys(cut.pair.candidate.cell.variant for cut in cuts))
    command = [
        f"repro sparsity --dataset {dataset} --backbone {backbone}",
        *([f"--by {grouping.kind}"] if grouping.kind != "users" else []),
        *([grouping.option] if grouping.option else []),
        *(f"--variant {variant}" for variant in variants if variants != ["irllrec"]),
        f"--metrics {metrics} --figure",
    ]
    return strata_figure(
        stem,
        f"{grouping.title} on {dataset} with {backbone}",
        _marks(cuts, found.metrics),
        axis=grouping.axis,
        caption=_caption(found, params),
        told=_told(found, backbone, params),
        command=" ".join(command),
    )


def _marks(cuts: Sequence[Cut], metrics: Sequence[str]) -> list[StrataMark]:
    marks = []
    for metric in metrics:
        asked = [cut for cut in cuts if cut.comparison.metric == metric]
        first = asked[0].pair.candidate.key
        marks += [
            StrataMark(metric, cut.group.label, cut.group.user_count, "base", cut.comparison.reference_mean)
            for cut in asked
            if cut.pair.candidate.key == first
        ]
        for key in dict.fromkeys(cut.pair.candidate.key for cut in asked):
            marks += [_mark(cut) for cut in asked if cut.pair.candidate.key == key]
    return marks


def _mark(cut: Cut) -> StrataMark:
    c = cut.comparison
    return StrataMark(
        metric=c.metric,
        group=cut.group.label,
        users=cut.group.user_count,
        variant=cut.pair.candidate.cell.variant,
        mean=c.candidate_mean,
        difference=c.difference,
        low=c.low,
        high=c.high,
        p_corrected=c.p_corrected,
        stars=stars(c.p_corrected),
    )


def _caption(found: Stratified, params: Params) -> str:
    section, first = params.statistics, found.cuts[0].comparison
    return (
        f"{place_of(found)}. Left: bars are the users of each group (right axis), lines the mean metric. Right: "
        f"mean difference to base with the {100 * (1 - section.alpha):g} % bootstrap interval over users; a full "
        f"mark is significant (paired t, {CORRECTION_NAMES[first.correction]} over all {first.family_size} tests), "
        f"a hollow one is not. {found.grouping.note}"
    )


def _told(found: Stratified, backbone: str, params: Params) -> str:
    """Return what the tests between groups say of each method on the first metric."""
    alpha, sentences = params.statistics.alpha, []
    for one in found.interactions:
        cell = one.pair.candidate.cell
        if cell.backbone != backbone or one.metric != found.metrics[0] or one.scale != ABSOLUTE:
            continue
        sentences.append(
            f"The absolute gain of {cell.variant} in {one.metric} {_verdict_words(one, found, alpha)}."
        )
    return " ".join(sentences)


def _verdict_words(one: Interaction, found: Stratified, alpha: float) -> str:
    verdict = larger_for(one, found, alpha)
    if verdict == NOT_SHOWN:
        least = min(one.corrected.values(), default=1.0)
        return f"is not shown to differ between groups (least corrected p {p_text(least)})"
    if one.sparse_gain_more(alpha) is None:
        return "is shown to differ between groups, in no one direction"
    return f"is shown to be larger for {verdict}"
