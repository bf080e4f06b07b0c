"""The embedded summarizer: keyphrases, a profile sentence and three intents, without a model."""

from __future__ import annotations

from collections.abc import Sequence

from irllrec.text.corpus import NodeText
from irllrec.text.keyphrases import KeyphraseModel
from irllrec.text.records import MOST_INTENTS, ROLES, NodeIds, Role, Summary, hash_texts

NAME = "extractive"
TEMPLATE = "extractive-sentence"
KEYPHRASE_COUNT = 12
LONGEST_QUOTE = 200


def summarize_extractively(texts: dict[Role, list[NodeText]], ids: NodeIds) -> list[Summary]:
    """Return one summary a node, users first, from training-visible texts.

    The same input gives the same bytes. A node without text has an empty profile and the fallback
    ``"none"``; a text without any keyphrase is quoted instead.

    Args:
        texts: As :func:`irllrec.text.corpus.gather` returns them.
        ids: Ids in node order.
    """
    nodes = [node for role in ROLES for node in texts[role]]
    model = KeyphraseModel([node.document for node in nodes])
    return [_summarize(node, place, model, ids) for place, node in enumerate(nodes)]


def _summarize(node: NodeText, place: int, model: KeyphraseModel, ids: NodeIds) -> Summary:
    phrases = model.keyphrases(place, KEYPHRASE_COUNT)
    return Summary(
        role=node.role,
        node=node.node,
        id=ids.of(node.role)[node.node],
        profile=_profile(node, phrases),
        intents=tuple(model.intents(place, MOST_INTENTS, KEYPHRASE_COUNT)),
        reasoning=_reasoning(node),
        summarizer=NAME,
        saw=node.saw,
        input_sha256=hash_texts(node.document),
        fallback=None if node.document else "none",
        template=TEMPLATE,
        options={"keyphrases": KEYPHRASE_COUNT},
    )


def _profile(node: NodeText, phrases: Sequence[str]) -> str:
    if not node.document:
        return ""
    if not phrases:
        return " ".join(node.document)[:LONGEST_QUOTE]
    if node.role == "user":
        return f"This user is likely to enjoy {listing(phrases)}."
    return f"{node.title or 'This item'} is likely to be enjoyed for {listing(phrases)}."


def _reasoning(node: NodeText) -> str:
    if not node.document:
        return ""
    kinds = (["title"] if node.title else []) + list(node.kinds)
    count = len(node.document)
    return f"Keyphrases of {count} {'text' if count == 1 else 'texts'} ({', '.join(kinds)})."


def listing(phrases: Sequence[str]) -> str:
    """Return ``"a, b and c"``."""
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)
