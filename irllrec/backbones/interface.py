"""What a backbone must offer, so that every objective composes with every backbone."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.graph import BipartiteGraph
from irllrec.layers.intents import IntentPrototypes
from irllrec.seeding import Draws
from irllrec.types import Batch, Term

Fidelity = Literal["code", "paper"]


@dataclass(frozen=True)
class Encoding:
    """What one forward pass gives.

    Attributes:
        nodes: Shape (node, dim), the final embeddings ``E``; scores are dot products of its rows.
        layers: Inputs and outputs of every propagation, layer 0 first.
        user_count: Where the items start.
    """

    nodes: Float[Tensor, "node dim"]
    layers: Sequence[Float[Tensor, "node dim"]]
    user_count: int

    @property
    def users(self) -> Float[Tensor, "user dim"]:
        return self.nodes[: self.user_count]

    @property
    def items(self) -> Float[Tensor, "item dim"]:
        return self.nodes[self.user_count :]


@dataclass(frozen=True)
class Release:
    """What the released code does with IRLLRec on this backbone; used by ``fidelity: code`` only.

    Attributes:
        components: Which of pair, tran and itm it computes (D-01).
        backbone: Settings of the backbone that it changes for IRLLRec (D-09).
        objective: Settings of the objective that it changes (D-02).
    """

    components: frozenset[str] = frozenset({"pair"})
    backbone: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=dict)


class Backbone(nn.Module, abc.ABC):
    """A graph recommender: ID embeddings in, final embeddings out.

    A module ``irllrec/backbones/<name>.py`` ends in ``BACKBONE = <its class>``.

    Attributes:
        Settings: Frozen dataclass of its hyper-parameters, the keys of ``backbones.<name>``.
        release: See :class:`Release`.
    """

    Settings: ClassVar[type]
    release: ClassVar[Release] = Release()

    def __init__(
        self,
        *,
        graph: BipartiteGraph,
        embedding_size: int,
        settings: Any,
        fidelity: Fidelity,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.graph = graph
        self.embedding_size = embedding_size
        self.settings = settings
        self.fidelity = fidelity
        self.user_embeddings = nn.Parameter(torch.empty(graph.user_count, embedding_size))
        self.item_embeddings = nn.Parameter(torch.empty(graph.item_count, embedding_size))
        for table in (self.user_embeddings, self.item_embeddings):
            nn.init.xavier_uniform_(table, generator=generator)

    def initial(self) -> Float[Tensor, "node dim"]:
        """Return what propagation starts from: the ID embeddings, users first."""
        return torch.cat([self.user_embeddings, self.item_embeddings])

    @abc.abstractmethod
    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        """Return the encoding of ``initial``.

        Args:
            initial: Shape (node, dim); an objective may have replaced rows.
            draws: Source of random arrays while training, None at evaluation (no randomness then).
        """

    def own_terms(self, encoding: Encoding, batch: Batch, draws: Draws) -> dict[str, Term]:
        """Return the backbone's own loss terms beside BPR; none by default."""
        return {}

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        """Return the layers ``E^(l)`` from which interaction intents are read, from a clean pass."""
        clean = self.encode(initial, None)
        return clean.layers[:-1] if len(clean.layers) > 1 else clean.layers

    def interaction_intents(
        self, prototypes: IntentPrototypes, encoding: Encoding
    ) -> Float[Tensor, "node dim"] | None:
        """Return interaction intents ``Z`` of the backbone's own making, or None if it has none."""
        return None
