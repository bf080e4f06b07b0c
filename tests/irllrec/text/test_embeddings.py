"""Text vectors: their stored form, their checks, the random control and latent semantic analysis."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from irllrec.data.storage import write_arrays
from irllrec.errors import DataError, TextError
from irllrec.seeding import stream
from irllrec.text.controls import random_like
from irllrec.text.embeddings import (
    ARRAY_NAMES,
    TextVectors,
    check_node_counts,
    load_text_vectors,
    normalise_rows,
    save_text_vectors,
)
from irllrec.text.lsa import embed_by_lsa

COOKS = ["sourdough bread oven", "oven bread crust", "crust sourdough flour", "flour oven crust bread"]
SAILORS = ["galleon mutiny captain", "captain harbour mutiny", "harbour galleon sail", "sail captain galleon"]


def _arrays(users: int = 3, items: int = 2, size: int = 4) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    return {
        name: generator.standard_normal((rows, size)).astype(np.float32)
        for name, rows in zip(ARRAY_NAMES, (users, items, users, items), strict=True)
    }


def test_vectors_come_back_as_they_were_saved(tmp_path: Path) -> None:
    vectors = TextVectors(**_arrays())
    save_text_vectors(tmp_path / "vectors.npz", vectors)
    loaded = load_text_vectors(tmp_path / "vectors.npz")
    for name in ARRAY_NAMES:
        assert np.array_equal(getattr(loaded, name), getattr(vectors, name))
    assert (loaded.user_count, loaded.item_count) == (3, 2)


def test_nan_is_refused_with_file_matrix_and_row(tmp_path: Path) -> None:
    arrays = _arrays()
    arrays["user_intent"][2, 1] = np.nan
    write_arrays(tmp_path / "vectors.npz", arrays)
    with pytest.raises(TextError, match=r"vectors\.npz.*user_intent.*row 2"):
        load_text_vectors(tmp_path / "vectors.npz")


def test_users_and_items_of_different_width_are_refused() -> None:
    arrays = _arrays()
    arrays["item_profile"] = arrays["item_profile"][:, :3]
    with pytest.raises(TextError, match="4 columns and those of items 3"):
        TextVectors(**arrays)


def test_profiles_and_intents_may_differ_in_width() -> None:
    arrays = _arrays()
    for name in ("user_intent", "item_intent"):
        arrays[name] = arrays[name][:, :2]
    assert TextVectors(**arrays).user_intent.shape == (3, 2)


def test_float64_vectors_are_refused() -> None:
    arrays = _arrays()
    arrays["user_profile"] = arrays["user_profile"].astype(np.float64)
    with pytest.raises(TextError, match="float64"):
        TextVectors(**arrays)


def test_missing_array_is_named(tmp_path: Path) -> None:
    arrays = _arrays()
    del arrays["item_intent"]
    write_arrays(tmp_path / "vectors.npz", arrays)
    with pytest.raises(DataError, match="item_intent"):
        load_text_vectors(tmp_path / "vectors.npz")


def test_vectors_for_fewer_nodes_than_the_data_set_has_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 items but the data set has 5"):
        check_node_counts(TextVectors(**_arrays()), 3, 5, "demo")


def test_rows_are_brought_to_length_one_and_zero_rows_stay() -> None:
    """3-4-5 triangle: (3, 4) becomes (0.6, 0.8)."""
    normal = normalise_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(normal, np.array([[0.6, 0.8], [0.0, 0.0]], dtype=np.float32))


def test_random_control_keeps_norms_and_forgets_directions() -> None:
    vectors = np.random.default_rng(0).standard_normal((400, 64)).astype(np.float32)
    vectors[0] = 0
    control = random_like(vectors, stream(1, "random text"))
    assert control.dtype == np.float32
    np.testing.assert_allclose(
        np.linalg.norm(control, axis=1), np.linalg.norm(vectors, axis=1), rtol=1e-5, atol=1e-7
    )
    assert not control[0].any()
    cosine = (normalise_rows(control) * normalise_rows(vectors)).sum(axis=1)
    assert abs(cosine.mean()) < 4 / np.sqrt(400 * 64)


def test_random_control_depends_on_the_stream_only() -> None:
    vectors = np.ones((5, 3), dtype=np.float32)
    assert np.array_equal(random_like(vectors, stream(1, "x")), random_like(vectors, stream(1, "x")))
    assert not np.array_equal(random_like(vectors, stream(1, "x")), random_like(vectors, stream(2, "x")))


def test_lsa_brings_texts_of_one_subject_together() -> None:
    users, items = embed_by_lsa([COOKS[:2] + SAILORS[:2], COOKS[2:] + SAILORS[2:]], 2)
    cosine = users @ items.T
    assert cosine[:2, :2].min() > 0.8
    assert cosine[2:, 2:].min() > 0.8
    assert np.abs(cosine[:2, 2:]).max() < 0.2


def test_lsa_at_full_rank_keeps_all_cosines_of_tfidf() -> None:
    """All axes kept, projection is a rotation: cosines are those of scikit-learn's TF-IDF rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = COOKS + SAILORS
    (vectors,) = embed_by_lsa([texts], 100)
    rows = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(texts)
    np.testing.assert_allclose(vectors @ vectors.T, (rows @ rows.T).toarray(), atol=1e-6)


def test_lsa_says_so_when_the_texts_span_fewer_axes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        (vectors,) = embed_by_lsa([COOKS + SAILORS], 50)
    assert vectors.shape[1] < 50
    assert f"{vectors.shape[1]} are used" in caplog.text


def test_lsa_gives_an_empty_text_a_zero_row() -> None:
    (vectors,) = embed_by_lsa([[*COOKS, *SAILORS, ""]], 4)
    assert not vectors[-1].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[:-1], axis=1), 1.0, rtol=1e-6)


def test_lsa_ignores_the_fixed_words_of_a_group() -> None:
    """A frame around every text of one group moves nothing."""
    plain = embed_by_lsa([COOKS, SAILORS], 3)
    framed = embed_by_lsa([[f"Framework sentence: {text}" for text in COOKS], SAILORS], 3)
    for one, other in zip(plain, framed, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_lsa_twice_gives_the_same_bytes_also_by_the_sparse_solver() -> None:
    words = [f"word{chr(97 + a)}{chr(97 + b)}" for a in range(26) for b in range(26)]
    generator = np.random.default_rng(5)
    texts = [" ".join(generator.choice(words, size=12)) for _ in range(900)]
    (first,), (again,) = embed_by_lsa([texts], 8), embed_by_lsa([texts], 8)
    assert first.shape == (900, 8)
    assert first.tobytes() == again.tobytes()


def test_lsa_without_any_word_is_an_error() -> None:
    with pytest.raises(TextError, match="holds a word"):
        embed_by_lsa([["", "the of"]], 2)
