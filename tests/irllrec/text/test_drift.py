"""How far two texts about the same nodes, and their vectors, are apart."""

import numpy as np
import pytest

from irllrec.text.drift import neighbour_drift, text_drift, vector_drift
from irllrec.text.records import Summary


def _summary(node: int, profile: str, *intents: str) -> Summary:
    return Summary("user", node, node, profile, intents, "", "ollama", (), "")


def test_the_same_text_has_not_drifted() -> None:
    one = [_summary(0, "Likes rye bread.", "bake", "sail")]
    drift = text_drift(one, one)
    assert (drift.same_profile[0], drift.same_intents[0]) == (True, True)
    assert (drift.profile_likeness[0], drift.intent_overlap[0]) == (1.0, 1.0)


def test_likeness_counts_words_in_common_order() -> None:
    """Three of four words stand in both: 2·3 / 8. Intents: bake, rye against bake, oats: 1 of 3 words."""
    drift = text_drift(
        [_summary(0, "She likes rye bread", "bake rye")], [_summary(0, "she likes wheat bread", "bake oats")]
    )
    assert drift.profile_likeness[0] == pytest.approx(0.75)
    assert drift.intent_overlap[0] == pytest.approx(1 / 3)
    assert not drift.same_profile[0]


def test_a_turned_space_is_turned_back_before_it_is_compared() -> None:
    """The new space is the old one turned by 30 degrees, and one node moved by 90."""
    generator = np.random.default_rng(5)
    old = generator.standard_normal((50, 2)).astype(np.float32)
    angle = np.pi / 6
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=np.float32)
    new = old @ turn
    new[7] = np.array([-new[7][1], new[7][0]])
    changed = np.array([3, 7])
    assert vector_drift(old, new, changed, rotated=True) == pytest.approx([1.0, 0.0], abs=1e-5)
    assert vector_drift(old, new, changed, rotated=False)[0] == pytest.approx(np.cos(angle), abs=1e-5)


def test_neighbours_stay_where_all_turns_together() -> None:
    generator = np.random.default_rng(6)
    old = generator.standard_normal((40, 8)).astype(np.float32)
    turn = np.linalg.qr(generator.standard_normal((8, 8)))[0].astype(np.float32)
    changed = np.arange(40)
    assert neighbour_drift(old, old @ turn, changed).min() > 0.89
    assert neighbour_drift(old, generator.standard_normal((40, 8)).astype(np.float32), changed).mean() < 0.5
