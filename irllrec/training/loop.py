"""The training loop: Adam, validation every few epochs, named early stopping, resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irllrec.data.sampling import TripleSampler
from irllrec.errors import TrainingError
from irllrec.recommender import Recommender
from irllrec.seeding import Draws, torch_stream
from irllrec.training.checkpoint import (
    load_tensors,
    optimizer_tensors,
    restore_optimizer,
    save_tensors,
)
from irllrec.training.stopping import StoppingState
from irllrec.types import Batch


@dataclass(frozen=True)
class TrainingSettings:
    """Attributes:
    learning_rate: Of Adam, > 0.
    max_epochs: Upper bound of epochs.
    validate_every: Epochs between validations.
    patience: Validations without a better value before stopping.
    stop_on: Metric that picks the epoch, for example ``recall@20``.
    checkpoint_seconds: Least time between checkpoints, so that they cost little.
    """

    learning_rate: float
    max_epochs: int
    validate_every: int
    patience: int
    stop_on: str
    checkpoint_seconds: float = 10.0


@dataclass
class Progress:
    """What a listener is told after every epoch."""

    epoch: int
    max_epochs: int
    terms: dict[str, float]
    validation: float | None
    stopping: StoppingState
    seconds: float


@dataclass
class Outcome:
    """A finished run.

    Attributes:
        history: One record an epoch: ``epoch``, each weighted term's mean, ``validation`` or None.
        stopping: Best value, its epoch, stale count.
        reason: ``patience`` or ``max_epochs``.
        seconds: Training and validation time of all attempts together.
        processor_seconds: What this process and its threads computed in that time.
        state: The best epoch's weights.
    """

    history: list[dict[str, Any]]
    stopping: StoppingState
    reason: str
    seconds: float
    processor_seconds: float
    state: dict[str, Tensor]


@dataclass
class _Run:
    """State that a checkpoint carries."""

    epoch: int = 0
    stopping: StoppingState = field(default_factory=StoppingState)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    processor_seconds: float = 0.0
    best: dict[str, Tensor] = field(default_factory=dict)


def fit(
    recommender: Recommender,
    sampler: TripleSampler,
    validate: Callable[[Recommender, int], float],
    settings: TrainingSettings,
    *,
    seed: int,
    checkpoint: Path | None = None,
    identity: str = "",
    listen: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Train until validation stops getting better and return the best epoch.

    A run interrupted at any moment and called again with the same checkpoint path and identity
    goes on from its last checkpoint and ends bit-identical: every random stream is derived from
    (seed, purpose, epoch).

    Args:
        recommender: Trained in place; left with the best epoch's weights.
        sampler: Gives each epoch's triples.
        validate: Returns the stopping metric after an epoch, higher is better; must not see the
            test split.
        settings: See :class:`TrainingSettings`.
        seed: The run's seed.
        checkpoint: File of the run in progress, or None for none.
        identity: Hash of everything the run depends on; a checkpoint of another identity is
            ignored.
        listen: Called after every epoch.

    Raises:
        TrainingError: If a loss is not finite.

    *Randomness*: stream ``"draws"`` of each epoch for dropout, noise and masks.
    """
    names: dict[Tensor, str] = {parameter: name for name, parameter in recommender.named_parameters()}
    trainable = [parameter for parameter in recommender.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trainable, lr=settings.learning_rate, fused=True)
    run = _resume(recommender, optimizer, names, checkpoint, identity) or _Run()
    saved_at = time.monotonic()
    reason = _finished(run, settings)
    while reason is None:
        started, computed = time.monotonic(), time.process_time()
        run.epoch += 1
        terms = _train_epoch(recommender, optimizer, sampler, seed, run.epoch)
        value = None
        if run.epoch % settings.validate_every == 0 or run.epoch == settings.max_epochs:
            recommender.eval()
            value = validate(recommender, run.epoch)
            recommender.train()
            run.stopping = run.stopping.after(value, run.epoch)
            if run.stopping.best_epoch == run.epoch:
                run.best = _copy_state(recommender)
        run.history.append({"epoch": run.epoch, **terms, "validation": value})
        run.seconds += time.monotonic() - started
        run.processor_seconds += time.process_time() - computed
        listen(Progress(run.epoch, settings.max_epochs, terms, value, run.stopping, run.seconds))
        reason = _finished(run, settings)
        due = time.monotonic() - saved_at >= settings.checkpoint_seconds
        if checkpoint is not None and (due or reason is not None):
            _save(recommender, optimizer, names, checkpoint, identity, run)
            saved_at = time.monotonic()
    recommender.load_state_dict(run.best)
    return Outcome(run.history, run.stopping, reason, run.seconds, run.processor_seconds, run.best)


def _finished(run: _Run, settings: TrainingSettings) -> str | None:
    if run.stopping.stale_count >= settings.patience:
        return "patience"
    return "max_epochs" if run.epoch >= settings.max_epochs else None


def _train_epoch(
    recommender: Recommender,
    optimizer: torch.optim.Adam,
    sampler: TripleSampler,
    seed: int,
    epoch: int,
) -> dict[str, float]:
    """Run one epoch and return the mean of every weighted term."""
    device = recommender.backbone.graph.values.device
    recommender.backbone.start_epoch()
    draws = Draws(torch_stream(seed, "draws", epoch, device=str(device)))
    sums: dict[str, Tensor] = {}
    for drawn in sampler.epoch(epoch):
        batch = Batch.of(*drawn).to(device)
        terms = recommender.terms(batch, draws)
        weighted = {name: term.weighted for name, term in terms.items()}
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(weighted.values())).sum().backward()
        optimizer.step()
        for name, value in weighted.items():
            sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach()
    means = {name: total.item() / sampler.batch_count for name, total in sums.items()}
    for name, mean in means.items():
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss term {name} is {mean} in epoch {epoch}: training diverged; "
                "lower training.learning_rate or the term's weight."
            )
    return means


def _copy_state(recommender: Recommender) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in recommender.state_dict().items()}


def _save(
    recommender: Recommender,
    optimizer: torch.optim.Adam,
    names: Mapping[Tensor, str],
    path: Path,
    identity: str,
    run: _Run,
) -> None:
    tensors = {f"model/{name}": tensor for name, tensor in recommender.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in run.best.items()}
    tensors |= optimizer_tensors(optimizer, names)
    header = {
        "identity": identity,
        "epoch": run.epoch,
        "stopping": asdict(run.stopping),
        "history": run.history,
        "seconds": run.seconds,
        "processor_seconds": run.processor_seconds,
    }
    save_tensors(path, tensors, header)


def _resume(
    recommender: Recommender,
    optimizer: torch.optim.Adam,
    names: Mapping[Tensor, str],
    path: Path | None,
    identity: str,
) -> _Run | None:
    if path is None or not path.is_file():
        return None
    tensors, header = load_tensors(path)
    if header.get("identity") != identity:
        return None
    device = recommender.backbone.graph.values.device

    def part(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): tensor.to(device)
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }

    recommender.load_state_dict(part("model/"))
    restore_optimizer(optimizer, tensors, names)
    return _Run(
        epoch=header["epoch"],
        stopping=StoppingState(**header["stopping"]),
        history=header["history"],
        seconds=header["seconds"],
        processor_seconds=header["processor_seconds"],
        best=part("best/"),
    )
