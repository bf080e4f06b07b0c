"""Learned intent prototypes and the mixture of them that explains an embedding."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class IntentPrototypes(nn.Module):
    """``K`` prototypes a side, stored as (dim, intent) columns.

    Source: the interaction intents of DCCF, BIGCF and IRLLRec.
    """

    def __init__(self, *, embedding_size: int, intents: int, generator: torch.Generator) -> None:
        super().__init__()
        self.users = nn.Parameter(torch.empty(embedding_size, intents))
        self.items = nn.Parameter(torch.empty(embedding_size, intents))
        for side in (self.users, self.items):
            nn.init.xavier_uniform_(side, generator=generator)

    def forward(self, nodes: Float[Tensor, "node dim"], user_count: int) -> Float[Tensor, "node dim"]:
        """Return ``softmax(E C) Cᵀ`` with the users' and the items' own prototypes."""
        users, items = nodes[:user_count], nodes[user_count:]
        return torch.cat(
            [
                torch.softmax(users @ self.users, dim=1) @ self.users.T,
                torch.softmax(items @ self.items, dim=1) @ self.items.T,
            ]
        )
