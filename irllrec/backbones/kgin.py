"""KGIN: user intents as attention over the relations of a knowledge graph about the items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.backbones.interface import EmbeddingBackbone, Encoding
from irllrec.data.interactions import Interactions
from irllrec.errors import ConfigurationError
from irllrec.graph import BipartiteGraph
from irllrec.layers.sums import summed
from irllrec.losses.independence import dependence
from irllrec.seeding import Draws
from irllrec.types import Batch, Knowledge, Term


@dataclass(frozen=True)
class KGINSettings:
    """Attributes:
    layers: Number of aggregations, ≥ 1.
    intents: Number of user intents, ≥ 1.
    independence_weight: Of the independence of the intents, ≥ 0.
    """

    layers: int
    intents: int
    independence_weight: float

    def __post_init__(self) -> None:
        for name in ("layers", "intents"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.independence_weight < 0:
            raise ValueError(f"independence_weight is {self.independence_weight}; it must not be negative")


class KGIN(EmbeddingBackbone):
    """Users aggregate items through intents, items aggregate entities through relations.

    With ``e_p = Σ_r softmax(w_p)_r e_r`` and ``β(u, p) = softmax_p(e_p · e_u^(l))``, per layer

    - ``e_u^(l+1) = mean_{i ∈ N_u} Σ_p β(u, p) e_p ⊙ e_i^(l)``,
    - ``e_i^(l+1) = mean_{(r, v) ∈ N_i} e_r ⊙ e_v^(l)``,
    - ``e_v^(l+1) = mean_{(r, i) ∈ N_v} e_r' ⊙ e_i^(l)`` for entities, where ``r'`` is the inverse of ``r``,

    and ``E = Σ_{l=0..L} E^(l)``. A node without neighbours aggregates zeros. Every relation counts
    twice, as itself and as its inverse, so the attention chooses among ``2R``.

    Source: Wang et al., WWW 2021.
    """

    Settings = KGINSettings
    reads = frozenset({"knowledge"})

    def __init__(self, *, knowledge: Knowledge, **given: Any) -> None:
        super().__init__(knowledge=knowledge, **given)
        generator: torch.Generator = given["generator"]
        self.facts = _FactGraph(knowledge, self.graph)
        relation_count = 2 * knowledge.relation_count
        size = self.embedding_size
        self.entity_embeddings = nn.Parameter(torch.empty(knowledge.entity_count, size))
        self.relation_embeddings = nn.Parameter(torch.empty(relation_count, size))
        self.intent_logits = nn.Parameter(torch.empty(self.settings.intents, relation_count))
        for table in (self.entity_embeddings, self.relation_embeddings, self.intent_logits):
            nn.init.xavier_uniform_(table, generator=generator)
        self.register_buffer("averaging", self.graph.mean_values, persistent=False)

    @property
    def intents(self) -> Float[Tensor, "intent dim"]:
        """The user intents ``e_p``."""
        return torch.softmax(self.intent_logits, dim=1) @ self.relation_embeddings

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        user_count, intents = self.graph.user_count, self.intents
        averaging: Tensor = self.averaging  # type: ignore[assignment]
        layers: list[Tensor] = [initial]
        entities: Tensor = self.entity_embeddings
        for _ in range(self.settings.layers):
            nodes = layers[-1]
            users, items = nodes[:user_count], nodes[user_count:]
            # Σ_p β(u, p) e_p does not depend on the item, so it is taken out of the mean.
            wanted = torch.softmax(users @ intents.T, dim=1) @ intents
            next_users = wanted * self.graph.propagate(nodes, averaging)[:user_count]
            next_items, entities = self.facts.aggregate(items, entities, self.relation_embeddings)
            layers.append(torch.cat([next_users, next_items]))
        return Encoding(summed(layers), layers, user_count)

    def own_terms(self, encoding: Encoding, batch: Batch, draws: Draws) -> dict[str, Term]:
        weight = self.settings.independence_weight
        return {"independence": Term(dependence(self.intents), weight)} if weight else {}

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        return encoding.layers[:-1]


class _FactGraph:
    """Products over the triples of a knowledge graph with constant structure.

    A fact is a distinct (relation, entity). Items and facts form a bipartite graph: one sparse
    product over it serves both directions, and no triple × dim array is made.
    """

    def __init__(self, knowledge: Knowledge, graph: BipartiteGraph) -> None:
        """Lay out the triples.

        Raises:
            ConfigurationError: If there are no triples, or they name items the data set lacks.
        """
        items, relations, entities = (
            indices.cpu().numpy() for indices in (knowledge.items, knowledge.relations, knowledge.entities)
        )
        if not len(items):
            raise ConfigurationError(
                "the backbone kgin needs a knowledge graph and that of this data set is empty, as no two of "
                "its items share a tag or an intent phrase: choose another backbone."
            )
        if items.max() >= graph.item_count:
            raise ConfigurationError(
                f"the knowledge graph names item {items.max()} and the data set has {graph.item_count} "
                "items: make it again with `dvc repro`."
            )
        codes, facts = np.unique(relations * knowledge.entity_count + entities, return_inverse=True)
        device = graph.values.device
        self.item_count = graph.item_count
        self.entity_count = knowledge.entity_count
        self.relation_count = knowledge.relation_count
        self.relations = torch.from_numpy(codes // knowledge.entity_count).to(device)
        self.entities = torch.from_numpy(codes % knowledge.entity_count).to(device)
        triples = Interactions.from_pairs(items, facts, graph.item_count, len(codes))
        self.graph = BipartiteGraph(triples, device)
        self.values = self._mean_values()

    def _mean_values(self) -> Float[Tensor, "edge"]:
        """Return the entries that average over an item's triples and over an entity's triples."""
        values, rows = self.graph.mean_values, self.graph.rows
        triple_entities = self.entities[rows[self.graph.pair_count :] - self.item_count]
        counts = torch.bincount(triple_entities, minlength=self.entity_count)
        values[self.graph.pair_count :] = 1.0 / counts[triple_entities].to(values.dtype)
        return values

    def aggregate(
        self,
        items: Float[Tensor, "item dim"],
        entities: Float[Tensor, "entity dim"],
        relations: Float[Tensor, "relation dim"],
    ) -> tuple[Float[Tensor, "item dim"], Float[Tensor, "entity dim"]]:
        """Return the next items and the next entities.

        Args:
            items: Shape (item, dim).
            entities: Shape (entity, dim).
            relations: Shape (2R, dim): the relations, then their inverses.
        """
        forward = relations.index_select(0, self.relations)
        backward = relations.index_select(0, self.relations + self.relation_count)
        told = forward * entities.index_select(0, self.entities)
        gathered = self.graph.propagate(torch.cat([items, told]), self.values)
        next_entities = torch.zeros_like(entities).index_add(
            0, self.entities, backward * gathered[self.item_count :]
        )
        return gathered[: self.item_count], next_entities


BACKBONE = KGIN
