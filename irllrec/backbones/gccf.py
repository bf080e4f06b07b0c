"""GCCF: linear propagation without edge dropping, layers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.backbones.interface import EmbeddingBackbone, Encoding
from irllrec.seeding import Draws


@dataclass(frozen=True)
class GCCFSettings:
    """Attributes:
    layers: Number of propagations, ≥ 1.
    """

    layers: int

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers is {self.layers}; it must be at least 1")


class GCCF(EmbeddingBackbone):
    """``E^(l+1) = Â E^(l)``, ``E = [E^(0) … E^(L)]``: a row has (L + 1)·d entries.

    IRLLRec's release lacks it: interaction intents stand side by side as the layers do, all L + 1 of
    them, so that they can be compared with ``E``. That is our reading.

    Source: Chen et al., AAAI 2020 (LR-GCCF), as RLMRec runs it.
    """

    Settings = GCCFSettings

    @property
    def encoding_size(self) -> int:
        return (self.settings.layers + 1) * self.embedding_size

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        layers = self.graph.layers(initial, self.settings.layers)
        return Encoding(torch.cat(layers, dim=1), layers, self.graph.user_count)

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        return encoding.layers

    def joined_intents(
        self, propagated: Sequence[Float[Tensor, "node dim"]]
    ) -> Float[Tensor, "node encoding"]:
        return torch.cat(list(propagated), dim=1)


BACKBONE = GCCF
