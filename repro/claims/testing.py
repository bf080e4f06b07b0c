"""The tests of planned claims, made from the results of cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from irllrec.evaluation.strata import Stratum, strata_of
from repro.analysis import settings_of, streams_of
from repro.claims.planning import PlannedClaim, PlannedTest, Quantity
from repro.claims.records import Claim, Interaction, Robustness
from repro.params import Params
from repro.results import CellResult, FloatArray
from repro.statistics.claims import ClaimTest, tied_p_value
from repro.statistics.comparison import Comparison, Question, answer
from repro.statistics.equivalence import Margin
from repro.statistics.interaction import group_contrast, relative_gains
from repro.statistics.paired import check_same_users

Results = Mapping[str, CellResult]
"""Key of a cell → its results."""


def run_tests(places: Sequence[PlannedClaim], found: Results, params: Params) -> list[list[ClaimTest]]:
    """Return the tests of each claim that its cells are there for, not yet corrected.

    Args:
        places: The claims.
        found: The results that are there.
        params: Holds level, sample counts and seed.

    Raises:
        ReproError: If cells of a data set were evaluated on different users.
    """
    ready = [[test for test in place.tests if all(key in found for key in test.keys)] for place in places]
    compared = _compare(places, ready, found, params)
    return [
        [
            _contrast(place.claim, test, found, params)
            if isinstance(place.claim, Interaction)
            else _paired(place.claim, test, found, compared[_identity(place, test)])
            for test in tests
        ]
        for place, tests in zip(places, ready, strict=True)
    ]


_Identity = tuple[str, float, Question]


def _identity(place: PlannedClaim, test: PlannedTest) -> _Identity:
    question = Question(test.candidate.name, test.reference.name, test.metric)
    return place.dataset, place.claim.smallest_effect, question


def _compare(
    places: Sequence[PlannedClaim], ready: Sequence[Sequence[PlannedTest]], found: Results, params: Params
) -> dict[_Identity, Comparison]:
    """Return the paired comparisons; those of a data set share one set of bootstrap draws."""
    asked: dict[tuple[str, float], dict[Question, PlannedTest]] = {}
    for place, tests in zip(places, ready, strict=True):
        for test in [] if isinstance(place.claim, Interaction) else tests:
            dataset, effect, question = _identity(place, test)
            asked.setdefault((dataset, effect), {})[question] = test
    answers: dict[_Identity, Comparison] = {}
    for (dataset, effect), questions in asked.items():
        values: dict[str, dict[str, FloatArray]] = {}
        first = found[next(iter(questions.values())).candidate.cell.key]
        for question, test in questions.items():
            for side in (test.candidate, test.reference):
                for cell in side.cells:
                    other = found[cell.key]
                    check_same_users(first.users, other.users, (first.name, other.name))
                values.setdefault(side.name, {})[question.metric] = _values(side, question.metric, found)
        settings = settings_of(params, Margin(effect))
        for comparison in answer(values, list(questions), settings, streams_of(params, dataset, "claims")):
            question = Question(comparison.candidate, comparison.reference, comparison.metric)
            answers[dataset, effect, question] = comparison
    return answers


def _values(side: Quantity, metric: str, found: Results) -> FloatArray:
    """Return the side's quantity of every seed and user, shape (seed, user)."""
    values = found[side.cell.key].values(metric)
    if side.clean is None:
        return values
    clean, noisy_seeds = found[side.clean.key], found[side.cell.key].seeds
    same = clean.seeds.shape == noisy_seeds.shape and bool((clean.seeds == noisy_seeds).all())
    return values - (clean.values(metric) if same else clean.values(metric).mean(axis=0))


def _paired(claim: Claim, test: PlannedTest, found: Results, c: Comparison) -> ClaimTest:
    sides = [_values(side, test.metric, found).mean(axis=0) for side in (test.candidate, test.reference)]
    count = c.user_count
    spread = float(np.std(sides[0] - sides[1], ddof=1)) if count > 1 else math.nan
    return ClaimTest(
        name=_paired_name(claim, test),
        candidate=c.candidate,
        reference=c.reference,
        metric=c.metric,
        sign=claim.sign,
        user_count=count,
        seed_count=_seed_count(test, found),
        candidate_mean=c.candidate_mean,
        reference_mean=c.reference_mean,
        difference=c.difference,
        low=c.low,
        high=c.high,
        seeds_low=c.hierarchical_low,
        seeds_high=c.hierarchical_high,
        effect_size=c.effect_size,
        standard_error=spread / math.sqrt(count) if count > 1 else math.nan,
        degrees_of_freedom=count - 1.0,
        statistic=c.statistic,
        p_value=c.p_value,
        margin=claim.smallest_effect,
        p_tied=c.p_tied,
    )


def _contrast(claim: Interaction, test: PlannedTest, found: Results, params: Params) -> ClaimTest:
    """Return the gain of the sparsest users − the gain of the densest."""
    candidate, reference = (found[side.cell.key] for side in (test.candidate, test.reference))
    check_same_users(candidate.users, reference.users, (candidate.name, reference.name))
    values = [cell.values(test.metric).mean(axis=0) for cell in (candidate, reference)]
    strata = strata_of(reference.train_degrees, claim.groups)
    groups = _group_numbers(strata, reference.train_degrees)
    gains = values[0] - values[1]
    if claim.gain == "relative":
        gains = relative_gains(gains, values[1], groups)
    found_contrast = group_contrast(gains, groups, alpha=params.statistics.alpha)
    estimate = found_contrast.sparse_minus_dense
    means = dict(zip(found_contrast.groups, found_contrast.means, strict=True))
    sparse, dense = found_contrast.compared
    inside = [gains[(groups == number) & ~np.isnan(gains)] for number in (sparse, dense)]
    testable = sparse != dense and min(len(part) for part in inside) > 1
    error = _standard_error(inside) if testable else math.nan
    labels = [strata[number].label for number in (sparse, dense)]
    share = ", relative" if claim.gain == "relative" else ""
    return ClaimTest(
        name=f"{_short(test)}{share}: {labels[0]} − {labels[1]}",
        candidate=f"gain of {test.candidate.name} over {test.reference.name}{share}, users of {labels[0]}",
        reference=f"the same gain, users of {labels[1]}",
        metric=test.metric,
        sign=claim.sign,
        user_count=sum(len(part) for part in inside) if testable else 0,
        seed_count=_seed_count(test, found),
        candidate_mean=means[sparse],
        reference_mean=means[dense],
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        seeds_low=math.nan,
        seeds_high=math.nan,
        effect_size=_contrast_size(estimate.value, inside) if testable else 0.0,
        standard_error=error,
        degrees_of_freedom=estimate.degrees_of_freedom,
        statistic=estimate.statistic,
        p_value=estimate.p_value,
        margin=claim.smallest_effect,
        p_tied=tied_p_value(estimate.value, error, estimate.degrees_of_freedom, claim.smallest_effect),
    )


def _group_numbers(strata: Sequence[Stratum], degrees: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of each user's group, the sparsest 0; shape (user,)."""
    return np.searchsorted([stratum.lower for stratum in strata], degrees, side="right") - 1


def _standard_error(parts: Sequence[FloatArray]) -> float:
    """Return the standard error of the difference of two groups' means, as Welch's test has it."""
    return math.sqrt(sum(float(np.var(part, ddof=1)) / len(part) for part in parts))


def _contrast_size(difference: float, parts: Sequence[FloatArray]) -> float:
    spread = math.sqrt(float(np.mean([np.var(part, ddof=1) for part in parts])))
    return difference / spread if spread else math.copysign(math.inf, difference) if difference else 0.0


def _seed_count(test: PlannedTest, found: Results) -> int:
    return min(len(found[key].seeds) for key in test.keys)


def _short(test: PlannedTest) -> str:
    """Return ``candidate − reference``, with the backbone only of a reference that has another."""
    candidate, reference = test.candidate.cell, test.reference.cell
    other = (
        reference.variant
        if reference.backbone == candidate.backbone
        else f"{reference.backbone}/{reference.variant}"
    )
    return f"{candidate.variant} − {other}"


def _paired_name(claim: Claim, test: PlannedTest) -> str:
    if not isinstance(claim, Robustness):
        return _short(test)
    clean = [side.clean for side in (test.candidate, test.reference)]
    assert clean[0] is not None
    assert clean[1] is not None
    return f"{clean[0].variant} − {clean[1].variant}, {_noise(test)}"


def _noise(test: PlannedTest) -> str:
    """Return the noise as names of variants have it."""
    noisy = test.candidate.cell
    return f"clicks{noisy.click_noise}" if noisy.click_noise else f"textnoise{noisy.text_noise}"
