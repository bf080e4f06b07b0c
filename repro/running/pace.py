"""How long cells take: from earlier trainings, corrected by what was finished meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from repro.layout import Layout

if TYPE_CHECKING:
    from repro.params import Params

OVERHEAD_SECONDS = 8.0
"""Of a cell beside its training: starting Python and PyTorch twice, and the evaluation."""


@dataclass
class Pace:
    """Expected seconds of cells on one worker, None where nothing like it was trained here.

    Attributes:
        expected: Seconds by cell.
    """

    expected: Mapping[str, float | None]
    _ratios: list[float] = field(default_factory=list)
    _taken: list[float] = field(default_factory=list)

    def note(self, key: str, seconds: float) -> None:
        """Take over how long a finished cell took."""
        self._taken.append(seconds)
        before = self.expected.get(key)
        if before:
            self._ratios.append(seconds / before)

    def of(self, key: str) -> float | None:
        """Return about how long a cell takes, by what is known so far."""
        before = self.expected.get(key)
        if before is not None:
            return before * (sum(self._ratios) / len(self._ratios) if self._ratios else 1.0)
        return sum(self._taken) / len(self._taken) if self._taken else None

    def left(self, waiting: Sequence[str], running: Mapping[str, float], jobs: int) -> float | None:
        """Return about how long the rest takes.

        Args:
            waiting: Cells that no lane has taken.
            running: Seconds that cells in work have had so far.
            jobs: How many lanes there are.
        """
        lengths = {key: self.of(key) for key in (*waiting, *running)}
        if any(length is None for length in lengths.values()):
            return None
        rest = [max((lengths[key] or 0.0) - running.get(key, 0.0), 0.0) for key in lengths]
        return max(sum(rest) / jobs, max(rest, default=0.0))


def earlier_pace(layout: Layout, params: Params, keys: Sequence[str], threads: int) -> Pace:
    """Return the pace of cells by their last training here, else by others of the data set and objective."""
    costs = {key: _cost(layout.timings(key), threads) for key in params.cells}
    expected: dict[str, float | None] = {}
    for key in keys:
        cell = params.cells[key]
        like = [
            cost
            for other, cost in costs.items()
            if cost is not None
            and (params.cells[other].dataset, params.cells[other].objective) == (cell.dataset, cell.objective)
        ]
        own = costs[key]
        expected[key] = own if own is not None else (sum(like) / len(like) if like else None)
    return Pace(expected)


def longest_first(pace: Pace, keys: Sequence[str]) -> list[str]:
    """Return cells so that no long one is left to the end; those that are not known come first."""
    lengths = {key: pace.of(key) for key in keys}
    return sorted(keys, key=lambda key: -1e18 if lengths[key] is None else -(lengths[key] or 0.0))


def _cost(path: Path, threads: int) -> float | None:
    """Return the seconds that a cell's seeds take ``threads`` at a time, and its overhead."""
    try:
        seeds = json.loads(path.read_text(encoding="utf-8"))["per_seed"].values()
        seconds = [float(seed.get("processor_seconds", seed["wall_seconds"])) for seed in seeds]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return sum(seconds) / min(threads, len(seconds)) + OVERHEAD_SECONDS if seconds else None
