"""The backbone as it is: BPR, regularisation and the backbone's own terms."""

from __future__ import annotations

from dataclasses import dataclass

from irllrec.backbones.interface import Backbone
from irllrec.objectives.interface import Objective, Step
from irllrec.types import Term


@dataclass(frozen=True)
class BaseSettings:
    """Attributes:
    regularization: Weight λ_reg of the sum of squares over all trainable parameters, ≥ 0.
    """

    regularization: float


class Base(Objective):
    """Adds nothing."""

    Settings = BaseSettings
    reads_text = False

    def terms(self, backbone: Backbone, step: Step) -> dict[str, Term]:
        return {}


OBJECTIVE = Base
