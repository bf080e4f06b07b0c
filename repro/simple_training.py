"""The seeds of a simple baseline: tuned on the first, and fitted with its choice on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from repro.memory import peak_bytes
from repro.seed_training import SeedJob, SeedResult, training_pairs

if TYPE_CHECKING:
    from irllrec.data.interactions import Interactions
    from irllrec.training.trials import Trial, TrialProgress, Tuned

STORED_LENGTH = 100
"""Items that a stored list must keep whichever split is masked; see the stage evaluate."""


def train_seeds(jobs: Sequence[SeedJob], *, workers: int, title: str) -> list[SeedResult]:
    """Store a model for every seed and return their records, in order.

    The first seed tries all candidates; the others take what it chose. A deterministic baseline is
    fitted once and its model stored for every seed. One candidate needs no search: all seeds run side
    by side.
    """
    from irllrec.recommender import simple_class
    from repro.seeds import run_seeds

    recipe = jobs[0].recipe
    kind = simple_class(recipe.backbone)
    searched = any(isinstance(value, list | tuple) for value in recipe.backbone_settings.values())
    if not kind.deterministic and not searched:
        return run_seeds(fit_seed, jobs, [job.seed for job in jobs], workers=workers, title=title)
    first = run_seeds(fit_seed, jobs[:1], [jobs[0].seed], workers=1, title=title)[0]
    if kind.deterministic:
        return [first, *(_copied(first, jobs[0], job) for job in jobs[1:])]
    chosen = replace(recipe, backbone_settings=first.record["tuning"]["chosen"])
    rest = [replace(job, recipe=chosen) for job in jobs[1:]]
    if not rest:
        return [first]
    return [first, *run_seeds(fit_seed, rest, [job.seed for job in rest], workers=workers, title=title)]


def fit_seed(job: SeedJob) -> SeedResult:
    """Fit every candidate of one seed, store the ranked lists of the best and return its records."""
    import numpy as np

    from irllrec.data.prepared import load_split
    from irllrec.evaluation.metrics import parse_metric, per_user_metrics
    from irllrec.evaluation.ranking import rank_scores
    from irllrec.recommender import simple_class
    from irllrec.simple import SimpleBaseline, candidates
    from irllrec.training.loop import TrainingSettings
    from irllrec.training.trials import tune

    train, valid = training_pairs(job), load_split(job.prepared, "valid")
    kind = simple_class(job.recipe.backbone)
    stop_on = job.training["stop_on"]
    everybody = np.arange(train.user_count)
    judged = np.flatnonzero(valid.user_degrees > 0)
    cutoff = parse_metric(stop_on)[1]

    def rank(model: SimpleBaseline) -> Any:
        return rank_scores(
            model.scores,
            item_count=train.item_count,
            users=everybody,
            masked=[train],
            length=stored_length(valid),
        )

    def judge(lists: Any) -> float:
        best = lists[judged, :cutoff]
        return float(per_user_metrics(best, valid, judged, [stop_on])[stop_on].mean())

    names = ("learning_rate", "max_epochs", "validate_every", "patience", "stop_on")
    tuned = tune(
        lambda settings: kind(train=train, settings=settings, seed=job.seed, device=job.device),
        candidates(kind, job.recipe.backbone_settings, where=f"backbones.{job.recipe.backbone}"),
        rank=rank,
        judge=judge,
        settings=TrainingSettings(
            **{name: job.training[name] for name in names}, checkpoint_seconds=job.checkpoint_seconds
        ),
        checkpoint=job.checkpoint,
        identity=job.identity,
        listen=lambda progress: _report(job.seed, progress),
    )
    _store(job, tuned)
    return _seed_result(job, tuned)


def stored_length(valid: Interactions) -> int:
    """Return how long stored lists must be: masking validation items still leaves enough."""
    return STORED_LENGTH + int(valid.user_degrees.max(initial=0))


def _store(job: SeedJob, tuned: Tuned) -> None:
    import torch

    from irllrec.training.checkpoint import save_tensors

    header = {"seed": job.seed, "settings": tuned.chosen.settings}
    save_tensors(job.model, {"inference/ranked": torch.from_numpy(tuned.lists)}, header)


def _copied(first: SeedResult, source: SeedJob, job: SeedJob) -> SeedResult:
    """Store the first seed's model for another seed, at no cost."""
    from irllrec.training.checkpoint import load_tensors, save_tensors

    tensors, header = load_tensors(source.model)
    save_tensors(job.model, tensors, {**header, "seed": job.seed})
    history = [{**row, "seed": job.seed} for row in first.history]
    return SeedResult(first.record, history, {**first.timing, "wall_seconds": 0.0})


def _report(seed: int, progress: TrialProgress) -> None:
    from repro.seeds import Message, say

    say(
        Message(
            seed=seed,
            epoch=progress.epoch,
            terms={"trial": progress.trial, **progress.terms},
            best=progress.best,
            value=progress.validation,
            stale=progress.stale,
            least_epochs=progress.least_epochs,
            seconds=progress.seconds,
        )
    )


def _seed_result(job: SeedJob, tuned: Tuned) -> SeedResult:
    record = {
        "epochs": tuned.chosen.epochs,
        "best_epoch": tuned.chosen.best_epoch,
        "best_validation": tuned.chosen.validation,
        "stopping_reason": tuned.chosen.reason,
        "parameter_count": tuned.chosen.parameter_count,
        "tuning": _tuning(tuned.trials, tuned.chosen),
    }
    timing = {"wall_seconds": round(tuned.seconds, 3), "peak_bytes": peak_bytes()}
    return SeedResult(record, [{"seed": job.seed, **row} for row in tuned.history], timing)


def _tuning(trials: Sequence[Trial], chosen: Trial) -> dict[str, Any]:
    """Return every trial with its validation value, and which was chosen."""
    candidates = [asdict(trial) for trial in trials]
    for candidate in candidates:
        del candidate["reason"]
    return {"trials": len(trials), "candidates": candidates, "chosen": chosen.settings}
