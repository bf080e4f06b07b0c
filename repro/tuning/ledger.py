"""The tuning ledger: every trial that was ever made, in a file that git tracks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from irllrec.data.storage import write_text
from repro.errors import ReproError
from repro.hyperparameters import SECTIONS, Value, parse_value
from repro.layout import Layout

DONE, FAILED = "done", "failed"

_BEFORE = ("trial", "seed")
_AFTER = ("metric", "best_validation", "best_epoch", "epochs", "status", "setup")


@dataclass(frozen=True)
class Trial:
    """One trial: settings, and what one seed trained with them reached on validation.

    Attributes:
        number: Counted from 0.
        seed: Of the training and of the proposals.
        settings: The searched settings, by section and name.
        metric: What was measured on the validation split, for example ``recall@20``.
        best_validation: Its best value, a fraction; None for a failed trial.
        best_epoch: The epoch that reached it.
        epochs: How many were trained.
        status: ``done``, or ``failed`` where the loss was not finite.
        setup: Hash of all that trials must share to be compared: space, data, other settings.
    """

    number: int
    seed: int
    settings: Mapping[str, Value]
    metric: str
    best_validation: float | None
    best_epoch: int | None
    epochs: int | None
    status: str
    setup: str


def ledger_path(layout: Layout, dataset: str, backbone: str, objective: str) -> Path:
    """Return the ledger of one method on one data set."""
    return layout.tuning / dataset / f"{backbone}-{objective}.csv"


def read_ledger(path: Path) -> list[Trial]:
    """Return the trials of a ledger by number; none where there is no such file.

    Raises:
        ReproError: If the file is not a ledger.
    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            rows = list(reader)
        if not {*_BEFORE, *_AFTER} <= set(reader.fieldnames or ()):
            raise ValueError("a column is missing")
        return sorted((_trial(row) for row in rows), key=lambda trial: trial.number)
    except (csv.Error, KeyError, ValueError, TypeError, AttributeError):
        raise ReproError(
            f"{path} is not a tuning ledger as `repro sweep` writes it: restore it with `git checkout`, "
            "or delete it to tune anew."
        ) from None


def write_ledger(path: Path, trials: Iterable[Trial]) -> None:
    """Write the trials by number, atomically."""
    ordered = sorted(trials, key=lambda trial: trial.number)
    buffer = io.StringIO()
    names = list(dict.fromkeys(name for trial in ordered for name in trial.settings))
    writer = csv.DictWriter(buffer, [*_BEFORE, *names, *_AFTER], lineterminator="\n")
    writer.writeheader()
    for trial in ordered:
        writer.writerow(_row(trial))
    write_text(path, buffer.getvalue())


def chosen(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the best validation value, the earliest of equals; None where all failed."""
    done = [trial for trial in trials if trial.best_validation is not None]
    return max(done, key=lambda trial: (trial.best_validation, -trial.number), default=None)


def _trial(row: Mapping[str, str]) -> Trial:
    return Trial(
        number=int(row["trial"]),
        seed=int(row["seed"]),
        settings={
            name: parse_value(text) for name, text in row.items() if name.partition(".")[0] in SECTIONS
        },
        metric=row["metric"],
        best_validation=float(row["best_validation"]) if row["best_validation"] else None,
        best_epoch=int(row["best_epoch"]) if row["best_epoch"] else None,
        epochs=int(row["epochs"]) if row["epochs"] else None,
        status=row["status"],
        setup=row["setup"],
    )


def _row(trial: Trial) -> dict[str, Value | None]:
    return {
        "trial": trial.number,
        **trial.settings,
        **{name: getattr(trial, name) for name in ("seed", *_AFTER)},
    }
