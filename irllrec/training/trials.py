"""Tuning of a simple baseline: every candidate is fitted once, validation picks one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from irllrec.simple import SimpleBaseline
from irllrec.training.checkpoint import load_tensors, save_tensors
from irllrec.training.loop import TrainingSettings
from irllrec.training.stopping import StoppingState

Lists = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Trial:
    """One candidate, fitted.

    Attributes:
        settings: Its hyper-parameters.
        validation: Its best value of the stopping metric.
        epochs: How many it was fitted for.
        best_epoch: The epoch of the best value.
        reason: ``patience``, ``max_epochs``, or ``fitted`` where the model itself knows its end.
        parameter_count: Numbers that the model keeps.
    """

    settings: dict[str, Any]
    validation: float
    epochs: int
    best_epoch: int
    reason: str
    parameter_count: int


@dataclass(frozen=True)
class TrialProgress:
    """What a listener is told after every epoch of every trial.

    Attributes:
        trial: Which, counted from 1.
        epoch: Epochs done, those of earlier trials included.
        terms: Mean of each weighted loss term.
        validation: The epoch's value, None where it had none.
        best: Best value of all trials so far.
        stale: Validations of this trial since its best.
        least_epochs: Fewest epochs still to come.
        seconds: Time spent so far.
    """

    trial: int
    epoch: int
    terms: dict[str, float]
    validation: float | None
    best: float | None
    stale: int
    least_epochs: int
    seconds: float


@dataclass
class Tuned:
    """A finished search.

    Attributes:
        trials: One a candidate, in their order.
        chosen: The trial with the highest validation value, the first of equal ones.
        lists: Its ranked lists, shape (user, rank).
        history: One record an epoch: ``trial`` (from 1), ``epoch``, each term, ``validation`` or None.
        seconds: Time of all attempts together.
    """

    trials: list[Trial]
    chosen: Trial
    lists: Lists
    history: list[dict[str, Any]]
    seconds: float


@dataclass
class _Run:
    """State that a checkpoint carries: finished trials, and the one in progress."""

    trials: list[Trial] = field(default_factory=list)
    lists: Lists | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    epoch: int = 0
    stopping: StoppingState = field(default_factory=StoppingState)
    trial_lists: Lists | None = None
    state: dict[str, Tensor] = field(default_factory=dict)


def tune(
    build: Callable[[Any], SimpleBaseline],
    candidates: Sequence[Any],
    *,
    rank: Callable[[SimpleBaseline], Lists],
    judge: Callable[[Lists], float],
    settings: TrainingSettings,
    checkpoint: Path | None = None,
    identity: str = "",
    listen: Callable[[TrialProgress], None] = lambda progress: None,
) -> Tuned:
    """Fit every candidate and return the one that validation prefers.

    A model that knows its number of epochs is judged after the last; any other is judged every
    ``validate_every`` epochs, until patience runs out, by its best epoch. A search interrupted at any
    moment and called again with the same checkpoint and identity goes on and ends bit-identical.

    Args:
        build: Makes an unfitted model of a candidate.
        candidates: Settings of the model, at least one.
        rank: Returns all users' ranked lists.
        judge: Returns the validation value of such lists, higher is better; must not see the test
            split.
        settings: ``max_epochs``, ``validate_every``, ``patience`` and ``checkpoint_seconds`` count.
        checkpoint: File of the search in progress, or None for none.
        identity: Hash of everything the search depends on beside the candidates; a checkpoint of
            another identity or of other candidates is ignored.
        listen: Called after every epoch.
    """
    search = _Search(candidates, rank, judge, settings, checkpoint, identity, listen)
    while len(search.run.trials) < len(candidates):
        search.fit(build(candidates[len(search.run.trials)]))
    run = search.run
    assert run.lists is not None
    return Tuned(run.trials, _best(run.trials), run.lists, run.history, run.seconds)


class _Search:
    """A search with its state; see :func:`tune`."""

    def __init__(
        self,
        candidates: Sequence[Any],
        rank: Callable[[SimpleBaseline], Lists],
        judge: Callable[[Lists], float],
        settings: TrainingSettings,
        checkpoint: Path | None,
        identity: str,
        listen: Callable[[TrialProgress], None],
    ) -> None:
        self._candidates = [asdict(candidate) for candidate in candidates]
        self._rank, self._judge = rank, judge
        self._settings = settings
        self._checkpoint = checkpoint
        self._identity = identity
        self._listen = listen
        self._saved_at = time.monotonic()
        self.run = self._resume() or _Run()

    def fit(self, model: SimpleBaseline) -> None:
        """Fit the next candidate, from where the checkpoint left it, and file it as a trial."""
        run = self.run
        if run.epoch:
            model.restore(run.state)
        reason = self._ended(model)
        while reason is None:
            started = time.monotonic()
            run.epoch += 1
            terms = model.fit_epoch(run.epoch)
            value = self._validated(model)
            row = {"trial": len(run.trials) + 1, "epoch": run.epoch, **terms, "validation": value}
            run.history.append(row)
            run.seconds += time.monotonic() - started
            reason = self._ended(model)
            self._tell(model, terms, value)
            run.state = model.state()
            # A model without a state would start its trial again, so there is nothing to keep.
            if reason is None and run.state:
                self._save(when_due=True)
        self._file(model, reason)
        self._save(when_due=False)

    def _ended(self, model: SimpleBaseline) -> str | None:
        if model.epoch_count is not None:
            return "fitted" if self.run.epoch >= model.epoch_count else None
        if self.run.stopping.stale_count >= self._settings.patience:
            return "patience"
        return "max_epochs" if self.run.epoch >= self._settings.max_epochs else None

    def _validated(self, model: SimpleBaseline) -> float | None:
        """Judge the model where this epoch asks for it, and keep the lists of its best epoch."""
        run, settings = self.run, self._settings
        if model.epoch_count is not None:
            due = run.epoch == model.epoch_count
        else:
            due = run.epoch % settings.validate_every == 0 or run.epoch == settings.max_epochs
        if not due:
            return None
        lists = self._rank(model)
        value = self._judge(lists)
        run.stopping = run.stopping.after(value, run.epoch)
        if run.stopping.best_epoch == run.epoch:
            run.trial_lists = lists
        return value

    def _file(self, model: SimpleBaseline, reason: str) -> None:
        run = self.run
        best, value = run.stopping.best_epoch, run.stopping.best_value
        assert value is not None
        settings = self._candidates[len(run.trials)]
        run.trials.append(Trial(settings, value, run.epoch, best, reason, model.parameter_count))
        if _best(run.trials) is run.trials[-1]:
            run.lists = run.trial_lists
        run.epoch, run.stopping, run.trial_lists, run.state = 0, StoppingState(), None, {}

    def _tell(self, model: SimpleBaseline, terms: dict[str, float], value: float | None) -> None:
        run, settings = self.run, self._settings
        # Fewest epochs of a whole trial and of the rest of this one.
        whole = settings.patience * settings.validate_every
        left = (
            whole - run.stopping.stale_count * settings.validate_every - run.epoch % settings.validate_every
        )
        left = max(0, min(left, settings.max_epochs - run.epoch))
        if model.epoch_count is not None:
            whole, left = model.epoch_count, model.epoch_count - run.epoch
        later = len(self._candidates) - len(run.trials) - 1
        known = [trial.validation for trial in run.trials]
        if run.stopping.best_value is not None:
            known.append(run.stopping.best_value)
        self._listen(
            TrialProgress(
                trial=len(run.trials) + 1,
                epoch=len(run.history),
                terms=terms,
                validation=value,
                best=max(known, default=None),
                stale=run.stopping.stale_count,
                least_epochs=left + later * whole,
                seconds=run.seconds,
            )
        )

    def _save(self, *, when_due: bool) -> None:
        recent = time.monotonic() - self._saved_at < self._settings.checkpoint_seconds
        if self._checkpoint is None or (when_due and recent):
            return
        run = self.run
        tensors = {f"state/{name}": tensor for name, tensor in run.state.items()}
        for name, lists in (("lists", run.lists), ("trial_lists", run.trial_lists)):
            if lists is not None:
                tensors[name] = torch.from_numpy(lists)
        header = {
            "identity": self._identity,
            "candidates": self._candidates,
            "trials": [asdict(trial) for trial in run.trials],
            "history": run.history,
            "seconds": run.seconds,
            "epoch": run.epoch,
            "stopping": asdict(run.stopping),
        }
        save_tensors(self._checkpoint, tensors, header)
        self._saved_at = time.monotonic()

    def _resume(self) -> _Run | None:
        if self._checkpoint is None or not self._checkpoint.is_file():
            return None
        tensors, header = load_tensors(self._checkpoint)
        if header.get("identity") != self._identity or header.get("candidates") != self._candidates:
            return None
        lists = {name: tensors[name].numpy() for name in ("lists", "trial_lists") if name in tensors}
        return _Run(
            trials=[Trial(**trial) for trial in header["trials"]],
            lists=lists.get("lists"),
            history=header["history"],
            seconds=header["seconds"],
            epoch=header["epoch"],
            stopping=StoppingState(**header["stopping"]),
            trial_lists=lists.get("trial_lists"),
            state={
                name.removeprefix("state/"): tensor
                for name, tensor in tensors.items()
                if name.startswith("state/")
            },
        )


def _best(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda trial: trial.validation)
