"""Does a gain differ between groups? Tests of a group × method interaction on paired differences.

Glossary of shapes: ``row`` one user in one group. In groups of users every user is one row. In groups
of items a user has a row in each group that holds a test item of theirs; such rows depend on each other,
and every test here then counts users as clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.oneway import anova_oneway
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from repro.errors import ReproError
from repro.statistics.paired import FloatArray, effect_size

IntArray = npt.NDArray[np.integer]

LEVERAGE_LIMIT = 1.0 - 1e-8
"""A row with more decides the fitted line alone; its residual is 0 whatever it is."""


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval and two-sided test against 0; p = 1 where nothing can be tested."""

    value: float
    low: float
    high: float
    statistic: float
    degrees_of_freedom: float
    p_value: float


@dataclass(frozen=True)
class Omnibus:
    """An F test that all groups have the same mean; p = 1 where fewer than two can be tested."""

    statistic: float
    numerator_degrees: float
    denominator_degrees: float
    p_value: float
    group_count: int


@dataclass(frozen=True)
class GroupContrast:
    """How the mean difference varies over groups.

    Attributes:
        groups: Numbers of the groups with a row, ascending, the sparsest first.
        counts: Their rows.
        means: Their mean differences.
        any_difference: Whether any two groups differ.
        compared: Numbers of the sparsest and the densest group with at least two rows; equal where there
            is only one.
        sparse_minus_dense: The mean of the first of these minus that of the second.
    """

    groups: tuple[int, ...]
    counts: tuple[int, ...]
    means: tuple[float, ...]
    any_difference: Omnibus
    compared: tuple[int, int]
    sparse_minus_dense: Estimate


def group_contrast(
    differences: FloatArray, groups: IntArray, *, users: IntArray | None = None, alpha: float = 0.05
) -> GroupContrast:
    """Return whether a paired difference differs between groups: in any way, and from sparse to dense.

    Rows of different users: Welch's one-way analysis of variance and Welch's t-test (B. L. Welch,
    Biometrika 1947 and 1951), which let every group have its own variance. Several rows of one user: a
    regression on the groups with standard errors clustered by user, and its F and t-tests.

    Args:
        differences: Candidate − reference, or :func:`relative_gains`; shape (row,). Rows that are NaN are
            left out.
        groups: Number of each row's group, the sparsest lowest; shape (row,).
        users: Whose rows they are, shape (row,); None says that each is another user's.
        alpha: 1 − the coverage of the interval.

    Raises:
        ReproError: If the arrays differ in length or hold no row.
    """
    kept = _kept(differences, groups, users)
    values, numbers = differences[kept], np.asarray(groups)[kept]
    owners = None if users is None else np.asarray(users)[kept]
    parts = {int(number): values[numbers == number] for number in np.unique(numbers)}
    large = [number for number, part in parts.items() if len(part) > 1] or list(parts)
    compared = (large[0], large[-1])
    if owners is None or len(np.unique(owners)) == len(owners):
        omnibus = _welch_anova(list(parts.values()))
        estimate = _welch_t(parts[compared[0]], parts[compared[1]], alpha)
    else:
        omnibus = _clustered_f(values, numbers, owners)
        estimate = _clustered_t(values, numbers, owners, compared, alpha)
    return GroupContrast(
        groups=tuple(parts),
        counts=tuple(len(part) for part in parts.values()),
        means=tuple(float(part.mean()) for part in parts.values()),
        any_difference=omnibus,
        compared=compared,
        sparse_minus_dense=estimate,
    )


def degree_trend(
    differences: FloatArray, degrees: npt.ArrayLike, *, users: IntArray | None = None, alpha: float = 0.05
) -> Estimate:
    """Return the slope of the difference on ``log2(1 + degree)``: its change with twice the interactions.

    Ordinary least squares with HC3 standard errors (MacKinnon and White, J. Econometrics 1985), since the
    variance of a difference falls with the degree; clustered by user where a user has several rows.

    Args:
        differences: Shape (row,). Rows that are NaN are left out.
        degrees: Training interactions of each row, ≥ 0, whole or the mean of several; shape (row,).
        users: Whose rows they are, shape (row,); None says that each is another user's.
        alpha: 1 − the coverage of the interval.

    Returns:
        Negative where sparse rows gain more. p = 1 where degrees or differences do not vary, or one row
        alone decides the line.

    Raises:
        ReproError: If the arrays differ in length or hold no row.
    """
    kept = _kept(differences, degrees, users)
    values, size = differences[kept], np.log2(1.0 + np.asarray(degrees, dtype=np.float64)[kept])
    owners = None if users is None else np.asarray(users)[kept]
    if len(values) < 3 or not size.std() > 0.0 or _alike(values):
        return _untested(0.0)
    centred = size - size.mean()
    leverage = 1.0 / len(size) + centred**2 / (centred**2).sum()
    if leverage.max() > LEVERAGE_LIMIT:
        return _untested(float(centred @ values / (centred @ centred)))
    model = OLS(values, np.column_stack([np.ones_like(size), size]))
    if owners is None or len(np.unique(owners)) == len(owners):
        return _read(model.fit(cov_type="HC3", use_t=True).t_test([0.0, 1.0]), alpha)
    return _read(_clustered(model, owners).t_test([0.0, 1.0]), alpha)


def relative_gains(differences: FloatArray, references: FloatArray, groups: IntArray) -> FloatArray:
    """Return rows whose mean in each group is the group's relative gain, ready for :func:`group_contrast`.

    A group's relative gain is mean difference / mean reference, a ratio of two means. Each row is the
    ratio plus its own share in the ratio's error to first order (the delta method):
    ``gain + (difference − gain · reference) / mean reference``. The rows' mean is the gain, and their
    variance over the group divided by the rows is the gain's.

    Args:
        differences: Candidate − reference, shape (row,).
        references: The reference's metric, shape (row,).
        groups: Number of each row's group, shape (row,).

    Returns:
        Shape (row,); NaN in groups whose mean reference is 0.
    """
    numbers = np.asarray(groups)
    rows = np.full(len(differences), np.nan)
    for number in np.unique(numbers):
        inside = numbers == number
        mean = float(references[inside].mean())
        if mean > 0.0:
            gain = float(differences[inside].mean()) / mean
            rows[inside] = gain + (differences[inside] - gain * references[inside]) / mean
    return rows


def _kept(differences: FloatArray, *others: npt.ArrayLike | None) -> npt.NDArray[np.bool_]:
    for other in others:
        if other is not None and len(np.asarray(other)) != len(differences):
            raise ReproError(
                f"{len(differences)} differences stand against {len(np.asarray(other))} groups, degrees or "
                "users: give one for each."
            )
    kept = ~np.isnan(differences)
    if not kept.any():
        raise ReproError("no user has a value in any group: nothing can be compared between groups.")
    return kept


def _welch_anova(parts: list[FloatArray]) -> Omnibus:
    varied = [part for part in parts if len(part) > 1 and not _alike(part)]
    if len(varied) < 2:
        return Omnibus(0.0, math.nan, math.nan, 1.0, len(varied))
    result = anova_oneway(varied, use_var="unequal")
    numerator, denominator = (float(degrees) for degrees in result.df)
    return Omnibus(float(result.statistic), numerator, denominator, float(result.pvalue), len(varied))


def _welch_t(sparse: FloatArray, dense: FloatArray, alpha: float) -> Estimate:
    value = float(sparse.mean() - dense.mean())
    if min(len(sparse), len(dense)) < 2 or (_alike(sparse) and _alike(dense)) or sparse is dense:
        return _untested(value)
    compared = CompareMeans(DescrStatsW(sparse), DescrStatsW(dense))
    statistic, p_value, degrees = compared.ttest_ind(usevar="unequal")
    low, high = compared.tconfint_diff(alpha, usevar="unequal")
    return Estimate(value, float(low), float(high), float(statistic), float(degrees), float(p_value))


def _clustered_f(values: FloatArray, numbers: IntArray, owners: IntArray) -> Omnibus:
    varied = [n for n in np.unique(numbers) if not _alike(values[numbers == n])]
    inside = np.isin(numbers, varied)
    if len(varied) < 2 or len(np.unique(owners[inside])) <= len(varied):
        return Omnibus(0.0, math.nan, math.nan, 1.0, len(varied))
    members = (numbers[inside, None] == np.asarray(varied)).astype(np.float64)
    steps = np.diff(np.eye(len(varied)), axis=0)
    result = _clustered(OLS(values[inside], members), owners[inside]).f_test(steps)
    return Omnibus(
        float(np.squeeze(result.fvalue)),
        float(result.df_num),
        float(result.df_denom),
        float(np.squeeze(result.pvalue)),
        len(varied),
    )


def _clustered_t(
    values: FloatArray, numbers: IntArray, owners: IntArray, compared: tuple[int, int], alpha: float
) -> Estimate:
    sparse, dense = (values[numbers == number] for number in compared)
    value = float(sparse.mean() - dense.mean())
    inside = np.isin(numbers, compared)
    if compared[0] == compared[1] or min(len(sparse), len(dense)) < 2 or (_alike(sparse) and _alike(dense)):
        return _untested(value)
    members = (numbers[inside, None] == np.asarray(compared)).astype(np.float64)
    return _read(_clustered(OLS(values[inside], members), owners[inside]).t_test([1.0, -1.0]), alpha)


def _clustered(model: Any, owners: IntArray) -> Any:
    _, clusters = np.unique(owners, return_inverse=True)
    return model.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)


def _read(test: Any, alpha: float) -> Estimate:
    low, high = np.ravel(test.conf_int(alpha))
    return Estimate(
        float(np.squeeze(test.effect)),
        float(low),
        float(high),
        float(np.squeeze(test.tvalue)),
        float(np.squeeze(test.df_denom)),
        float(np.squeeze(test.pvalue)),
    )


def _untested(value: float) -> Estimate:
    return Estimate(value, math.nan, math.nan, 0.0, math.nan, 1.0)


def _alike(values: FloatArray) -> bool:
    """Return whether all values are the same but for rounding, or there are fewer than two."""
    size = effect_size(values)
    return len(values) < 2 or not math.isfinite(size) or not values.any()
