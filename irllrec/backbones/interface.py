"""What a backbone must offer, so that every objective composes with every backbone."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.graph import BipartiteGraph, similarity_aggregation
from irllrec.layers.intents import IntentPrototypes
from irllrec.layers.sums import summed
from irllrec.losses.contrastive import unit_rows
from irllrec.losses.ranking import bpr
from irllrec.seeding import Draws
from irllrec.types import Batch, Knowledge, NodeText, Term


@dataclass(frozen=True)
class Encoding:
    """What one forward pass gives; a backbone may derive its own with more in it.

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


def _no_parameters(embedding_size: int) -> Mapping[str, tuple[int, ...]]:
    return {}


@dataclass(frozen=True)
class Release:
    """What the released code does on this backbone; see docs/deviations.md.

    Attributes:
        objectives: The objectives it has for this backbone; empty where it lacks the backbone.
        components: Which of pair, tran and itm its IRLLRec computes (D-01).
        backbone: Settings of the backbone that it changes for IRLLRec (D-09).
        objective: Settings of the objective that it changes (D-02).
        masks_late: RLMRec-Gen masks only after propagation, so the mask has no effect (D-08).
        pair_negatives: The pair term covers the batch's negatives, too (D-10).
        idle: Shapes, by embedding size, of parameters its IRLLRec never uses and still regularises (D-12).
    """

    objectives: frozenset[str] = frozenset()
    components: frozenset[str] = frozenset({"pair"})
    backbone: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=dict)
    masks_late: bool = False
    pair_negatives: bool = True
    idle: Callable[[int], Mapping[str, tuple[int, ...]]] = _no_parameters


class Backbone(nn.Module, abc.ABC):
    """A recommender whose scores are dot products of the embeddings it encodes.

    A module ``irllrec/backbones/<name>.py`` ends in ``BACKBONE = <its class>``.

    Attributes:
        Settings: Frozen dataclass of its hyper-parameters, the keys of ``backbones.<name>``.
        release: See :class:`Release`.
        reads: What it is fed beside the interactions: any of ``text`` and ``knowledge``.
    """

    Settings: ClassVar[type]
    release: ClassVar[Release] = Release()
    reads: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        *,
        graph: BipartiteGraph,
        embedding_size: int,
        settings: Any,
        as_released: frozenset[str],
        generator: torch.Generator,
        text: NodeText | None = None,
        knowledge: Knowledge | None = None,
    ) -> None:
        """Store what every backbone has; subclasses make their parameters.

        Args:
            graph: The training graph.
            embedding_size: d.
            settings: An instance of ``Settings``.
            as_released: The deviations in which it follows the release.
            generator: Draws the initial weights.
            text: Given where ``reads`` names text.
            knowledge: Given where ``reads`` names knowledge.
        """
        super().__init__()
        self.graph = graph
        self.embedding_size = embedding_size
        self.settings = settings
        self.as_released = as_released

    @abc.abstractmethod
    def initial(self) -> Float[Tensor, "node dim"]:
        """Return what propagation starts from, users first; an objective may replace rows of it."""

    @abc.abstractmethod
    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        """Return the encoding of ``initial``.

        Args:
            initial: Shape (node, dim); an objective may have replaced rows.
            draws: Source of random arrays while training. None at evaluation: no randomness then,
                unless :attr:`noisy_evaluation` holds.
        """

    @property
    def encoding_size(self) -> int:
        """Entries of a row of the final embeddings ``E``; what text is projected to."""
        return self.embedding_size

    @property
    def negatives_per_pair(self) -> int:
        """How many negatives the ranking loss wants for each training pair."""
        return 1

    @property
    def noisy_evaluation(self) -> bool:
        """Whether :meth:`encode` is given draws at evaluation, too (D-07)."""
        return False

    def start_epoch(self) -> None:
        """Forget what was kept from step to step; called before the first step of every epoch.

        A run that goes on at an epoch's start must equal one that was never interrupted.
        """

    def ranking_terms(self, encoding: Encoding, batch: Batch) -> dict[str, Term]:
        """Return the loss that ranks positives above negatives; BPR by default."""
        items = (batch.positive_items, batch.negative_items)
        nodes = torch.cat([batch.users, *(encoding.user_count + item for item in items)])
        # One gather for all three: backwards it is one table of gradients, not three to add up.
        users, positives, negatives = encoding.nodes.index_select(0, nodes).chunk(3)
        return {"bpr": Term(bpr(users, positives, negatives), 1.0)}

    def own_terms(self, encoding: Encoding, batch: Batch, draws: Draws) -> dict[str, Term]:
        """Return the backbone's own loss terms beside the ranking loss; none by default."""
        return {}

    @property
    def intent_prototypes(self) -> IntentPrototypes | None:
        """Prototypes the backbone itself has; where None, an objective that needs some makes them."""
        return None

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        """Return the layers ``E^(l)`` from which interaction intents are read, from a clean pass."""
        clean = self.encode(initial, None)
        return clean.layers[:-1] if len(clean.layers) > 1 else clean.layers

    def interaction_intents(
        self,
        initial: Float[Tensor, "node dim"],
        encoding: Encoding,
        prototypes: nn.Module | None,
        *,
        detach: bool = False,
    ) -> Float[Tensor, "node dim"]:
        """Return ``Z``: layers propagated over the graph reweighted by agreement of intents.

        The propagated layers are averaged, see :meth:`joined_intents`.

        Args:
            initial: What propagation started from.
            encoding: The training pass.
            prototypes: Maps (nodes, number of users) to mixtures of prototypes; None propagates
                over the plain normalised graph instead.
            detach: Cut the embeddings off from the gradient, as a teacher needs them.

        Source: graph structure learning inside IRLLRec's multi-intent fusion.
        """
        layers = self.intent_layers(initial, encoding)
        propagated = []
        for layer in layers:
            nodes = layer.detach() if detach else layer
            if prototypes is None:
                propagated.append(self.graph.propagate(nodes))
            else:
                mixture = unit_rows(prototypes(nodes, self.graph.user_count))
                propagated.append(similarity_aggregation(self.graph, mixture, nodes))
        return self.joined_intents(propagated)

    def joined_intents(
        self, propagated: Sequence[Float[Tensor, "node dim"]]
    ) -> Float[Tensor, "node encoding"]:
        """Return the propagated layers as rows of ``encoding_size`` entries: their mean by default."""
        return summed(propagated) / len(propagated)


class EmbeddingBackbone(Backbone):
    """A backbone that learns one ID embedding a node; propagation starts from them."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        graph, size = self.graph, self.embedding_size
        self.user_embeddings = nn.Parameter(torch.empty(graph.user_count, size))
        self.item_embeddings = nn.Parameter(torch.empty(graph.item_count, size))
        for table in (self.user_embeddings, self.item_embeddings):
            nn.init.xavier_uniform_(table, generator=given["generator"])

    def initial(self) -> Float[Tensor, "node dim"]:
        return torch.cat([self.user_embeddings, self.item_embeddings])
