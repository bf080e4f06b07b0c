"""Which cells take about as long as one that was never trained here."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro.params import Cell


def expected_cost(
    cells: Mapping[str, Cell], key: str, costs: Mapping[str, float | None], *, same_objective: bool = False
) -> float | None:
    """Return what a cell cost here, else the mean of its nearest kin on its data set; None where there is none.

    Nearest are cells with its backbone and objective, then those with its objective, which decides most of
    the cost, then those with its backbone, then any.

    Args:
        cells: The grid.
        key: The cell.
        costs: Of every cell, None where it was not trained here.
        same_objective: Whether kin with another objective say nothing.
    """
    own = costs.get(key)
    if own is not None:
        return own
    cell = cells[key]
    found: dict[tuple[bool, bool], list[float]] = {}
    for name, other in cells.items():
        cost = costs.get(name)
        if cost is not None and other.dataset == cell.dataset:
            alike = (other.objective == cell.objective, other.backbone == cell.backbone)
            found.setdefault(alike, []).append(cost)
    nearest = max(found, default=None)
    if nearest is None or (same_objective and not nearest[0]):
        return None
    return mean(found[nearest])
