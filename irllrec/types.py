"""Glossary of tensor axes, used in annotations such as ``Float[Tensor, "node dim"]``.

=========  ==================================================================
axis       meaning
=========  ==================================================================
batch      training triples (user, positive item, negative item) of one step
user       users of the data set
item       items of the data set
node       users first, then items; ``node = user + item``
edge       directed entries of the propagation matrix, two a training pair
pair       undirected training pairs
layer      propagation layers, input included
intent     learned intent prototypes
triple     (item, relation, entity) facts of a knowledge graph
dim        embedding size
text       size of a text vector
=========  ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """One step's training triples.

    Attributes:
        users: Shape (batch,), user indices.
        positive_items: Shape (batch,), an item each user interacted with in training.
        negative_items: Shape (batch,), an item outside each user's training items.
        more_negatives: Shape (batch, more), further such items for backbones that rank against
            several; None for all others.
    """

    users: Int[Tensor, "batch"]
    positive_items: Int[Tensor, "batch"]
    negative_items: Int[Tensor, "batch"]
    more_negatives: Int[Tensor, "batch more"] | None = None

    @classmethod
    def of(
        cls,
        users: npt.NDArray[np.int64],
        positive_items: npt.NDArray[np.int64],
        negative_items: npt.NDArray[np.int64],
    ) -> Batch:
        """Return what a sampler drew: shapes (batch,), (batch,) and (batch, negatives a pair)."""
        negatives = torch.from_numpy(negative_items)
        more = negatives[:, 1:] if negatives.shape[1] > 1 else None
        return cls(torch.from_numpy(users), torch.from_numpy(positive_items), negatives[:, 0], more)

    def to(self, device: torch.device) -> Batch:
        """Return the same triples on ``device``."""
        more = None if self.more_negatives is None else self.more_negatives.to(device)
        return Batch(
            self.users.to(device), self.positive_items.to(device), self.negative_items.to(device), more
        )


@dataclass(frozen=True)
class NodeText:
    """Frozen text vectors of all nodes, users first.

    Attributes:
        profile: Shape (node, text): what a summary says of the node.
        intent: Shape (node, text): the node's text intents. Same axis order; its width may differ.
    """

    profile: Float[Tensor, "node text"]
    intent: Float[Tensor, "node intent_text"]


@dataclass(frozen=True)
class Knowledge:
    """A knowledge graph about items: triples (item, relation, entity).

    Attributes:
        items: Shape (triple,), item indices.
        relations: Shape (triple,), in ``0..relation_count - 1``.
        entities: Shape (triple,), in ``0..entity_count - 1``; entities are no items.
    """

    items: Int[Tensor, "triple"]
    relations: Int[Tensor, "triple"]
    entities: Int[Tensor, "triple"]
    relation_count: int
    entity_count: int

    def to(self, device: torch.device | str) -> Knowledge:
        """Return the same facts on ``device``."""
        return replace(
            self,
            items=self.items.to(device),
            relations=self.relations.to(device),
            entities=self.entities.to(device),
        )


@dataclass(frozen=True)
class Term:
    """One loss term before and after its weight.

    Attributes:
        value: Scalar, unweighted, a mean over its rows.
        weight: Factor under which the term enters the total.
    """

    value: Float[Tensor, ""]
    weight: float

    @property
    def weighted(self) -> Float[Tensor, ""]:
        return self.value * self.weight
