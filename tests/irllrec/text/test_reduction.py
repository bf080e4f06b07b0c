"""Text vectors on fewer columns: what stays, what is told of the rest, and that bytes repeat."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from irllrec.text import reduction
from irllrec.text.embeddings import ARRAY_NAMES, FloatArray, TextVectors
from irllrec.text.reduction import Reduction, reduce_vectors

USERS, ITEMS = 30, 20


def _low_rank(width: int, rank: int, seed: int, offset: float = 0.0) -> FloatArray:
    """Return rows of users and items in a space of ``rank`` axes among ``width`` columns."""
    generator = np.random.default_rng(seed)
    factors = generator.standard_normal((USERS + ITEMS, rank)) + offset
    return (factors @ generator.standard_normal((rank, width))).astype(np.float32)


def _vectors(profile: FloatArray, intent: FloatArray, user_count: int = USERS) -> TextVectors:
    arrays = {"profile": profile, "intent": intent}
    parts = {f"user_{kind}": both[:user_count] for kind, both in arrays.items()}
    parts |= {f"item_{kind}": both[user_count:] for kind, both in arrays.items()}
    return TextVectors(**parts)


def _plain(rows: list[list[float]], dimension: int) -> tuple[FloatArray, Reduction]:
    """Return all rows reduced, the first of them a user, and what was kept of them."""
    both = np.asarray(rows, dtype=np.float32)
    reduced, kept = reduce_vectors(_vectors(both, both, user_count=1), dimension)
    return np.concatenate([reduced.user_profile, reduced.item_profile]), kept["profile"]


def test_inner_products_of_vectors_that_span_few_axes_are_kept() -> None:
    """Rank 5 in 40 columns and a common offset: 6 axes lose float32 rounding only."""
    wide = _low_rank(40, 5, 1, offset=3.0)
    reduced, kept = reduce_vectors(_vectors(wide, wide[:, :9]), 6)
    rows = np.concatenate([reduced.user_profile, reduced.item_profile]).astype(np.float64)
    expected = wide.astype(np.float64) @ wide.T.astype(np.float64)
    np.testing.assert_allclose(rows @ rows.T, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    assert rows.shape == (USERS + ITEMS, 6)
    assert kept["profile"] == Reduction(6, 40, 1.0)


def test_one_axis_of_three_rows_by_hand() -> None:
    """(3, 0), (-3, 0), (0, 1): moments diag(18, 1), so the first axis is (1, 0) and 1 of |x|² is lost.

    The mean is (0, 1/3) and the squared distances from it are 9 + 1/9, 9 + 1/9 and 4/9: 56/3 in all.
    1 - 1 / (56/3) = 53/56 = 0.946429.
    """
    rows, kept = _plain([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0]], 1)
    assert rows.tolist() == [[3.0], [-3.0], [0.0]]
    assert kept == Reduction(1, 2, 0.946429)


def test_what_lies_off_the_axes_in_every_row_counts_as_lost() -> None:
    """(10, 1) and (10, -1): the axis is (1, 0), and all that tells the rows apart is off it."""
    rows, kept = _plain([[10.0, 1.0], [10.0, -1.0]], 1)
    assert rows.tolist() == [[10.0], [10.0]]
    assert kept.variance_kept == 0.0


def test_the_largest_entry_of_each_axis_is_positive() -> None:
    """Rows along (-2, 1)/√5: the axis is (2, -1)/√5, so that (2, -1) comes out at √5."""
    rows, _ = _plain([[2.0, -1.0], [-4.0, 2.0], [6.0, -3.0]], 1)
    np.testing.assert_allclose(rows[:, 0], np.sqrt(5) * np.array([1.0, -2.0, 3.0]), rtol=1e-6)


def test_more_columns_keep_more_and_shorten_no_distance_twice() -> None:
    wide = np.random.default_rng(2).standard_normal((USERS + ITEMS, 24)).astype(np.float32)
    shares = []
    for dimension in (1, 6, 12, 23):
        reduced, kept = reduce_vectors(_vectors(wide, wide), dimension)
        shares.append(kept["intent"].variance_kept)
        rows = np.concatenate([reduced.user_intent, reduced.item_intent])
        norms = np.linalg.norm(rows, axis=1)
        assert (norms <= np.linalg.norm(wide, axis=1) * (1 + 1e-6)).all()
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < shares[-1] < 1.0


def test_vectors_that_are_no_wider_stay_as_they_are() -> None:
    profile, intent = _low_rank(8, 8, 3), _low_rank(5, 5, 4)
    vectors = _vectors(profile, intent)
    reduced, kept = reduce_vectors(vectors, 8)
    for name in ARRAY_NAMES:
        assert getattr(reduced, name).tobytes() == getattr(vectors, name).tobytes()
    assert kept == {"profile": Reduction(8, 8, 1.0), "intent": Reduction(5, 5, 1.0)}


def test_users_stay_before_items_and_kinds_apart() -> None:
    """Profiles and intents are two unlike spaces; each is reduced as if the other were not there."""
    profile, intent = _low_rank(16, 3, 5), _low_rank(12, 3, 6)
    both, _ = reduce_vectors(_vectors(profile, intent), 3)
    swapped, _ = reduce_vectors(_vectors(intent, profile), 3)
    for role in ("user", "item"):
        assert np.array_equal(getattr(both, f"{role}_profile"), getattr(swapped, f"{role}_intent"))
    assert (both.user_count, both.item_count) == (USERS, ITEMS)
    rows = np.concatenate([both.user_profile, both.item_profile])
    inner = profile @ profile.T
    np.testing.assert_allclose(rows @ rows.T, inner, rtol=0, atol=1e-5 * np.abs(inner).max())


def test_equal_vectors_have_nothing_to_lose() -> None:
    row = np.random.default_rng(7).standard_normal(10).astype(np.float32)
    same = np.tile(row, (USERS + ITEMS, 1))
    reduced, kept = reduce_vectors(_vectors(same, 0 * same), 2)
    assert kept == {"profile": Reduction(2, 10, 1.0), "intent": Reduction(2, 10, 1.0)}
    np.testing.assert_allclose(np.abs(reduced.user_profile[:, 0]), np.linalg.norm(row), rtol=1e-6)
    assert not reduced.item_intent.any()


def test_fewer_nodes_than_columns_are_reduced() -> None:
    rows, kept = _plain([[1.0, 2.0, 2.0, 0.0], [0.0, 0.0, 0.0, 4.0]], 3)
    assert rows.shape == (2, 3)
    assert kept.variance_kept == 1.0
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [3.0, 4.0], rtol=1e-6)


HASHED = """
import hashlib, numpy as np
from irllrec.text.embeddings import TextVectors
from irllrec.text.reduction import reduce_vectors
generator = np.random.default_rng(8)
rows = (generator.standard_normal((1500, 500)) @ generator.standard_normal((500, 500))).astype(np.float32)
vectors = TextVectors(rows[:900], rows[900:], rows[:900, ::-1], rows[900:, ::-1])
reduced, kept = reduce_vectors(vectors, 64)
print(hashlib.sha256(reduced.user_profile.tobytes() + reduced.item_intent.tobytes()).hexdigest(), kept)
"""


@pytest.mark.slow
def test_equal_data_give_equal_bytes_in_every_process_on_any_number_of_threads() -> None:
    told = []
    for threads in ("1", "2", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", HASHED]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told.append(done.stdout)
    assert told[0] == told[1] == told[2]


def test_blocks_of_rows_give_the_same_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums run in another order, so figures agree to rounding, and one block is one product."""
    generator = np.random.default_rng(4)
    rows = (generator.standard_normal((130, 9)) * np.arange(9, 0, -1)).astype(np.float32)
    vectors = TextVectors(rows[:80], rows[80:], rows[:80], rows[80:])
    whole, kept = reduction.reduce_vectors(vectors, 4)
    monkeypatch.setattr(reduction, "BLOCK_ROWS", 32)
    parts, kept_in_parts = reduction.reduce_vectors(vectors, 4)
    np.testing.assert_allclose(parts.user_profile, whole.user_profile, atol=1e-5)
    np.testing.assert_allclose(parts.item_intent, whole.item_intent, atol=1e-5)
    assert kept_in_parts["profile"].variance_kept == pytest.approx(kept["profile"].variance_kept, abs=2e-6)
