"""Training triples."""

from __future__ import annotations

import numpy as np
import pytest

from irllrec.data.interactions import Interactions
from irllrec.data.sampling import TripleSampler
from irllrec.errors import DataError


def _train(seed: int = 1, pairs: int = 400) -> Interactions:
    generator = np.random.default_rng(seed)
    return Interactions.from_pairs(generator.integers(0, 40, pairs), generator.integers(0, 25, pairs), 40, 25)


def _epoch(train: Interactions, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    batches = list(TripleSampler(train, batch_size=64, seed=seed).epoch(epoch))
    users, positives, negatives = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert negatives.shape == (len(users), 1)
    return users, positives, negatives[:, 0]


def test_an_epoch_visits_every_training_pair_once() -> None:
    train = _train()
    users, positives, _ = _epoch(train, 2023, 1)
    assert sorted(users * 25 + positives) == train.codes.tolist()


def test_negatives_are_outside_the_users_training_items() -> None:
    train = _train(pairs=900)
    users, _, negatives = _epoch(train, 2023, 1)
    assert not train.contains(users, negatives).any()


def test_negatives_are_uniform_over_what_the_user_has_not_taken() -> None:
    """User 0 took items 0–7 of 10; items 8 and 9 should share 8 × 500 draws: binomial, 5 sd = 158."""
    train = Interactions.from_pairs([0] * 8, range(8), 1, 10)
    sampler = TripleSampler(train, batch_size=8, seed=3)
    counts = np.bincount(np.concatenate([sampler.negatives(e) for e in range(500)]), minlength=10)
    assert counts[:8].sum() == 0
    assert abs(counts[8] - 2000) < 158


def test_batches_have_the_asked_size_but_for_the_last() -> None:
    train = _train()
    sizes = [len(users) for users, _, _ in TripleSampler(train, batch_size=64, seed=1).epoch(1)]
    assert sizes[:-1] == [64] * (len(sizes) - 1)
    assert sum(sizes) == len(train)
    assert len(sizes) == TripleSampler(train, batch_size=64, seed=1).batch_count


def test_same_seed_and_epoch_same_triples_other_seed_or_epoch_others() -> None:
    train = _train()
    first, again = _epoch(train, 2023, 4), _epoch(train, 2023, 4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (_epoch(train, 2024, 4), _epoch(train, 2023, 5)):
        assert not np.array_equal(first[0], other[0])
        assert not np.array_equal(first[2], other[2])


def test_the_global_generator_is_untouched() -> None:
    np.random.seed(7)  # noqa: NPY002 - the global generator is what is watched
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    _epoch(_train(), 2023, 1)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_user_with_every_item_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="user 1 has every item"):
        TripleSampler(Interactions.from_pairs([0, 1, 1], [0, 0, 1], 2, 2), batch_size=4, seed=1)


def test_an_empty_training_split_is_refused() -> None:
    with pytest.raises(DataError, match="no interactions"):
        TripleSampler(Interactions.from_pairs([], [], 2, 2), batch_size=4, seed=1)


def test_further_negatives_have_streams_of_their_own() -> None:
    train = _train()
    one = list(TripleSampler(train, batch_size=64, seed=1).epoch(2))
    three = list(TripleSampler(train, batch_size=64, seed=1, negatives_per_pair=3).epoch(2))
    for (users, _, alone), (same_users, _, several) in zip(one, three, strict=True):
        assert np.array_equal(users, same_users)
        assert np.array_equal(alone[:, 0], several[:, 0])
        assert not np.array_equal(several[:, 1], several[:, 2])
        assert not train.contains(np.repeat(users, 3), several.reshape(-1)).any()
