"""The embedded embedder: latent semantic analysis, which is TF-IDF and a truncated SVD."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from threadpoolctl import threadpool_limits

from irllrec.errors import TextError
from irllrec.text.embeddings import FloatArray, unit_rows

logger = logging.getLogger(__name__)

LARGEST_GROUP_SHARE = 0.5
SMALLEST_RELATIVE_VALUE = 1e-9
DECIMALS = 6


def embed_by_lsa(groups: Sequence[Sequence[str]], dimension: int) -> list[FloatArray]:
    """Return vectors of several groups of texts in one space fitted on all of them.

    Words that stand in more than half of the texts of a group are left out (the fixed words of
    the group's sentences would tell the groups apart, not their meanings), as are words in a
    single text. The sign of each axis is fixed by its largest loading, sums run on one thread, and
    vectors are rounded to six decimals: linear algebra alone differs in its last bits from one kind
    of processor to another.

    Args:
        groups: For example profiles of users, of items, intents of users, of items.
        dimension: Number of axes wanted; fewer are used, with a warning, where the texts do not
            span as many.

    Returns:
        One float32 matrix a group, rows of length 1; an empty text, or one without a known word,
        is a zero row.

    Raises:
        TextError: If no word is left to embed by.
    """
    counts, words = _count_words(groups)
    weights = scipy.sparse.csr_array(TfidfTransformer(sublinear_tf=True).fit_transform(counts))
    with threadpool_limits(limits=1):
        axes = _axes(weights, dimension)
        if axes.shape[1] < dimension:
            logger.warning(
                "The texts span %d axes (%d words), fewer than the %d asked for: %d are used.",
                axes.shape[1],
                words,
                dimension,
                axes.shape[1],
            )
        vectors = weights @ axes
    ends = np.cumsum([len(group) for group in groups])
    unit = np.round(unit_rows(vectors), DECIMALS).astype(np.float32)
    return [unit[end - len(group) : end] for group, end in zip(groups, ends, strict=True)]


def _count_words(groups: Sequence[Sequence[str]]) -> tuple[scipy.sparse.csr_array, int]:
    texts = [text for group in groups for text in group]
    vectorizer = CountVectorizer(stop_words="english", token_pattern=r"(?u)\b[^\W\d_][\w'-]+\b")
    try:
        counts = scipy.sparse.csr_array(vectorizer.fit_transform(texts))
    except ValueError:
        raise TextError(
            "None of the profiles and intents holds a word to embed by: check the texts of the data set."
        ) from None
    present = counts > 0
    keep = np.asarray(present.sum(axis=0)).reshape(-1) >= min(2, len(texts))
    start = 0
    for group in groups:
        filled = sum(1 for text in group if text)
        inside = np.asarray(present[start : start + len(group)].sum(axis=0)).reshape(-1)
        keep &= inside <= max(LARGEST_GROUP_SHARE * filled, 1)
        start += len(group)
    if not keep.any():
        keep[:] = True
    return counts[:, np.flatnonzero(keep)], int(keep.sum())


def _axes(weights: scipy.sparse.csr_array, dimension: int) -> npt.NDArray[np.float64]:
    """Return the leading right singular vectors; shape (word, axis), axis at most ``dimension``."""
    smaller = min(weights.shape)
    if dimension < smaller - 1 and smaller > 500:
        start = np.ones(smaller)
        _, values, rows = scipy.sparse.linalg.svds(weights, k=dimension, v0=start, solver="arpack")
        order = np.argsort(-values, kind="stable")
        values, rows = values[order], rows[order]
    else:
        _, values, rows = np.linalg.svd(weights.toarray(), full_matrices=False)
    count = min(dimension, int((values > values[0] * SMALLEST_RELATIVE_VALUE).sum()))
    rows = rows[:count]
    largest = rows[np.arange(count), np.argmax(np.abs(np.round(rows, 9)), axis=1)]
    return np.ascontiguousarray((rows * np.where(largest < 0, -1.0, 1.0)[:, None]).T)
