"""DCCF: disentangled intents and two adaptively reweighted graphs beside the plain propagation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.backbones.interface import EmbeddingBackbone, Encoding, Release
from irllrec.graph import similarity_aggregation
from irllrec.layers.intents import IntentPrototypes
from irllrec.layers.sums import summed
from irllrec.losses.contrastive import info_nce, unit_rows
from irllrec.seeding import Draws
from irllrec.types import Batch, Term


@dataclass(frozen=True)
class DCCFSettings:
    """Attributes:
    layers: Number of propagations, ≥ 1.
    intents: Number of prototypes a side, K ≥ 1.
    cl_weight: Weight of the contrast between the four views, ≥ 0.
    cl_temperature: Its temperature, > 0.
    """

    layers: int
    intents: int
    cl_weight: float
    cl_temperature: float

    def __post_init__(self) -> None:
        for name in ("layers", "intents"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.cl_temperature <= 0:
            raise ValueError(f"cl_temperature is {self.cl_temperature}; it must be above 0")


@dataclass(frozen=True)
class Views:
    """The four views of one layer.

    Attributes:
        unit_graph: ``gnn = Â E``, rows made unit.
        unit_intent: ``int = softmax(E C) Cᵀ``, rows made unit.
        graph_adaptive: ``gaa``: E over the edges weighted by agreement of ``gnn``.
        intent_adaptive: ``iaa``: E over the edges weighted by agreement of ``int``.
        total: ``gnn + int + gaa + iaa + E``, the next layer.
    """

    unit_graph: Float[Tensor, "node dim"]
    unit_intent: Float[Tensor, "node dim"]
    graph_adaptive: Float[Tensor, "node dim"]
    intent_adaptive: Float[Tensor, "node dim"]
    total: Float[Tensor, "node dim"]


@dataclass(frozen=True)
class DCCFEncoding(Encoding):
    """Attributes:
    views: What every layer was made of, first layer first.
    """

    views: Sequence[Views]


class DCCF(EmbeddingBackbone):
    """``E^(l+1) = gnn + int + gaa + iaa + E^(l)``, ``E = Σ_{l=0..L} E^(l)``.

    The adaptive graphs weight an edge by ``(cos + 1) / 2`` of its endpoints; weights of a row sum to 1.

    Source: Ren et al., SIGIR 2023 (DCCF), in RLMRec's form.
    *Randomness*: none.
    """

    Settings = DCCFSettings
    release = Release(objectives=frozenset({"base", "rlmrec-con", "rlmrec-gen", "irllrec"}))

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.prototypes = IntentPrototypes(
            embedding_size=self.embedding_size,
            intents=self.settings.intents,
            generator=given["generator"],
        )

    @property
    def intent_prototypes(self) -> IntentPrototypes:
        return self.prototypes

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> DCCFEncoding:
        layers, views = [initial], []
        for _ in range(self.settings.layers):
            views.append(self._views(layers[-1]))
            layers.append(views[-1].total)
        nodes = summed(layers)
        return DCCFEncoding(nodes, layers, self.graph.user_count, views)

    def _views(self, layer: Float[Tensor, "node dim"]) -> Views:
        graph_view = self.graph.propagate(layer)
        intent_view = self.prototypes(layer, self.graph.user_count)
        unit_graph, unit_intent = unit_rows(graph_view), unit_rows(intent_view)
        graph_adaptive = similarity_aggregation(self.graph, unit_graph, layer)
        intent_adaptive = similarity_aggregation(self.graph, unit_intent, layer)
        total = graph_view + intent_view + graph_adaptive + intent_adaptive + layer
        return Views(unit_graph, unit_intent, graph_adaptive, intent_adaptive, total)

    def own_terms(self, encoding: Encoding, batch: Batch, draws: Draws) -> dict[str, Term]:
        """Return ``cl``: in each layer ``gnn`` against the three other views.

        Over the distinct users and the distinct positives of the batch, each side among itself;
        everything is divided by the number of distinct *users*, the items' losses, too.
        """
        assert isinstance(encoding, DCCFEncoding)
        users = torch.unique(batch.users)
        items = encoding.user_count + torch.unique(batch.positive_items)
        total = encoding.nodes.new_zeros(())
        for view in encoding.views:
            for nodes in (users, items):
                anchors = view.unit_graph.index_select(0, nodes)
                for candidates in (
                    view.unit_intent.index_select(0, nodes),
                    unit_rows(view.graph_adaptive.index_select(0, nodes)),
                    unit_rows(view.intent_adaptive.index_select(0, nodes)),
                ):
                    loss = info_nce(anchors, candidates, candidates, self.settings.cl_temperature)
                    total = total + loss * (len(nodes) / len(users))
        return {"cl": Term(total, self.settings.cl_weight)}

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        return encoding.layers[:-1]

    def interaction_intents(
        self,
        initial: Float[Tensor, "node dim"],
        encoding: Encoding,
        prototypes: nn.Module | None,
        *,
        detach: bool = False,
    ) -> Float[Tensor, "node dim"]:
        """Return the mean of the layers' own ``iaa``; made anew for a teacher's prototypes."""
        assert isinstance(encoding, DCCFEncoding)
        if prototypes is not self.prototypes or detach:
            return super().interaction_intents(initial, encoding, prototypes, detach=detach)
        return self.joined_intents([view.intent_adaptive for view in encoding.views])


BACKBONE = DCCF
