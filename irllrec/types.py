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
dim        embedding size
text       size of a text vector
=========  ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    users: Int[Tensor, "batch"]
    positive_items: Int[Tensor, "batch"]
    negative_items: Int[Tensor, "batch"]

    def to(self, device: torch.device) -> Batch:
        """Return the same triples on ``device``."""
        return Batch(self.users.to(device), self.positive_items.to(device), self.negative_items.to(device))


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
