"""Noise in training data: how much, of what, and that it depends on the data set alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irllrec.data.interactions import Interactions
from irllrec.data.noise import Noise, fake_interactions, noise_count, text_owners, with_fakes
from irllrec.errors import DataError
from irllrec.text.controls import with_text_noise
from irllrec.text.embeddings import TextVectors

PERCENT = st.integers(1, 100)


@st.composite
def tables(draw: st.DrawFn) -> Interactions:
    """Tables of which at most a third of the pairs is taken, so that every share can be drawn."""
    users, items = draw(st.integers(3, 12)), draw(st.integers(3, 12))
    codes = draw(st.sets(st.integers(0, users * items - 1), min_size=1, max_size=users * items // 3))
    found = np.array(sorted(codes))
    return Interactions.from_pairs(found // items, found % items, users, items)


@given(tables(), PERCENT)
def test_fakes_have_the_right_number_and_are_never_training_pairs(train: Interactions, percent: int) -> None:
    fakes = fake_interactions(train, percent, "shop")
    assert len(fakes) == int(len(train) * percent / 100 + 0.5)
    assert not train.contains(fakes.users, fakes.items).any()
    assert len(with_fakes(train, fakes)) == len(train) + len(fakes)


@given(tables(), PERCENT, PERCENT)
def test_the_fakes_of_a_smaller_share_are_among_those_of_a_larger(
    train: Interactions, one: int, other: int
) -> None:
    small, large = (fake_interactions(train, share, "shop") for share in sorted((one, other)))
    assert large.contains(small.users, small.items).all()


def test_fakes_depend_on_the_data_set_and_on_no_global_generator() -> None:
    train = Interactions.from_pairs(np.arange(50), np.arange(50), 50, 60)
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]  # noqa: NPY002
    first = fake_interactions(train, 100, "shop")
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002
    assert (fake_interactions(train, 100, "shop").codes == first.codes).all()
    assert (fake_interactions(train, 100, "other").codes != first.codes).any()


def test_every_pair_outside_training_is_as_likely_to_be_a_fake() -> None:
    """2 users x 8 items, one training pair each: 14 free pairs; the two fakes of each of 2,000 data sets."""
    train = Interactions.from_pairs([0, 1], [0, 7], 2, 8)
    drawn = np.concatenate([fake_interactions(train, 100, f"shop-{n}").codes for n in range(2000)])
    times = np.bincount(drawn, minlength=16)
    assert times[[0, 15]].tolist() == [0, 0]
    expected = 4000 / 14
    chi_squared = ((np.delete(times, [0, 15]) - expected) ** 2 / expected).sum()
    assert chi_squared < 34.53  # 0.999 quantile with 13 degrees of freedom


def test_more_fakes_than_half_of_the_free_pairs_are_refused_in_one_sentence() -> None:
    train = Interactions.from_pairs([0, 0, 1, 1], [0, 1, 0, 1], 2, 3)
    with pytest.raises(DataError, match="100 % click noise on shop needs 4 pairs") as refusal:
        fake_interactions(train, 100, "shop")
    assert "there are 2, of which it may take half: choose a smaller share" in str(refusal.value)


@pytest.mark.parametrize(
    ("total", "percent", "count"), [(10, 5, 1), (10, 4, 0), (9000, 10, 900), (7, 100, 7)]
)
def test_a_share_is_rounded_to_the_nearest_halves_upwards(total: int, percent: int, count: int) -> None:
    assert noise_count(total, percent) == count


@given(st.integers(2, 60), PERCENT, PERCENT)
def test_text_goes_to_another_chosen_node_and_smaller_shares_are_part_of_larger(
    count: int, one: int, other: int
) -> None:
    small, large = (text_owners(count, share, "shop", "user") for share in sorted((one, other)))
    moved = [np.flatnonzero(owners != np.arange(count)) for owners in (small, large)]
    for owners, share, nodes in zip((small, large), sorted((one, other)), moved, strict=True):
        wanted = noise_count(count, share)
        assert len(nodes) == (max(wanted, 2) if wanted else 0)
        assert sorted(owners) == list(range(count))  # nobody's text is lost or doubled
    assert set(moved[0]) <= set(moved[1])


@settings(max_examples=20)
@given(st.integers(2, 20), st.integers(2, 20), PERCENT)
def test_profile_and_intents_of_a_node_move_together_and_stay_within_their_role(
    users: int, items: int, percent: int
) -> None:
    def rows(count: int, base: int) -> np.ndarray:  # type: ignore[type-arg]
        return (base + np.arange(count, dtype=np.float32))[:, None]

    vectors = TextVectors(rows(users, 0), rows(items, 100), rows(users, 200), rows(items, 300))
    noisy = with_text_noise(vectors, Noise("shop", text=percent))
    for role, count, base in (("user", users, 0), ("item", items, 100)):
        owners = text_owners(count, percent, "shop", role)
        profile, intent = (getattr(noisy, f"{role}_{kind}")[:, 0] for kind in ("profile", "intent"))
        assert (profile == base + owners).all()
        assert (intent == profile + 200).all()


def test_users_and_items_are_drawn_apart_and_no_noise_changes_nothing() -> None:
    assert (text_owners(50, 40, "shop", "user") != text_owners(50, 40, "shop", "item")).any()
    vectors = TextVectors(*(np.ones((3, 2), dtype=np.float32) for _ in range(4)))
    assert with_text_noise(vectors, Noise("shop", clicks=10)) is vectors
