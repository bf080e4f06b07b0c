"""How far two texts about the same nodes, and their vectors, are apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt
from scipy.linalg import orthogonal_procrustes

from irllrec.text.embeddings import FloatArray, unit_rows
from irllrec.text.records import Summary

NEIGHBOURS = 10
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TextDrift:
    """Old against new summaries of the same nodes, one value a node.

    Attributes:
        same_profile: Whether the profiles are equal, character for character.
        profile_likeness: Share of words in common order, 2·matches / all words, 0..1.
        same_intents: Whether all intents are equal, in their order.
        intent_overlap: Words of all intents in common over words in either (Jaccard), 0..1.
    """

    same_profile: npt.NDArray[np.bool_]
    profile_likeness: npt.NDArray[np.float64]
    same_intents: npt.NDArray[np.bool_]
    intent_overlap: npt.NDArray[np.float64]


def text_drift(old: Sequence[Summary], new: Sequence[Summary]) -> TextDrift:
    """Return how the texts of new summaries differ from the old ones of the same nodes, in their order."""
    pairs = list(zip(old, new, strict=True))
    assert all((one.role, one.node) == (other.role, other.node) for one, other in pairs)
    return TextDrift(
        same_profile=np.array([one.profile == other.profile for one, other in pairs], dtype=np.bool_),
        profile_likeness=np.array([_likeness(one.profile, other.profile) for one, other in pairs]),
        same_intents=np.array([one.intents == other.intents for one, other in pairs], dtype=np.bool_),
        intent_overlap=np.array([_overlap(one.intents, other.intents) for one, other in pairs]),
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, _words(one), _words(other), autojunk=False).ratio()


def _overlap(one: Sequence[str], other: Sequence[str]) -> float:
    first, second = ({word for text in texts for word in _words(text)} for texts in (one, other))
    return len(first & second) / len(first | second) if first | second else 1.0


def vector_drift(
    old: FloatArray, new: FloatArray, changed: npt.NDArray[np.integer], *, rotated: bool
) -> npt.NDArray[np.float64]:
    """Return the cosine between the old and the new vector of each changed node.

    Args:
        old: Vectors of all nodes of a role, shape (node, dim).
        new: The same after the changed nodes' texts were replaced.
        changed: Those nodes.
        rotated: Whether the two spaces are fitted anew each time and so agree only up to a rotation,
            as with ``lsa``: the rotation is then taken from the nodes that did not change.

    Returns:
        Shape (changed,), in −1..1; 0 where a vector is zero.
    """
    first, second = unit_rows(old), unit_rows(new)
    if rotated:
        rest = np.setdiff1d(np.arange(len(old)), changed)
        rotation, _ = orthogonal_procrustes(second[rest], first[rest])
        second = second @ rotation
    cosines: npt.NDArray[np.float64] = np.einsum("nd,nd->n", first[changed], second[changed])
    return cosines


def neighbour_drift(
    old: FloatArray, new: FloatArray, changed: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Return for each changed node the share of its ten nearest nodes that stay its nearest, 0..1.

    Neighbours need no common space, so this holds for embedders that are fitted anew as well.

    Args:
        old: Vectors of all nodes of a role, shape (node, dim), more than ten nodes.
        new: The same after the changed nodes' texts were replaced.
        changed: Those nodes.
    """
    before, after = (_nearest(unit_rows(vectors), changed) for vectors in (old, new))
    shared = [len(set(one) & set(other)) for one, other in zip(before.tolist(), after.tolist(), strict=True)]
    return np.array(shared, dtype=np.float64) / before.shape[1]


def _nearest(unit: npt.NDArray[np.float64], nodes: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    likeness = unit[nodes] @ unit.T
    likeness[np.arange(len(nodes)), nodes] = -np.inf
    count = min(NEIGHBOURS, len(unit) - 1)
    return np.argsort(-likeness, axis=1, kind="stable")[:, :count]
