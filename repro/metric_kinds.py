"""Which metrics there are: which have one value a user, which have a better side, how each is written."""

from __future__ import annotations

import math

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


def name_of(metric: str) -> str:
    """Return what a metric measures: ``recall`` of ``recall@20``."""
    return metric.partition("@")[0]


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
