"""Exact or fast: whether a step's sums run over all their rows, or over a sample of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["exact", "fast"]


@dataclass(frozen=True)
class Shortcuts:
    """What ``precision: fast`` does on a part only.

    Denominators of pairwise and profile alignment run over the batch's users instead of all users.
    The two samples below are of anchors; denominators keep all their rows, so that the sampled means
    are unbiased.

    Attributes:
        text_dimension: Principal components that wider text vectors are reduced to. Fewer cost accuracy:
            docs/performance.md has what 128 and 256 of 384 columns did.
        translation_rows: Nodes a step whose translation alignment is computed; also those of the
            release's form of intent-text matching.
        matching_rows: Users, and as many items, a step whose intent-text matching is computed.
    """

    text_dimension: int = 384
    translation_rows: int = 256
    matching_rows: int = 128


def shortcuts_of(precision: Precision) -> Shortcuts | None:
    """Return what a precision shortens; None where everything is exact."""
    return Shortcuts() if precision == "fast" else None
