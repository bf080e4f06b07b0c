"""The search: trials of one seed each, judged by the validation split, every one of them recorded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from irllrec.errors import TrainingError
from repro import provenance
from repro.cell_entries import entry_of, variation_of
from repro.cell_requests import CellRequest
from repro.errors import ReproError
from repro.grid import cell_inputs
from repro.layout import Layout
from repro.params import Cell, Params
from repro.presets import merged
from repro.seed_training import SeedJob, train_seed
from repro.seeds import run_seeds
from repro.stages.train import plan, recipe_of, worker_count
from repro.tuning.ledger import DONE, FAILED, Trial, ledger_path, read_ledger, write_ledger
from repro.tuning.proposals import ROUND, propose
from repro.tuning.spaces import Choices, Dimension, Space, Value, default_settings, override_of


@dataclass(frozen=True)
class TrialJob:
    """One trial, as sent to a worker: its place in the ledger and the seed to train."""

    blank: Trial
    job: SeedJob


@dataclass(frozen=True)
class Search:
    """What is tuned, how long, and between what values.

    Attributes:
        request: The method's plain cell.
        space: What is searched.
        trial_count: Trials in all, those of the ledger included.
        seed: Of training and proposals alike.
    """

    request: CellRequest
    space: Space
    trial_count: int
    seed: int


def run_search(
    layout: Layout,
    params: Params,
    search: Search,
    tell: Callable[[Trial, Sequence[Trial]], None] = lambda trial, trials: None,
) -> list[Trial]:
    """Return the trials of a search, after making and recording those that the ledger lacks.

    Where the ledger has more trials, those beyond the search's count are passed over: budgets are equal.

    An interrupted search called again goes on where it stopped and makes the same trials as one that
    was never interrupted, since each follows from the seed and the rounds before its own.

    Args:
        layout: The checkout; prepared data and text vectors must be there.
        params: The settings that are not searched.
        search: See :class:`Search`.
        tell: Called with each trial just recorded and all of the ledger.

    Raises:
        ReproError: If the ledger is of another space, seed, data or other settings.
    """
    request = search.request
    path = ledger_path(layout, request.dataset, request.backbone, request.objective)
    setup = _setup(layout, params, search)
    trials = {trial.number: trial for trial in read_ledger(path)}
    if any(trial.setup != setup for trial in trials.values()):
        raise ReproError(
            f"{path} has trials of another search space, seed, data set version or training setting, which "
            "cannot be compared with new ones: ask for the same again, or move the file away to tune anew."
        )
    first = default_settings(params, request.backbone, request.objective)
    words = (request.dataset, request.backbone, request.objective)

    def record(trial: Trial) -> None:
        trials[trial.number] = trial
        write_ledger(path, trials.values())
        shutil.rmtree(_scratch(layout, request, trial.number), ignore_errors=True)
        tell(trial, [trials[n] for n in sorted(trials) if n < search.trial_count])

    for start in range(0, search.trial_count, ROUND):
        numbers = [n for n in range(start, min(start + ROUND, search.trial_count)) if n not in trials]
        earlier = [trials[number] for number in range(start)]
        jobs = []
        for number in numbers:
            settings = propose(search.space, number, earlier, search.seed, words, first)
            blank = Trial(
                number, search.seed, settings, params.training.stop_on, None, None, None, FAILED, setup
            )
            jobs.append(TrialJob(blank, _seed_job(layout, params, search, number, settings)))
        if jobs:
            workers = worker_count(params, [job.job for job in jobs], request.key)
            run_seeds(
                train_trial,
                jobs,
                numbers,
                workers=workers,
                title=request.key,
                called="trial",
                finished=lambda index, trial: record(trial),
            )
    return [trials[number] for number in range(search.trial_count)]


def train_trial(trial: TrialJob) -> Trial:
    """Train one trial and return it with its best validation value; runs in a worker."""
    try:
        record = train_seed(trial.job).record
    except TrainingError:
        return trial.blank
    finally:
        trial.job.model.unlink(missing_ok=True)
    facts = {name: record[name] for name in ("best_validation", "best_epoch", "epochs")}
    return replace(trial.blank, status=DONE, **facts)


def searchable(params: Params, request: CellRequest, space: Space) -> tuple[Space, list[str]]:
    """Return the part of a space that has an effect, and the settings that have none.

    Where a cell follows the released code, the release sets some settings itself (D-02, D-09).
    """
    fixed = []
    for end in (0, -1):  # two values of each setting: a released one cannot be both
        probe = {name: _ends(dimension)[end] for name, dimension in space.items()}
        recipe = recipe_of(params, trial_cell(params, request, probe))
        reached = {"backbone": recipe.backbone_settings, "objective": recipe.objective_settings}
        for key, value in probe.items():
            section, _, name = key.partition(".")
            if section in reached and reached[section].get(name) != value:
                fixed.append(key)
    free = {key: dimension for key, dimension in space.items() if key not in fixed}
    return free, [key for key in space if key not in free]


def trial_cell(params: Params, request: CellRequest, settings: Mapping[str, Value]) -> Cell:
    """Return the cell of a trial: the plain cell, as faithful to the release as it is, other settings."""
    there = params.cells.get(request.key)
    kept = variation_of(there.override.model_dump(exclude_unset=True)) if there else {}
    inputs = cell_inputs(request)
    entry = entry_of(request.plain, {}, inputs) | {"override": merged(override_of(settings), kept)}
    return Cell.model_validate(entry)


def _seed_job(
    layout: Layout, params: Params, search: Search, number: int, settings: Mapping[str, Value]
) -> SeedJob:
    """Return the work of one trial, planned as the stage train plans a cell of this one seed."""
    request = search.request
    dataset = params.datasets[request.dataset].model_copy(update={"seeds": (search.seed,)})
    alone = params.model_copy(update={"datasets": {**params.datasets, request.dataset: dataset}})
    scratch = _scratch(layout, request, number)
    (job,) = plan(layout, alone, request.key, trial_cell(params, request, settings), scratch)
    return replace(job, checkpoint=scratch / job.identity[:16] / job.checkpoint.name)


def _scratch(layout: Layout, request: CellRequest, number: int) -> Path:
    return layout.checkpoints / f"tuning-{request.key}" / f"trial-{number}"


def _setup(layout: Layout, params: Params, search: Search) -> str:
    """Return the hash of what all trials share; code is left out, its commits are in git's history."""
    job = _seed_job(layout, params, search, 0, {})
    recipe = job.recipe
    shared = {
        "space": {name: dimension.model_dump() for name, dimension in search.space.items()},
        "seed": search.seed,
        "data": job.data_sha256,
        "training": dict(job.training),
        "backbone": dict(recipe.backbone_settings),
        "objective": dict(recipe.objective_settings),
        "as_released": sorted(recipe.as_released),
        "round": ROUND,
    }
    if recipe.precision != "exact" and job.vectors is not None:  # ledgers of exact trials keep their hash
        shared["precision"] = recipe.precision
    return provenance.sha256_of_json(shared)[:12]


def _ends(dimension: Dimension) -> tuple[Value, Value]:
    if isinstance(dimension, Choices):
        return dimension.choices[0], dimension.choices[-1]
    return dimension.low, dimension.high
