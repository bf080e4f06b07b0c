"""Noise put into what a model is trained on, to see how much it loses: fake interactions, mixed-up text.

What is drawn depends on the data set alone, never on the method or the run's seed, so that every model
meets the same noise and comparisons stay paired. A smaller share is part of a larger one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Interactions
from irllrec.errors import DataError
from irllrec.seeding import stream

NOISE_SEED = 2025
"""Fixed, and none of the runs' seeds."""


@dataclass(frozen=True)
class Noise:
    """What a training run is polluted with.

    Attributes:
        dataset: The data set's name, which the draws depend on.
        clicks: Fake interactions, per cent of the training interactions; 0 adds none.
        text: Nodes that get the text vectors of another node, per cent; 0 changes none.
    """

    dataset: str = ""
    clicks: int = 0
    text: int = 0


def noise_count(total: int, percent: int) -> int:
    """Return how many of ``total`` a share of ``percent`` is, to the nearest, halves upwards."""
    return (total * percent + 50) // 100


def fake_interactions(train: Interactions, percent: int, dataset: str) -> Interactions:
    """Return pairs that look like training interactions and are none.

    They are uniform over the pairs of a user and an item outside ``train``, each at most once. Held-out
    pairs are outside it, too, and nothing that trains may know them: among n fakes, n · (held-out pairs) /
    (pairs outside ``train``) are expected to be true.

    Args:
        train: The true training interactions.
        percent: Their number, per cent of ``train``, 0 to 100.
        dataset: Name of the data set. *Randomness*: the stream ``"click noise", dataset`` of
            :data:`NOISE_SEED`; the pairs of a smaller share are among those of a larger one.

    Raises:
        DataError: If more than half of all pairs outside ``train`` would be needed.
    """
    wanted = noise_count(len(train), percent)
    every = train.user_count * train.item_count
    free = every - len(train)
    if 2 * wanted > free:
        raise DataError(
            f"{percent} % click noise on {dataset} needs {wanted} pairs of a user and an item outside its "
            f"{len(train)} training interactions, and there are {free}, of which it may take half: "
            "choose a smaller share."
        )
    generator = stream(NOISE_SEED, "click noise", dataset)
    found = np.zeros(0, dtype=np.int64)
    while len(found) < wanted:
        # Blocks of one size, whatever the share: so the draws of a smaller share are the first of a larger.
        drawn = generator.integers(0, every, size=max(len(train), 1))
        drawn = drawn[~train.contains(drawn // train.item_count, drawn % train.item_count)]
        found = _first_of_each(np.concatenate([found, drawn]))
    users, items = np.divmod(found[:wanted], max(train.item_count, 1))
    return Interactions.from_pairs(users, items, train.user_count, train.item_count)


def with_fakes(train: Interactions, fakes: Interactions) -> Interactions:
    """Return the training interactions with the fake ones among them."""
    return Interactions.from_pairs(
        np.concatenate([train.users, fakes.users]),
        np.concatenate([train.items, fakes.items]),
        train.user_count,
        train.item_count,
    )


def text_owners(count: int, percent: int, dataset: str, role: str) -> npt.NDArray[np.int64]:
    """Return whose text each node gets: that of another of the chosen nodes, or its own.

    The chosen nodes pass their texts on along one cycle, so that none of them keeps its own. One node
    cannot be mixed up with others: where the share amounts to one, two are chosen.

    Args:
        count: Number of nodes of the role.
        percent: Nodes that are chosen, 0 to 100.
        dataset: Name of the data set.
        role: ``user`` or ``item``. *Randomness*: the stream ``"text noise", dataset, role`` of
            :data:`NOISE_SEED`; the nodes of a smaller share are among those of a larger one.

    Returns:
        Shape (count,), each in ``[0, count)``.
    """
    owners = np.arange(count)
    chosen = noise_count(count, percent)
    chosen = min(max(chosen, 2), count) if chosen else 0
    mixed = stream(NOISE_SEED, "text noise", dataset, role).permutation(count)[:chosen]
    owners[mixed] = np.roll(mixed, 1)
    return owners


def _first_of_each(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the values in the order of their first appearance, each once."""
    _, first = np.unique(values, return_index=True)
    return values[np.sort(first)]
