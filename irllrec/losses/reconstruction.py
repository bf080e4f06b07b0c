"""Reconstruction of text vectors from the embeddings of masked nodes."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from irllrec.losses.contrastive import floored_contrast, unit_rows


def masked_reconstruction(
    decoded: Float[Tensor, "masked text"], profiles: Float[Tensor, "masked text"], temperature: float
) -> Float[Tensor, ""]:
    """Return how far decoded embeddings are from their own profile among all masked profiles.

    Source: RLMRec-Gen; the floored contrast among the masked nodes.
    """
    targets = unit_rows(profiles)
    return floored_contrast(unit_rows(decoded), targets, targets, temperature)
