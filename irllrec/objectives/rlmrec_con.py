"""RLMRec-Con: embeddings are drawn to the profile vectors of the same node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.backbones.interface import Backbone, Encoding
from irllrec.layers.projector import Projector
from irllrec.losses.alignment import BatchRows, profile_alignment
from irllrec.objectives.interface import Objective, Step
from irllrec.types import NodeText, Term


@dataclass(frozen=True)
class RLMRecConSettings:
    """Attributes:
    regularization: λ_reg ≥ 0.
    kd_weight: λ_kd ≥ 0 of the profile alignment.
    kd_temperature: τ > 0 of the profile alignment.
    """

    regularization: float
    kd_weight: float
    kd_temperature: float


class RLMRecCon(Objective):
    """``λ_kd · [InfoNCE(users) + InfoNCE(positives) + InfoNCE(negatives)]`` against ``MLP(X^p)``.

    Source: Ren et al., WWW 2024 (RLMRec), contrastive alignment.
    """

    Settings = RLMRecConSettings
    reads_text = True

    def __init__(self, *, backbone: Backbone, text: NodeText, **rest: Any) -> None:
        super().__init__(backbone=backbone, text=text, **rest)
        self.register_buffer("profile", text.profile, persistent=False)
        self.profile_tower = Projector(
            input_size=text.profile.shape[1],
            output_size=backbone.encoding_size,
            generator=rest["generator"],
        )

    def terms(self, backbone: Backbone, step: Step) -> dict[str, Term]:
        profile: torch.Tensor = self.profile  # type: ignore[assignment]
        value = profile_alignment(
            step.encoding.users,
            step.encoding.items,
            self.profile_tower,
            profile,
            BatchRows.of(step.batch),
            self.settings.kd_temperature,
            batch_users_only=self.shortcuts is not None,
        )
        return {"kd": Term(value, self.settings.kd_weight)}

    def representations(
        self, backbone: Backbone, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> dict[str, Float[Tensor, "node encoding"]]:
        profile: Tensor = self.profile  # type: ignore[assignment]
        return {"interaction": encoding.nodes, "profile": self.profile_tower(profile)}


OBJECTIVE = RLMRecCon
