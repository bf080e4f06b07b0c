"""Keyphrases of documents by TF-IDF, and the grouping of keyphrases into intents."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

Document = Sequence[str]

WORD = re.compile(r"[^\W\d_][\w'’-]*|[^\w\s'’-]|\d+")
LEAST_PAIR_COUNT = 3
LEAST_COHESION = 0.1
COMPANIONS = 2
# The words that sentences about people and things are made of say nothing about either.
PLAIN_WORDS = frozenset(
    """
    come comes coming go goes going make makes move moves stay stayed care cares thing things time
    user users item items likely enjoy enjoys enjoyed like likes liked love loves loved appreciate
    appreciates prefer prefers offer offers offering including variety various great good best nice
    really just want wanted look looking read book books buy bought people don doesn didn isn wasn
    won ve ll re it's i'm
    """.split()  # noqa: SIM905 -- a list literal of this would fill a page
)
SKIPPED_WORDS = ENGLISH_STOP_WORDS | PLAIN_WORDS


class KeyphraseModel:
    """Phrases and their document frequencies, fitted on the documents of all nodes.

    A phrase is a word, or two neighbouring words whose count squared is at least a tenth of the
    product of their single counts. Words in one document
    only are left out: they can relate no two nodes.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        """Fit on ``documents``, each a sequence of texts; empty documents count for nothing."""
        chunked = [_chunks(document) for document in documents]
        self._pairs = _cohesive_pairs(chunked)
        phrased = [self._phrases(chunks) for chunks in chunked]
        weights, self._terms = _weigh(phrased)
        frequencies = np.diff(weights.indptr)
        presence = np.repeat(1.0 / np.sqrt(np.maximum(frequencies, 1)), frequencies)
        self._presence = scipy.sparse.csc_array((presence, weights.indices, weights.indptr), weights.shape)
        self._rows = scipy.sparse.csr_array(weights)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All phrases, in alphabetical order."""
        return tuple(self._terms)

    def keyphrases(self, document: int, count: int) -> list[str]:
        """Return up to ``count`` phrases of a fitted document, the weightiest first.

        Equal weights are ordered by the alphabet. Empty for an empty document.
        """
        return [self._terms[term] for term, _ in self._ranked(document, count)]

    def intents(self, document: int, count: int, pool: int) -> list[str]:
        """Return up to ``count`` intents: phrases that go together across all documents.

        The first intent is led by the weightiest phrase, each next one by the phrase whose weight
        times distance (1 - cosine of co-occurrence) to the leaders so far is largest; the other
        phrases of the pool join the leader they co-occur with most, at most two each.

        Args:
            document: Number of a fitted document.
            count: Most intents to return.
            pool: How many of the weightiest phrases to group.
        """
        ranked = self._ranked(document, pool)
        if not ranked:
            return []
        terms = [term for term, _ in ranked]
        columns = self._presence[:, terms]
        closeness: npt.NDArray[np.float64] = np.round((columns.T @ columns).toarray(), 9)
        leaders = _spread(np.asarray([weight for _, weight in ranked]), closeness, count)
        groups: dict[int, list[int]] = {leader: [leader] for leader in leaders}
        for place in range(len(terms)):
            if place in groups:
                continue
            leader = max(leaders, key=lambda one: closeness[one, place])
            if len(groups[leader]) <= COMPANIONS and closeness[leader, place] > 0:
                groups[leader].append(place)
        return [", ".join(self._terms[terms[place]] for place in group) for group in groups.values()]

    def _ranked(self, document: int, count: int) -> list[tuple[int, float]]:
        start, end = self._rows.indptr[document : document + 2]
        terms = self._rows.indices[start:end].tolist()
        weights = np.round(self._rows.data[start:end], 9).tolist()
        return sorted(zip(terms, weights, strict=True), key=lambda pair: (-pair[1], pair[0]))[:count]

    def _phrases(self, chunks: Sequence[Sequence[str]]) -> list[str]:
        phrases = []
        for chunk in chunks:
            place = 0
            while place < len(chunk):
                length = 2 if tuple(chunk[place : place + 2]) in self._pairs else 1
                phrases.append(" ".join(chunk[place : place + length]))
                place += length
        return phrases


def _chunks(document: Document) -> list[list[str]]:
    """Return the runs of meaningful words between stop words, numbers and punctuation."""
    chunks: list[list[str]] = []
    for text in document:
        chunk: list[str] = []
        for word in WORD.findall(text.lower()):
            if len(word) > 1 and word[0].isalpha() and word not in SKIPPED_WORDS:
                chunk.append(word)
            elif chunk:
                chunks.append(chunk)
                chunk = []
        if chunk:
            chunks.append(chunk)
    return chunks


def _cohesive_pairs(documents: Sequence[Sequence[Sequence[str]]]) -> set[tuple[str, ...]]:
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, ...]] = Counter()
    for chunks in documents:
        for chunk in chunks:
            words.update(chunk)
            pairs.update(itertools.pairwise(chunk))
    return {
        pair
        for pair, count in pairs.items()
        if count >= LEAST_PAIR_COUNT and count * count >= LEAST_COHESION * words[pair[0]] * words[pair[1]]
    }


def _weigh(phrased: Sequence[Sequence[str]]) -> tuple[scipy.sparse.csc_array, list[str]]:
    """Return TF-IDF weights (document × phrase) and the phrases, alphabetical."""
    used: Counter[str] = Counter()
    for phrases in phrased:
        used.update(set(phrases))
    if not any(count > 1 for count in used.values()):
        if not used:
            return scipy.sparse.csc_array((len(phrased), 0)), []
        least = 1
    else:
        least = 2
    vectorizer = TfidfVectorizer(analyzer=_as_given, min_df=least, sublinear_tf=True, norm=None)
    weights = scipy.sparse.csc_array(vectorizer.fit_transform(phrased))
    return weights, list(vectorizer.get_feature_names_out())


def _as_given(phrases: Sequence[str]) -> Sequence[str]:
    return phrases


def _spread(weights: npt.NDArray[np.float64], closeness: npt.NDArray[np.float64], count: int) -> list[int]:
    leaders = [0]
    while len(leaders) < min(count, len(weights)):
        distance = 1.0 - closeness[leaders].max(axis=0)
        value = np.round(weights * distance, 9)
        value[leaders] = -math.inf
        leaders.append(int(np.argmax(value)))
    return leaders
