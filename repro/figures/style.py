"""How figures look: readable in print and in grey, with colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RC: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Look:
    """How one method is drawn everywhere: never by colour alone."""

    color: str
    marker: str
    dashes: Any
    hatch: str


# Okabe and Ito's palette (2008), whose colours stay apart for the common forms of colour blindness.
_LOOKS = (
    Look("#0072B2", "o", "-", ""),
    Look("#D55E00", "s", "--", "//"),
    Look("#009E73", "^", "-.", ".."),
    Look("#CC79A7", "D", ":", "xx"),
    Look("#E69F00", "v", (0, (5, 1)), "\\\\"),
    Look("#56B4E9", "P", (0, (3, 1, 1, 1)), "++"),
    Look("#000000", "X", (0, (1, 1)), "oo"),
)
_OWN = {"irllrec": 0, "base": 6, "rlmrec-con": 1, "rlmrec-gen": 2}


def look_of(variant: str, place: int = 0) -> Look:
    """Return the look of a variant; those without one of their own take theirs by ``place``."""
    if variant in _OWN:
        return _LOOKS[_OWN[variant]]
    free = [index for index in range(len(_LOOKS)) if index not in _OWN.values()]
    return _LOOKS[free[place % len(free)]]


def looks_of(variants: Sequence[str]) -> dict[str, Look]:
    """Return how each method of a figure is drawn: its own look, or the next free one."""
    unnamed = [variant for variant in variants if variant not in _OWN]
    return {
        variant: look_of(variant, unnamed.index(variant) if variant in unnamed else 0) for variant in variants
    }


def look_at(place: int) -> Look:
    """Return the look of the series at ``place`` where none is a method, such as the terms of a loss."""
    return _LOOKS[place % len(_LOOKS)]
