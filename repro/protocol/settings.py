"""The choices of a protocol: which there are, one changed at a time, and all combinations of the cheap ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from repro.metric_kinds import ACCURACY

CUTOFFS = (5, 10, 20, 50, 100)
MASKS = ("train", "train+valid")
DRAWN = (99, 999)
"""How many sampled items a test item is usually ranked against, beside all of them."""


@dataclass(frozen=True)
class Setting:
    """One whole protocol.

    Attributes:
        metric: recall, ndcg, precision, hit or mrr.
        cutoff: k.
        mask: Whose items leave the ranking: ``train`` or ``train+valid``.
        counted: What recall divides by: ``all`` test items of the user, or ``reachable``: min(k, test items).
        averaging: Every ``users`` alike, or weighted by test items, so that all ``interactions`` are alike.
        least_test_items: Users with fewer are left out.
        ties: Equal scores by item ``index``, or with test items ``first`` or ``last``.
        drawn: Rank each test item against so many sampled items; None ranks all items.
        seed: Judge the models of one training seed; None takes each user's mean over seeds.
    """

    metric: str
    cutoff: int
    mask: str
    counted: str = "all"
    averaging: str = "users"
    least_test_items: int = 1
    ties: str = "index"
    drawn: int | None = None
    seed: int | None = None

    @property
    def name(self) -> str:
        """The metric with its cut-off."""
        return f"{self.metric}@{self.cutoff}"


@dataclass(frozen=True)
class Choice:
    """A protocol that differs from the standing one in one switch.

    Attributes:
        switch: What is changed, empty for the standing protocol itself.
        option: What it is changed to, in a few words.
        setting: The whole protocol.
    """

    switch: str
    option: str
    setting: Setting


def standing_choice(standing: Setting) -> Choice:
    """Return the protocol as it stands."""
    return Choice("", f"mask {standing.mask}, {standing.name}", standing)


def changed_choices(standing: Setting, seeds: Sequence[int], drawn: Sequence[int]) -> list[Choice]:
    """Return every protocol that differs from the standing one in one switch.

    Args:
        standing: The protocol as it stands.
        seeds: Training seeds that both sides have; one seed is no choice.
        drawn: Numbers of sampled items that the catalogue is large enough for.
    """
    found: list[Choice] = []

    def add(switch: str, option: str, **changes: object) -> None:
        setting = replace(standing, **changes)  # type: ignore[arg-type]
        if setting != standing:
            found.append(Choice(switch, option, setting))

    for mask in MASKS:
        add("mask", f"{mask} items", mask=mask)
    for cutoff in CUTOFFS:
        add("cut-off", f"k = {cutoff}", cutoff=cutoff)
    for metric in ACCURACY:
        add("metric", metric, metric=metric)
    if standing.metric == "recall":
        add("recall divides by", "min(k, test items)", counted="reachable")
    add("mean over", "interactions", averaging="interactions")
    add("users", "2 test items or more", least_test_items=2)
    add("equal scores", "test items first", ties="first")
    add("equal scores", "test items last", ties="last")
    for count in drawn:
        add("candidates", f"1 + {count:,} sampled", drawn=count)
    for seed in seeds if len(seeds) > 1 else ():
        add("training seeds", f"{seed} only", seed=seed)
    return found


def combinations(standing: Setting) -> list[Setting]:
    """Return all protocols over the switches that need the stored lists only."""
    cutoffs = sorted({*CUTOFFS, standing.cutoff})
    metrics = [(metric, "all") for metric in ACCURACY]
    metrics.insert(1, ("recall", "reachable"))
    return [
        replace(
            standing,
            mask=mask,
            cutoff=cutoff,
            metric=metric,
            counted=counted,
            averaging=averaging,
            least_test_items=least,
        )
        for mask, cutoff, (metric, counted), averaging, least in itertools.product(
            MASKS, cutoffs, metrics, ("users", "interactions"), (1, 2)
        )
    ]
