"""RLMRec-Gen: masked nodes must give back their profile vector after propagation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.backbones.interface import Backbone
from irllrec.layers.projector import Projector
from irllrec.losses.reconstruction import masked_reconstruction
from irllrec.objectives.interface import Objective, Step
from irllrec.seeding import Draws
from irllrec.types import NodeText, Term


@dataclass(frozen=True)
class RLMRecGenSettings:
    """Attributes:
    regularization: λ_reg ≥ 0.
    mask_ratio: Share of nodes masked in each step, in (0, 1).
    recon_weight: λ_rec ≥ 0.
    recon_temperature: τ_re ≥ 0.02.
    """

    regularization: float
    mask_ratio: float
    recon_weight: float
    recon_temperature: float

    def __post_init__(self) -> None:
        if not 0 < self.mask_ratio < 1:
            raise ValueError(f"mask_ratio is {self.mask_ratio}; it must be between 0 and 1")


class RLMRecGen(Objective):
    """``λ_rec`` times the reconstruction of ``X^p`` at masked nodes by ``Dec`` (d → D).

    Source: Ren et al., WWW 2024 (RLMRec), generative alignment.
    *Randomness*: one draw of distinct nodes a step, before anything the backbone draws.
    """

    Settings = RLMRecGenSettings
    reads_text = True

    def __init__(self, *, backbone: Backbone, text: NodeText, **rest: Any) -> None:
        super().__init__(backbone=backbone, text=text, **rest)
        generator = rest["generator"]
        self.register_buffer("profile", text.profile, persistent=False)
        self.mask_token = nn.Parameter(torch.empty(1, backbone.embedding_size))
        nn.init.xavier_uniform_(self.mask_token, generator=generator)
        self.decoder = Projector(
            input_size=backbone.encoding_size,
            output_size=text.profile.shape[1],
            generator=generator,
        )
        self._masked_nodes = torch.empty(0, dtype=torch.int64)

    def masked(self, initial: Float[Tensor, "node dim"], draws: Draws) -> Float[Tensor, "node dim"]:
        count = max(1, int(initial.shape[0] * self.settings.mask_ratio))
        self._masked_nodes = draws.choice(initial.shape[0], count).to(initial.device)
        token = self.mask_token.expand(count, -1)
        return initial.index_copy(0, self._masked_nodes, token)

    def terms(self, backbone: Backbone, step: Step) -> dict[str, Term]:
        profile: torch.Tensor = self.profile  # type: ignore[assignment]
        value = masked_reconstruction(
            self.decoder(step.encoding.nodes[self._masked_nodes]),
            profile[self._masked_nodes],
            self.settings.recon_temperature,
        )
        return {"recon": Term(value, self.settings.recon_weight)}


OBJECTIVE = RLMRecGen
