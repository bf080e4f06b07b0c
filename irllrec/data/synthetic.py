"""A data set with planted intents: clicks that intents cause, and text that tells of them.

Readers have one to four intents, books one to three, each intent in one facet. A click is caused
by one of the reader's intents, by a habit, by a book's popularity or by chance; reviews mention the
intent that caused the click, descriptions all intents of the book. A third of the readers are
sparse: they have one or two intents, take few books, care less for popular ones, and tell more of
themselves when they write. The others have habits: a quarter of what they take comes from two
shelves of their own, which no text tells of. So text tells more of sparse readers: claim C2, planted.

Bytes are the same on every machine: draws use only ``random``, ``integers`` and ``permutation``
of PCG64, arithmetic only operations that IEEE 754 rounds exactly, and sums run in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from irllrec.data.vocabulary import FACET_COUNT, INTENTS
from irllrec.errors import DataError
from irllrec.seeding import stream

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BY_POPULARITY = -1
BY_CHANCE = -2
BY_HABIT = -3
SPARSE_DEGREES = (5, 6)
LEAST_DENSE_DEGREE = 8
LEAST_ITEM_DEGREE = 2
USER_INTENTS = (2, 4)
SPARSE_USER_INTENTS = (1, 2)
ITEM_INTENTS = (1, 3)
LEAST_WEIGHT = 0.1
OTHER_FACET_SHARE = 0.04
INTENT_CLICKS = 0.9
POPULARITY_CLICKS = 0.06
HABIT_CLICKS = 0.3
"""Share of a dense reader's clicks by habit, among those that neither popularity nor chance causes."""
SHELF_ITEMS = 20
SHELVES_OF_A_READER = 2
POPULARITY_SHIFT = 25.0
SPARSE_POPULARITY_SHIFT = 200.0
TRIES = 50


@dataclass(frozen=True)
class Taste:
    """Planted intents of all users or all items.

    Attributes:
        weights: Shape (node, intent), float64; a row sums to about 1.
        facets: Shape (node, intent), int64; the facet where the weight is positive, else -1.
    """

    weights: FloatArray
    facets: IntArray


@dataclass(frozen=True)
class PlantedClicks:
    """The click half of a generated data set, with its truth.

    Attributes:
        users: Planted intents of users.
        items: Planted intents of items.
        is_sparse: Shape (user,), bool; the third with few clicks.
        click_users: Shape (click,), int64, ascending.
        click_items: Shape (click,), int64.
        click_causes: Shape (click,), int64; the intent, ``BY_HABIT``, ``BY_POPULARITY`` or ``BY_CHANCE``.
    """

    users: Taste
    items: Taste
    is_sparse: npt.NDArray[np.bool_]
    click_users: IntArray
    click_items: IntArray
    click_causes: IntArray


class Draws:
    """Exactly reproducible draws from one stream of words."""

    def __init__(self, seed: int, *words: str) -> None:
        self._generator = stream(seed, "synthetic", *words)

    def below(self, count: int) -> int:
        """Return a whole number in ``[0, count)``."""
        return int(self._generator.integers(count))

    def share(self) -> float:
        """Return a number in ``[0, 1)``."""
        return float(self._generator.random())

    def shares(self, count: int) -> FloatArray:
        """Return ``count`` numbers in ``[0, 1)``."""
        return self._generator.random(count)

    def order(self, count: int) -> IntArray:
        """Return the numbers below ``count`` in random order."""
        return self._generator.permutation(count).astype(np.int64)

    def position(self, running_sum: FloatArray) -> int:
        """Return an index with probability proportional to the steps of ``running_sum``."""
        place = int(np.searchsorted(running_sum, self.share() * running_sum[-1], side="right"))
        return min(place, len(running_sum) - 1)

    def some(self, words: Sequence[str], count: int) -> list[str]:
        """Return ``count`` different words in random order (all of them if there are fewer)."""
        return [words[place] for place in self.order(len(words))[:count].tolist()]


def plant_clicks(
    *, user_count: int, item_count: int, interaction_count: int, intent_count: int, seed: int
) -> PlantedClicks:
    """Return users, items and exactly ``interaction_count`` different clicks between them.

    Every user has at least five clicks and every item at least two.

    Raises:
        DataError: If the sizes cannot be met.

    Randomness: streams ``"synthetic", <purpose>`` of ``seed``.
    """
    _check_sizes(user_count, item_count, interaction_count, intent_count)
    is_sparse = np.zeros(user_count, dtype=bool)
    is_sparse[Draws(seed, "sparse users").order(user_count)[: user_count // 3]] = True
    users = _plant_taste(_user_sizes(is_sparse), intent_count, Draws(seed, "user intents"))
    items = _plant_taste([ITEM_INTENTS] * item_count, intent_count, Draws(seed, "item intents"))
    degrees = _draw_degrees(is_sparse, item_count, interaction_count, Draws(seed, "degrees"))
    ranks = Draws(seed, "popularity").order(item_count)
    shops = [
        _Shop(items, 1.0 / (ranks.astype(np.float64) + shift))
        for shift in (POPULARITY_SHIFT, SPARSE_POPULARITY_SHIFT)
    ]
    shelves = _assign_shelves(is_sparse, item_count, Draws(seed, "shelves"))
    click_items, causes = _draw_clicks(
        users, [shops[int(few)] for few in is_sparse], shelves, degrees, Draws(seed, "clicks")
    )
    click_users = np.repeat(np.arange(user_count), degrees)
    planted = PlantedClicks(users, items, is_sparse, click_users, click_items, causes)
    _lift_rare_items(planted, Draws(seed, "rare items"))
    return planted


def unrelated_stories(planted: PlantedClicks, seed: int) -> tuple[PlantedClicks, IntArray]:
    """Return what texts tell where they shall tell nothing of the clicks, for the same clicks.

    Users and items get other intents, drawn afresh; a click is told to have one of its user's other
    intents as its cause, whatever item was taken, and a review to be about the item of another click.

    Args:
        planted: The clicks; they stay.
        seed: Seed of the data set.

    Returns:
        The clicks with other intents and causes, for the writers of texts only, and the item that each
        click's review tells of, shape (click,).

    Randomness: stream ``"synthetic", "unrelated stories"`` of ``seed``.
    """
    draws = Draws(seed, "unrelated stories")
    intent_count = planted.users.weights.shape[1]
    users = _plant_taste(_user_sizes(planted.is_sparse), intent_count, draws)
    items = _plant_taste([ITEM_INTENTS] * len(planted.items.weights), intent_count, draws)
    running_sums = np.cumsum(users.weights, axis=1)
    causes = [draws.position(running_sums[user]) for user in planted.click_users.tolist()]
    told = replace(planted, users=users, items=items, click_causes=np.asarray(causes, dtype=np.int64))
    return told, planted.click_items[draws.order(len(planted.click_items))]


def _check_sizes(user_count: int, item_count: int, interaction_count: int, intent_count: int) -> None:
    if not 2 <= intent_count <= len(INTENTS):
        raise DataError(
            f"A generated data set has 2 to {len(INTENTS)} intents, not {intent_count}: "
            "there are words for no more."
        )
    dense_count = user_count - user_count // 3
    least = LEAST_DENSE_DEGREE * dense_count + SPARSE_DEGREES[1] * (user_count // 3)
    most = item_count // 2 * dense_count
    if not least <= interaction_count <= most or interaction_count < 4 * item_count:
        raise DataError(
            f"{user_count} users and {item_count} items cannot share {interaction_count} interactions: "
            f"ask for {max(least, 4 * item_count)} to {most}."
        )


def _user_sizes(is_sparse: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    return [SPARSE_USER_INTENTS if few else USER_INTENTS for few in is_sparse.tolist()]


def _plant_taste(sizes: Sequence[tuple[int, int]], intent_count: int, draws: Draws) -> Taste:
    """Return intents for nodes that have between the two numbers of ``sizes`` each."""
    weights = np.zeros((len(sizes), intent_count))
    facets = np.full((len(sizes), intent_count), -1, dtype=np.int64)
    for node, (fewest, most) in enumerate(sizes):
        size = min(fewest + draws.below(most - fewest + 1), intent_count)
        chosen = draws.order(intent_count)[:size]
        raw = LEAST_WEIGHT + draws.shares(size)
        weights[node, chosen] = raw / np.cumsum(raw)[-1]
        for intent in chosen:
            facets[node, intent] = draws.below(FACET_COUNT)
    return Taste(weights, facets)


def _draw_degrees(
    is_sparse: npt.NDArray[np.bool_], item_count: int, interaction_count: int, draws: Draws
) -> IntArray:
    """Return clicks per user: few for sparse users, skewed for the rest, in total as asked."""
    lowest, highest = SPARSE_DEGREES
    degrees = np.full(len(is_sparse), LEAST_DENSE_DEGREE, dtype=np.int64)
    for user in np.flatnonzero(is_sparse):
        degrees[user] = lowest + draws.below(highest - lowest + 1)
    dense = np.flatnonzero(~is_sparse)
    shares = draws.shares(len(dense))
    running_sum = np.cumsum(0.1 + shares * shares * shares)
    for _ in range(interaction_count - int(degrees.sum())):
        user = dense[draws.position(running_sum)]
        while degrees[user] >= item_count // 2:
            user = dense[draws.below(len(dense))]
        degrees[user] += 1
    return degrees


def _assign_shelves(is_sparse: npt.NDArray[np.bool_], item_count: int, draws: Draws) -> list[IntArray | None]:
    """Return the items that each user takes by habit: those of two shelves, None for sparse users.

    Items stand on shelves at random: neither intents nor popularity tell which.
    """
    shelves = np.array_split(draws.order(item_count), max(item_count // SHELF_ITEMS, SHELVES_OF_A_READER))
    return [
        None
        if few
        else np.concatenate([shelves[shelf] for shelf in draws.order(len(shelves))[:SHELVES_OF_A_READER]])
        for few in is_sparse.tolist()
    ]


class _Shop:
    """Running sums of how likely each item is taken, for each reason to take one."""

    def __init__(self, items: Taste, popularity: FloatArray) -> None:
        self.item_count, intent_count = items.weights.shape
        self.by_popularity = np.cumsum(popularity)
        self.by_facet: dict[tuple[int, int], FloatArray] = {}
        for intent in range(intent_count):
            for facet in range(FACET_COUNT):
                match = np.where(items.facets[:, intent] == facet, 1.0, OTHER_FACET_SHARE)
                self.by_facet[intent, facet] = np.cumsum(popularity * items.weights[:, intent] * match)


def _draw_clicks(
    users: Taste,
    shops: Sequence[_Shop],
    shelves: Sequence[IntArray | None],
    degrees: IntArray,
    draws: Draws,
) -> tuple[IntArray, IntArray]:
    """Return item and cause of every click, user after user; no user takes an item twice.

    Args:
        users: Planted intents of users.
        shops: The shop of each user.
        shelves: The items that each user takes by habit, None for users without habits.
        degrees: Clicks of each user.
        draws: Where chance comes from.
    """
    clicks: list[int] = []
    causes: list[int] = []
    for user, (shop, shelf, degree) in enumerate(zip(shops, shelves, degrees.tolist(), strict=True)):
        taken: set[int] = set()
        own = np.cumsum(users.weights[user])
        while len(taken) < degree:
            kind = draws.share()
            if shelf is not None and kind < INTENT_CLICKS * HABIT_CLICKS:
                cause, item = BY_HABIT, int(shelf[draws.below(len(shelf))])
            elif kind < INTENT_CLICKS:
                cause = draws.position(own)
                item = draws.position(shop.by_facet[cause, int(users.facets[user, cause])])
            elif kind < INTENT_CLICKS + POPULARITY_CLICKS:
                cause, item = BY_POPULARITY, draws.position(shop.by_popularity)
            else:
                cause, item = BY_CHANCE, draws.below(shop.item_count)
            if item not in taken:
                taken.add(item)
                clicks.append(item)
                causes.append(cause)
    return np.asarray(clicks, dtype=np.int64), np.asarray(causes, dtype=np.int64)


def _lift_rare_items(planted: PlantedClicks, draws: Draws) -> None:
    """Redirect single clicks from popular items, in place, until every item has two.

    A click keeps its cause where its user and the rare item share that intent; after ``TRIES``
    clicks that do not fit, one becomes a click by chance.
    """
    click_users, click_items, causes = planted.click_users, planted.click_items, planted.click_causes
    item_facets, user_facets = planted.items.facets, planted.users.facets
    item_degrees = np.bincount(click_items, minlength=len(item_facets))
    pairs = set(zip(click_users.tolist(), click_items.tolist(), strict=True))
    for item in np.flatnonzero(item_degrees < LEAST_ITEM_DEGREE).tolist():
        tries = 0
        while item_degrees[item] < LEAST_ITEM_DEGREE:
            tries += 1
            click = draws.below(len(click_items))
            user, old, cause = int(click_users[click]), int(click_items[click]), int(causes[click])
            if item_degrees[old] <= LEAST_ITEM_DEGREE or (user, item) in pairs:
                continue
            fits = cause >= 0 and item_facets[item, cause] == user_facets[user, cause]
            if not fits and tries <= TRIES * LEAST_ITEM_DEGREE:
                continue
            pairs.remove((user, old))
            pairs.add((user, item))
            item_degrees[[old, item]] += [-1, 1]
            click_items[click] = item
            causes[click] = cause if fits else BY_CHANCE
