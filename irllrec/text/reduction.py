"""Text vectors on their principal components, for ``precision: fast``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from irllrec.text.embeddings import FloatArray, TextVectors

BLOCK_ROWS = 1 << 12
"""Rows held as float64 at once."""


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
        names = (f"user_{kind}", f"item_{kind}")
        reduced, kept[kind] = _reduced([getattr(vectors, name) for name in names], dimension)
        arrays |= dict(zip(names, reduced, strict=True))
    return TextVectors(**arrays), kept


def _reduced(parts: Sequence[FloatArray], dimension: int) -> tuple[list[FloatArray], Reduction]:
    """Return the rows of all parts on their common axes, and what these hold."""
    width = parts[0].shape[1]
    if width <= dimension:
        return list(parts), Reduction(width, width, 1.0)
    with threadpool_limits(limits=1):
        moments = sum(wide.T @ wide for *_, wide in _blocks(parts))
        _, axes = np.linalg.eigh(moments)
        axes = axes[:, ::-1][:, :dimension]
        # A component's sign is free: its largest entry is made positive, so that equal data give equal signs.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dimension)])
        mean = sum(wide.sum(axis=0) for *_, wide in _blocks(parts)) / sum(map(len, parts))
        reduced = [np.empty((len(part), dimension), dtype=np.float32) for part in parts]
        lost = variance = 0.0
        for number, place, wide in _blocks(parts):
            projected = wide @ axes
            reduced[number][place] = projected
            lost += np.square(wide).sum() - np.square(projected).sum()
            variance += np.square(wide - mean).sum()
    share = float(np.clip(1.0 - lost / variance, 0.0, 1.0)) if variance > 0 else 1.0
    return reduced, Reduction(dimension, width, float(f"{share:.6g}"))


def _blocks(parts: Sequence[FloatArray]) -> Iterator[tuple[int, slice, npt.NDArray[np.float64]]]:
    """Yield :data:`BLOCK_ROWS` rows at a time as float64, with the number of their part and their place in it."""
    for number, part in enumerate(parts):
        for start in range(0, len(part), BLOCK_ROWS):
            place = slice(start, start + BLOCK_ROWS)
            yield number, place, part[place].astype(np.float64)
