"""IRLLRec: profiles, pairwise and translation alignment of intents, and intent-text matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from irllrec.backbones.interface import Backbone, Encoding
from irllrec.errors import ConfigurationError
from irllrec.layers.intents import IntentMixture, IntentPrototypes
from irllrec.layers.momentum import follow, teacher_of
from irllrec.layers.projector import Projector
from irllrec.layers.rows import NodeRows
from irllrec.losses.alignment import (
    BatchRows,
    pairwise_alignment,
    profile_alignment,
    translation_alignment,
)
from irllrec.losses.contrastive import unit_rows
from irllrec.losses.matching import feature_cross_entropy, intent_text_matching
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
class _Rows:
    """The rows that one step reads.

    Attributes:
        batch: The batch's distinct users and items.
        batch_nodes: The same as nodes, users first.
        sampled: Nodes whose translation alignment is computed, ascending; None for all.
    """

    batch: BatchRows
    batch_nodes: Int[Tensor, "batch_node"]
    sampled: Int[Tensor, "anchor"] | None


@dataclass(frozen=True)
class _Intents:
    """Interaction intents ``Z`` of all nodes, and text intents ``T`` of those that are read."""

    interaction: Float[Tensor, "node dim"] | None
    text: NodeRows


class IRLLRec(Objective):
    """``λ_kd·kd + λ_1·pair + λ_2·tran + λ_3·ITM``.

    Source: Wang et al., SIGIR 2025 (IRLLRec); deviations D-01 to D-05 in docs/deviations.md.
    *Randomness*: two normal arrays of shape (node, dim) a step for translation alignment; before and
    after them the samples of ``precision: fast``.
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
        batch = BatchRows.of(step.batch)
        terms: dict[str, Term] = {}
        if "kd" in self.active:
            profile: Tensor = self.profile  # type: ignore[assignment]
            terms["kd"] = Term(
                profile_alignment(
                    step.encoding.users,
                    step.encoding.items,
                    self.profile_tower,
                    profile,
                    batch,
                    self.settings.kd_temperature,
                    batch_users_only=self.shortcuts is not None,
                ),
                self.settings.kd_weight,
            )
        if not self.active & {"pair", "tran", "itm"}:
            return terms
        rows = self._rows(step, batch)
        intents = self._intents(backbone, step, rows)
        if "pair" in self.active:
            terms["pair"] = self._pair_term(backbone, intents, rows)
        tran = None
        if "tran" in self.active or self._couples_tran:
            tran = self._tran(intents, step, rows)
        if "tran" in self.active and tran is not None:
            terms["tran"] = Term(tran, self.settings.tran_weight)
        if "itm" in self.active:
            terms["itm"] = self._itm_term(backbone, step, intents, rows, tran)
        return terms

    @property
    def _reads_sample(self) -> bool:
        """Whether some term reads the text intents of all nodes, or of a sample of them."""
        itm_by_node = "itm" in self.active and self.itm_form == "code"
        return self._couples_tran or "tran" in self.active or itm_by_node

    def _rows(self, step: Step, batch: BatchRows) -> _Rows:
        node_count, sampled = len(step.encoding.nodes), None
        shortcuts = self.shortcuts if self._reads_sample else None
        if shortcuts is not None and shortcuts.translation_rows < node_count:
            drawn = step.draws.choice(node_count, shortcuts.translation_rows)
            sampled = drawn.sort().values.to(batch.users.device)
        return _Rows(batch, torch.cat([batch.users, step.encoding.user_count + batch.items]), sampled)

    def _intents(self, backbone: Backbone, step: Step, rows: _Rows) -> _Intents:
        interaction = None
        if self._needs_interaction_intents:
            interaction = backbone.interaction_intents(
                step.initial, step.encoding, self._prototypes(backbone)
            )
        return _Intents(interaction, self._text_rows(step, rows))

    def _text_rows(self, step: Step, rows: _Rows) -> NodeRows:
        """Return the text intents of the nodes that some term reads; the tower sees no others."""
        intent: Tensor = self.intent  # type: ignore[assignment]
        of_sample = self._reads_sample
        if of_sample and rows.sampled is None:
            return NodeRows(self.intent_tower(intent))
        read = [rows.batch_nodes]
        if of_sample and rows.sampled is not None:
            read.append(rows.sampled)
        if self.shortcuts is None:
            read.append(torch.arange(step.encoding.user_count, device=intent.device))
        nodes = torch.unique(torch.cat(read))
        return NodeRows(self.intent_tower(intent[nodes]), nodes)

    def _pair_term(self, backbone: Backbone, intents: _Intents, rows: _Rows) -> Term:
        assert intents.interaction is not None
        user_count, batch = backbone.graph.user_count, rows.batch
        items = user_count + batch.items
        value = pairwise_alignment(
            intents.interaction[batch.users],
            intents.interaction[items],
            intents.text.first(user_count) if self.shortcuts is None else intents.text.at(batch.users),
            intents.text.at(items),
            batch,
            self.settings.pair_temperature,
            negatives=backbone.release.pair_negatives or "D-10" not in self.as_released,
        )
        return Term(value, self.settings.pair_weight)

    def _tran(self, intents: _Intents, step: Step, rows: _Rows) -> Float[Tensor, ""]:
        text = intents.text.at(rows.sampled)
        text_noise = node_noise = None
        if "NOISE" not in self.drop:
            text_noise = step.draws.randn_like(text)
            node_noise = step.draws.randn_like(step.encoding.nodes)
        return translation_alignment(text, step.encoding.nodes, text_noise, node_noise, rows.sampled)

    def _itm_term(
        self,
        backbone: Backbone,
        step: Step,
        intents: _Intents,
        rows: _Rows,
        tran: Float[Tensor, ""] | None,
    ) -> Term:
        alpha = self.settings.itm_alpha
        if self.itm_form == "code":
            student = intents.text.at(rows.sampled)
            distilled = feature_cross_entropy(student, self._teacher_text(intents.text, rows.sampled))
        else:
            distilled = self._reading(backbone, step, intents, rows)
        value = alpha * distilled
        if tran is not None and self._couples_tran:
            # D-03: the release scales L_tran by λ_2 before it uses it here again.
            scale = self.settings.tran_weight if "D-03" in self.as_released else 1.0
            value = value + (1 - alpha) * scale * tran
        return Term(value, self.settings.itm_weight)

    @torch.no_grad()
    def _teacher_text(self, student: NodeRows, nodes: Tensor | None) -> Tensor:
        """Return the teacher's text intents of ``nodes``, shape (node, dim); None is all nodes."""
        intent: Tensor = self.intent  # type: ignore[assignment]
        if self.tower_teacher is None:
            return student.at(nodes).detach()
        teacher: Tensor = self.tower_teacher(intent if nodes is None else intent[nodes])
        return teacher

    def _reading(self, backbone: Backbone, step: Step, intents: _Intents, rows: _Rows) -> Float[Tensor, ""]:
        """Return intent-text matching of the batch's users and of its items, their mean."""
        assert intents.interaction is not None
        # Only the batch's nodes are read, so the teacher's tower runs over no others.
        nodes = rows.batch_nodes
        with torch.no_grad():
            source = self.prototype_teacher or self._prototypes(backbone)
            of_all = backbone.interaction_intents(step.initial, step.encoding, source, detach=True)
            teachers = (of_all[nodes], self._teacher_text(intents.text, nodes))
        views = (intents.interaction[nodes], intents.text.at(nodes))
        users = len(rows.batch.users)
        values = []
        for side in (slice(None, users), slice(users, None)):
            z, t, teacher_z, teacher_t = (unit_rows(view[side]) for view in (*views, *teachers))
            sampled = self._sampled_anchors(step, len(z))
            values.append(
                intent_text_matching(z, t, teacher_z, teacher_t, self.settings.pair_temperature, sampled)
            )
        return torch.stack(values).mean()

    def _sampled_anchors(self, step: Step, count: int) -> Tensor | None:
        """Return which of ``count`` rows are matched; None for all."""
        if self.shortcuts is None or self.shortcuts.matching_rows >= count:
            return None
        return step.draws.choice(count, self.shortcuts.matching_rows).to(step.initial.device)

    def representations(
        self, backbone: Backbone, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> dict[str, Float[Tensor, "node encoding"]]:
        profile: Tensor = self.profile  # type: ignore[assignment]
        intent: Tensor = self.intent  # type: ignore[assignment]
        found = {"interaction": encoding.nodes}
        if "kd" in self.active:
            found["profile"] = self.profile_tower(profile)
        if self._needs_interaction_intents:
            found["interaction_intent"] = backbone.interaction_intents(
                initial, encoding, self._prototypes(backbone)
            )
        if self.active & {"pair", "tran", "itm"}:
            found["text_intent"] = self.intent_tower(intent)
        return found

    def intent_mixture(
        self, backbone: Backbone, initial: Float[Tensor, "node dim"], encoding: Encoding
    ) -> IntentMixture | None:
        prototypes = self._prototypes(backbone)
        if prototypes is None:
            return None
        return prototypes.mixture(backbone.intent_layers(initial, encoding), backbone.graph.user_count)


OBJECTIVE = IRLLRec
