"""Text vectors on their principal components, for ``precision: fast``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from irllrec.text.embeddings import FloatArray, TextVectors

BLOCK_ROWS = 1 << 16
"""Rows held as float64 at once; the data sets of the papers are one block."""


@dataclass(frozen=True)
class Reduction:
    """What was kept of one kind of vectors.

    Attributes:
        dimension: Components kept.
        of: Columns before.
        variance_kept: 1 − the squared distance from what was kept over that from the mean, in [0, 1],
            six figures; 1 where all vectors are equal.
    """

    dimension: int
    of: int
    variance_kept: float


def reduce_vectors(vectors: TextVectors, dimension: int) -> tuple[TextVectors, dict[str, Reduction]]:
    """Return the vectors on their leading ``dimension`` principal axes, and what these hold.

    The axes are those of the second moments about zero, not about the mean: inner products, and with
    them cosines and norms, stay as close as that many columns allow. Profiles and intents are reduced
    apart, users and items together. Vectors that are no wider are returned as they are.

    Args:
        vectors: Text vectors.
        dimension: Columns kept, ≥ 1.

    Returns:
        The vectors, and by ``profile`` and ``intent`` what was kept.
    """
    arrays: dict[str, FloatArray] = {}
    kept: dict[str, Reduction] = {}
    for kind in ("profile", "intent"):
        both = np.concatenate([getattr(vectors, f"user_{kind}"), getattr(vectors, f"item_{kind}")])
        reduced, kept[kind] = _reduced(both, dimension)
        arrays |= {
            f"user_{kind}": reduced[: vectors.user_count],
            f"item_{kind}": reduced[vectors.user_count :],
        }
    return TextVectors(**arrays), kept


def _reduced(rows: FloatArray, dimension: int) -> tuple[FloatArray, Reduction]:
    width = rows.shape[1]
    if width <= dimension:
        return rows, Reduction(width, width, 1.0)
    with threadpool_limits(limits=1):
        moments = sum(wide.T @ wide for wide in _blocks(rows))
        _, axes = np.linalg.eigh(moments)
        axes = axes[:, ::-1][:, :dimension]
        # A component's sign is free: its largest entry is made positive, so that equal data give equal signs.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dimension)])
        mean = sum(wide.sum(axis=0) for wide in _blocks(rows)) / len(rows)
        reduced = np.empty((len(rows), dimension), dtype=np.float32)
        lost = variance = 0.0
        for start, wide in zip(range(0, len(rows), BLOCK_ROWS), _blocks(rows), strict=True):
            projected = wide @ axes
            reduced[start : start + len(wide)] = projected
            lost += np.square(wide).sum() - np.square(projected).sum()
            variance += np.square(wide - mean).sum()
    share = float(np.clip(1.0 - lost / variance, 0.0, 1.0)) if variance > 0 else 1.0
    return reduced, Reduction(dimension, width, float(f"{share:.6g}"))


def _blocks(rows: FloatArray) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the rows as float64, :data:`BLOCK_ROWS` at a time."""
    for start in range(0, len(rows), BLOCK_ROWS):
        yield rows[start : start + BLOCK_ROWS].astype(np.float64)
