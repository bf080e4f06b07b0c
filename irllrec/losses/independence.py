"""How much vectors depend on one another, whatever the form of the dependence."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

# Keeps the root of a vanishing correlation differentiable; adds 1e-4 to a correlation of 0.
FLOOR = 1e-8
LEAST_VARIANCE = 1e-12


def distance_correlations(vectors: Float[Tensor, "row dim"]) -> Float[Tensor, "row row"]:
    """Return the distance correlation of every two rows, each in [0, 1] up to 1e-4.

    The entries of a row are its samples. With ``A`` the distances ``|x_j - x_k|``, centred so that
    rows and columns sum to 0, and ``B`` likewise, it is
    ``sqrt( mean(A ⊙ B) / sqrt( mean(A ⊙ A) mean(B ⊙ B) ) )``: 1 for rows that are linear in each other,
    0 for a constant row.

    Source: Székely, Rizzo and Bakirov, Annals of Statistics 2007.
    """
    distances = (vectors[:, :, None] - vectors[:, None, :]).abs()
    row_means = distances.mean(dim=2, keepdim=True)
    centred = distances - row_means - row_means.mT + distances.mean(dim=(1, 2), keepdim=True)
    flat = centred.flatten(start_dim=1)
    covariances = flat @ flat.T / flat.shape[1]
    spread = covariances.diagonal().clamp(min=LEAST_VARIANCE).sqrt()
    squared = covariances / (spread[:, None] * spread[None, :])
    return torch.sqrt(squared.clamp(min=0) + FLOOR)


def dependence(vectors: Float[Tensor, "row dim"]) -> Float[Tensor, ""]:
    """Return the distance correlations of all ordered pairs of different rows, summed.

    0 for a single row. Source: KGIN's independence of intents, Wang et al., WWW 2021.
    """
    correlations = distance_correlations(vectors)
    return correlations.sum() - correlations.diagonal().sum()
