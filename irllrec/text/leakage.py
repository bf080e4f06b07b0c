"""Proof that no summary saw a held-out interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from irllrec.data.interactions import Interactions
from irllrec.errors import TextError
from irllrec.text.records import Summary


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
    owners = [record for record, summary in enumerate(summaries) for _ in summary.saw]
    if not owners:
        return
    pairs = np.asarray([pair for summary in summaries for pair in summary.saw], dtype=np.int64)
    inside = (
        (pairs[:, 0] >= 0)
        & (pairs[:, 0] < train.user_count)
        & (pairs[:, 1] >= 0)
        & (pairs[:, 1] < train.item_count)
    )
    allowed = inside & train.contains(pairs[:, 0], pairs[:, 1])
    leaks = np.flatnonzero(~allowed)
    if not len(leaks):
        return
    user, item = (int(index) for index in pairs[leaks[0]])
    summary = summaries[owners[leaks[0]]]
    home = "no"
    if inside[leaks[0]]:
        homes = (name for name, split in held_out.items() if split.contains([user], [item])[0])
        home = next((f"a {name}" for name in homes), "no")
    raise TextError(
        f"The summary of {summary.role} {summary.id!r} saw the pair (user {user}, item {item}), which is "
        f"{home} interaction: summarize from training interactions only ({len(leaks)} such pairs in all)."
    )
