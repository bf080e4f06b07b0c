"""A plain training step: the mathematics of `irllrec`, written as a reader of the papers would.

PyTorch's own operators, float32 and autograd, and nothing clever: COO products, whole similarity
matrices, duplicates of a batch left in, text towers over all nodes in every step. It shares no
arithmetic with the library; it takes over its weights, its settings and the random arrays it draws,
so that both can be compared term by term.
"""

from __future__ import annotations

from functools import cached_property

import torch
import torch.nn.functional as functional
from torch import Tensor

from benchmarks.plain_backbones import BACKBONES, Passed, Prototypes, Sources, mixture
from benchmarks.plain_graph import PlainGraph
from benchmarks.plain_losses import aligned, bpr, cross_entropy, floored_contrast, unit
from irllrec.data.interactions import Interactions
from irllrec.recommender import Recommender
from irllrec.seeding import Draws
from irllrec.types import Batch, NodeText, Term

OBJECTIVES = ("base", "rlmrec-con", "irllrec")
TEACHERS = {"tower_teacher": "intent_tower", "prototype_teacher": "prototypes"}


class PlainRecommender:
    """A copy of a recommender's weights under a plain step.

    Attributes:
        weights: Leaves by the name that the parameter has in the recommender.
    """

    def __init__(
        self, recommender: Recommender, backbone: str, train: Interactions, text: NodeText | None
    ) -> None:
        """Copy the weights and settings of ``recommender``.

        Args:
            recommender: One without dropped components.
            backbone: Its backbone's name, a key of ``BACKBONES``.
            train: The training interactions it was built on.
            text: The text vectors it was built on.
        """
        objective = recommender.objective
        assert not objective.drop, "the plain side computes whole objectives only"
        self.weights = {
            name: parameter.detach().clone().requires_grad_(parameter.requires_grad)
            for name, parameter in recommender.named_parameters()
        }
        self.graph, self.text = PlainGraph(train), text
        self.encode, self.backbone_settings = BACKBONES[backbone], recommender.backbone.settings
        self.settings, self.as_released = objective.settings, objective.as_released
        # A name such as rlmrec-con has one component; base has none.
        found = {"kd"} if hasattr(objective, "profile_tower") else set()
        self.active = frozenset(getattr(objective, "active", found))
        self.itm_form = getattr(objective, "itm_form", None)
        released = recommender.backbone.release.pair_negatives
        self.pair_negatives = released or "D-10" not in self.as_released

    @property
    def trainable(self) -> list[Tensor]:
        return [weight for weight in self.weights.values() if weight.requires_grad]

    def terms(self, batch: Batch, draws: Draws) -> dict[str, Term]:
        """Return every loss term of one step, unweighted beside its weight."""
        initial = torch.cat(
            [self.weights["backbone.user_embeddings"], self.weights["backbone.item_embeddings"]]
        )
        passed = self.encode(
            self.graph, initial, self._prototypes("backbone"), self.backbone_settings, batch, draws
        )
        users, items = passed.nodes[: self.graph.user_count], passed.nodes[self.graph.user_count :]
        ranking = bpr(users[batch.users], items[batch.positive_items], items[batch.negative_items])
        everything = "D-12" in self.as_released
        squares = [w.square().sum() for w in self.weights.values() if everything or w.requires_grad]
        terms = {
            "bpr": Term(ranking, 1.0),
            "reg": Term(sum(squares[1:], squares[0]), self.settings.regularization),
        }
        for name, value in passed.own.items():
            terms[name] = Term(value, getattr(self.backbone_settings, f"{name}_weight"))
        self._move_teachers()
        return terms | self._text_terms(passed, batch, draws)

    def _text_terms(self, passed: Passed, batch: Batch, draws: Draws) -> dict[str, Term]:
        terms: dict[str, Term] = {}
        settings, users = self.settings, self.graph.user_count
        if "kd" in self.active:
            assert self.text is not None
            profile = self._tower("profile_tower", self.text.profile)
            value = aligned(passed.nodes, profile, batch, users, settings.kd_temperature)
            terms["kd"] = Term(value, settings.kd_weight)
        if not self.active & {"pair", "tran", "itm"}:
            return terms
        assert self.text is not None
        text = self._tower("intent_tower", self.text.intent)
        sources = passed.sources()
        interaction = self._interaction_intents(passed, sources)
        if "pair" in self.active:
            value = aligned(
                interaction, text, batch, users, settings.pair_temperature, negatives=self.pair_negatives
            )
            terms["pair"] = Term(value, settings.pair_weight)
        if not self.active & {"tran", "itm"}:
            return terms
        noisy_text = text * (1 + draws.randn_like(text))
        noisy_nodes = passed.nodes * (1 + draws.randn_like(passed.nodes))
        tran = floored_contrast(noisy_text, noisy_nodes, noisy_nodes, 1.0)
        if "tran" in self.active:
            terms["tran"] = Term(tran, settings.tran_weight)
        if "itm" in self.active:
            distilled = self._distilled(sources, batch, interaction, text)
            scale = settings.tran_weight if "D-03" in self.as_released else 1.0
            value = (1 - settings.itm_alpha) * scale * tran + settings.itm_alpha * distilled
            terms["itm"] = Term(value, settings.itm_weight)
        return terms

    def _tower(self, name: str, vectors: Tensor) -> Tensor:
        """Return the projected text of all nodes."""
        weights, tower = self.weights, f"objective.{name}"
        hidden = functional.linear(
            vectors, weights[f"{tower}.hidden.weight"], weights[f"{tower}.hidden.bias"]
        )
        hidden = functional.leaky_relu(hidden, negative_slope=0.01)
        return functional.linear(hidden, weights[f"{tower}.output.weight"], weights[f"{tower}.output.bias"])

    def _prototypes(self, owner: str) -> Prototypes | None:
        name = "prototype_teacher" if owner == "teacher" else "prototypes"
        start = f"{'backbone' if owner == 'backbone' else 'objective'}.{name}"
        if f"{start}.users" not in self.weights:
            return None
        return self.weights[f"{start}.users"], self.weights[f"{start}.items"]

    def _interaction_intents(self, passed: Passed, sources: Sources) -> Tensor:
        if passed.intents is not None:
            return passed.intents
        prototypes = self._prototypes("objective") or self._prototypes("backbone")
        assert prototypes is not None
        return self._reweighted(sources, prototypes)

    def _reweighted(self, sources: Sources, prototypes: Prototypes) -> Tensor:
        """Return ``Z``, the mean over the layers."""
        layers = [
            self.graph.reweighted(unit(mixture(layer, prototypes, self.graph.user_count)), propagated)
            for layer, propagated in sources
        ]
        return sum(layers[1:], layers[0]) / len(layers)

    def _distilled(self, sources: Sources, batch: Batch, interaction: Tensor, text: Tensor) -> Tensor:
        assert self.text is not None
        with torch.no_grad():
            teacher_text = self._tower("tower_teacher", self.text.intent)
        if self.itm_form == "code":
            return cross_entropy(teacher_text, text)
        with torch.no_grad():
            prototypes = self._prototypes("teacher")
            assert prototypes is not None
            z_m, t_m = unit(self._reweighted(sources, prototypes)), unit(teacher_text)
            fused = unit((z_m + t_m) / 2)
        z, t, temperature = unit(interaction), unit(text), self.settings.pair_temperature
        items = torch.unique(torch.cat([batch.positive_items, batch.negative_items]))
        total = torch.zeros(())
        for side in (torch.unique(batch.users), self.graph.user_count + items):
            keys = fused[side].T / temperature
            to_text = cross_entropy(z_m[side] @ keys, z[side] @ t[side].T / temperature)
            to_interaction = cross_entropy(t_m[side] @ keys, t[side] @ z[side].T / temperature)
            total = total + (to_text + to_interaction) / 4
        return total

    @cached_property
    def _followed(self) -> list[tuple[Tensor, Tensor]]:
        """Every teacher's weight beside its student's."""
        pairs = []
        for name, teacher in self.weights.items():
            owner, module, rest = [*name.split(".", maxsplit=2), ""][:3]
            if module not in TEACHERS:
                continue
            student = f"{owner}.{TEACHERS[module]}.{rest}"
            # Where the backbone has prototypes of its own, the teacher follows those.
            if student not in self.weights:
                student = student.replace("objective.", "backbone.")
            pairs.append((teacher, self.weights[student]))
        return pairs

    @torch.no_grad()
    def _move_teachers(self) -> None:
        for teacher, student in self._followed:
            momentum = self.settings.momentum
            teacher.copy_(momentum * teacher + (1 - momentum) * student)
