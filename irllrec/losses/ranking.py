"""Pairwise ranking loss."""

from __future__ import annotations

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
