"""What text vectors are replaced by to see whether the text matters: noise, or the wrong node's text."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from irllrec.data.noise import Noise, text_owners
from irllrec.seeding import stream
from irllrec.text.embeddings import FloatArray, TextVectors

Control = Literal["random", "shuffled"]


def controlled(vectors: TextVectors, control: Control | None, seed: int) -> TextVectors:
    """Return the text vectors as a control run sees them; ``None`` returns them as they are.

    ``random`` gives every node a vector of random direction and of its own norm: no text at all.
    ``shuffled`` gives every user the profile and the intents of another user, every item those of
    another item: all of the text, about the wrong node.

    Args:
        vectors: The vectors.
        control: What to put in their place.
        seed: Seed of the run. *Randomness*: the streams ``random-text`` and ``shuffled-text``.
    """
    if control is None:
        return vectors
    if control == "shuffled":
        return _shuffled(vectors, seed)
    arrays: dict[str, FloatArray] = {}
    for kind in ("profile", "intent"):
        both = np.concatenate([getattr(vectors, f"user_{kind}"), getattr(vectors, f"item_{kind}")])
        both = random_like(both, stream(seed, "random-text", kind))
        arrays |= {f"user_{kind}": both[: vectors.user_count], f"item_{kind}": both[vectors.user_count :]}
    return TextVectors(**arrays)


def with_text_noise(vectors: TextVectors, noise: Noise) -> TextVectors:
    """Return the vectors with those of some nodes mixed up, profile and intents together.

    Args:
        vectors: The vectors.
        noise: How many, and the data set they are drawn for; see :func:`irllrec.data.noise.text_owners`.
    """
    if not noise.text:
        return vectors
    arrays: dict[str, FloatArray] = {}
    for role, count in (("user", vectors.user_count), ("item", vectors.item_count)):
        owners = text_owners(count, noise.text, noise.dataset, role)
        arrays |= _given_to(vectors, role, owners)
    return TextVectors(**arrays)


def random_like(vectors: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return vectors of random direction with the row norms of ``vectors``: the control for text.

    Directions are uniform on the sphere; a zero row stays zero.

    Args:
        vectors: Shape (node, dim), float32.
        generator: The stream to draw from, for example ``stream(seed, "random text", dataset)``.

    Returns:
        Shape (node, dim), float32.
    """
    wide = vectors.astype(np.float64)
    norms = np.sqrt(np.einsum("nd,nd->n", wide, wide))[:, None]
    directions = generator.standard_normal(vectors.shape)
    lengths = np.sqrt(np.einsum("nd,nd->n", directions, directions))[:, None]
    return (directions / np.maximum(lengths, np.finfo(np.float64).tiny) * norms).astype(np.float32)


def _shuffled(vectors: TextVectors, seed: int) -> TextVectors:
    arrays: dict[str, FloatArray] = {}
    for role in ("user", "item"):
        count = vectors.user_count if role == "user" else vectors.item_count
        order = stream(seed, "shuffled-text", role).permutation(count)
        # Along one cycle, so that no node keeps its own.
        owner = np.empty(count, dtype=np.int64)
        owner[order] = np.roll(order, 1)
        arrays |= _given_to(vectors, role, owner)
    return TextVectors(**arrays)


def _given_to(vectors: TextVectors, role: str, owners: npt.NDArray[np.int64]) -> dict[str, FloatArray]:
    """Return a role's vectors with those of ``owners[n]`` at each node n."""
    return {f"{role}_{kind}": getattr(vectors, f"{role}_{kind}")[owners] for kind in ("profile", "intent")}
