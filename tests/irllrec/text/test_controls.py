"""Text vectors of control runs: random ones, and those of the wrong node."""

import numpy as np

from irllrec.text.controls import controlled
from irllrec.text.embeddings import ARRAY_NAMES, TextVectors


def _vectors(user_count: int = 7, item_count: int = 5) -> TextVectors:
    generator = np.random.default_rng(3)
    shapes = {"user": user_count, "item": item_count}
    arrays = {
        name: generator.standard_normal((shapes[name.partition("_")[0]], 4)).astype(np.float32)
        for name in ARRAY_NAMES
    }
    return TextVectors(**arrays)


def test_no_control_gives_the_vectors_themselves() -> None:
    vectors = _vectors()
    assert controlled(vectors, None, 1) is vectors


def test_shuffled_text_is_all_there_but_at_no_node_of_its_own() -> None:
    vectors = _vectors()
    shuffled = controlled(vectors, "shuffled", 2023)
    for name in ARRAY_NAMES:
        before, after = getattr(vectors, name), getattr(shuffled, name)
        assert not (before == after).all(axis=1).any()
        assert sorted(map(tuple, before)) == sorted(map(tuple, after))


def test_profile_and_intents_of_a_node_come_from_one_other_node() -> None:
    vectors = _vectors()
    shuffled = controlled(vectors, "shuffled", 2023)
    for role in ("user", "item"):
        owners = [
            [np.flatnonzero((getattr(vectors, f"{role}_{kind}") == row).all(axis=1))[0] for row in rows]
            for kind in ("profile", "intent")
            for rows in [getattr(shuffled, f"{role}_{kind}")]
        ]
        assert owners[0] == owners[1]


def test_shuffling_follows_the_seed() -> None:
    vectors = _vectors(user_count=40)
    one, same, other = (controlled(vectors, "shuffled", seed).user_profile for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_random_text_keeps_the_norm_of_every_node_and_nothing_else() -> None:
    vectors = _vectors()
    random = controlled(vectors, "random", 2023)
    for name in ARRAY_NAMES:
        before, after = getattr(vectors, name), getattr(random, name)
        assert np.allclose(np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1), rtol=1e-5)
        assert not np.isclose(before, after).all(axis=1).any()
