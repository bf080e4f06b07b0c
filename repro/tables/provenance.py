"""How the rows of a table were made, in as few words as name every row exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from repro.tables.main import ABSENT, Scores


def provenance_notes(scores: Sequence[Scores]) -> list[str]:
    """Return one line that says how the rows were made, and one more where tuning was not even-handed.

    What most rows share is told once, what differs per row; rows a fact does not apply to (no text enters
    base) are passed over.
    """
    names = list(dict.fromkeys(name for row in scores for name in row.facts))
    parts = []
    for name in names:
        holders: dict[str, list[Scores]] = {}
        for row in scores:
            if row.facts.get(name, ABSENT) != ABSENT:
                holders.setdefault(row.facts[name], []).append(row)
        if holders:
            parts.append(f"{name} {_told(holders, scores)}")
    return [f"Provenance: {'; '.join(parts)}.", *_budget_notes(scores)] if parts else []


def _told(holders: Mapping[str, Sequence[Scores]], scores: Sequence[Scores]) -> str:
    """Return the values of a fact with the rows that have them; the value of most rows needs no names."""
    named = {value: f"{value} ({row_names(rows, scores)})" for value, rows in holders.items()}
    most = max(holders, key=lambda value: len(holders[value]))
    if 2 * len(holders[most]) <= sum(len(rows) for rows in holders.values()):
        return ", ".join(named.values())
    others = ", ".join(text for value, text in named.items() if value != most)
    return f"{most}, except {others}" if others else most


def _budget_notes(scores: Sequence[Scores]) -> list[str]:
    """Return the sentence that names unequal tuning budgets; none where all tuned rows had the same."""
    budgets: dict[int, list[Scores]] = {}
    for row in scores:
        found = re.fullmatch(r"tuned \((\d+) trials?\)", row.facts.get("settings", ""))
        if found:
            budgets.setdefault(int(found[1]), []).append(row)
    if len(budgets) <= 1:
        return []
    told = ", ".join(f"{count} for {row_names(budgets[count], scores)}" for count in sorted(budgets))
    return [f"Tuning budgets are unequal, in trials: {told}; a row with more had more chances to look good."]


def row_names(rows: Sequence[Scores], scores: Sequence[Scores]) -> str:
    """Return names that mean exactly ``rows`` among ``scores``, in the order of the table.

    ``irllrec`` are all rows of that variant, ``sgl/*`` all of that backbone, and ``{mf,sgl}/{base,irllrec}``
    four rows. The data set stands before them where the table has several.
    """
    wanted = {row.name for row in rows}
    variants = list(dict.fromkeys(row.variant for row in rows))
    if {row.name for row in scores if row.variant in variants} == wanted:
        return ", ".join(variants)
    several = len({row.dataset for row in scores}) > 1
    return ", ".join(
        f"{dataset}/{name}" if several else name
        for dataset in dict.fromkeys(row.dataset for row in rows)
        for name in _names_in([row for row in scores if row.dataset == dataset], wanted)
    )


def _names_in(scores: Sequence[Scores], wanted: set[str]) -> list[str]:
    """Return the names of the wanted rows of one data set, backbones with the same variants together."""
    backbones: dict[tuple[str, ...], list[str]] = {}
    for backbone in dict.fromkeys(row.backbone for row in scores if row.name in wanted):
        own = [row for row in scores if row.backbone == backbone]
        chosen = tuple(row.variant for row in own if row.name in wanted)
        backbones.setdefault(("*",) if len(chosen) == len(own) > 1 else chosen, []).append(backbone)
    return [f"{_braced(names)}/{_braced(variants)}" for variants, names in backbones.items()]


def _braced(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "{" + ",".join(names) + "}"
