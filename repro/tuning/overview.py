"""Tuning ledgers as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from repro.errors import ReproError
from repro.layout import Layout
from repro.tables.model import Block, Entry, Group, Line, Record, Table, fraction
from repro.tuning.ledger import Trial, chosen, read_ledger

_COLUMNS = ("trial", "settings", "validation", "best epoch", "epochs", "status")


def stored_ledgers(
    layout: Layout, datasets: Sequence[str], backbones: Sequence[str], objectives: Sequence[str]
) -> dict[str, list[Trial]]:
    """Return the trials of the ledgers there are, by ``dataset/backbone/objective``.

    Args:
        layout: The checkout.
        datasets: Only these; empty means all.
        backbones: Likewise.
        objectives: Likewise.

    Raises:
        ReproError: If there is none, or one cannot be read.
    """
    found: dict[str, list[Trial]] = {}
    for path in sorted(layout.tuning.glob("*/*.csv")):
        dataset, backbone, objective = _names(path)
        asked = ((datasets, dataset), (backbones, backbone), (objectives, objective))
        if all(not wanted or name in wanted for wanted, name in asked):
            found[f"{dataset}/{backbone}/{objective}"] = read_ledger(path)
    if not found:
        raise ReproError(
            f"{layout.tuning} has no such ledger: tune first, for example with "
            "`repro sweep --dataset demo --backbone lightgcn --objective base`."
        )
    return found


def tuning_table(ledgers: Mapping[str, Sequence[Trial]], notes: Sequence[str] = ()) -> Table:
    """Return every trial of the ledgers, the chosen ones marked.

    Args:
        ledgers: The trials by ``dataset/backbone/objective``.
        notes: Sentences below the table's own.
    """
    blocks, records = [], []
    settings = list(dict.fromkeys(name for trials in ledgers.values() for t in trials for name in t.settings))
    for method, trials in ledgers.items():
        best = chosen(trials)
        blocks.append(Block(_title(method, trials), (Group("", tuple(_line(t, t is best) for t in trials)),)))
        records += [_record(method, trial, settings, trial is best) for trial in trials]
    told = [
        "Validation: the best value of the metric on the validation split, one seed; the best trial, in bold, "
        "was chosen. No trial read the test split.",
        *_budget_notes(ledgers),
        *notes,
    ]
    return Table("Tuning", _COLUMNS, 2, tuple(blocks), tuple(told), tuple(records))


def _names(path: Path) -> tuple[str, str, str]:
    backbone, _, objective = path.stem.partition("-")
    for known in ("base", "rlmrec-con", "rlmrec-gen", "irllrec"):
        if path.stem.endswith(f"-{known}"):
            backbone, objective = path.stem.removesuffix(f"-{known}"), known
    return path.parent.name, backbone, objective


def _budget_notes(ledgers: Mapping[str, Sequence[Trial]]) -> list[str]:
    counts = {method: len(trials) for method, trials in ledgers.items()}
    if len(set(counts.values())) <= 1:
        return []
    told = ", ".join(f"{method} {count}" for method, count in counts.items())
    return [f"Unequal budgets, in trials: {told}."]


def _title(method: str, trials: Sequence[Trial]) -> str:
    seeds = ", ".join(str(seed) for seed in sorted({trial.seed for trial in trials}))
    metrics = ", ".join(sorted({trial.metric for trial in trials}))
    return f"{method}  ({len(trials)} trial{'s' * (len(trials) != 1)}, seed {seeds}, {metrics})"


def _line(trial: Trial, is_best: bool) -> Line:
    told = ", ".join(f"{name.partition('.')[2]} {_shown(value)}" for name, value in trial.settings.items())
    value = trial.best_validation
    return Line(
        (
            Entry(str(trial.number)),
            Entry(told or "nothing to search"),
            Entry("–" if value is None else fraction(value), "best" if is_best else ""),
            *(Entry("–" if count is None else str(count)) for count in (trial.best_epoch, trial.epochs)),
            Entry("chosen" if is_best else trial.status),
        )
    )


def _record(method: str, trial: Trial, settings: Sequence[str], is_best: bool) -> Record:
    dataset, backbone, objective = method.split("/")
    return {
        "dataset": dataset,
        "backbone": backbone,
        "objective": objective,
        "trial": trial.number,
        "seed": trial.seed,
        **{name: trial.settings.get(name) for name in settings},
        "metric": trial.metric,
        "best_validation": trial.best_validation,
        "best_epoch": trial.best_epoch,
        "epochs": trial.epochs,
        "status": trial.status,
        "chosen": "yes" if is_best else "",
    }


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
