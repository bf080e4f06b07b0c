"""Every comparison within groups, and the tests whether a gain differs between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from repro.analysis import Pair, by_backbone, compare
from repro.groupings import Group, Grouping
from repro.params import Params
from repro.results import CellResult, FloatArray
from repro.statistics.comparison import Comparison, correct_family
from repro.statistics.correction import corrected
from repro.statistics.interaction import (
    Estimate,
    GroupContrast,
    Omnibus,
    degree_trend,
    group_contrast,
    relative_gains,
)

ABSOLUTE, RELATIVE = "absolute", "relative"


@dataclass(frozen=True)
class Cut:
    """One variant against base on one metric, within one group."""

    pair: Pair
    group: Group
    comparison: Comparison


@dataclass(frozen=True)
class Interaction:
    """Whether a variant's gain over base on one metric differs between groups, on one scale.

    Attributes:
        pair: Variant and base.
        metric: Such as ``recall@20``.
        scale: ``absolute`` (differences of the metric) or ``relative`` (shares of the group's base).
        contrast: Groups against each other; their numbers count the grouping's groups from 0.
        trend: Change with twice the degree; None for cold users, and on the relative scale, where single
            users have none.
        corrected: p-values of ``any``, ``contrast`` and ``trend`` over the family; what could not be tested
            is missing, and ``any`` where two groups make it the same test as ``contrast``.
        family_size: Tests of the family.
        correction: ``holm`` or ``bh``.
    """

    pair: Pair
    metric: str
    scale: str
    contrast: GroupContrast
    trend: Estimate | None
    corrected: Mapping[str, float]
    family_size: int
    correction: str

    def sparse_gain_more(self, alpha: float) -> bool | None:
        """Return whether the gain is shown to be larger in sparse groups (True) or dense ones (False).

        None where neither the contrast nor the trend shows a direction, or they show different ones.
        """
        signs = set()
        if self.corrected.get("contrast", 1.0) < alpha:
            signs.add(self.contrast.sparse_minus_dense.value > 0)
        if self.trend is not None and self.corrected.get("trend", 1.0) < alpha:
            signs.add(self.trend.value < 0)
        return signs.pop() if len(signs) == 1 else None

    def differs(self, alpha: float) -> bool:
        """Return whether any of the tests shows that the gain is not the same everywhere."""
        return any(p_value < alpha for p_value in self.corrected.values())


@dataclass(frozen=True)
class Stratified:
    """All comparisons of a grouping, each family corrected.

    Attributes:
        cells: The compared cells of one data set.
        grouping: Its groups.
        metrics: What was compared.
        cuts: By backbone, group, variant and metric.
        interactions: By backbone, variant, metric and scale.
    """

    cells: Sequence[CellResult]
    grouping: Grouping
    metrics: Sequence[str]
    cuts: Sequence[Cut]
    interactions: Sequence[Interaction]


@dataclass(frozen=True)
class _Rows:
    """One row for each user and group: what the tests of :mod:`repro.statistics.interaction` read."""

    differences: FloatArray
    references: FloatArray
    groups: npt.NDArray[np.int64]
    users: npt.NDArray[np.int64]
    degrees: FloatArray


def stratify(
    cells: Sequence[CellResult], grouping: Grouping, metrics: Sequence[str], params: Params, correction: str
) -> Stratified:
    """Return every variant against the base of its backbone, in every group and between groups.

    Args:
        cells: Of one data set; backbones without base, or without anything else, are left out.
        grouping: The groups of its users.
        metrics: What to compare.
        params: Holds level, sample counts, margin and seed.
        correction: ``holm`` or ``bh``; over all comparisons within groups, and over all tests between them.

    Raises:
        DataError: If the stored lists of a cell are missing where they are needed.
    """
    cuts: list[tuple[Pair, Group]] = []
    comparisons: list[Comparison] = []
    asked: list[tuple[Pair, str]] = []
    for found in by_backbone(cells).values():
        base = next((cell for cell in found if cell.cell.variant == "base"), None)
        pairs = [Pair(cell, base) for cell in found if base and cell is not base]
        questions = [(pair, metric) for pair in pairs for metric in metrics]
        asked += questions
        for group in grouping.groups:
            purpose = f"{grouping.column} {group.label}"
            comparisons += compare(questions, params, group.users, purpose, read=group.values)
            cuts += [(pair, group) for pair, _ in questions]
    compared = {cell.key for pair, _ in asked for cell in (pair.candidate, pair.reference)}
    answers = zip(cuts, correct_family(comparisons, correction), strict=True)
    return Stratified(
        cells=[cell for cell in cells if cell.key in compared],
        grouping=grouping,
        metrics=metrics,
        cuts=[Cut(pair, group, comparison) for (pair, group), comparison in answers],
        interactions=_interactions(asked, grouping, params, correction),
    )


def _interactions(
    asked: Sequence[tuple[Pair, str]], grouping: Grouping, params: Params, correction: str
) -> list[Interaction]:
    alpha = params.statistics.alpha
    found: list[tuple[Pair, str, str, GroupContrast, Estimate | None]] = []
    for pair, metric in asked:
        rows = _rows(pair, metric, grouping)
        trend = None
        if grouping.kind != "cold":  # there the question is about two groups, wherever the bound is
            trend = degree_trend(rows.differences, rows.degrees, users=rows.users, alpha=alpha)
        contrast = group_contrast(rows.differences, rows.groups, users=rows.users, alpha=alpha)
        found.append((pair, metric, ABSOLUTE, contrast, trend))
        shares = relative_gains(rows.differences, rows.references, rows.groups)
        if not np.isnan(shares).all():
            contrast = group_contrast(shares, rows.groups, users=rows.users, alpha=alpha)
            found.append((pair, metric, RELATIVE, contrast, None))
    tests = [_p_values(contrast, trend) for *_, contrast, trend in found]
    adjusted = iter(corrected([p_value for named in tests for p_value in named.values()], correction))
    family_size = sum(len(named) for named in tests)
    return [
        Interaction(*told, {name: float(next(adjusted)) for name in named}, family_size, correction)
        for told, named in zip(found, tests, strict=True)
    ]


def _p_values(contrast: GroupContrast, trend: Estimate | None) -> dict[str, float]:
    """Return the p-values of the tests that could be made."""
    made: dict[str, Omnibus | Estimate] = {"contrast": contrast.sparse_minus_dense}
    if contrast.any_difference.group_count > 2:
        made = {"any": contrast.any_difference, **made}
    if trend is not None:
        made["trend"] = trend
    return {name: test.p_value for name, test in made.items() if not math.isnan(_degrees(test))}


def _degrees(test: Omnibus | Estimate) -> float:
    return test.denominator_degrees if isinstance(test, Omnibus) else test.degrees_of_freedom


def _rows(pair: Pair, metric: str, grouping: Grouping) -> _Rows:
    parts = []
    for number, group in enumerate(grouping.groups):
        users = np.flatnonzero(group.users)
        candidate, reference = (
            group.values(cell, metric)[:, users].mean(axis=0) for cell in (pair.candidate, pair.reference)
        )
        numbers = np.full(len(users), number)
        parts.append((candidate - reference, reference, numbers, users, group.degrees[users]))
    return _Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
