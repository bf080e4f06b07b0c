"""What a table should say of trainings that ended before they had learned to rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from repro.results import CellResult, seed_records

POPULARITY = "pop"
LEAST_SHARE = 0.75
"""A seed whose best validation value is below this share of its row's best seed ended before the others."""


def training_notes(cells: Sequence[CellResult]) -> list[str]:
    """Return at most two sentences: which rows have seeds that stopped early, and which ran out of epochs.

    A seed stopped early if patience ended it with a validation value no better than that of ``pop`` on the same
    data set, where that is among the cells, or below three quarters of its row's best seed. Both are facts of
    validation; no test value is read.

    Args:
        cells: The rows of the table.
    """
    popularity = {
        (cell.cell.dataset, _stop_on(cell)): max(map(_validation, _validated(cell)), default=0.0)
        for cell in cells
        if cell.cell.backbone == POPULARITY
    }
    early: dict[str, list[Mapping[str, Any]]] = {}
    unfinished: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        seeds = _validated(cell)
        least = popularity.get((cell.cell.dataset, _stop_on(cell)), 0.0)
        share = LEAST_SHARE * max(map(_validation, seeds), default=0.0)
        early[cell.name] = [
            record
            for record in _ended_by(seeds, "patience")
            if _validation(record) <= least or _validation(record) < share
        ]
        unfinished[cell.name] = _ended_by(seeds, "max_epochs")
    counts = {cell.name: len(seed_records(cell.run)) for cell in cells}
    notes = []
    if told := _told(early, counts):
        against = "no better than pop, or " if popularity else ""
        notes.append(
            f"Stopped early, on validation {against}more than a quarter below the row's best seed: {told}. "
            f"Patience ended these seeds at epoch {_span(early)}; with a longer one their rows may change."
        )
    if told := _told(unfinished, counts):
        notes.append(
            f"Ended by max_epochs, not by patience, so perhaps unfinished: {told}, at epoch {_span(unfinished)}."
        )
    return notes


def _stop_on(cell: CellResult) -> str | None:
    found: str | None = (cell.run.get("hyperparameters") or {}).get("stop_on")
    return found


def _validated(cell: CellResult) -> list[Mapping[str, Any]]:
    """Return the records of the seeds that were validated."""
    return [record for record in seed_records(cell.run) if "best_validation" in record]


def _validation(record: Mapping[str, Any]) -> float:
    return float(record["best_validation"])


def _ended_by(seeds: Iterable[Mapping[str, Any]], reason: str) -> list[Mapping[str, Any]]:
    return [record for record in seeds if record.get("stopping_reason") == reason]


def _told(found: Mapping[str, Sequence[Any]], counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{name} ({len(seeds)} of {counts[name]} seed{'s' * (counts[name] != 1)})"
        for name, seeds in found.items()
        if seeds
    )


def _span(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    epochs = sorted(int(record["epochs"]) for seeds in found.values() for record in seeds)
    return str(epochs[0]) if epochs[0] == epochs[-1] else f"{epochs[0]} to {epochs[-1]}"
