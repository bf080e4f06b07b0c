"""Timing of two sides turn by turn in one process, and the peak memory of this process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.sides import Turn

Seconds = dict[str, list[float]]


def in_turns(sides: Mapping[str, Turn], repeats: int) -> tuple[Seconds, dict[str, dict[str, float]]]:
    """Return each side's seconds, one number a turn, and what its warm-up returned.

    Turn 0 warms up and is not counted. The side that goes first changes from turn to turn, so that
    a machine that slows down favours neither.
    """
    numbers = {name: turn(0) for name, turn in sides.items()}
    seconds: Seconds = {name: [] for name in sides}
    order = list(sides)
    for repeat in range(1, repeats + 1):
        order.reverse()
        for name in order:
            # What the other side left must not be collected on this side's time.
            gc.collect()
            started = time.perf_counter()
            sides[name](repeat)
            seconds[name].append(time.perf_counter() - started)
    return seconds, numbers


def difference(numbers: Mapping[str, Mapping[str, float]]) -> float:
    """Return the largest relative difference between the two sides' numbers."""
    plain, ours = numbers["plain"], numbers["ours"]
    assert set(plain) == set(ours)
    return max(abs(ours[name] - value) / max(abs(value), 1e-12) for name, value in plain.items())


def ratio(seconds: Seconds) -> dict[str, float]:
    """Return plain over ours, turn by turn: median, least and most."""
    ratios = [plain / ours for plain, ours in zip(seconds["plain"], seconds["ours"], strict=True)]
    return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def summary(seconds: list[float]) -> dict[str, Any]:
    """Return one side's record."""
    return {"seconds": seconds, "median_seconds": statistics.median(seconds)}
