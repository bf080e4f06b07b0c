"""LightGCN: linear propagation over the normalised training graph, layers summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from irllrec.backbones.interface import EmbeddingBackbone, Encoding, Release
from irllrec.seeding import Draws


@dataclass(frozen=True)
class LightGCNSettings:
    """Attributes:
    layers: Number of propagations, ≥ 1.
    keep_rate: Share of directed edges kept in each training step, in (0, 1]; 1 drops none.
    """

    layers: int
    keep_rate: float

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers is {self.layers}; it must be at least 1")
        if not 0 < self.keep_rate <= 1:
            raise ValueError(f"keep_rate is {self.keep_rate}; it must be in (0, 1]")


class LightGCN(EmbeddingBackbone):
    """``E^(l+1) = Â E^(l)``, ``E = Σ_{l=0..L} E^(l)``: a sum, not a mean.

    Source: He et al., SIGIR 2020; sum and unscaled edge dropping as in RLMRec's code.
    *Randomness*: one uniform number a directed edge and step while training, if ``keep_rate < 1``.
    """

    Settings = LightGCNSettings
    release = Release(
        objectives=frozenset({"base", "rlmrec-con", "rlmrec-gen", "irllrec"}),
        components=frozenset({"pair", "tran", "itm"}),
        backbone={"keep_rate": 1.0},
        objective={"tran_weight": 1e-7, "itm_weight": 1e-7},
    )

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        values = None
        if draws is not None and self.settings.keep_rate < 1:
            uniform = draws.rand(self.graph.edge_count)
            values = self.graph.dropped(uniform, self.settings.keep_rate)
        layers, total = self.graph.summed_layers(initial, self.settings.layers, values)
        return Encoding(total, layers, self.graph.user_count)

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        if self.settings.keep_rate == 1:
            return encoding.layers[:-1]
        return self.encode(initial, None).layers[:-1]


BACKBONE = LightGCN
