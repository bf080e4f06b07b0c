"""Proof over the content: neither the texts nor the prompts hold what a held-out review says."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText
from irllrec.errors import TextError
from irllrec.text.corpus import role_of
from irllrec.text.leakage import Pair, find_leak, name_interaction, name_node
from irllrec.text.prompts import Prompt
from irllrec.text.records import NodeIds, Role
from irllrec.text.wording import LEAST_REVIEW_WORDS, cut_review, plain_prompt, plain_words

LEAST_TITLE_WORDS, LEAST_TITLE_LENGTH = 2, 8
"""A title is looked for if it has so many words or so many characters."""

Node = tuple[Role, int]


@dataclass(frozen=True)
class TitleCount:
    """How many titles of a part's items stand in the texts of the users who took them.

    Attributes:
        looked_for: Pairs of a user with text of her own and an item with a title worth looking for.
        named: Those whose title stands in one of her texts, whole words only.
    """

    looked_for: int
    named: int


@dataclass(frozen=True)
class TextAudit:
    """What the audit of the texts found; that it returned at all says that nothing leaked.

    Attributes:
        own_texts: Titles, profiles, texts and reviews of no known interaction that were searched.
        held_out_reviews: Reviews of held-out interactions that were looked for.
        short_reviews: Held-out reviews of fewer than six words, which were not.
        passed_over: Hits that prove nothing, because a training review of the node says the same.
        titles: By part (``train`` and the held-out ones); reported, never an error.
    """

    own_texts: int
    held_out_reviews: int
    short_reviews: int
    passed_over: int
    titles: Mapping[str, TitleCount]

    def record(self) -> dict[str, Any]:
        """Return the audit as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PromptAudit:
    """What the audit of the prompts found; that it returned at all says that nothing leaked.

    Attributes:
        prompts: Prompts that were searched.
        pairs_seen: Different training pairs that stand in them.
        within_training: Always true: each of them is a training interaction.
        training_sha256: Hash of all training pairs, sorted, each as two little-endian int64.
        held_out_reviews: Reviews of held-out interactions that were looked for.
        short_reviews: Held-out reviews of fewer than six words, which were not.
        passed_over: Hits that prove nothing, because a training review of the node says the same, or a
            text that names no interaction was cut in words with which a held-out review begins.
    """

    prompts: int
    pairs_seen: int
    within_training: bool
    training_sha256: str
    held_out_reviews: int
    short_reviews: int
    passed_over: int

    def record(self) -> dict[str, Any]:
        """Return the audit as plain values for JSON."""
        return asdict(self)


def audit_texts(
    rows: Sequence[PreparedText], train: Interactions, held_out: Mapping[str, Interactions], ids: NodeIds
) -> TextAudit:
    """Return what was searched, having proved that no own text holds a held-out review.

    Searched are the texts that name no interaction (titles, profiles, texts, loose reviews), for the
    reviews of the held-out interactions of the same user or item, word by word, without regard to case,
    punctuation and spaces. Words that a training review of that node has as well prove nothing: they are
    counted and passed over.

    Args:
        rows: All texts of the data set.
        train: The training interactions.
        held_out: The other splits by name ("validation", "test").
        ids: Ids in node order.

    Raises:
        TextError: Naming the node, the interaction and the fix.
    """
    reviews = _Reviews(rows, train)
    own = _own_texts(rows)
    passed_over = 0
    for node, texts in own.items():
        for kind, text in texts:
            for pair, review in reviews.held_out.get(node, ()):
                if review not in text:
                    continue
                if reviews.in_training(node, review):
                    passed_over += 1
                    continue
                owner = f"A {kind.partition(':')[0]} text of {node[0]} {name_node(ids, *node)}"
                raise TextError(
                    f"{owner} holds word by word the review of {name_interaction(pair, held_out, ids)}: give "
                    "that review the user_id and item_id of its interaction instead, or remove it, then "
                    "import and prepare the data set again."
                )
    return TextAudit(
        own_texts=sum(map(len, own.values())),
        held_out_reviews=reviews.looked_for,
        short_reviews=reviews.short,
        passed_over=passed_over,
        titles=_count_titles(rows, own, {"train": train, **held_out}),
    )


def audit_prompts(
    prompts: Sequence[Prompt],
    rows: Sequence[PreparedText],
    train: Interactions,
    held_out: Mapping[str, Interactions],
    ids: NodeIds,
) -> PromptAudit:
    """Return what was searched, having proved that the prompts hold training interactions only.

    Every pair that a prompt saw is a training interaction, and none of its lines holds a held-out review
    of its node, nor ends, cut, in the beginning of one. Words that a training review of the node has as
    well prove nothing; neither does a cut line from a text that names no interaction, because
    :func:`audit_texts` reads those uncut.

    Args:
        prompts: The prompts.
        rows: All texts of the data set.
        train: The training interactions.
        held_out: The other splits by name ("validation", "test").
        ids: Ids in node order.

    Raises:
        TextError: Naming the node, the interaction and the fix.
    """
    leak = find_leak((prompt.saw for prompt in prompts), train, held_out)
    if leak is not None:
        prompt = prompts[leak.record]
        raise TextError(
            f"The prompt of {prompt.role} {name_node(ids, prompt.role, prompt.node)} shows "
            f"{name_interaction(leak.pair, held_out, ids)}: build prompts from training interactions only "
            f"({leak.count} such pairs in all)."
        )
    reviews = _Reviews(rows, train)
    own = _own_texts(rows, metadata=True)
    passed_over = sum(_check_prompt(prompt, reviews, own, train, held_out, ids) for prompt in prompts)
    pairs = np.stack([train.users, train.items], axis=1).astype("<i8")
    return PromptAudit(
        prompts=len(prompts),
        pairs_seen=len({pair for prompt in prompts for pair in prompt.saw}),
        within_training=True,
        training_sha256=hashlib.sha256(pairs.tobytes()).hexdigest(),
        held_out_reviews=reviews.looked_for,
        short_reviews=reviews.short,
        passed_over=passed_over,
    )


def _check_prompt(
    prompt: Prompt,
    reviews: _Reviews,
    own: Mapping[Node, list[tuple[str, str]]],
    train: Interactions,
    held_out: Mapping[str, Interactions],
    ids: NodeIds,
) -> int:
    """Return how many hits were passed over; raise at the first that proves something."""
    node: Node = (prompt.role, prompt.node)
    passed_over = 0
    text = plain_prompt(prompt) if node in reviews.held_out else ""
    for pair, review in reviews.held_out.get(node, ()):
        found = review if review in text else cut_review(review, text)
        if not found:
            continue
        elsewhere = found != review and _in_own_text(found, node, own, train)
        if not elsewhere and not reviews.in_training(node, found):
            raise TextError(
                f"The prompt of {node[0]} {name_node(ids, *node)} holds the review of "
                f"{name_interaction(pair, held_out, ids)}: remove that review from texts that name no "
                "interaction, then import and prepare the data set again."
            )
        passed_over += 1
    return passed_over


class _Reviews:
    """The reviews of all interactions by node, in plain words: those held out, and those of training."""

    def __init__(self, rows: Iterable[PreparedText], train: Interactions) -> None:
        tied = [row for row in rows if row.names_interaction]
        known = train.contains([row.user for row in tied], [row.item for row in tied]).tolist()
        self.held_out: defaultdict[Node, list[tuple[Pair, str]]] = defaultdict(list)
        self._training: defaultdict[Node, list[str]] = defaultdict(list)
        self._training_words: dict[Node, str] = {}
        self.looked_for = self.short = 0
        for row, trained in zip(tied, known, strict=True):
            nodes: tuple[Node, Node] = (("user", row.user), ("item", row.item))
            if trained:
                for node in nodes:
                    self._training[node].append(row.text)
                continue
            review = plain_words(row.text)
            if len(review.split()) < LEAST_REVIEW_WORDS:
                self.short += 1
                continue
            self.looked_for += 1
            for node in nodes:
                self.held_out[node].append(((row.user, row.item), review))

    def in_training(self, node: Node, words: str) -> bool:
        """Return whether a training review of the node holds these words."""
        if node not in self._training_words:
            self._training_words[node] = "\n".join(map(plain_words, self._training[node]))
        return words in self._training_words[node]


def _own_texts(
    rows: Iterable[PreparedText], *, metadata: bool = False
) -> defaultdict[Node, list[tuple[str, str]]]:
    """Return kind and words of the texts that name no interaction, by node."""
    own: defaultdict[Node, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        if not row.names_interaction and (metadata or not row.kind.startswith("metadata")):
            own[role_of(row), row.node].append((row.kind, plain_words(row.text)))
    return own


def _in_own_text(
    words: str, node: Node, own: Mapping[Node, list[tuple[str, str]]], train: Interactions
) -> bool:
    nodes: list[Node] = [node]
    if node[0] == "user":
        nodes.extend(("item", int(item)) for item in train.items_of(node[1]))
    return any(words in text for one in nodes for _, text in own.get(one, ()))


def _count_titles(
    rows: Iterable[PreparedText],
    own: Mapping[Node, list[tuple[str, str]]],
    parts: Mapping[str, Interactions],
) -> dict[str, TitleCount]:
    titles: dict[int, str] = {}
    for row in rows:
        if row.role == "item" and row.kind == "title" and row.node not in titles:
            words = plain_words(row.text)
            if len(words.split()) >= LEAST_TITLE_WORDS or len(words.strip()) >= LEAST_TITLE_LENGTH:
                titles[row.node] = words
    texts = {
        node: "\n".join(text for _, text in found) for (role, node), found in own.items() if role == "user"
    }
    counts = {}
    for name, part in parts.items():
        pairs = zip(part.users.tolist(), part.items.tolist(), strict=True)
        named = [titles[item] in texts[user] for user, item in pairs if user in texts and item in titles]
        counts[name] = TitleCount(len(named), sum(named))
    return counts
