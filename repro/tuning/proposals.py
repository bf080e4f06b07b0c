"""Which settings a trial tries: a function of the seed, the trial's number and the trials before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from irllrec.seeding import stream
from repro.tuning.ledger import Trial
from repro.tuning.spaces import Choices, Dimension, Space, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

ROUND = 4
"""Trials that are proposed together, each knowing the rounds before: they may run side by side, and how
many do changes nothing."""

RANDOM_TRIALS = 8
"""Trials that are drawn without looking at earlier ones, the first of all included."""

_FIGURES = 4
"""Significant figures of a proposed number: what is trained is what can be read in params.yaml."""


def propose(
    space: Space,
    number: int,
    earlier: Sequence[Trial],
    seed: int,
    words: Sequence[str],
    first: Mapping[str, Any],
) -> dict[str, Value]:
    """Return the settings of trial ``number``.

    Trial 0 takes the values of params.yaml where the space holds them; the others come from Optuna's
    tree-structured Parzen estimator.

    Args:
        space: What is searched; it may be empty.
        number: Counted from 0.
        earlier: Trials of the rounds before this one's; failed ones are passed over.
        seed: The sweep's seed.
        words: What is tuned, for the random stream.
        first: Settings by name, as params.yaml has them.

    *Randomness*: a sampler of its own for every trial, seeded by ``(seed, "tuning", *words, number)``.
    """
    if not space:
        return {}
    proposed = _sampled(space, number, earlier, seed, words)
    if number > 0:
        return proposed
    return {
        name: first[name] if space[name].holds(first[name]) else value for name, value in proposed.items()
    }


def round_of(number: int) -> int:
    """Return the first trial of a trial's round."""
    return number - number % ROUND


def _sampled(
    space: Space, number: int, earlier: Sequence[Trial], seed: int, words: Sequence[str]
) -> dict[str, Value]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    drawn = int(stream(seed, "tuning", *words, number).integers(2**31))
    startup = RANDOM_TRIALS if number >= RANDOM_TRIALS else number + 1
    sampler = optuna.samplers.TPESampler(seed=drawn, n_startup_trials=startup)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = {name: _distribution(dimension) for name, dimension in space.items()}
    study.add_trials(_told(trial, distributions) for trial in earlier if trial.best_validation is not None)
    asked = study.ask(distributions)
    return {name: _rounded(asked.params[name], dimension) for name, dimension in space.items()}


def _told(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    from optuna.trial import create_trial

    return create_trial(
        params=dict(trial.settings), distributions=dict(distributions), value=trial.best_validation
    )


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.choices)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _rounded(value: Value, dimension: Dimension) -> Value:
    if isinstance(dimension, Choices) or not isinstance(value, float):
        return value
    return float(min(max(float(f"{value:.{_FIGURES}g}"), dimension.low), dimension.high))
