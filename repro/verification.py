"""Our cells against the published ones: which there are, and what each comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from irllrec.seeding import stream
from repro.analysis import Pair, by_backbone, compare, family_note, scores_of
from repro.params import Params
from repro.results import CellResult
from repro.statistics.bootstrap import interval, resampled_means
from repro.statistics.comparison import Comparison, correct_family
from repro.statistics.reproduction import (
    Gain,
    Judgement,
    delta_relative_improvement,
    effect_ratio,
    judge,
    rank_correlation,
    seed_interval,
)
from repro.tables.model import Table
from repro.tables.provenance import provenance_notes
from repro.tables.published import IRLLREC_DATASETS, Published, PublishedRow
from repro.tables.verification import Ranking, Verified, verification_table
from repro.training_notes import training_notes

BASE = "base"

TOLERANCE = 0.03
"""Relative distance up to which a value counts as the published one, unless another is asked for."""

Place = tuple[str, str, str]
"""(dataset, backbone, variant), as our cells are named."""


@dataclass(frozen=True)
class Selection:
    """Which cells are asked for; empty means all.

    Attributes:
        datasets: Data sets.
        backbones: Backbones, as ours are named.
    """

    datasets: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()

    def holds(self, place: Place) -> bool:
        """Return whether the cell of this name is asked for."""
        dataset, backbone, _ = place
        return (not self.datasets or dataset in self.datasets) and (
            not self.backbones or backbone in self.backbones
        )


@dataclass(frozen=True)
class _Evidence:
    """What every row is judged by; ``tests`` are by candidate's name and metric, each against base."""

    here: Mapping[Place, CellResult]
    figures: Mapping[Place, PublishedRow]
    published_datasets: frozenset[str]
    tests: Mapping[tuple[str, str], Comparison]
    params: Params
    tolerance: float

    def published_base(self, place: Place, metric: str) -> float | None:
        """Return the published value of the base that a cell's gain is over."""
        row = self.figures.get((place[0], place[1], BASE))
        return row.values.get(metric) if row else None


def verification_table_of(
    cells: Sequence[CellResult],
    published: Published,
    metrics: Sequence[str],
    params: Params,
    *,
    selection: Selection,
    correction: str,
    tolerance: float,
) -> Table:
    """Return every published cell and every one of ours, with the verdict on each.

    Args:
        cells: Our results; variations and those not asked for are left out.
        published: The published figures.
        metrics: What is compared.
        params: The grid and how to test.
        selection: Which cells are asked for.
        correction: ``holm`` or ``bh``, over every gain of the table.
        tolerance: Relative distance up to which a value counts as reproduced.
    """
    here = {_place(cell): cell for cell in cells if not cell.cell.is_variation}
    here = {place: cell for place, cell in here.items() if selection.holds(place)}
    figures = {_our_place(place, params): row for place, row in published.items()}
    figures = {place: row for place, row in figures.items() if selection.holds(place)}
    tests = _tests(list(here.values()), metrics, params, correction)
    datasets = frozenset(dataset for dataset, _, _ in published)
    evidence = _Evidence(here, figures, datasets, tests, params, tolerance)
    rows = [
        _verified(place, metric, evidence)
        for place in _ordered([*here, *figures])
        for metric in metrics
        if place in here or metric in figures[place].values
    ]
    section = params.statistics
    return verification_table(
        rows,
        _rankings(rows),
        alpha=section.alpha,
        notes=[
            _rule(tolerance, section.alpha),
            "Interval: of our mean over training seeds (Student's t); with one seed the bootstrap over users "
            "stands there, which decides nothing, since both sides ranked the same users.",
            "ER: our gain over base / the published gain. ΔRI: published relative gain − ours. "
            + family_note(list(tests.values()), params),
            "Results are read as they lie here; --run brings the grid's cells up to date first.",
            *training_notes(list(here.values())),
            *provenance_notes([scores_of(cell, metrics) for cell in here.values()]),
        ],
    )


def _rule(tolerance: float, alpha: float) -> str:
    return (
        f"reproduced: within {100 * tolerance:g} % of the published value, or it lies in our interval over "
        f"seeds; direction holds: the gain over base has the published sign (p < {alpha:g}, corrected); "
        "contradicted: the gain has the other sign (so tested), or neither value nor gain is found."
    )


def _place(cell: CellResult) -> Place:
    return cell.cell.dataset, cell.cell.backbone, cell.cell.variant


def _our_place(place: Place, params: Params) -> Place:
    """Return how a published row is named here: a method of its own is a backbone."""
    dataset, _, variant = place
    if variant in params.backbones and variant not in params.objectives:
        return dataset, variant, BASE
    return place


def _ordered(places: Sequence[Place]) -> list[Place]:
    """Return the places, each once, data set by data set and backbone by backbone."""
    unique = list(dict.fromkeys(places))
    datasets = list(dict.fromkeys(place[0] for place in unique))
    backbones = list(dict.fromkeys(place[1] for place in unique))
    return sorted(unique, key=lambda place: (datasets.index(place[0]), backbones.index(place[1])))


def _tests(
    cells: Sequence[CellResult], metrics: Sequence[str], params: Params, correction: str
) -> dict[tuple[str, str], Comparison]:
    """Return (candidate's name, metric) → its comparison with the base of its backbone."""
    asked = []
    for group in by_backbone(cells).values():
        base = next((cell for cell in group if cell.cell.variant == BASE), None)
        if base is not None:
            asked += [(Pair(cell, base), metric) for cell in group if cell is not base for metric in metrics]
    comparisons = correct_family(compare(asked, params, purpose="verify"), correction)
    return {(comparison.candidate, comparison.metric): comparison for comparison in comparisons}


def _verified(place: Place, metric: str, evidence: _Evidence) -> Verified:
    cell, row = evidence.here.get(place), evidence.figures.get(place)
    value = row.values.get(metric) if row else None
    bounds, over = (None, "") if cell is None else _interval(cell, metric, evidence.params)
    test = evidence.tests.get(("/".join(place), metric))
    base = evidence.published_base(place, metric)
    gain, delta = None, None
    if test is not None and value is not None and base is not None:
        gain = Gain(test.difference, value - base, test.p_corrected)
        delta = delta_relative_improvement(
            advanced=test.candidate_mean,
            base=test.reference_mean,
            published_advanced=value,
            published_base=base,
        )
    ours = None if cell is None else float(cell.values(metric).mean())
    judgement = _judgement(place, ours, value, bounds if over == "seeds" else None, gain, evidence)
    return Verified(
        *place,
        metric,
        ours=ours,
        seed_count=0 if cell is None else len(cell.seeds),
        interval=bounds,
        interval_over=over,
        published=value,
        source=row.source if row and value is not None else "",
        effect_ratio=effect_ratio(gain.ours, gain.published) if gain else None,
        delta_ri=delta,
        verdict=judgement.verdict,
        why=judgement.why,
    )


def _judgement(
    place: Place,
    ours: float | None,
    published: float | None,
    bounds: tuple[float, float] | None,
    gain: Gain | None,
    evidence: _Evidence,
) -> Judgement:
    params = evidence.params
    if ours is None:
        return Judgement("cannot test here", _why_missing(place, params))
    if published is None:
        return Judgement("no published number", _why_unpublished(place, evidence.published_datasets))
    return judge(
        ours,
        published,
        interval=bounds,
        gain=gain,
        alpha=params.statistics.alpha,
        tolerance=evidence.tolerance,
    )


def _interval(cell: CellResult, metric: str, params: Params) -> tuple[tuple[float, float] | None, str]:
    """Return the interval of our mean and what it is over: seeds, or users where seeds cannot differ.

    They cannot with one seed, and a model that draws nothing, such as EASE, is the same under all.
    """
    values, section = cell.values(metric), params.statistics
    differ = bool((values != values[:1]).any())
    bounds = seed_interval(values.mean(axis=1), section.alpha) if differ else None
    if bounds is not None:
        return bounds, "seeds"
    if values.shape[1] < 2:
        return None, "users"
    generator = stream(section.seed, "bootstrap users", cell.cell.dataset, "verify", metric)
    draws = resampled_means(values.T.copy(), section.bootstrap_samples, generator)[:, 0]
    return interval(draws, section.alpha), "users"


def _why_missing(place: Place, params: Params) -> str:
    """Return why a published cell cannot be tested here."""
    dataset, backbone, variant = place
    if backbone not in params.backbones:
        return f"no backbone {backbone} here"
    if variant not in params.objectives:
        return f"no variant {variant} here"
    if dataset not in params.datasets:
        return f"the data set {dataset} is not here"
    if variant != BASE and params.datasets[dataset].text is None:
        return f"{dataset} has no text here"
    if f"{dataset}-{backbone}-{variant}" not in params.cells:
        return "not in the grid"
    return "not trained yet"


def _why_unpublished(place: Place, published_datasets: frozenset[str]) -> str:
    """Return why there is no published number for one of our cells."""
    dataset, _, variant = place
    if variant == "irllrec" and dataset in IRLLREC_DATASETS:
        return "IRLLRec's own table is not among the figures kept here"
    if dataset in published_datasets or dataset in IRLLREC_DATASETS:
        return "an extension, no published cell"
    return "no paper used this data set"


def _rankings(rows: Sequence[Verified]) -> list[Ranking]:
    """Return Kendall's τ of the methods that both sides have, by data set and metric."""
    found = []
    for dataset, metric in dict.fromkeys((row.dataset, row.metric) for row in rows):
        both = [
            (row.ours, row.published)
            for row in rows
            if (row.dataset, row.metric) == (dataset, metric)
            and row.ours is not None
            and row.published is not None
        ]
        correlation = rank_correlation([ours for ours, _ in both], [value for _, value in both])
        if correlation is not None:
            found.append(
                Ranking(dataset, metric, correlation.method_count, correlation.tau, correlation.p_value)
            )
    return found
