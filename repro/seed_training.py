"""One seed of a cell: the work that a process of its own does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.memory import peak_bytes
from repro.shared_text import SharedText, share_text

if TYPE_CHECKING:
    from torch import Tensor

    from irllrec.data.interactions import Interactions
    from irllrec.data.noise import Noise
    from irllrec.data.sampling import TripleSampler
    from irllrec.recommender import Recipe, Recommender
    from irllrec.text.controls import Control
    from irllrec.training.attribution import Norms
    from irllrec.training.loop import Outcome, Progress, TrainingSettings
    from irllrec.types import Knowledge, NodeText


@dataclass(frozen=True)
class SeedJob:
    """One seed of a cell, as sent to a worker.

    Attributes:
        recipe: What is trained.
        training: The training settings of the cell.
        seed: The run's seed.
        control: Replace the text vectors: ``random`` by vectors of the same norms (``--drop TEXT``),
            ``shuffled`` by those of other users or other items; None keeps them.
        prepared: Folder with train.npz and valid.npz.
        vectors: Text vectors, or None where neither objective nor backbone reads any.
        knowledge: Facts about the items, or None where the backbone reads none.
        model: File to write the trained weights to.
        checkpoint: File of the run in progress.
        data_sha256: Hash of all files that are read.
        identity: Hash of all that the run depends on.
        device: ``cpu`` or ``cuda``.
        checkpoint_seconds: Least time between checkpoints.
        noise: What the interactions and text vectors are polluted with.
        text_dimension: Principal components that text vectors are reduced to; None keeps them all.
    """

    recipe: Recipe
    training: Mapping[str, Any]
    seed: int
    control: Control | None
    prepared: Path
    vectors: Path | None
    knowledge: Path | None
    model: Path
    checkpoint: Path
    data_sha256: str
    identity: str
    device: str
    checkpoint_seconds: float
    noise: Noise
    text_dimension: int | None = None


@dataclass(frozen=True)
class SeedResult:
    """What a finished seed reports: plain records for run.json, history.csv and the timings."""

    record: dict[str, Any]
    history: list[dict[str, Any]]
    timing: dict[str, Any]


def train_seed(job: SeedJob) -> SeedResult:
    """Train one seed, store its model and return its records. Runs in a worker."""
    import numpy as np

    from irllrec.data.prepared import load_split
    from irllrec.data.sampling import TripleSampler
    from irllrec.evaluation.metrics import parse_metric, per_user_metrics
    from irllrec.evaluation.ranking import rank_items
    from irllrec.graph import BipartiteGraph
    from irllrec.recommender import build
    from irllrec.seeding import Draws, torch_stream
    from irllrec.training.checkpoint import save_tensors
    from irllrec.training.loop import TrainingSettings, fit

    train, valid = training_pairs(job), load_split(job.prepared, "valid")
    graph = BipartiteGraph(train, job.device)
    recommender = build(job.recipe, graph, _node_text(job), job.seed, knowledge=_knowledge(job))
    users = np.flatnonzero(valid.user_degrees > 0)
    stop_on = job.training["stop_on"]
    cutoff = parse_metric(stop_on)[1]

    def embeddings(recommender: Recommender, epoch: int) -> tuple[Tensor, Tensor]:
        return recommender.embeddings(Draws(torch_stream(job.seed, "evaluation", epoch, device=job.device)))

    def validate(recommender: Recommender, epoch: int) -> float:
        user_embeddings, item_embeddings = embeddings(recommender, epoch)
        lists = rank_items(user_embeddings, item_embeddings, users=users, masked=[train], length=cutoff)
        return float(per_user_metrics(lists, valid, users, [stop_on])[stop_on].mean())

    names = ("learning_rate", "max_epochs", "validate_every", "patience", "stop_on")
    settings = TrainingSettings(
        **{name: job.training[name] for name in names}, checkpoint_seconds=job.checkpoint_seconds
    )
    sampler = TripleSampler(
        train,
        batch_size=job.training["batch_size"],
        seed=job.seed,
        negatives_per_pair=recommender.backbone.negatives_per_pair,
    )
    norms = {"start": _gradient_norms(job, recommender, sampler)}
    outcome = fit(
        recommender,
        sampler,
        validate,
        settings,
        seed=job.seed,
        checkpoint=job.checkpoint,
        identity=job.identity,
        listen=lambda progress: _report(job.seed, progress, settings),
    )
    norms["best"] = _gradient_norms(job, recommender, sampler)
    user_embeddings, item_embeddings = embeddings(recommender, outcome.stopping.best_epoch)
    tensors = dict(recommender.state_dict())
    tensors |= {"inference/users": user_embeddings, "inference/items": item_embeddings}
    save_tensors(job.model, tensors, {"seed": job.seed, "epoch": outcome.stopping.best_epoch})
    return _seed_result(job, recommender, outcome, norms)


def training_pairs(job: SeedJob) -> Interactions:
    """Return the interactions that a model is trained on: those of the split, and the fake ones of its noise."""
    from irllrec.data.noise import with_fakes
    from irllrec.data.prepared import load_split

    train = load_split(job.prepared, "train")
    return with_fakes(train, fakes_of(job)) if job.noise.clicks else train


def fakes_of(job: SeedJob) -> Interactions:
    """Return the fake interactions of a job's noise, drawn anew; none without click noise."""
    from irllrec.data.noise import fake_interactions
    from irllrec.data.prepared import load_split

    train = load_split(job.prepared, "train")
    return fake_interactions(train, job.noise.clicks, job.noise.dataset)


def _gradient_norms(job: SeedJob, recommender: Recommender, sampler: TripleSampler) -> Norms:
    """Return how hard each term pulls on the first batch, with six figures; training is not touched.

    The batch and the random arrays are the same at the start and with the best weights, so that only
    the weights differ.
    """
    from irllrec.seeding import Draws, torch_stream
    from irllrec.training.attribution import gradient_norms
    from irllrec.types import Batch

    batch = Batch.of(*next(iter(sampler.epoch(1)))).to(recommender.backbone.graph.values.device)
    draws = Draws(torch_stream(job.seed, "attribution", device=job.device))
    found = gradient_norms(recommender, batch, draws)
    return {
        scope: {name: float(f"{norm:.6g}") for name, norm in norms.items()} for scope, norms in found.items()
    }


def shared_text(job: SeedJob) -> SharedText | None:
    """Return the text vectors that all seeds of the job's cell share; None where none are read."""
    from irllrec.precision import shortcuts_of

    if job.vectors is None:
        return None
    shortcuts = shortcuts_of(job.recipe.precision)
    wanted = [job.text_dimension, None if shortcuts is None else shortcuts.text_dimension]
    dimension = min((columns for columns in wanted if columns is not None), default=None)
    return share_text(job.vectors, dimension, job.checkpoint.parent / "text")


def _node_text(job: SeedJob) -> NodeText | None:
    shared = shared_text(job)
    return None if shared is None else shared.open(job.control, job.seed, job.device, job.noise)


def _knowledge(job: SeedJob) -> Knowledge | None:
    from irllrec.text.knowledge import load_knowledge

    return None if job.knowledge is None else load_knowledge(job.knowledge).to(job.device)


def _report(seed: int, progress: Progress, settings: TrainingSettings) -> None:
    from repro.seeds import Message, say

    left = (settings.patience - progress.stopping.stale_count) * settings.validate_every
    left -= progress.epoch % settings.validate_every
    say(
        Message(
            seed=seed,
            epoch=progress.epoch,
            terms=progress.terms,
            best=progress.stopping.best_value,
            value=progress.validation,
            stale=progress.stopping.stale_count,
            least_epochs=max(0, min(left, settings.max_epochs - progress.epoch)),
            seconds=progress.seconds,
        )
    )


def _seed_result(
    job: SeedJob, recommender: Recommender, outcome: Outcome, norms: dict[str, Norms]
) -> SeedResult:
    best = outcome.stopping.best_epoch
    until_best = outcome.history[:best]
    names = [name for name in outcome.history[0] if name not in ("epoch", "validation")]
    sums = {name: sum(abs(row[name]) for row in until_best) for name in names}
    total = sum(sums.values())
    record = {
        "epochs": len(outcome.history),
        "best_epoch": best,
        "best_validation": outcome.stopping.best_value,
        "stopping_reason": outcome.reason,
        "loss_shares": {name: value / total for name, value in sums.items()},
        "gradient_norms": norms,
    }
    timing: dict[str, Any] = {"wall_seconds": round(outcome.seconds, 3), "peak_bytes": peak_bytes()}
    if job.device == "cpu":
        timing["processor_seconds"] = round(outcome.processor_seconds, 3)
    history = [{"seed": job.seed, **row} for row in outcome.history]
    parameters = sum(p.numel() for p in recommender.parameters() if p.requires_grad)
    return SeedResult({**record, "parameter_count": parameters}, history, timing)
