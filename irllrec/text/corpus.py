"""The training-visible texts of every node, with the interactions they stem from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText
from irllrec.text.records import ROLES, Role

OWN_KINDS = ("title", "profile", "text", "metadata")

KindedTexts = list[tuple[str, str]]
Pairs = set[tuple[int, int]]


@dataclass(frozen=True)
class NodeText:
    """What may be read about one node.

    Attributes:
        role: ``"user"`` or ``"item"``.
        node: Index of the node.
        title: The node's title, or an empty string.
        texts: Everything else, in the order of the source.
        saw: The training interactions those texts stem from, ascending.
        kinds: What the texts are, for example ``("review",)``.
    """

    role: Role
    node: int
    title: str
    texts: tuple[str, ...]
    saw: tuple[tuple[int, int], ...]
    kinds: tuple[str, ...]

    @property
    def document(self) -> tuple[str, ...]:
        """Title and texts."""
        return ((self.title,) if self.title else ()) + self.texts


def role_of(row: PreparedText) -> Role:
    """Return whether a text is about a user or an item."""
    return "user" if row.role == "user" else "item"


def profiles_of(rows: Iterable[PreparedText]) -> dict[tuple[Role, int], str]:
    """Return the profiles that came with the data, by role and node; several are joined."""
    found: dict[tuple[Role, int], str] = {}
    for row in rows:
        if row.kind == "profile" and row.text.strip():
            key = (role_of(row), row.node)
            found[key] = f"{found[key]} {row.text.strip()}" if key in found else row.text.strip()
    return found


def gather(rows: Sequence[PreparedText], train: Interactions) -> dict[Role, list[NodeText]]:
    """Return the training-visible text of every node, by role, in node order.

    A review counts where its row is marked as training; it is read for its user and its item. A
    user without reviews and without text of her own is described by the titles and texts of her
    training items.

    Args:
        rows: All rows, held-out reviews included; those are passed over.
        train: The training interactions.
    """
    counts: dict[Role, int] = {"user": train.user_count, "item": train.item_count}
    titles = {role: [""] * counts[role] for role in ROLES}
    texts: dict[Role, list[KindedTexts]] = {role: [[] for _ in range(counts[role])] for role in ROLES}
    saw: dict[Role, list[Pairs]] = {role: [set() for _ in range(counts[role])] for role in ROLES}
    for row in rows:
        text = row.text.strip()
        if not text:
            continue
        if not row.names_interaction:
            if row.kind == "title" and not titles[role_of(row)][row.node]:
                titles[role_of(row)][row.node] = text
            else:
                texts[role_of(row)][row.node].append((row.kind.partition(":")[0], text))
        elif row.split == "train":
            readers: tuple[tuple[Role, int], ...] = (("user", row.user), ("item", row.item))
            for role, node in readers:
                texts[role][node].append((row.kind, text))
                saw[role][node].add((row.user, row.item))
    items = [
        _node_text("item", node, titles["item"][node], texts["item"][node], saw["item"][node])
        for node in range(counts["item"])
    ]
    own_texts = [
        [titles["item"][item], *(text for kind, text in texts["item"][item] if kind in OWN_KINDS)]
        for item in range(counts["item"])
    ]
    users = [
        _node_text("user", node, titles["user"][node], texts["user"][node], saw["user"][node])
        if texts["user"][node] or titles["user"][node]
        else _from_items(node, train.items_of(node).tolist(), own_texts)
        for node in range(counts["user"])
    ]
    return {"user": users, "item": items}


def _node_text(role: Role, node: int, title: str, texts: KindedTexts, saw: Pairs) -> NodeText:
    kinds = tuple(dict.fromkeys(kind for kind, _ in texts))
    return NodeText(role, node, title, tuple(text for _, text in texts), tuple(sorted(saw)), kinds)


def _from_items(user: int, items: Sequence[int], own_texts: Sequence[Sequence[str]]) -> NodeText:
    told = [item for item in items if any(own_texts[item])]
    texts = tuple(text for item in told for text in own_texts[item] if text)
    saw = tuple((user, item) for item in told)
    return NodeText("user", user, "", texts, saw, ("texts of training items",) if told else ())
