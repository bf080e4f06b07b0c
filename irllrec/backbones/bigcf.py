"""BIGCF: embeddings perturbed along their intents, contrasted within the batch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from irllrec.backbones.interface import EmbeddingBackbone, Encoding, Release
from irllrec.graph import similarity_aggregation
from irllrec.layers.intents import IntentPrototypes
from irllrec.losses.contrastive import SAFE_TEMPERATURE, floored_contrast, unit_rows
from irllrec.losses.regularization import squared_norm
from irllrec.seeding import Draws
from irllrec.types import Batch, Term


@dataclass(frozen=True)
class BIGCFSettings:
    """Attributes:
    layers: Number of propagations, ≥ 1.
    intents: Number of prototypes a side, K ≥ 1.
    cl_weight: Weight of the five contrasts, ≥ 0.
    cl_temperature: Their temperature, ≥ 0.02.
    center_weight: Weight of the prototypes' squared norm, ≥ 0.
    """

    layers: int
    intents: int
    cl_weight: float
    cl_temperature: float
    center_weight: float

    def __post_init__(self) -> None:
        for name in ("layers", "intents"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.cl_temperature < SAFE_TEMPERATURE:
            raise ValueError(
                f"cl_temperature is {self.cl_temperature}; it must be at least {SAFE_TEMPERATURE}"
            )


@dataclass(frozen=True)
class BIGCFEncoding(Encoding):
    """Attributes:
    intents: Shape (node, dim), ``softmax(E C) Cᵀ`` of the sum over layers ``E``.
    """

    intents: Float[Tensor, "node dim"]


def _idle(embedding_size: int) -> dict[str, tuple[int, ...]]:
    """Return the matching head that the release makes, regularises and never uses."""
    return {
        "logit_scale": (),
        "itm_head_weight": (2, embedding_size),
        "itm_head_bias": (2,),
        "itm_mlp_weight": (embedding_size, 2 * embedding_size),
        "itm_mlp_bias": (embedding_size,),
    }


class BIGCF(EmbeddingBackbone):
    """``E = Σ_{l=0..L} Â^l E^(0)``, then ``E + intent(E) ⊙ ε`` with ``ε ~ N(0, 1)``.

    Source: Zhang et al., SIGIR 2024 (BIGCF), in RLMRec's form; deviations D-07, D-08 and D-12.
    *Randomness*: one normal array of shape (node, dim) a step; at evaluation, too, where D-07 holds.
    """

    Settings = BIGCFSettings
    release = Release(
        objectives=frozenset({"base", "rlmrec-con", "rlmrec-gen", "irllrec"}), masks_late=True, idle=_idle
    )

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

    @property
    def noisy_evaluation(self) -> bool:
        return "D-07" in self.as_released

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> BIGCFEncoding:
        layers, nodes = self.graph.summed_layers(initial, self.settings.layers)
        intents = self.prototypes(nodes, self.graph.user_count)
        if draws is not None:
            nodes = nodes + intents * draws.randn_like(nodes)
        return BIGCFEncoding(nodes, layers, self.graph.user_count, intents)

    def own_terms(self, encoding: Encoding, batch: Batch, draws: Draws) -> dict[str, Term]:
        """Return ``cl``, five contrasts within the batch, and ``center``, ``‖C_u‖² + ‖C_i‖²``.

        Embeddings: users among themselves, positives among themselves, each user with its positive
        among the positives. Intents: users among themselves, positives among themselves.
        """
        assert isinstance(encoding, BIGCFEncoding)
        users, user_counts = torch.unique(batch.users, return_counts=True)
        items, places, item_counts = torch.unique(
            batch.positive_items, return_inverse=True, return_counts=True
        )
        offset = encoding.user_count
        total = encoding.nodes.new_zeros(())
        for rows in (encoding.nodes, encoding.intents):
            total = total + self._uniformity(rows.index_select(0, users), user_counts)
            total = total + self._uniformity(rows.index_select(0, offset + items), item_counts)
        positives = unit_rows(encoding.items.index_select(0, items))
        total = total + floored_contrast(
            unit_rows(encoding.users.index_select(0, batch.users)),
            positives.index_select(0, places),
            positives,
            self.settings.cl_temperature,
            candidate_counts=item_counts,
        )
        centers = squared_norm([self.prototypes.users, self.prototypes.items])
        return {
            "cl": Term(total, self.settings.cl_weight),
            "center": Term(centers, self.settings.center_weight),
        }

    def _uniformity(self, rows: Float[Tensor, "row dim"], counts: Int[Tensor, "row"]) -> Float[Tensor, ""]:
        """Return the contrast of rows with themselves among each other, each standing ``counts`` times."""
        unit = unit_rows(rows)
        return floored_contrast(
            unit, unit, unit, self.settings.cl_temperature, row_counts=counts, candidate_counts=counts
        )

    def interaction_intents(
        self,
        initial: Float[Tensor, "node dim"],
        encoding: Encoding,
        prototypes: nn.Module | None,
        *,
        detach: bool = False,
    ) -> Float[Tensor, "node dim"]:
        """Return ``Z`` with the weights of ``E^(l)`` and the nodes of ``E^(l+1)``, as on no other backbone.

        The training pass perturbs only its sum, so its layers are clean.
        """
        layers = [layer.detach() if detach else layer for layer in encoding.layers]
        propagated = []
        for layer, following in itertools.pairwise(layers):
            if prototypes is None:
                propagated.append(self.graph.propagate(following))
            else:
                mixture = unit_rows(prototypes(layer, self.graph.user_count))
                propagated.append(similarity_aggregation(self.graph, mixture, following))
        return self.joined_intents(propagated)


BACKBONE = BIGCF
