"""Proof that no summary saw a held-out interaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from irllrec.data.interactions import Interactions
from irllrec.errors import TextError
from irllrec.text.records import NodeIds, Role, Summary

Pair = tuple[int, int]


@dataclass(frozen=True)
class Leak:
    """The first pair outside training among those that records saw.

    Attributes:
        record: Place of the record.
        pair: User and item index.
        home: ``"a validation"``, ``"a test"`` or ``"no"``: which interaction it is.
        count: Number of such pairs in all records.
    """

    record: int
    pair: Pair
    home: str
    count: int


def check_no_leakage(
    summaries: Sequence[Summary], train: Interactions, held_out: Mapping[str, Interactions]
) -> None:
    """Raise unless every interaction that any summary saw is a training interaction.

    Args:
        summaries: The records to check.
        train: The training interactions.
        held_out: The other splits by name ("validation", "test"), to name the one a pair is in.

    Raises:
        TextError: Naming role, id and pair of the first leak.
    """
    leak = find_leak([summary.saw for summary in summaries], train, held_out)
    if leak is None:
        return
    summary = summaries[leak.record]
    raise TextError(
        f"The summary of {summary.role} {summary.id!r} saw the pair (user {leak.pair[0]}, item "
        f"{leak.pair[1]}), which is {leak.home} interaction: summarize from training interactions only "
        f"({leak.count} such pairs in all)."
    )


def find_leak(
    seen: Iterable[Iterable[Pair]], train: Interactions, held_out: Mapping[str, Interactions]
) -> Leak | None:
    """Return the first pair that any record saw and that is no training interaction, None if all are.

    Args:
        seen: The pairs that each record saw.
        train: The training interactions.
        held_out: The other splits by name.
    """
    owned = [(record, pair) for record, pairs in enumerate(seen) for pair in pairs]
    if not owned:
        return None
    pairs = np.asarray([pair for _, pair in owned], dtype=np.int64)
    inside = (
        (pairs[:, 0] >= 0)
        & (pairs[:, 0] < train.user_count)
        & (pairs[:, 1] >= 0)
        & (pairs[:, 1] < train.item_count)
    )
    leaks = np.flatnonzero(~(inside & train.contains(pairs[:, 0], pairs[:, 1])))
    if not len(leaks):
        return None
    record, (user, item) = owned[leaks[0]]
    return Leak(record, (int(user), int(item)), home_of(user, item, held_out), len(leaks))


def home_of(user: int, item: int, held_out: Mapping[str, Interactions]) -> str:
    """Return which interaction a pair is, with its article: ``"a test"``, or ``"no"`` in none of them."""
    for name, split in held_out.items():
        inside = 0 <= user < split.user_count and 0 <= item < split.item_count
        if inside and split.contains([user], [item])[0]:
            return f"a {name}"
    return "no"


def name_interaction(pair: Pair, held_out: Mapping[str, Interactions], ids: NodeIds) -> str:
    """Return an interaction by the ids of its user and item, with the part it belongs to."""
    user, item = name_node(ids, "user", pair[0]), name_node(ids, "item", pair[1])
    return f"user {user} and item {item}, which is {home_of(*pair, held_out)} interaction"


def name_node(ids: NodeIds, role: Role, node: int) -> str:
    """Return the id of a node as written in an error, or its number where there is no such node."""
    known = ids.of(role)
    return repr(known[node]) if 0 <= node < len(known) else f"number {node}"
