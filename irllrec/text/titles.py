"""The control summarizer: nothing but titles, so that what descriptions and reviews add can be seen."""

from __future__ import annotations

from collections.abc import Sequence

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText
from irllrec.errors import TextError
from irllrec.text.records import NodeIds, Role, Summary, hash_texts

NAME = "titles"
MOST_TITLES = 50
"""A user is told by at most so many titles of training items, spread evenly over them."""


def summarize_by_titles(rows: Sequence[PreparedText], train: Interactions, ids: NodeIds) -> list[Summary]:
    """Return one summary a node, users first: an item is its title, a user the titles of her training items.

    Profile and intents are the same words. A node without a title has an empty summary and the
    fallback ``"none"``.

    Args:
        rows: All rows of the data set; only titles of items are read.
        train: The training interactions.
        ids: Ids in node order.

    Raises:
        TextError: If no item has a title.
    """
    titles = [""] * train.item_count
    for row in rows:
        if row.role == "item" and row.kind == "title" and not titles[row.node]:
            titles[row.node] = row.text.strip()
    if not any(titles):
        raise TextError(
            "No item of the data set has a title, which the summarizer titles reads: import titles with "
            "`repro data import --item-text`, or choose another control."
        )
    users = []
    for user in range(train.user_count):
        told = [int(item) for item in train.items_of(user) if titles[item]]
        if len(told) > MOST_TITLES:
            told = [told[place * len(told) // MOST_TITLES] for place in range(MOST_TITLES)]
        pairs = tuple((user, item) for item in told)
        users.append(_summary("user", user, [titles[item] for item in told], pairs, ids))
    items = [_summary("item", item, [title] if title else [], (), ids) for item, title in enumerate(titles)]
    return users + items


def _summary(
    role: Role, node: int, titles: Sequence[str], saw: tuple[tuple[int, int], ...], ids: NodeIds
) -> Summary:
    text = "; ".join(titles)
    return Summary(
        role=role,
        node=node,
        id=ids.of(role)[node],
        profile=text,
        intents=(text,) if text else (),
        reasoning="",
        summarizer=NAME,
        saw=saw,
        input_sha256=hash_texts(titles),
        fallback=None if titles else "none",
        options={"most_titles": MOST_TITLES},
    )
