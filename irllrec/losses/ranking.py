"""Ranking losses: one positive item against one negative, or against several."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor


def bpr(
    users: Float[Tensor, "batch dim"],
    positive_items: Float[Tensor, "batch dim"],
    negative_items: Float[Tensor, "batch dim"],
) -> Float[Tensor, ""]:
    """Return Bayesian personalised ranking: ``mean softplus(s(u, neg) - s(u, pos))``, ≥ 0.

    ``s`` is the dot product. Source: Rendle et al., UAI 2009; softplus form as in RLMRec.
    """
    margins = (users * (negative_items - positive_items)).sum(dim=1)
    return functional.softplus(margins).mean()


def sampled_softmax(
    users: Float[Tensor, "batch dim"],
    positive_items: Float[Tensor, "batch dim"],
    negative_items: Float[Tensor, "batch negative dim"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return ``mean_r [ -<u_r, i_r>/τ + log( exp <u_r, i_r>/τ + Σ_j exp <u_r, j_rj>/τ ) ]``, ≥ 0.

    Args:
        users: Unit rows.
        positive_items: Unit rows, one a user.
        negative_items: Unit rows, one or more a user.
        temperature: τ > 0.

    Source: the sampled softmax of Sheng et al., ICLR 2025 (AlphaRec).
    """
    positive = (users * positive_items).sum(dim=1, keepdim=True)
    negative = torch.bmm(negative_items, users[:, :, None])[:, :, 0]
    scores = torch.cat([positive, negative], dim=1) / temperature
    firsts = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    return functional.cross_entropy(scores, firsts)
