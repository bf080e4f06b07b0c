"""Titles, descriptions and reviews of the embedded data set, written from planted intents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import Formatter

from irllrec.data import vocabulary
from irllrec.data.synthetic import BY_CHANCE, BY_HABIT, Draws, IntArray, PlantedClicks, Taste
from irllrec.data.vocabulary import INTENTS, NOISE_WORDS

PLAIN_TITLE_SHARE = 0.3
POOR_DESCRIPTION_SHARE = 0.2
NO_DESCRIPTION_SHARE = 0.04
GENERAL_PHRASE_SHARE = 0.3
WRONG_PHRASE_SHARE = 0.1
REVIEW_SHARE = 0.35
SPARSE_REVIEW_SHARE = 0.98
TASTE_SHARE = 0.15
SPARSE_TASTE_SHARE = 0.95


@dataclass(frozen=True)
class ItemText:
    """Text of one item: its title, and a description that may be missing."""

    item: int
    title: str
    description: str | None


@dataclass(frozen=True)
class ReviewText:
    """What one user wrote about one item she took."""

    user: int
    item: int
    text: str


def write_item_texts(planted: PlantedClicks, seed: int) -> Iterator[ItemText]:
    """Yield title and description of every item; descriptions tell all intents of the item.

    Some titles say nothing, some descriptions are poor and a few are missing.

    Randomness: stream ``"synthetic", "item text"`` of ``seed``.
    """
    draws = Draws(seed, "item text")
    for item in range(len(planted.items.weights)):
        intents = _intents_of(planted.items, item)
        phrases = [phrase for intent in intents for phrase in _phrases(planted.items, item, intent, 3, draws)]
        yield ItemText(item, _write_title(phrases, draws), _write_description(phrases, draws))


def write_reviews(
    planted: PlantedClicks, seed: int, subjects: IntArray | None = None
) -> Iterator[ReviewText]:
    """Yield the reviews in the order of the clicks.

    A review names the intent that caused the click, if one did; now and then the user tells another of her
    intents. Sparse users write about nearly all they took, and tell more of themselves.

    Args:
        planted: Clicks, their causes, and the intents that the texts tell.
        seed: Seed of the data set.
        subjects: The item whose intents each click's review tells, shape (click,); None takes the item taken.

    Randomness: stream ``"synthetic", "reviews"`` of ``seed``.
    """
    draws = Draws(seed, "reviews")
    for user, item, cause, subject in zip(
        planted.click_users.tolist(),
        planted.click_items.tolist(),
        planted.click_causes.tolist(),
        (planted.click_items if subjects is None else subjects).tolist(),
        strict=True,
    ):
        is_sparse = bool(planted.is_sparse[user])
        if draws.share() >= (SPARSE_REVIEW_SHARE if is_sparse else REVIEW_SHARE):
            continue
        sentences = [_reason(planted, user, cause, draws)]
        if draws.share() < (SPARSE_TASTE_SHARE if is_sparse else TASTE_SHARE):
            sentences.extend(_other_tastes(planted, user, cause, 2 if is_sparse else 1, draws))
        if draws.share() < 0.5:
            intents = _intents_of(planted.items, subject)
            phrases = _phrases(planted.items, subject, intents[draws.below(len(intents))], 1, draws)
            sentences.append(_fill(vocabulary.ITEM_MENTIONS, phrases, draws))
        sentences.append(_noise(vocabulary.REVIEW_NOISE_SENTENCES, draws))
        yield ReviewText(user, item, " ".join(sentences))


def _intents_of(taste: Taste, node: int) -> list[int]:
    return [intent for intent, facet in enumerate(taste.facets[node].tolist()) if facet >= 0]


def _phrases(taste: Taste, node: int, intent: int, count: int, draws: Draws) -> list[str]:
    """Return phrases of one intent of a node: mostly of its facet, some general, a few plain wrong."""
    words = INTENTS[intent]
    own = draws.some(words.facets[int(taste.facets[node, intent])], count)
    for place in range(len(own)):
        kind = draws.share()
        if kind >= GENERAL_PHRASE_SHARE + WRONG_PHRASE_SHARE:
            continue
        source = words if kind < GENERAL_PHRASE_SHARE else INTENTS[draws.below(taste.facets.shape[1])]
        phrase = source.general[draws.below(len(source.general))]
        own[place] = own[place] if phrase in own else phrase
    return own


def _write_title(phrases: Sequence[str], draws: Draws) -> str:
    if draws.share() < PLAIN_TITLE_SHARE:
        return vocabulary.PLAIN_TITLES[draws.below(len(vocabulary.PLAIN_TITLES))]
    first, second = (*draws.some(phrases, 2), "Road")[:2]
    shape = vocabulary.TITLE_SHAPES[draws.below(len(vocabulary.TITLE_SHAPES))]
    return shape.format(first=first.title(), second=second.title())


def _write_description(phrases: Sequence[str], draws: Draws) -> str | None:
    quality = draws.share()
    if quality < NO_DESCRIPTION_SHARE:
        return None
    if quality < NO_DESCRIPTION_SHARE + POOR_DESCRIPTION_SHARE:
        sentences = [_noise(vocabulary.ITEM_NOISE_SENTENCES, draws) for _ in range(2)]
        return " ".join([_fill(("A book about {0}.",), phrases, draws), *sentences])
    order = draws.some(phrases, len(phrases))
    groups = [order[start : start + 3] for start in range(0, len(order), 3)]
    sentences = [_fill(vocabulary.ITEM_SENTENCES, group, draws) for group in groups]
    return " ".join([*sentences, _noise(vocabulary.ITEM_NOISE_SENTENCES, draws)])


def _reason(planted: PlantedClicks, user: int, cause: int, draws: Draws) -> str:
    if cause == BY_HABIT:
        return vocabulary.HABIT_SENTENCES[draws.below(len(vocabulary.HABIT_SENTENCES))]
    if cause < 0:
        sentences = vocabulary.CROWD_SENTENCES[2:] if cause == BY_CHANCE else vocabulary.CROWD_SENTENCES[:2]
        return sentences[draws.below(len(sentences))]
    return _fill(vocabulary.REASON_SENTENCES, _phrases(planted.users, user, cause, 2, draws), draws)


def _other_tastes(planted: PlantedClicks, user: int, cause: int, count: int, draws: Draws) -> Iterator[str]:
    others = [intent for intent in _intents_of(planted.users, user) if intent != cause]
    for place in draws.order(len(others))[:count].tolist():
        phrases = _phrases(planted.users, user, others[place], 2, draws)
        yield _fill(vocabulary.TASTE_SENTENCES, phrases, draws)


def _fill(shapes: Sequence[str], phrases: Sequence[str], draws: Draws) -> str:
    """Return one of the sentences that ``phrases`` suffice for, filled."""
    fitting = [shape for shape in shapes if _gap_count(shape) <= len(phrases)]
    if not fitting:
        return f"A book about {phrases[0]}."
    return fitting[draws.below(len(fitting))].format(*phrases)


def _gap_count(shape: str) -> int:
    return len({field for _, field, _, _ in Formatter().parse(shape) if field is not None})


def _noise(shapes: Sequence[str], draws: Draws) -> str:
    return _fill(shapes, draws.some(NOISE_WORDS, 2), draws)
