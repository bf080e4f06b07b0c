"""SGL: LightGCN's clean pass beside a contrast of two edge-dropped views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from irllrec.backbones.interface import EmbeddingBackbone, Encoding, Release
from irllrec.losses.alignment import BatchRows, view_contrast
from irllrec.seeding import Draws
from irllrec.types import Batch, Term


@dataclass(frozen=True)
class SGLSettings:
    """Attributes:
    layers: Number of propagations, ≥ 1.
    keep_rate: Share of directed edges that each view keeps, in (0, 1].
    cl_weight: λ_cl of the contrast of the views.
    cl_temperature: τ > 0 of that contrast.
    """

    layers: int
    keep_rate: float
    cl_weight: float
    cl_temperature: float

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers is {self.layers}; it must be at least 1")
        if not 0 < self.keep_rate <= 1:
            raise ValueError(f"keep_rate is {self.keep_rate}; it must be in (0, 1]")


View = tuple[Sequence[Float[Tensor, "node dim"]], Float[Tensor, "node dim"]]


@dataclass(frozen=True)
class ViewedEncoding(Encoding):
    """The clean pass with two edge-dropped ones: the layers of each, layer 0 first, and their sum."""

    views: tuple[View, View]


class SGL(EmbeddingBackbone):
    """LightGCN without dropping; ``λ_cl · InfoNCE(view 1, view 2)`` over users, positives and negatives.

    A view's mask is the same in all layers. Interaction intents are read from the second view, as in
    the released code.

    Source: Wu et al., SIGIR 2021, as RLMRec runs it.
    *Randomness*: two times one uniform number a directed edge, in each training step.
    """

    Settings = SGLSettings
    release = Release(objectives=frozenset({"base", "rlmrec-con", "rlmrec-gen", "irllrec"}))

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        clean, nodes = self.graph.summed_layers(initial, self.settings.layers)
        if draws is None:
            return Encoding(nodes, clean, self.graph.user_count)
        first, second = self._view(initial, draws), self._view(initial, draws)
        return ViewedEncoding(nodes, clean, self.graph.user_count, (first, second))

    def _view(self, initial: Float[Tensor, "node dim"], draws: Draws) -> View:
        values = self.graph.dropped(draws.rand(self.graph.edge_count), self.settings.keep_rate)
        return self.graph.summed_layers(initial, self.settings.layers, values)

    def own_terms(self, encoding: Encoding, batch: Batch, draws: Draws) -> dict[str, Term]:
        assert isinstance(encoding, ViewedEncoding)
        (_, first), (_, second) = encoding.views
        value = view_contrast(
            first,
            second,
            encoding.user_count,
            BatchRows.of(batch),
            self.settings.cl_temperature,
            negatives=True,
        )
        return {"cl": Term(value, self.settings.cl_weight)}

    def intent_layers(
        self, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> Sequence[Float[Tensor, "node dim"]]:
        if not isinstance(encoding, ViewedEncoding):
            return encoding.layers[:-1]  # a pass without draws has no views
        layers, _ = encoding.views[1]
        return layers[:-1]


BACKBONE = SGL
