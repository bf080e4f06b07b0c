"""Which metrics there are: which have one value a user, which have a better side, how each is written."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from repro.errors import ReproError

ACCURACY = ("recall", "ndcg", "precision", "hit", "mrr")
"""How well the lists meet the held-out items; higher is better, fractions."""

BEYOND_OF_USERS = ("novelty", "arp", "diversity")
"""What the lists are like: one value a user, so that users can be paired; no side is better by itself."""

BEYOND_OF_LISTS = ("coverage", "gini")
"""What all lists of one seed are like together: one value a seed; no user has a value of their own."""

KNOWN = (*ACCURACY, *BEYOND_OF_USERS, *BEYOND_OF_LISTS)

_HEADERS = {
    "recall": "R",
    "ndcg": "N",
    "precision": "P",
    "hit": "H",
    "mrr": "MRR",
    "novelty": "Nov",
    "arp": "ARP",
    "diversity": "Div",
    "coverage": "Cov",
    "gini": "Gini",
}
_DECIMALS = {"novelty": 3, "arp": 2}
_WRITTEN = re.compile(r"([a-z]+)@([1-9][0-9]?|100)")


def check_metrics(metrics: Sequence[str], *, of_lists: bool = False) -> list[str]:
    """Return the metrics, each once.

    Args:
        metrics: Such as ``recall@20``.
        of_lists: Whether metrics without a value for single users are of use, too.

    Raises:
        ReproError: If one is unknown, its cut-off is not in 1..100, or it has no value for single users and
            those are what is compared.
    """
    if not metrics:
        raise ReproError("no metric is named: give at least one, for example recall@20.")
    for metric in metrics:
        if not is_written_as_metric(metric) or name_of(metric) not in KNOWN:
            raise ReproError(
                f"the metric {metric!r} is unknown: write recall, ndcg, precision, hit or mrr, or beyond "
                "accuracy novelty, arp, diversity, coverage or gini, then @ and a cut-off from 1 to 100, for "
                "example recall@20."
            )
        if is_of_lists(metric) and not of_lists:
            raise ReproError(
                f"{metric} is one value for all lists of a seed, so there are no users to pair: see it with "
                f"`repro table main --metrics {metric}`."
            )
        if metric == "diversity@1":
            raise ReproError("diversity@1 would compare an item with itself: write diversity@2 or more.")
    return list(dict.fromkeys(metrics))


def is_written_as_metric(text: str) -> bool:
    """Return whether a text is a name, @ and a cut-off from 1 to 100; the name may be unknown."""
    return _WRITTEN.fullmatch(text) is not None


def name_of(metric: str) -> str:
    """Return what a metric measures: ``recall`` of ``recall@20``."""
    return metric.partition("@")[0]


def cutoff_of(metric: str) -> int:
    """Return how many ranks a metric reads: 20 of ``recall@20``."""
    return int(metric.partition("@")[2])


def is_accuracy(metric: str) -> bool:
    """Return whether higher is better; every other metric describes lists and has no better side."""
    return name_of(metric) in ACCURACY


def is_of_lists(metric: str) -> bool:
    """Return whether a metric has one value for all lists of a seed and none for a user."""
    return name_of(metric) in BEYOND_OF_LISTS


def header_of(metric: str) -> str:
    """Return the header of a metric: ``recall@20`` is ``R@20``, ``novelty@20`` is ``Nov@20``."""
    name, _, cutoff = metric.partition("@")
    return f"{_HEADERS.get(name, name)}@{cutoff}"


def value_text(metric: str, value: float) -> str:
    """Return a value as it is printed: fractions with four decimals, bits with three, counts with two."""
    return "–" if math.isnan(value) else f"{value:.{_DECIMALS.get(name_of(metric), 4)}f}"
