"""A backbone under an objective: the thing that is trained."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import irllrec.backbones
import irllrec.objectives
from irllrec.backbones.interface import Backbone, Fidelity
from irllrec.errors import ConfigurationError
from irllrec.graph import BipartiteGraph
from irllrec.losses.ranking import bpr
from irllrec.losses.regularization import squared_norm
from irllrec.objectives.interface import Objective, Step
from irllrec.seeding import Draws, torch_stream
from irllrec.settings import read_settings
from irllrec.types import Batch, NodeText, Term


class Recommender(nn.Module):
    """``L = BPR + λ_reg·‖W‖² + own terms of the backbone + terms of the objective``."""

    def __init__(self, backbone: Backbone, objective: Objective) -> None:
        super().__init__()
        self.backbone = backbone
        self.objective = objective

    def terms(self, batch: Batch, draws: Draws) -> dict[str, Term]:
        """Return every loss term of one step, unweighted beside its weight."""
        initial = self.objective.masked(self.backbone.initial(), draws)
        encoding = self.backbone.encode(initial, draws)
        ranking = bpr(
            encoding.users.index_select(0, batch.users),
            encoding.items.index_select(0, batch.positive_items),
            encoding.items.index_select(0, batch.negative_items),
        )
        terms = {
            "bpr": Term(ranking, 1.0),
            "reg": Term(squared_norm(self._regularized()), self.objective.settings.regularization),
        }
        self.objective.move_teachers()
        terms |= self.backbone.own_terms(encoding, batch, draws)
        terms |= self.objective.terms(self.backbone, Step(initial, encoding, batch, draws))
        return terms

    def _regularized(self) -> list[Tensor]:
        # D-12: the release counts the frozen teacher's weights as well.
        everything = self.objective.fidelity == "code"
        return [p for p in self.parameters() if everything or p.requires_grad]

    @torch.no_grad()
    def embeddings(self) -> tuple[Float[Tensor, "user dim"], Float[Tensor, "item dim"]]:
        """Return the final user and item embeddings, without randomness and without text."""
        encoding = self.backbone.encode(self.backbone.initial(), None)
        return encoding.users, encoding.items


@dataclass(frozen=True)
class Recipe:
    """Names and plain settings from which a recommender is built.

    Attributes:
        backbone: Module name below :mod:`irllrec.backbones`, such as ``lightgcn``.
        objective: Module name below :mod:`irllrec.objectives`, dashes for underscores.
        backbone_settings: Keys of the backbone's settings class.
        objective_settings: Keys of the objective's settings class.
        drop: Components left out.
        fidelity: ``paper`` or ``code``.
        embedding_size: d ≥ 1.
    """

    backbone: str
    objective: str
    backbone_settings: Mapping[str, Any]
    objective_settings: Mapping[str, Any]
    drop: frozenset[str] = frozenset()
    fidelity: Fidelity = "paper"
    embedding_size: int = 32

    def resolved(self) -> Recipe:
        """Return the recipe with what the release changes, where the fidelity is ``code``.

        D-02 and D-09: the release runs IRLLRec with settings of its own; they apply to that
        objective only.
        """
        if self.fidelity != "code" or self.objective != "irllrec":
            return self
        release = backbone_class(self.backbone).release
        return Recipe(
            backbone=self.backbone,
            objective=self.objective,
            backbone_settings={**self.backbone_settings, **release.backbone},
            objective_settings={**self.objective_settings, **release.objective},
            drop=self.drop,
            fidelity=self.fidelity,
            embedding_size=self.embedding_size,
        )


def backbone_class(name: str) -> type[Backbone]:
    """Return the class that ``irllrec/backbones/<name>.py`` ends in.

    Raises:
        ConfigurationError: If there is no such module; the sentence lists what exists.
    """
    found: type[Backbone] = _look_up(irllrec.backbones, name, "BACKBONE")
    return found


def objective_class(name: str) -> type[Objective]:
    """Return the class that ``irllrec/objectives/<name>.py`` ends in."""
    found: type[Objective] = _look_up(irllrec.objectives, name, "OBJECTIVE")
    return found


def _look_up(package: Any, name: str, attribute: str) -> Any:
    kind = attribute.lower()
    known = sorted(
        module.name for module in pkgutil.iter_modules(package.__path__) if module.name != "interface"
    )
    module_name = name.replace("-", "_")
    if module_name not in known:
        names = ", ".join(entry.replace("_", "-") for entry in known)
        raise ConfigurationError(f"there is no {kind} {name!r}: choose one of {names}.")
    module = importlib.import_module(f"{package.__name__}.{module_name}")
    if not hasattr(module, attribute):
        raise ConfigurationError(
            f"{package.__name__}.{module_name} does not end in {attribute} = <its class>: add that line."
        )
    return getattr(module, attribute)


def build(recipe: Recipe, graph: BipartiteGraph, text: NodeText | None, seed: int) -> Recommender:
    """Return a freshly initialised recommender.

    Args:
        recipe: See :class:`Recipe`; used as it is, call :meth:`Recipe.resolved` first.
        graph: Training graph; its device is the recommender's.
        text: Frozen text vectors, needed where the objective reads text.
        seed: The run's seed; initial weights come from ``torch_stream(seed, "weights")``.

    Raises:
        ConfigurationError: For unknown names, unknown settings or missing text.
    """
    backbone_kind = backbone_class(recipe.backbone)
    objective_kind = objective_class(recipe.objective)
    if objective_kind.reads_text and text is None:
        raise ConfigurationError(
            f"the objective {recipe.objective} needs text vectors and the data set has none: "
            "import text with it, or use the objective base."
        )
    if recipe.drop and not objective_kind.reads_text:
        raise ConfigurationError(
            f"the objective {recipe.objective} has no components to drop: remove `drop`."
        )
    generator = torch_stream(seed, "weights")
    backbone = backbone_kind(
        graph=graph,
        embedding_size=recipe.embedding_size,
        settings=read_settings(
            backbone_kind.Settings, recipe.backbone_settings, where=f"backbones.{recipe.backbone}"
        ),
        fidelity=recipe.fidelity,
        generator=generator,
    )
    objective = objective_kind(
        backbone=backbone,
        text=text,
        settings=read_settings(
            objective_kind.Settings, recipe.objective_settings, where=f"objectives.{recipe.objective}"
        ),
        drop=recipe.drop,
        fidelity=recipe.fidelity,
        generator=generator,
    )
    return Recommender(backbone, objective).to(graph.values.device)
