"""How long cells take: from earlier trainings, corrected by what was finished meanwhile."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from repro.durations import spoken
from repro.kinship import expected_cost
from repro.layout import Layout

if TYPE_CHECKING:
    from repro.params import Params

OVERHEAD_SECONDS = 8.0
"""Of a cell beside its training: starting Python and PyTorch twice, and the evaluation."""


@dataclass(frozen=True)
class Left:
    """How long the rest takes.

    Attributes:
        seconds: Of all cells whose length is known.
        is_all: Whether those are all; else it takes longer.
    """

    seconds: float
    is_all: bool

    def __str__(self) -> str:
        """Return it as people say it."""
        return f"{'about' if self.is_all else 'at least'} {spoken(self.seconds)}"


@dataclass
class Pace:
    """Expected seconds of cells on one worker, None where nothing like it was trained here.

    Attributes:
        expected: Seconds by cell.
        kinds: Data set and objective by cell: cells of one kind take about as long.
    """

    expected: Mapping[str, float | None]
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    _ratios: list[float] = field(default_factory=list)
    _taken: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, key: str, seconds: float) -> None:
        """Take over how long a finished cell took."""
        if key in self.kinds:
            self._taken[self.kinds[key]].append(seconds)
        before = self.expected.get(key)
        if before:
            self._ratios.append(seconds / before)

    def of(self, key: str) -> float | None:
        """Return about how long a cell takes, by what is known so far."""
        before = self.expected.get(key)
        if before is not None:
            return before * (mean(self._ratios) if self._ratios else 1.0)
        taken = self._taken.get(self.kinds[key]) if key in self.kinds else None
        return mean(taken) if taken else None

    def left(self, waiting: Sequence[str], running: Mapping[str, float], jobs: int) -> Left | None:
        """Return about how long the rest takes, None where nothing of it is known.

        Args:
            waiting: Cells that no lane has taken.
            running: Seconds that cells in work have had so far.
            jobs: How many lanes there are.
        """
        lengths = {key: self.of(key) for key in (*waiting, *running)}
        rest = [
            max(length - running.get(key, 0.0), 0.0) for key, length in lengths.items() if length is not None
        ]
        if lengths and not rest:
            return None
        return Left(max(sum(rest) / jobs, max(rest, default=0.0)), len(rest) == len(lengths))


def earlier_pace(layout: Layout, params: Params, keys: Sequence[str], threads: int) -> Pace:
    """Return the pace of cells by their last training here, else by their nearest kin of the same objective."""
    costs = {key: _cost(layout.timings(key), threads) for key in params.cells}
    expected = {key: expected_cost(params.cells, key, costs, same_objective=True) for key in keys}
    return Pace(expected, {key: (cell.dataset, cell.objective) for key, cell in params.cells.items()})


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
