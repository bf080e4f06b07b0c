"""Learned intent prototypes and the mixture of them that explains an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class IntentMixture:
    """Which prototypes explain which node, averaged over the layers that are explained.

    Attributes:
        user_weights: Shape (user, intent); a row is ≥ 0 and sums to 1.
        item_weights: Shape (item, intent); likewise.
        user_prototypes: Shape (intent, dim), the users' own prototypes.
        item_prototypes: Shape (intent, dim).
        nodes: Shape (node, dim), the mean of the explained layers, users first.
    """

    user_weights: Float[Tensor, "user intent"]
    item_weights: Float[Tensor, "item intent"]
    user_prototypes: Float[Tensor, "intent dim"]
    item_prototypes: Float[Tensor, "intent dim"]
    nodes: Float[Tensor, "node dim"]


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

    def weights(
        self, nodes: Float[Tensor, "node dim"], user_count: int
    ) -> tuple[Float[Tensor, "user intent"], Float[Tensor, "item intent"]]:
        """Return ``softmax(E C)`` of users and of items, each with their own prototypes; rows sum to 1."""
        users, items = nodes[:user_count], nodes[user_count:]
        return torch.softmax(users @ self.users, dim=1), torch.softmax(items @ self.items, dim=1)

    def forward(self, nodes: Float[Tensor, "node dim"], user_count: int) -> Float[Tensor, "node dim"]:
        """Return ``softmax(E C) Cᵀ`` with the users' and the items' own prototypes."""
        users, items = self.weights(nodes, user_count)
        return torch.cat([users @ self.users.T, items @ self.items.T])

    def mixture(self, layers: Sequence[Float[Tensor, "node dim"]], user_count: int) -> IntentMixture:
        """Return the prototypes with the mean weights over ``layers``, of which there is at least one."""
        by_layer = [self.weights(layer, user_count) for layer in layers]
        return IntentMixture(
            user_weights=torch.stack([users for users, _ in by_layer]).mean(dim=0),
            item_weights=torch.stack([items for _, items in by_layer]).mean(dim=0),
            user_prototypes=self.users.detach().T,
            item_prototypes=self.items.detach().T,
            nodes=torch.stack(list(layers)).mean(dim=0),
        )
