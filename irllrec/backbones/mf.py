"""Matrix factorisation: the ID embeddings as they are, trained with BPR."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from irllrec.backbones.interface import EmbeddingBackbone, Encoding
from irllrec.seeding import Draws


@dataclass(frozen=True)
class MFSettings:
    """None: embedding size and regularisation are set elsewhere."""


class MF(EmbeddingBackbone):
    """``E`` are the ID embeddings; nothing is propagated.

    Source: Rendle et al., UAI 2009 (BPR-MF).
    """

    Settings = MFSettings

    def encode(self, initial: Float[Tensor, "node dim"], draws: Draws | None) -> Encoding:
        return Encoding(initial, [initial], self.graph.user_count)


BACKBONE = MF
