"""SimGCL: LightGCN's clean pass beside a contrast of two noisy views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.backbones.interface import EmbeddingBackbone, Encoding, Release
from irllrec.layers.sums import summed
from irllrec.losses.alignment import BatchRows, view_contrast
from irllrec.seeding import Draws
from irllrec.types import Batch, Term


@dataclass(frozen=True)
class SimGCLSettings:
    """Attributes:
    layers: Number of propagations, ≥ 1.
    cl_weight: λ_cl of the contrast of the views.
    cl_temperature: τ > 0 of that contrast.
    epsilon: Length ε ≥ 0 of the noise that each propagation of a view adds to a row.
    """

    layers: int
    cl_weight: float
    cl_temperature: float
    epsilon: float

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers is {self.layers}; it must be at least 1")
        if self.epsilon < 0:
            raise ValueError(f"epsilon is {self.epsilon}; it must not be negative")


@dataclass(frozen=True)
class NoisyEncoding(Encoding):
    """The clean pass with the final embeddings of two noisy ones."""

    views: tuple[Float[Tensor, "node dim"], Float[Tensor, "node dim"]]


class SimGCL(EmbeddingBackbone):
    """LightGCN without dropping; ``λ_cl · InfoNCE(view 1, view 2)`` over users and positives.

    After each propagation a view's row ``x`` becomes ``x + ε · u/|u| ⊙ sign(x)``, ``u`` uniform in
    [0, 1); layer 0 enters the sum without noise.

    Source: Yu et al., SIGIR 2022, as RLMRec runs it.
    *Randomness*: two times ``layers`` uniform arrays of shape (node, dim), in each training step.
    """

    Settings = SimGCLSettings
    release = Release(
        objectives=frozenset({"base", "rlmrec-con", "rlmrec-gen", "irllrec"}), pair_negatives=False
    )

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        clean, nodes = self.graph.summed_layers(initial, self.settings.layers)
        if draws is None:
            return Encoding(nodes, clean, self.graph.user_count)
        first, second = self._view(initial, draws), self._view(initial, draws)
        return NoisyEncoding(nodes, clean, self.graph.user_count, (first, second))

    def _view(self, initial: Float[Tensor, "node dim"], draws: Draws) -> Float[Tensor, "node dim"]:
        layers = [initial]
        for _ in range(self.settings.layers):
            rows = self.graph.propagate(layers[-1])
            noise = torch.nn.functional.normalize(draws.rand(*rows.shape), dim=1)
            layers.append(rows + self.settings.epsilon * noise * rows.detach().sign())
        return summed(layers)

    def own_terms(self, encoding: Encoding, batch: Batch, draws: Draws) -> dict[str, Term]:
        assert isinstance(encoding, NoisyEncoding)
        value = view_contrast(
            *encoding.views,
            encoding.user_count,
            BatchRows.of(batch),
            self.settings.cl_temperature,
            negatives=False,
        )
        return {"cl": Term(value, self.settings.cl_weight)}

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        return encoding.layers[:-1]


BACKBONE = SimGCL
