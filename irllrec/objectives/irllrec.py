"""IRLLRec: profiles, pairwise and translation alignment of intents, and intent-text matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irllrec.backbones.interface import Backbone
from irllrec.errors import ConfigurationError
from irllrec.layers.intents import IntentPrototypes
from irllrec.layers.momentum import follow, teacher_of
from irllrec.layers.projector import Projector
from irllrec.losses.alignment import (
    BatchRows,
    pairwise_alignment,
    profile_alignment,
    translation_alignment,
)
from irllrec.losses.contrastive import unit_rows
from irllrec.losses.matching import distilled_matching, feature_cross_entropy
from irllrec.objectives.interface import Objective, Step
from irllrec.types import NodeText, Term

COMPONENTS = frozenset({"IA", "PAIR", "TRAN", "ITM", "PROFILE", "GSL", "MOMENTUM", "NOISE"})


@dataclass(frozen=True)
class IRLLRecSettings:
    """Attributes:
    regularization: λ_reg ≥ 0.
    intents: Number of prototypes a side, K ≥ 1; unused where the backbone has prototypes of its own.
    kd_weight: λ_kd of the profile alignment, with its temperature ``kd_temperature``.
    pair_weight: λ_1 of pairwise intent alignment, with its temperature ``pair_temperature``.
    tran_weight: λ_2 of translation alignment (its temperature is 1).
    itm_weight: λ_3 of intent-text matching, ``itm_alpha`` = α its distilled share in [0, 1].
    momentum: Of the teacher, in [0, 1].
    itm: Which matching: ``code`` (release), ``reading`` (D-04), ``auto`` follows D-04.
    keep_coupled: When TRAN is dropped, keep the L_tran inside ITM.
    """

    regularization: float
    intents: int
    kd_weight: float
    kd_temperature: float
    pair_weight: float
    pair_temperature: float
    tran_weight: float
    itm_weight: float
    itm_alpha: float
    momentum: float
    itm: Literal["auto", "code", "reading"] = "auto"
    keep_coupled: bool = False

    def __post_init__(self) -> None:
        if self.intents < 1:
            raise ValueError(f"intents is {self.intents}; it must be at least 1")
        for name in ("itm_alpha", "momentum"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be in [0, 1]")


@dataclass(frozen=True)
class _Intents:
    """Interaction intents ``Z`` and text intents ``T`` of one step, over all nodes."""

    interaction: Float[Tensor, "node dim"] | None
    text: Float[Tensor, "node dim"] | None


class IRLLRec(Objective):
    """``λ_kd·kd + λ_1·pair + λ_2·tran + λ_3·ITM``.

    Source: Wang et al., SIGIR 2025 (IRLLRec); deviations D-01 to D-05 in docs/deviations.md.
    *Randomness*: two normal arrays of shape (node, dim) a step for translation alignment.
    """

    Settings = IRLLRecSettings
    reads_text = True

    def __init__(self, *, backbone: Backbone, text: NodeText, **rest: Any) -> None:
        super().__init__(backbone=backbone, text=text, **rest)
        unknown = self.drop - COMPONENTS
        if unknown:
            raise ConfigurationError(
                f"drop names {sorted(unknown)[0]!r}; irllrec can drop {', '.join(sorted(COMPONENTS))}."
            )
        generator: torch.Generator = rest["generator"]
        self.register_buffer("profile", text.profile, persistent=False)
        self.register_buffer("intent", text.intent, persistent=False)
        self.active = self._active_components(backbone)
        self.itm_form = self.settings.itm
        if self.itm_form == "auto":
            self.itm_form = "code" if "D-04" in self.as_released else "reading"
        size = backbone.encoding_size
        if "kd" in self.active:
            self.profile_tower = Projector(
                input_size=text.profile.shape[1], output_size=size, generator=generator
            )
        if self.active & {"pair", "tran", "itm"}:
            self.intent_tower = Projector(
                input_size=text.intent.shape[1], output_size=size, generator=generator
            )
        self.prototypes: IntentPrototypes | None = None
        if self._mixes_prototypes and backbone.intent_prototypes is None:
            self.prototypes = IntentPrototypes(
                embedding_size=backbone.embedding_size, intents=self.settings.intents, generator=generator
            )
        self._make_teachers(backbone, text, generator)
        if "D-12" in self.as_released:
            shapes = backbone.release.idle(backbone.embedding_size)
            self.idle = nn.ParameterDict(
                {name: nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()}
            )

    def _active_components(self, backbone: Backbone) -> frozenset[str]:
        weights = {
            "kd": self.settings.kd_weight,
            "pair": self.settings.pair_weight,
            "tran": self.settings.tran_weight,
            "itm": self.settings.itm_weight,
        }
        active = {name for name, weight in weights.items() if weight != 0}
        dropped = {
            "kd": {"PROFILE"},
            "pair": {"IA", "PAIR"},
            "tran": {"IA", "TRAN"},
            "itm": {"ITM"},
        }
        active -= {name for name, causes in dropped.items() if causes & self.drop}
        if "D-01" in self.as_released:
            active -= {"pair", "tran", "itm"} - backbone.release.components
        return frozenset(active)

    @property
    def _needs_interaction_intents(self) -> bool:
        return "pair" in self.active or ("itm" in self.active and self.itm_form == "reading")

    @property
    def _mixes_prototypes(self) -> bool:
        return self._needs_interaction_intents and "GSL" not in self.drop

    def _prototypes(self, backbone: Backbone) -> IntentPrototypes | None:
        """Return the prototypes behind ``Z``: the backbone's own where it has some."""
        if not self._mixes_prototypes:
            return None
        return self.prototypes or backbone.intent_prototypes

    @property
    def _couples_tran(self) -> bool:
        """Whether L_tran stands inside ITM."""
        dropped = bool(self.drop & {"IA", "TRAN"})
        return "itm" in self.active and (self.settings.keep_coupled or not dropped)

    def _make_teachers(self, backbone: Backbone, text: NodeText, generator: torch.Generator) -> None:
        self.tower_teacher: nn.Module | None = None
        self.prototype_teacher: nn.Module | None = None
        if "itm" not in self.active or "MOMENTUM" in self.drop:
            return
        student: nn.Module = self.intent_tower
        if "D-05" in self.as_released:
            # The release initialises its teacher anew after copying the student.
            student = Projector(
                input_size=text.intent.shape[1], output_size=backbone.encoding_size, generator=generator
            )
        self.tower_teacher = teacher_of(student)
        prototypes = self._prototypes(backbone)
        if self.itm_form == "reading" and prototypes is not None:
            self.prototype_teacher = teacher_of(prototypes)

    def move_teachers(self, backbone: Backbone) -> None:
        if self.tower_teacher is not None:
            follow(self.tower_teacher, self.intent_tower, self.settings.momentum)
        prototypes = self._prototypes(backbone)
        if self.prototype_teacher is not None and prototypes is not None:
            follow(self.prototype_teacher, prototypes, self.settings.momentum)

    def terms(self, backbone: Backbone, step: Step) -> dict[str, Term]:
        rows = BatchRows.of(step.batch)
        terms: dict[str, Term] = {}
        if "kd" in self.active:
            profile: Tensor = self.profile  # type: ignore[assignment]
            terms["kd"] = Term(
                profile_alignment(
                    step.encoding.users,
                    step.encoding.items,
                    self.profile_tower,
                    profile,
                    rows,
                    self.settings.kd_temperature,
                ),
                self.settings.kd_weight,
            )
        if not self.active & {"pair", "tran", "itm"}:
            return terms
        intents = self._intents(backbone, step)
        if "pair" in self.active:
            terms["pair"] = self._pair_term(backbone, intents, rows)
        tran = None
        if "tran" in self.active or self._couples_tran:
            tran = self._tran(intents, step)
        if "tran" in self.active and tran is not None:
            terms["tran"] = Term(tran, self.settings.tran_weight)
        if "itm" in self.active:
            terms["itm"] = self._itm_term(backbone, step, intents, rows, tran)
        return terms

    def _intents(self, backbone: Backbone, step: Step) -> _Intents:
        intent: Tensor = self.intent  # type: ignore[assignment]
        interaction = None
        if self._needs_interaction_intents:
            interaction = backbone.interaction_intents(
                step.initial, step.encoding, self._prototypes(backbone)
            )
        return _Intents(interaction=interaction, text=self.intent_tower(intent))

    def _pair_term(self, backbone: Backbone, intents: _Intents, rows: BatchRows) -> Term:
        assert intents.interaction is not None and intents.text is not None
        user_count = backbone.graph.user_count
        value = pairwise_alignment(
            intents.interaction[:user_count],
            intents.interaction[user_count + rows.items],
            intents.text[:user_count],
            intents.text[user_count + rows.items],
            rows,
            self.settings.pair_temperature,
            negatives=backbone.release.pair_negatives or "D-10" not in self.as_released,
        )
        return Term(value, self.settings.pair_weight)

    def _tran(self, intents: _Intents, step: Step) -> Float[Tensor, ""]:
        assert intents.text is not None
        text_noise = node_noise = None
        if "NOISE" not in self.drop:
            text_noise = step.draws.randn_like(intents.text)
            node_noise = step.draws.randn_like(step.encoding.nodes)
        return translation_alignment(intents.text, step.encoding.nodes, text_noise, node_noise)

    def _itm_term(
        self,
        backbone: Backbone,
        step: Step,
        intents: _Intents,
        rows: BatchRows,
        tran: Float[Tensor, ""] | None,
    ) -> Term:
        assert intents.text is not None
        alpha = self.settings.itm_alpha
        if self.itm_form == "code":
            distilled = feature_cross_entropy(intents.text, self._teacher_text(intents.text))
        else:
            distilled = self._reading(backbone, step, intents, rows)
        value = alpha * distilled
        if tran is not None and self._couples_tran:
            # D-03: the release scales L_tran by λ_2 before it uses it here again.
            scale = self.settings.tran_weight if "D-03" in self.as_released else 1.0
            value = value + (1 - alpha) * scale * tran
        return Term(value, self.settings.itm_weight)

    @torch.no_grad()
    def _teacher_text(self, text_intents: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return the teacher's text intents of ``nodes``, shape (node, dim); of all nodes by default."""
        intent: Tensor = self.intent  # type: ignore[assignment]
        if self.tower_teacher is None:
            return text_intents.detach() if nodes is None else text_intents.detach()[nodes]
        teacher: Tensor = self.tower_teacher(intent if nodes is None else intent[nodes])
        return teacher

    def _reading(
        self, backbone: Backbone, step: Step, intents: _Intents, rows: BatchRows
    ) -> Float[Tensor, ""]:
        """Return ½[CE(q_zt, p_zt) + CE(q_tz, p_tz)], users and items apart, their mean.

        The teacher's keys are the fused intents ``F = ½(norm(Z_m) + norm(T_m))``.
        """
        assert intents.interaction is not None and intents.text is not None
        # Only the batch's nodes are read, so the teacher's tower runs over no others.
        nodes = torch.cat([rows.users, step.encoding.user_count + rows.items])
        with torch.no_grad():
            teacher_text = unit_rows(self._teacher_text(intents.text, nodes))
            source = self.prototype_teacher or self._prototypes(backbone)
            of_all = backbone.interaction_intents(step.initial, step.encoding, source, detach=True)
            teacher_interaction = unit_rows(of_all[nodes])
            fused = unit_rows(0.5 * (teacher_interaction + teacher_text))
        interaction, text = unit_rows(intents.interaction[nodes]), unit_rows(intents.text[nodes])
        temperature = self.settings.pair_temperature
        total = torch.zeros((), dtype=text.dtype, device=text.device)
        sides = (slice(0, len(rows.users)), slice(len(rows.users), None))
        for side in sides:
            z, t, f = interaction[side], text[side], fused[side]
            matched = distilled_matching(z, t, teacher_interaction[side], f, temperature)
            matched = matched + distilled_matching(t, z, teacher_text[side], f, temperature)
            total = total + 0.5 * matched
        return total / len(sides)


OBJECTIVE = IRLLRec
