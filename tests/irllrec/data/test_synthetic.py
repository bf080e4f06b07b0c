"""The embedded data set: sizes, planted truth, and that text tells what clicks do not."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from irllrec.data.synthetic import (
    BY_CHANCE,
    BY_HABIT,
    BY_POPULARITY,
    LEAST_ITEM_DEGREE,
    SPARSE_DEGREES,
    Draws,
    PlantedClicks,
    plant_clicks,
    unrelated_stories,
)
from irllrec.data.synthetic_text import ItemText, ReviewText, write_item_texts, write_reviews
from irllrec.data.vocabulary import FACET_COUNT, INTENTS
from irllrec.errors import DataError

USERS, ITEMS, CLICKS, INTENT_COUNT, SEED = 1200, 800, 15000, 12, 7


@lru_cache(maxsize=1)
def _demo() -> PlantedClicks:
    return plant_clicks(
        user_count=USERS, item_count=ITEMS, interaction_count=CLICKS, intent_count=INTENT_COUNT, seed=SEED
    )


@lru_cache(maxsize=1)
def _item_texts() -> list[ItemText]:
    return list(write_item_texts(_demo(), SEED))


@lru_cache(maxsize=1)
def _reviews() -> list[ReviewText]:
    return list(write_reviews(_demo(), SEED))


def _small(seed: int) -> PlantedClicks:
    return plant_clicks(user_count=60, item_count=50, interaction_count=700, intent_count=4, seed=seed)


def _gini(values: npt.NDArray[np.int64]) -> float:
    """Mean absolute difference of all pairs over twice the mean, from the definition."""
    differences = np.abs(values[:, None] - values[None, :])
    return float(differences.mean() / (2 * values.mean()))


def test_counts_are_exactly_as_asked() -> None:
    planted = _demo()
    pairs = set(zip(planted.click_users.tolist(), planted.click_items.tolist(), strict=True))
    assert len(planted.click_users) == len(pairs) == CLICKS
    assert np.array_equal(np.unique(planted.click_users), np.arange(USERS))
    assert np.array_equal(np.unique(planted.click_items), np.arange(ITEMS))


def test_a_third_of_the_users_is_sparse_and_still_splits_three_to_one_to_one() -> None:
    planted = _demo()
    degrees = np.bincount(planted.click_users)
    assert planted.is_sparse.sum() == USERS // 3
    assert degrees[planted.is_sparse].min() == SPARSE_DEGREES[0] == 5
    assert degrees[planted.is_sparse].max() == SPARSE_DEGREES[1]
    assert degrees[~planted.is_sparse].min() > SPARSE_DEGREES[1]


def test_every_item_has_enough_clicks_to_be_seen_in_training() -> None:
    assert np.bincount(_demo().click_items).min() >= LEAST_ITEM_DEGREE


def test_popularity_is_skewed_far_beyond_chance() -> None:
    """Uniform clicks give a Gini index near 0.13 (Poisson with mean 18.75)."""
    uniform = np.bincount(np.random.default_rng(0).integers(ITEMS, size=CLICKS), minlength=ITEMS)
    assert _gini(uniform) < 0.15
    assert 0.3 < _gini(np.bincount(_demo().click_items)) < 0.7


def test_sparse_users_have_one_or_two_intents_others_up_to_four_and_items_up_to_three() -> None:
    planted = _demo()
    for taste in (planted.users, planted.items):
        np.testing.assert_allclose(taste.weights.sum(axis=1), 1.0, rtol=1e-12)
        assert np.array_equal(taste.facets >= 0, taste.weights > 0)
        assert taste.facets.max() == FACET_COUNT - 1
    of_users, of_items = ((taste.weights > 0).sum(axis=1) for taste in (planted.users, planted.items))
    assert set(of_users[planted.is_sparse].tolist()) == {1, 2}
    assert set(of_users[~planted.is_sparse].tolist()) == {2, 3, 4}
    assert set(of_items.tolist()) == {1, 2, 3}


def test_most_clicks_are_caused_by_an_intent_that_user_and_item_share() -> None:
    planted = _demo()
    caused = planted.click_causes >= 0
    sparse = planted.is_sparse[planted.click_users]
    assert 0.8 < caused[sparse].mean() < 0.95
    assert 0.5 < caused[~sparse].mean() < 0.7
    assert {BY_POPULARITY, BY_CHANCE, BY_HABIT} == set(planted.click_causes[~caused].tolist())
    cause = planted.click_causes[caused]
    assert (planted.users.weights[planted.click_users[caused], cause] > 0).all()
    assert (planted.items.weights[planted.click_items[caused], cause] > 0).all()


def test_clicks_fall_on_shared_intents_more_often_than_random_pairs_do() -> None:
    planted = _demo()
    shares = _share_an_intent(planted)
    clicked = shares[planted.click_users, planted.click_items][planted.click_causes != BY_HABIT].mean()
    assert clicked > 0.9
    assert shares.mean() < 0.6


def test_habits_are_those_of_dense_users_and_neither_intents_nor_texts_tell_them() -> None:
    planted = _demo()
    habit = planted.click_causes == BY_HABIT
    users, items = planted.click_users[habit], planted.click_items[habit]
    assert not planted.is_sparse[users].any()
    shares = _share_an_intent(planted)
    assert abs(shares[users, items].mean() - shares[~planted.is_sparse].mean()) < 0.03
    taken = np.zeros((USERS, ITEMS))
    taken[users, items] = 1
    together = (taken.T @ taken)[np.triu_indices(ITEMS, 1)]
    assert together.mean() * 20 < together.max()  # items of one shelf are taken by the same users


def test_item_texts_reveal_the_planted_intents() -> None:
    """Score each intent by its phrases in the text (a phrase shared by k intents counts 1/k)."""
    truth = _demo().items.weights > 0
    hits = np.mean(
        [
            truth[told.item, np.argmax(_intent_scores(f"{told.title} {told.description or ''}"))]
            for told in _item_texts()
        ]
    )
    assert truth.mean() < 0.2
    assert 0.75 < hits < 1.0


def test_rarely_clicked_items_are_described_as_well_as_popular_ones() -> None:
    truth = _demo().items.weights > 0
    degrees = np.bincount(_demo().click_items)
    rare = np.flatnonzero(degrees <= np.quantile(degrees, 0.25))
    texts = {told.item: f"{told.title} {told.description or ''}" for told in _item_texts()}
    assert np.mean([truth[item, np.argmax(_intent_scores(texts[item]))] for item in rare]) > 0.75


def test_reviews_of_a_sparse_user_reveal_her_intents() -> None:
    planted = _demo()
    texts: dict[int, str] = {}
    for review in _reviews():
        texts[review.user] = f"{texts.get(review.user, '')} {review.text}"
    truth = planted.users.weights > 0
    sparse = [user for user in np.flatnonzero(planted.is_sparse).tolist() if user in texts]
    found = [
        truth[user, np.argsort(-_intent_scores(texts[user]))[: truth[user].sum()]].mean() for user in sparse
    ]
    assert len(sparse) > 0.95 * planted.is_sparse.sum()
    assert np.mean(found) > 0.85


def test_some_items_have_poor_text_or_none() -> None:
    texts = _item_texts()
    silent = sum(1 for told in texts if told.description is None)
    assert 0.01 * ITEMS < silent < 0.1 * ITEMS
    assert all(told.title for told in texts)


def test_reviews_belong_to_clicks_and_not_every_click_has_one() -> None:
    planted = _demo()
    pairs = set(zip(planted.click_users.tolist(), planted.click_items.tolist(), strict=True))
    reviewed = [(review.user, review.item) for review in _reviews()]
    assert set(reviewed) < pairs
    assert len(set(reviewed)) == len(reviewed)


def test_words_are_not_a_key_to_single_intents() -> None:
    """Some phrases stand under several intents, as "court" does for love and for law."""
    owners: dict[str, set[str]] = {}
    for intent in INTENTS:
        for phrase in (*intent.general, *(phrase for facet in intent.facets for phrase in facet)):
            owners.setdefault(phrase, set()).add(intent.name)
    assert sum(1 for names in owners.values() if len(names) > 1) >= 20


def test_same_seed_gives_the_same_data_and_another_seed_another() -> None:
    first, again, other = _small(1), _small(1), _small(2)
    assert np.array_equal(first.click_items, again.click_items)
    assert list(write_reviews(first, 1)) == list(write_reviews(again, 1))
    assert not np.array_equal(first.click_items, other.click_items)


def test_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 -- the global state is what is tested
    _small(3)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_weighted_positions_follow_the_weights() -> None:
    """Weights 1, 0, 3: a quarter, none, three quarters of 4,000 draws (± 4 standard errors)."""
    draws = Draws(0, "test")
    running_sum = np.cumsum(np.array([1.0, 0.0, 3.0]))
    counts = np.bincount([draws.position(running_sum) for _ in range(4000)], minlength=3)
    assert counts[1] == 0
    assert abs(counts[0] - 1000) < 4 * np.sqrt(4000 * 0.25 * 0.75)


@pytest.mark.parametrize(
    ("sizes", "word"),
    [
        ({"interaction_count": 100}, "interactions"),
        ({"interaction_count": 10**6}, "interactions"),
        ({"intent_count": 99}, "intents"),
    ],
)
def test_impossible_sizes_are_refused_with_what_is_allowed(sizes: dict[str, int], word: str) -> None:
    asked = {"user_count": 60, "item_count": 50, "interaction_count": 700, "intent_count": 4, "seed": 1}
    with pytest.raises(DataError, match=word):
        plant_clicks(**{**asked, **sizes})


def test_text_of_user_and_item_predicts_clicks() -> None:
    """With plain TF-IDF, a clicked item is nearer to a user's reviews of other items than most are.

    Chance is 0.5 with a standard error of 0.0085 (one held-out item for each of 1,163 users).
    """
    descriptions = [f"{told.title} {told.description or ''}" for told in _item_texts()]
    by_user: dict[int, list[ReviewText]] = {}
    for review in _reviews():
        by_user.setdefault(review.user, []).append(review)
    users = [user for user, reviews in by_user.items() if len(reviews) > 1]
    held_out = [by_user[user][-1].item for user in users]
    documents = [" ".join(review.text for review in by_user[user][:-1]) for user in users]
    vectorizer = TfidfVectorizer(stop_words="english").fit(descriptions + documents)
    scores = (vectorizer.transform(documents) @ vectorizer.transform(descriptions).T).toarray()
    own = scores[np.arange(len(users)), held_out]
    above = (scores < own[:, None]).mean(axis=1) + 0.5 * (scores == own[:, None]).mean(axis=1)
    assert len(users) > USERS // 2
    assert above.mean() > 0.6


def _intent_scores(text: str) -> npt.NDArray[np.float64]:
    lowered = text.lower()
    scores = np.zeros(INTENT_COUNT)
    weights = _phrase_weights()
    for place, intent in enumerate(INTENTS[:INTENT_COUNT]):
        for phrase in (*intent.general, *(phrase for facet in intent.facets for phrase in facet)):
            scores[place] += lowered.count(phrase) * weights[phrase]
    return scores


@lru_cache(maxsize=1)
def _phrase_weights() -> dict[str, float]:
    counts: dict[str, int] = {}
    for intent in INTENTS[:INTENT_COUNT]:
        for phrase in {*intent.general, *(phrase for facet in intent.facets for phrase in facet)}:
            counts[phrase] = counts.get(phrase, 0) + 1
    return {phrase: 1 / count for phrase, count in counts.items()}


def test_demo_is_the_same_content_on_every_machine() -> None:
    """The claim itself, pinned: only exactly rounded operations and PCG64 make this content."""
    digest = hashlib.sha256()
    planted = _demo()
    for array in (planted.click_users, planted.click_items, planted.click_causes):
        digest.update(array.astype("<i8").tobytes())
    for taste in (planted.users, planted.items):
        digest.update(taste.weights.astype("<f8").tobytes())
        digest.update(taste.facets.astype("<i8").tobytes())
    for told in _item_texts():
        digest.update(f"{told.item}\x1f{told.title}\x1f{told.description}\x1e".encode())
    for review in _reviews():
        digest.update(f"{review.user}\x1f{review.item}\x1f{review.text}\x1e".encode())
    assert digest.hexdigest() == "a6460efa254abd334ecc2e08a15ad5411a48517078e57fd3b565aaeae73e89f1"


def _share_an_intent(planted: PlantedClicks) -> npt.NDArray[np.bool_]:
    """Return whether each user and each item have an intent in common, shape (user, item)."""
    users, items = ((taste.weights > 0).astype(int) for taste in (planted.users, planted.items))
    return users @ items.T > 0


def _agreement(planted: PlantedClicks, truth: npt.NDArray[np.float64], texts: dict[int, str]) -> float:
    """Return how often the intent that a node's texts tell most is the one it has most of."""
    told = {node: _intent_scores(text) for node, text in texts.items()}
    heard = [
        int(scores.argmax()) == int(truth[node].argmax()) for node, scores in told.items() if scores.any()
    ]
    return float(np.mean(heard))


def test_texts_without_signal_tell_no_more_than_chance_of_clicks_and_as_much_of_themselves() -> None:
    """Of twelve intents one is told right by chance, 0.083; 1,200 users stray from it by 0.024 at 99.7 %."""
    planted = _demo()
    stories, subjects = unrelated_stories(planted, SEED)
    texts: dict[int, str] = {}
    for review in write_reviews(stories, SEED, subjects):
        texts[review.user] = f"{texts.get(review.user, '')} {review.text}"
    descriptions = {told.item: told.description or "" for told in write_item_texts(stories, SEED)}
    assert _agreement(planted, stories.users.weights, texts) > 0.5
    assert _agreement(planted, planted.users.weights, texts) < 0.083 + 0.03
    assert _agreement(planted, stories.items.weights, descriptions) > 0.5
    assert _agreement(planted, planted.items.weights, descriptions) < 0.083 + 0.035


def test_texts_without_signal_leave_the_clicks_and_who_writes_about_what_alone() -> None:
    planted = _demo()
    stories, subjects = unrelated_stories(planted, SEED)
    assert np.array_equal(stories.click_users, planted.click_users)
    assert np.array_equal(stories.click_items, planted.click_items)
    assert np.array_equal(np.sort(subjects), np.sort(planted.click_items))
    told = {(review.user, review.item) for review in write_reviews(stories, SEED, subjects)}
    assert told <= set(zip(planted.click_users.tolist(), planted.click_items.tolist(), strict=True))
    assert (stories.users.weights[stories.click_users, stories.click_causes] > 0).all()
