"""Train, validation and test: given, drawn per user, or cut by time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from irllrec.errors import DataError
from irllrec.seeding import stream

TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, 3
IndexArray = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Assignment:
    """Which part each interaction belongs to.

    Attributes:
        parts: Shape (edge,), int8: 0 train, 1 valid, 2 test, 3 left out.
        moved: Interactions moved into training so that every held-out item is seen there.
        left_out: Interactions of a time split whose user or item has no past.
    """

    parts: npt.NDArray[np.int8]
    moved: int = 0
    left_out: int = 0


def split_by_ratio(
    users: IndexArray, items: IndexArray, ratio: tuple[float, float, float], seed: int
) -> Assignment:
    """Return a random split of each user's items in the proportion ``ratio``, such as 3:1:1.

    A user's shuffled items are laid on the unit interval at ``(position + offset) / n`` with one
    uniform offset a user, and the interval is cut at the ratio. Each part's count is then the exact
    share rounded down or up, with the exact share as its mean, for users of any size. A user's first
    item always trains; so does one random interaction of every item that would otherwise be held
    out without having been seen (these are counted in ``moved``).

    Args:
        users: Shape (edge,), user index of each interaction.
        items: Shape (edge,), item index of each interaction.
        ratio: Train, valid, test shares; any positive scale, train above 0.
        seed: Seed of the split.

    Randomness: streams ``"split", "order"`` and ``"split", "offset"``.

    Raises:
        DataError: If the ratio is not three finite non-negative numbers with a training share.
    """
    shares = np.asarray(ratio, dtype=np.float64)
    _check_ratio(ratio)
    draws = stream(seed, "split", "order").random(len(users))
    order = np.lexsort((draws, users))
    user_count = int(users.max()) + 1 if len(users) else 0
    degrees = np.bincount(users, minlength=user_count)
    starts = np.cumsum(degrees) - degrees
    position = np.empty(len(users), dtype=np.int64)
    position[order] = np.arange(len(users)) - starts[users[order]]
    offsets = stream(seed, "split", "offset").random(user_count)
    place = (position + offsets[users]) / degrees[users]
    cuts = np.cumsum(shares / shares.sum())[:2]
    parts = np.searchsorted(cuts, place, side="right").astype(np.int8)
    parts[position == 0] = TRAIN

    item_count = int(items.max()) + 1 if len(items) else 0
    unseen = np.bincount(items[parts == TRAIN], minlength=item_count) == 0
    candidates = np.flatnonzero(unseen[items])
    candidates = candidates[np.argsort(draws[candidates], kind="stable")]
    _, first = np.unique(items[candidates], return_index=True)
    parts[candidates[first]] = TRAIN
    return Assignment(parts, moved=len(first))


def split_by_time(
    users: IndexArray,
    items: IndexArray,
    timestamps: npt.NDArray[np.number],
    ratio: tuple[float, float, float],
) -> Assignment:
    """Return a chronological split at two moments that are the same for all users.

    One global clock, not one per user: with a cut per user, the model would train on other users'
    clicks from after the moment it is tested at. Interactions of the same moment stay together, on
    the earlier side. Held-out interactions of a user or an item without training interactions cannot be
    ranked by a collaborative model; they are left out and counted.

    Args:
        users: Shape (edge,), user index of each interaction.
        items: Shape (edge,), item index of each interaction.
        timestamps: Shape (edge,), any unit, finite.
        ratio: Train, valid, test shares of the interactions.

    Raises:
        DataError: If the cut leaves a part empty, as when nearly all timestamps are the same.
    """
    _check_ratio(ratio)
    shares = np.cumsum(np.asarray(ratio, dtype=np.float64) / sum(ratio))[:2]
    ordered = np.sort(timestamps)
    last = np.clip(np.ceil(shares * len(ordered) - 1e-9).astype(np.int64) - 1, 0, max(len(ordered) - 1, 0))
    parts = np.searchsorted(ordered[last], timestamps, side="left").astype(np.int8)
    training = parts == TRAIN
    known_user = np.bincount(users[training], minlength=int(users.max()) + 1) > 0
    known_item = np.bincount(items[training], minlength=int(items.max()) + 1) > 0
    unknown = ~training & ~(known_user[users] & known_item[items])
    parts[unknown] = LEFT_OUT
    for part, share, name in ((VALID, ratio[1], "valid"), (TEST, ratio[2], "test")):
        if share > 0 and not (parts == part).any():
            raise DataError(
                f"the split by time leaves nothing for {name}: too many interactions share a moment or have "
                "no past; use --split ratio."
            )
    return Assignment(parts, left_out=int(unknown.sum()))


def _check_ratio(ratio: tuple[float, float, float]) -> None:
    if len(ratio) != 3 or not all(np.isfinite(share) and share >= 0 for share in ratio) or ratio[0] <= 0:
        raise DataError(f"the split ratio {ratio} must be three numbers, none negative, train above 0.")
