"""What recommended lists are like beside their hits: how popular, how varied, how evenly spread.

All functions read ranked lists, item indices best first, -1 where a list is shorter. Sources and what
each says and does not say: docs/protocol.md. NumPy and SciPy only, so tables need no torch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse

from irllrec.data.interactions import Interactions

FloatArray = npt.NDArray[np.float64]
Lists = npt.NDArray[np.integer]

BLOCK_ENTRIES = 1 << 21
"""Sums of text vectors held at once: 16 MiB of float64."""


def novelty(top_items: Lists, train: Interactions) -> FloatArray:
    """Return the mean self-information of each list, in bits.

    An item's is ``-log2(n_i / U)`` with n_i of all U users having it in training (Zhou et al., PNAS 2010;
    as a mean over the list, Vargas and Castells, RecSys 2011): 0 where everybody has it, log2 U where one
    user has. An item that nobody has counts as if one user had it.

    Args:
        top_items: Shape (user, rank).
        train: The training pairs.

    Returns:
        Shape (user,), in [0, log2 U]; 0 for an empty list.
    """
    holders = np.maximum(train.item_degrees, 1)
    return _mean_over_lists(np.log2(max(train.user_count, 1)) - np.log2(holders), top_items)


def popularity(top_items: Lists, train: Interactions) -> FloatArray:
    """Return the mean number of training users of the listed items (ARP; Yin et al., VLDB 2012).

    Args:
        top_items: Shape (user, rank).
        train: The training pairs.

    Returns:
        Shape (user,), in [0, U]; 0 for an empty list.
    """
    return _mean_over_lists(train.item_degrees.astype(np.float64), top_items)


def diversity(top_items: Lists, vectors: npt.NDArray[np.floating]) -> FloatArray:
    """Return the mean of 1 − cosine over all pairs of items of each list (Ziegler et al., WWW 2005).

    The sum of all cosines is the squared norm of the sum of unit vectors, so no pair is looked at. A
    vector of zeros is at right angles to every other: its cosines are 0.

    Args:
        top_items: Shape (user, rank).
        vectors: Shape (item, text), one vector an item.

    Returns:
        Shape (user,), in [0, 2]; 0 for lists of fewer than two items.
    """
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    units = np.divide(vectors, norms, out=np.zeros(vectors.shape), where=norms > 0)
    squares = (norms[:, 0] > 0).astype(np.float64)
    user_count = len(top_items)
    found = np.zeros(user_count)
    block = max(1, BLOCK_ENTRIES // max(units.shape[1], 1))
    for start in range(0, user_count, block):
        lists = top_items[start : start + block]
        listed = lists >= 0
        lengths = listed.sum(axis=1)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        chosen = scipy.sparse.csr_array(
            (np.ones(ends[-1]), lists[listed], ends), shape=(len(lists), len(units))
        )
        sums = chosen @ units
        cosines = np.einsum("ud,ud->u", sums, sums) - chosen @ squares
        pairs = lengths * (lengths - 1.0)
        mean = np.divide(cosines, pairs, out=np.ones(len(lists)), where=pairs > 0)
        found[start : start + len(lists)] = np.clip(1.0 - mean, 0.0, 2.0)
    return found


def coverage(top_items: Lists, item_count: int) -> float:
    """Return the share of the catalogue that is in anybody's list (Ge et al., RecSys 2010), in [0, 1].

    Args:
        top_items: Shape (user, rank).
        item_count: All items of the data set.
    """
    return float((_exposures(top_items, item_count) > 0).mean()) if item_count else 0.0


def gini(top_items: Lists, item_count: int) -> float:
    """Return the Gini coefficient of how often each item is listed, items never listed included.

    ``Σ_j (2j − I − 1) x_j / (I Σ_j x_j)`` over the counts x in rising order (Adomavicius and Kwon, TKDE
    2012): 0 where all items are listed equally often, (I − 1) / I where one item fills everything.

    Args:
        top_items: Shape (user, rank).
        item_count: I, all items of the data set.

    Returns:
        In [0, 1); 0 where nothing is listed.
    """
    counts = np.sort(_exposures(top_items, item_count))
    total = int(counts.sum())
    if not total:
        return 0.0
    places = 2 * np.arange(1, item_count + 1) - item_count - 1
    return float((places * counts).sum() / (item_count * total))


def _mean_over_lists(per_item: FloatArray, top_items: Lists) -> FloatArray:
    listed = top_items >= 0
    total: FloatArray = np.where(listed, per_item[top_items], 0.0).sum(axis=1)
    return total / np.maximum(listed.sum(axis=1), 1)


def _exposures(top_items: Lists, item_count: int) -> npt.NDArray[np.int64]:
    """Return in how many lists each item is, shape (item,)."""
    return np.bincount(top_items[top_items >= 0], minlength=item_count)
