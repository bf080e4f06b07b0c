"""Groups of users and of test items: who is where, and metrics on some of the test items."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irllrec.data.interactions import Interactions
from irllrec.data.storage import save_interactions, write_arrays
from irllrec.errors import ConfigurationError, DataError
from repro.errors import ReproError
from repro.groupings import read_grouping
from repro.params import Cell
from repro.results import CellResult

USERS, ITEMS = 8, 12
SEEDS = np.array([1, 2])


def write_cell(folder: Path, held_out: np.ndarray, popularity: list[int], seed: int = 0) -> CellResult:
    """Return the stored lists of a cell whose user u holds out the items where ``held_out[u]`` is True."""
    test = Interactions.from_pairs(*np.nonzero(held_out), *held_out.shape)
    clicks = [(user, item) for item, count in enumerate(popularity) for user in range(count)]
    train = Interactions.from_pairs(*np.array(clicks).reshape(-1, 2).T, *held_out.shape)
    users = np.flatnonzero(held_out.any(axis=1))
    generator = np.random.default_rng(seed)
    lists = [[generator.permutation(ITEMS) for _ in users] for _ in SEEDS]
    save_interactions(folder / "test.npz", test)
    save_interactions(folder / "train.npz", train)
    arrays = {"seeds": SEEDS, "users": users, "items": np.array(lists, dtype=np.int32)}
    write_arrays(folder / "top_items.npz", arrays)
    return CellResult(
        key="tiny-lightgcn-base",
        cell=Cell(dataset="tiny", backbone="lightgcn", objective="base", variant="base", inputs=""),
        seeds=SEEDS,
        users=users,
        train_degrees=train.user_degrees[users],
        run={},
        timings={},
        folder=folder,
        prepared=folder,
        _stored={},
    )


HELD_OUT = st.lists(
    st.lists(st.booleans(), min_size=ITEMS, max_size=ITEMS), min_size=USERS, max_size=USERS
).map(np.array)
POPULARITY = st.lists(st.integers(0, USERS), min_size=ITEMS, max_size=ITEMS)


@settings(max_examples=40, deadline=None)
@given(
    held_out=HELD_OUT.filter(lambda matrix: matrix.any()),
    popularity=POPULARITY.filter(any),
    groups=st.sampled_from(["quantiles", "published", "0,1,2", "3"]),
)
def test_recall_of_all_items_is_put_together_from_the_groups(held_out, popularity, groups):
    """A user's recall@5 is the mean of that in the groups, weighted by the test items in each."""
    with tempfile.TemporaryDirectory() as folder:
        cell = write_cell(Path(folder), held_out, popularity)
        grouping = read_grouping("items", groups).of(cell)
        whole = cell.values("recall@5")
        parts = [group.values(cell, "recall@5") for group in grouping.groups]
    counts = np.stack([held_out[cell.users][:, group.items].sum(axis=1) for group in grouping.groups])
    assert (counts.sum(axis=0) == held_out[cell.users].sum(axis=1)).all()
    for group, part, count in zip(grouping.groups, parts, counts, strict=True):
        assert (group.users == (count > 0)).all()
        assert (np.isnan(part) == (count == 0)).all()
    put_together = sum(np.nan_to_num(part) * count for part, count in zip(parts, counts, strict=True))
    np.testing.assert_allclose(put_together / counts.sum(axis=0), whole)


@settings(max_examples=40, deadline=None)
@given(held_out=HELD_OUT.filter(lambda matrix: matrix.any()), popularity=POPULARITY.filter(any))
def test_every_item_is_in_one_group_and_every_user_in_one_group_of_users(held_out, popularity):
    with tempfile.TemporaryDirectory() as folder:
        cell = write_cell(Path(folder), held_out, popularity)
        by_items = read_grouping("items").of(cell).groups
        by_users = read_grouping("users", "0,2,5").of(cell).groups
    shown = held_out.any(axis=0)
    assert (np.stack([group.items for group in by_items])[:, shown].sum(axis=0) == 1).all()
    assert sum(group.item_count for group in by_items) == shown.sum()
    assert (np.stack([group.users for group in by_users]).sum(axis=0) == 1).all()


@pytest.fixture
def cell(tmp_path):
    """Items 0 to 5 have 1 training user each and 6 to 11 have 6; users 0 to 5 have 7 to 12 items or so."""
    held_out = np.zeros((USERS, ITEMS), dtype=bool)
    held_out[0, [0, 6]] = held_out[1, [1, 2, 7]] = held_out[2, [3]] = held_out[7, [8, 9]] = True
    return write_cell(tmp_path, held_out, [1] * 6 + [6] * 6)


def test_metrics_of_some_test_items_by_hand(cell):
    """Users 0, 1, 2 and 7 hold out 1, 2, 1 and 0 items of the rare half; the ranking stays whole."""
    rare = np.arange(ITEMS) < 6
    lists = np.load(cell.folder / "top_items.npz")["items"]
    recall, ndcg = cell.values_on("recall@4", rare), cell.values_on("ndcg@4", rare)
    for seed in range(2):
        assert recall[seed, 1] == np.isin(lists[seed, 1, :4], [1, 2]).sum() / 2
        gain = sum(1 / np.log2(rank + 2) for rank in range(4) if lists[seed, 1, rank] in (1, 2))
        assert ndcg[seed, 1] == pytest.approx(gain / (1 + 1 / np.log2(3)))
    assert np.isnan(recall[:, 3]).all()


def test_users_of_a_group_of_items_have_the_popularity_of_their_items(cell):
    rare, popular = read_grouping("items", "0,3").of(cell).groups
    assert (rare.label, popular.label) == ("0-2", "≥3")
    assert rare.users.tolist() == [True, True, True, False]
    assert popular.users.tolist() == [True, True, False, True]
    np.testing.assert_allclose(popular.degrees, [6, 6, np.nan, 6])
    assert (rare.item_count, popular.item_count) == (4, 4)


def test_cold_users_are_set_against_the_rest(cell):
    """User 0 has all twelve items, users 1 to 5 the six popular ones, users 6 and 7 none."""
    cold, rest = read_grouping("cold", cold=6).of(cell).groups
    assert (cold.label, rest.label) == ("0-6", "≥7")
    assert cold.users.tolist() == [False, True, True, True]
    assert cold.degrees[1:].tolist() == [6, 6, 0]


@pytest.mark.parametrize(
    ("most", "sentence"),
    [(12, "every test user has at most 12 training items: choose --cold from 0 to 11")],
)
def test_without_both_kinds_nobody_is_cold(cell, most, sentence):
    with pytest.raises(ReproError, match=sentence):
        read_grouping("cold", cold=most).of(cell)


def test_where_all_have_alike_nobody_can_be_cold(tmp_path):
    held_out = np.eye(USERS, ITEMS, dtype=bool)
    cell = write_cell(tmp_path, held_out, [USERS] * ITEMS)
    with pytest.raises(ReproError, match="every test user has 12 training items, so none is colder"):
        read_grouping("cold").of(cell)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sessions",), "choose --by users, items, cold"),
        (("cold", "published"), "takes no --groups published: set their bound with --cold N"),
        (("users", None, 3), "--cold 3 goes with --by cold"),
        (("cold", None, -1), "--cold -1 is no number of training items"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, sentence):
    with pytest.raises(ReproError, match=sentence) as refusal:
        read_grouping(*arguments)
    assert "\n" not in str(refusal.value)


def test_unreadable_bounds_are_refused_for_items_too():
    with pytest.raises(ConfigurationError, match="do not rise"):
        read_grouping("items", "9,3")


def test_what_counts_no_hits_cannot_be_told_by_items():
    with pytest.raises(ReproError, match="novelty@20 does not count hits"):
        read_grouping("items").check_metrics(["recall@20", "novelty@20"])
    read_grouping("users").check_metrics(["novelty@20"])


def test_a_missing_training_split_is_named(cell):
    (cell.prepared / "train.npz").unlink()
    with pytest.raises(DataError, match=r"train\.npz is missing"):
        read_grouping("items").of(cell)
