"""A claim under other protocols: one paired comparison for each, and whether its verdict stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.stats

from repro.analysis import settings_of, streams_of
from repro.params import Params
from repro.protocol.rankings import FloatArray, Rankings
from repro.protocol.settings import Choice, Setting
from repro.statistics.comparison import Comparison, Question, answer, correct_family
from repro.statistics.correction import corrected
from repro.statistics.paired import paired_t
from repro.statistics.verdict import verdict

Outcome = Literal["standing", "stays", "lost", "gained", "reversed"]
Sides = tuple[Rankings, Rankings]
"""Candidate and reference."""


@dataclass(frozen=True)
class Judged:
    """A claim under one protocol.

    Attributes:
        choice: The protocol.
        comparison: Candidate − reference, corrected over the table.
        verdict: What the corrected tests say.
        outcome: How that stands to the verdict under the standing protocol: a difference that is no longer
            shown is ``lost``, one that is shown only here ``gained``.
        left_out: Users whose stored lists end before the cut-off; they are in neither side.
    """

    choice: Choice
    comparison: Comparison
    verdict: str
    outcome: Outcome
    left_out: int


@dataclass(frozen=True)
class Combined:
    """A claim under one combination of choices; the interval is that of the paired t-test.

    Differences are candidate − reference; ``p_corrected`` is corrected over all combinations.
    """

    setting: Setting
    reference_mean: float
    difference: float
    low: float
    high: float
    p_value: float
    p_corrected: float

    @property
    def improvement(self) -> float:
        """The difference as a share of the reference; nan where the reference is 0."""
        return self.difference / self.reference_mean if self.reference_mean else np.nan


Asked = tuple[Sides, Choice]
"""A protocol, and the rankings of candidate and reference that it judges."""


def judge(asked: Sequence[Asked], params: Params, correction: str) -> list[Judged]:
    """Return the claim under each protocol, the first being the standing one.

    Users that a protocol leaves out are left out on both sides. All comparisons are one family.
    """
    comparisons: dict[int, Comparison] = {}
    left_out = []
    groups: dict[tuple[str, bytes], tuple[Sides, npt.NDArray[np.bool_], list[int]]] = {}
    for place, (sides, choice) in enumerate(asked):
        chosen, known = _chosen(sides, choice.setting)
        left_out.append(int((~known).sum()))
        key = sides[0].cell.cell.dataset, chosen.tobytes()
        groups.setdefault(key, (sides, chosen, []))[2].append(place)
    for sides, chosen, places in groups.values():
        values = {
            side.cell.name: {str(place): _weighted(side, asked[place][1].setting, chosen) for place in places}
            for side in sides
        }
        names = [side.cell.name for side in sides]
        questions = [Question(names[0], names[1], str(place)) for place in places]
        streams = streams_of(params, sides[0].cell.cell.dataset, f"protocol {int(chosen.sum())}")
        for place, found in zip(places, answer(values, questions, settings_of(params), streams), strict=True):
            comparisons[place] = replace(found, metric=asked[place][1].setting.name)
    family = correct_family([comparisons[place] for place in range(len(asked))], correction)
    alpha = params.statistics.alpha
    words = [verdict(one, alpha) if one.user_count else "no users" for one in family]
    return [
        Judged(choice, one, word, "standing" if not place else _outcome(words[0], word), left_out[place])
        for place, ((_, choice), one, word) in enumerate(zip(asked, family, words, strict=True))
    ]


def combine(sides: Sides, settings: Sequence[Setting], params: Params, correction: str) -> list[Combined]:
    """Return the claim under each combination whose lists are known for all users."""
    found: list[Combined] = []
    for setting in settings:
        if not all(side.can(setting) for side in sides):
            continue
        chosen, known = _chosen(sides, setting)
        if not known.all():
            continue
        one, other = (_weighted(side, setting, chosen).mean(axis=0) for side in sides)
        differences = one - other
        low, high = _t_interval(differences, params.statistics.alpha)
        p_value = paired_t(differences).p_value
        found.append(
            Combined(setting, float(other.mean()), float(differences.mean()), low, high, p_value, p_value)
        )
    p_corrected = corrected([one.p_value for one in found], correction)
    return [replace(one, p_corrected=float(p)) for one, p in zip(found, p_corrected, strict=True)]


def _chosen(sides: Sides, setting: Setting) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return whom a protocol judges, and whose lists are known to its cut-off; shapes (user,)."""
    relevant = sides[0].splits.test.user_degrees[sides[0].cell.users]
    known = sides[0].complete(setting) & sides[1].complete(setting)
    return known & (relevant >= setting.least_test_items), known


def _weighted(side: Rankings, setting: Setting, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the values of the chosen users so that their plain mean is the protocol's mean.

    Weights are the users' test items over their mean: the same on both sides, so they take no part in the
    pairing.
    """
    values = side.values(setting)[:, chosen]
    if setting.averaging == "interactions" and chosen.any():
        relevant = side.splits.test.user_degrees[side.cell.users][chosen]
        values = values * (relevant / relevant.mean())
    return np.ascontiguousarray(values)


def _t_interval(differences: FloatArray, alpha: float) -> tuple[float, float]:
    if len(differences) < 2:
        return np.nan, np.nan
    half = scipy.stats.t.ppf(1 - alpha / 2, len(differences) - 1) * scipy.stats.sem(differences)
    return float(differences.mean() - half), float(differences.mean() + half)


def _outcome(standing: str, here: str) -> Outcome:
    """Return what became of the standing verdict; tied and undecided alike show no difference."""
    shown = {"better", "worse"}
    if standing == here or not {standing, here} & shown:
        return "stays"
    if here not in shown:
        return "lost"
    return "gained" if standing not in shown else "reversed"
