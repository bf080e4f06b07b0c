"""What an objective must offer: extra loss terms on top of any backbone."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.backbones.interface import Backbone, Encoding
from irllrec.layers.intents import IntentMixture
from irllrec.precision import Shortcuts
from irllrec.seeding import Draws
from irllrec.types import Batch, NodeText, Term


@dataclass(frozen=True)
class Step:
    """Everything one training step offers an objective.

    Attributes:
        initial: What propagation started from, after :meth:`Objective.masked`.
        encoding: The backbone's training pass.
        batch: The triples.
        draws: Source of random arrays.
    """

    initial: Float[Tensor, "node dim"]
    encoding: Encoding
    batch: Batch
    draws: Draws


class Objective(nn.Module, abc.ABC):
    """Loss terms that bring text to a backbone; a module ends in ``OBJECTIVE = <its class>``.

    Attributes:
        Settings: Frozen dataclass of hyper-parameters, with ``regularization`` among them.
        reads_text: Whether text vectors are needed while training. None are at inference.
    """

    Settings: ClassVar[type]
    reads_text: ClassVar[bool]

    def __init__(
        self,
        *,
        backbone: Backbone,
        text: NodeText | None,
        settings: Any,
        drop: frozenset[str],
        as_released: frozenset[str],
        generator: torch.Generator,
        shortcuts: Shortcuts | None = None,
    ) -> None:
        super().__init__()
        self.shortcuts = shortcuts
        self.settings = settings
        self.drop = drop
        self.as_released = as_released

    def masked(self, initial: Float[Tensor, "node dim"], draws: Draws) -> Float[Tensor, "node dim"]:
        """Return the embeddings that propagation starts from; unchanged by default."""
        return initial

    @abc.abstractmethod
    def terms(self, backbone: Backbone, step: Step) -> dict[str, Term]:
        """Return the objective's terms, unweighted beside their weights."""

    def move_teachers(self, backbone: Backbone) -> None:
        """Move teachers towards their students; called once in each step, before the terms."""

    def representations(
        self, backbone: Backbone, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> dict[str, Float[Tensor, "node encoding"]]:
        """Return what the objective knows of every node, to be looked at: nothing is trained by it.

        Args:
            backbone: The backbone.
            initial: What propagation started from, nothing masked.
            encoding: A pass without randomness.

        Returns:
            Rows of ``backbone.encoding_size`` entries, users first: ``interaction`` always; where the
            objective computes them ``profile`` (projected profile vectors), ``interaction_intent`` and
            ``text_intent`` (projected intent vectors). Profiles are aligned with ``interaction``, text
            intents with ``interaction_intent``.
        """
        return {"interaction": encoding.nodes}

    def intent_mixture(
        self, backbone: Backbone, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> IntentMixture | None:
        """Return the prototypes behind the interaction intents and their weights; None without any."""
        return None
