"""What a language model may be told of each node, each line with the training interaction behind it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import PreparedText
from irllrec.errors import TextError
from irllrec.text.corpus import role_of
from irllrec.text.records import ROLES, Role

KindedTexts = list[tuple[str, str]]
QuoteKind = Literal["own", "title", "tags", "description", "review"]

OWN_ORDER = ("title", "text", "metadata", "profile", "review")
"""Order of a node's own texts; reviews that name no interaction come last."""

LABELS: dict[Role, dict[str, str]] = {
    "user": {"title": "name", "text": "own words", "profile": "earlier profile", "review": "review"},
    "item": {"title": "title", "text": "description", "profile": "earlier profile", "review": "review"},
}
LONGEST_LABEL = 30
CUT_MARK = " ..."
_CUT_TOKENS = 4
_CHEAP_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "

# Ranges rather than Unicode categories: those grow with every Python, and prompts must not.
_ESCAPE_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-Z\\-~]"
)
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\udfff\ue000-\uf8ff\ufeff\ufff9-\uffff\U000e0000-\U000e0fff]"
)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
# Angle and square brackets delimit the prompt's fence and the control tokens of chat templates.
_BRACKETS = str.maketrans("<>[]`", "‹›()'")


class Quote(NamedTuple):
    """One fenced text of a line: what kind it is, how it is labelled, and its single line of text."""

    kind: QuoteKind
    label: str
    text: str


class EvidenceLine(NamedTuple):
    """What belongs together, with the training (user, item) pair it stems from, None for own text."""

    quotes: tuple[Quote, ...]
    pair: tuple[int, int] | None


@dataclass(frozen=True)
class Evidence:
    """All that may be told of one node.

    Attributes:
        role: ``"user"`` or ``"item"``.
        node: Index of the node.
        own: Lines from the node's own texts, which stem from no interaction.
        listed: Of a user: her training items, ascending; of an item: its training reviews by user.
    """

    role: Role
    node: int
    own: tuple[EvidenceLine, ...]
    listed: tuple[EvidenceLine, ...]


def single_line(text: str) -> str:
    """Return text without terminal sequences and invisible characters, in one line of single spaces.

    Removed are control characters, zero-width and direction marks, tag characters, lone surrogates and
    private characters; the joiners that some scripts and emoji need stay.
    """
    if not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub("", _ESCAPE_SEQUENCES.sub("", text))
    return " ".join(text.split())


def quotable(text: str) -> str:
    """Return untrusted text as one line that can end no fence and start no turn of a conversation.

    Markup tags are dropped, and brackets and backticks that are left become look-alikes.
    """
    text = single_line(text)
    if "<" in text:
        text = " ".join(_TAG.sub(" ", text).split())
    return text.translate(_BRACKETS)


def count_tokens(text: str) -> int:
    """Return an estimate of the tokens of ``text`` that errs on the high side for prose.

    The larger of two sums: a third for each ASCII letter and space and one for every other byte of
    UTF-8 (digits, punctuation, line ends; a letter outside ASCII has two to four), and one and a half
    for each word. English prose has about one token for four characters. Long runs of random letters
    can have more tokens than this says. The estimate of joined texts is at most the sum of theirs.
    """
    if not text:
        return 0
    encoded = text.encode("utf-8", "surrogatepass")
    dear = len(encoded.translate(None, _CHEAP_BYTES))
    words = encoded.count(b" ") + encoded.count(b"\n") + 1
    return -(-max(2 * (len(encoded) - dear) + 6 * dear, 9 * words) // 6)


def shorten(text: str, most_tokens: int) -> str:
    """Return ``text``, or its beginning and the cut mark, within ``most_tokens``.

    It is cut where a word ends, unless that costs more than half of what fits, as in scripts without spaces.
    """
    if len(text) <= 3 * most_tokens and count_tokens(text) <= most_tokens:
        return text
    room = most_tokens - _CUT_TOKENS
    kept = text[: 3 * room]
    while (tokens := count_tokens(kept)) > room:
        kept = kept[: len(kept) * room // tokens]
    whole_words = kept.rpartition(" ")[0]
    return (whole_words if 2 * len(whole_words) > len(kept) else kept.rstrip()) + CUT_MARK


def fitting(costs: Sequence[int], room: int) -> list[int]:
    """Return the places of as many lines as fit, spread evenly over all of them."""
    if sum(costs) <= room:
        return list(range(len(costs)))
    fewest, most = 0, len(costs)
    while most - fewest > 1:
        middle = (fewest + most) // 2
        if sum(costs[place] for place in _spread(len(costs), middle)) <= room:
            fewest = middle
        else:
            most = middle
    return _spread(len(costs), fewest)


def _spread(count: int, kept: int) -> list[int]:
    return [(2 * place + 1) * count // (2 * kept) for place in range(kept)]


def gather_evidence(rows: Sequence[PreparedText], train: Interactions) -> dict[Role, list[Evidence]]:
    """Return what may be told of every node, by role, in node order.

    A user: her own texts; then each training item with title, tags and description, and her training
    review of it. That an item is in her list is a fact of the interaction, so its pair is seen even
    without a review. An item: its own texts; then its training reviews, without their authors. A
    description is the item's texts, or its profile where it has none. Nothing is cut here.

    Args:
        rows: All rows; texts of validation and test interactions are not read.
        train: The training interactions.

    Raises:
        TextError: If a text is marked as training but its interaction is not in ``train``.
    """
    own, reviews = _read_rows(rows, train)
    item_quotes = [_item_quotes(kinded) for kinded in own["item"]]
    review_quotes = {pair: Quote("review", "review", " / ".join(texts)) for pair, texts in reviews.items()}
    listed: dict[Role, list[list[EvidenceLine]]] = {
        "user": [[] for _ in range(train.user_count)],
        "item": [[] for _ in range(train.item_count)],
    }
    for pair in zip(train.users.tolist(), train.items.tolist(), strict=True):
        user, item = pair
        review = (review_quotes[pair],) if pair in review_quotes else ()
        if quotes := (*item_quotes[item], *review):
            listed["user"][user].append(EvidenceLine(quotes, pair))
        if review:
            listed["item"][item].append(EvidenceLine(review, pair))
    return {
        role: [
            Evidence(role, node, _own_lines(role, own[role][node]), tuple(lines))
            for node, lines in enumerate(listed[role])
        ]
        for role in ROLES
    }


def _read_rows(
    rows: Sequence[PreparedText], train: Interactions
) -> tuple[dict[Role, list[KindedTexts]], dict[tuple[int, int], list[str]]]:
    """Return own texts by role and node, and training reviews by pair, all fenced."""
    own: dict[Role, list[KindedTexts]] = {
        "user": [[] for _ in range(train.user_count)],
        "item": [[] for _ in range(train.item_count)],
    }
    reviews: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for row in rows:
        if not row.names_interaction:
            if text := quotable(row.text):
                own[role_of(row)][row.node].append((row.kind, text))
        elif row.split == "train" and (text := quotable(row.text)):
            reviews[row.user, row.item].append(text)
    _check_training(list(reviews), train)
    return own, reviews


def _check_training(pairs: Sequence[tuple[int, int]], train: Interactions) -> None:
    if not pairs:
        return
    users, items = zip(*pairs, strict=True)
    for pair, known in zip(pairs, train.contains(users, items).tolist(), strict=True):
        if not known:
            raise TextError(
                f"A text of user {pair[0]} about item {pair[1]} is marked as training, but that is no "
                "training interaction: prepare the data set again."
            )


def _own_lines(role: Role, kinded: KindedTexts) -> tuple[EvidenceLine, ...]:
    rank = {kind: place for place, kind in enumerate(OWN_ORDER)}
    ordered = sorted(kinded, key=lambda one: rank.get(one[0].partition(":")[0], len(rank)))
    return tuple(
        EvidenceLine((Quote("title" if kind == "title" else "own", _label(role, kind), text),), None)
        for kind, text in ordered
    )


def _label(role: Role, kind: str) -> str:
    base, _, name = kind.partition(":")
    field = quotable(name.replace("_", " "))[:LONGEST_LABEL].strip()
    return LABELS[role].get(base) or field or "details"


def _item_quotes(kinded: KindedTexts) -> tuple[Quote, ...]:
    """Return how an item stands in a user's list: title, tags and description, as far as known."""
    titles = [text for kind, text in kinded if kind == "title"]
    tags = [f"{_label('item', kind)}: {text}" for kind, text in kinded if kind.startswith("metadata")]
    texts = [text for kind, text in kinded if kind == "text"]
    profiles = [text for kind, text in kinded if kind == "profile"]
    quotes = []
    if titles:
        quotes.append(Quote("title", "", titles[0]))
    if tags:
        quotes.append(Quote("tags", "details", "; ".join(tags)))
    if texts or profiles:
        label = "description" if texts else "profile"
        quotes.append(Quote("description", label, " / ".join(texts or profiles)))
    return tuple(quotes)
