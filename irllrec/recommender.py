"""A backbone under an objective: the thing that is trained."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import irllrec.backbones
import irllrec.objectives
from irllrec.backbones.interface import Backbone, Encoding
from irllrec.errors import ConfigurationError
from irllrec.fidelity import Fidelity, as_released
from irllrec.graph import BipartiteGraph
from irllrec.layers.intents import IntentMixture
from irllrec.losses.regularization import squared_norm
from irllrec.objectives.interface import Objective, Step
from irllrec.precision import Precision, shortcuts_of
from irllrec.seeding import Draws, torch_stream
from irllrec.settings import read_settings
from irllrec.simple import SimpleBaseline
from irllrec.types import Batch, Knowledge, NodeText, Term


class Recommender(nn.Module):
    """``L = ranking loss + λ_reg·‖W‖² + own terms of the backbone + terms of the objective``."""

    def __init__(self, backbone: Backbone, objective: Objective) -> None:
        super().__init__()
        self.backbone = backbone
        self.objective = objective

    def terms(self, batch: Batch, draws: Draws) -> dict[str, Term]:
        """Return every loss term of one step, unweighted beside its weight."""
        initial, encoding = self._encode(draws)
        terms = self.backbone.ranking_terms(encoding, batch)
        regularized = squared_norm(self._regularized())
        terms["reg"] = Term(regularized, self.objective.settings.regularization)
        self.objective.move_teachers(self.backbone)
        terms |= self.backbone.own_terms(encoding, batch, draws)
        terms |= self.objective.terms(self.backbone, Step(initial, encoding, batch, draws))
        return terms

    def _encode(self, draws: Draws) -> tuple[Float[Tensor, "node dim"], Encoding]:
        """Return what propagation starts from and the training pass, masked as the objective masks."""
        initial = self.backbone.initial()
        if self.backbone.release.masks_late and "D-08" in self.objective.as_released:
            encoding = self.backbone.encode(initial, draws)
            self.objective.masked(initial, draws)
            return initial, encoding
        initial = self.objective.masked(initial, draws)
        return initial, self.backbone.encode(initial, draws)

    def _regularized(self) -> list[Tensor]:
        # D-12: the release counts the frozen teacher's weights as well.
        everything = "D-12" in self.objective.as_released
        return [p for p in self.parameters() if everything or p.requires_grad]

    @torch.no_grad()
    def embeddings(
        self, draws: Draws | None = None
    ) -> tuple[Float[Tensor, "user dim"], Float[Tensor, "item dim"]]:
        """Return the final user and item embeddings; no text enters but what the backbone itself reads.

        Args:
            draws: Needed only where the backbone's evaluation is noisy (D-07).
        """
        noise = draws if self.backbone.noisy_evaluation else None
        encoding = self.backbone.encode(self.backbone.initial(), noise)
        return encoding.users, encoding.items

    @torch.no_grad()
    def representations(self) -> dict[str, Float[Tensor, "node encoding"]]:
        """Return what the objective knows of every node, see :meth:`Objective.representations`."""
        initial = self.backbone.initial()
        return self.objective.representations(self.backbone, initial, self.backbone.encode(initial, None))

    @torch.no_grad()
    def intent_mixture(self) -> IntentMixture | None:
        """Return the intent prototypes and their weights, None where the objective has none."""
        initial = self.backbone.initial()
        return self.objective.intent_mixture(self.backbone, initial, self.backbone.encode(initial, None))


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
        turned: Deviations that are turned the other way from that fidelity.
        embedding_size: d ≥ 1.
        precision: ``fast`` computes some sums over a sample, see :class:`Shortcuts`; its text vectors
            are expected reduced.
    """

    backbone: str
    objective: str
    backbone_settings: Mapping[str, Any]
    objective_settings: Mapping[str, Any]
    drop: frozenset[str] = frozenset()
    fidelity: Fidelity = "paper"
    turned: frozenset[str] = frozenset()
    embedding_size: int = 32
    precision: Precision = "exact"

    @property
    def as_released(self) -> frozenset[str]:
        """The deviations in which it follows the released code."""
        return as_released(self.fidelity, self.turned)

    def resolved(self) -> Recipe:
        """Return the recipe with the settings that the release changes, where it is followed there.

        D-02 and D-09: the release runs IRLLRec with settings of its own; they apply to that
        objective only.
        """
        if self.objective != "irllrec":
            return self
        release = backbone_class(self.backbone).release
        followed = self.as_released
        return replace(
            self,
            backbone_settings={**self.backbone_settings, **(release.backbone if "D-09" in followed else {})},
            objective_settings={
                **self.objective_settings,
                **(release.objective if "D-02" in followed else {}),
            },
        )


def backbone_class(name: str) -> type[Backbone]:
    """Return the class that ``irllrec/backbones/<name>.py`` ends in.

    Raises:
        ConfigurationError: If there is no such module (the sentence lists what exists), or it holds a
            simple baseline.
    """
    found: type[Any] = _look_up(irllrec.backbones, name, "BACKBONE")
    if issubclass(found, SimpleBaseline):
        raise ConfigurationError(
            f"{name} is a simple baseline without an embedding that an objective could work on: "
            "train it with the objective base, or choose another backbone."
        )
    kind: type[Backbone] = found
    return kind


def is_simple(name: str) -> bool:
    """Return whether a backbone's name is that of a simple baseline."""
    return issubclass(_look_up(irllrec.backbones, name, "BACKBONE"), SimpleBaseline)


def simple_class(name: str) -> type[SimpleBaseline]:
    """Return the simple baseline that ``irllrec/backbones/<name>.py`` ends in."""
    found: type[Any] = _look_up(irllrec.backbones, name, "BACKBONE")
    if not issubclass(found, SimpleBaseline):
        raise ConfigurationError(f"{name} is no simple baseline: choose another name.")
    return found


def objective_class(name: str) -> type[Objective]:
    """Return the class that ``irllrec/objectives/<name>.py`` ends in."""
    found: type[Objective] = _look_up(irllrec.objectives, name, "OBJECTIVE")
    return found


def inputs_of(backbone: str, objective: str) -> frozenset[str]:
    """Return what the two read beside the interactions: any of ``text`` and ``knowledge``."""
    text = {"text"} if objective_class(objective).reads_text else set()
    if objective == "base" and is_simple(backbone):
        return simple_class(backbone).reads
    return backbone_class(backbone).reads | text


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


def build(
    recipe: Recipe,
    graph: BipartiteGraph,
    text: NodeText | None,
    seed: int,
    *,
    knowledge: Knowledge | None = None,
) -> Recommender:
    """Return a freshly initialised recommender.

    Args:
        recipe: See :class:`Recipe`; used as it is, call :meth:`Recipe.resolved` first.
        graph: Training graph; its device is the recommender's.
        text: Frozen text vectors, needed where the objective or the backbone reads text.
        seed: The run's seed; initial weights come from ``torch_stream(seed, "weights")``.
        knowledge: Facts about the items, needed where the backbone reads knowledge.

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
    for name, given in (("text", text), ("knowledge", knowledge)):
        if name in backbone_kind.reads and given is None:
            raise ConfigurationError(
                f"the backbone {recipe.backbone} reads {name} and the data set has none: "
                "import text with it, or choose another backbone."
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
        as_released=recipe.as_released,
        generator=generator,
        text=text if "text" in backbone_kind.reads else None,
        knowledge=knowledge if "knowledge" in backbone_kind.reads else None,
    )
    objective = objective_kind(
        backbone=backbone,
        text=text,
        settings=read_settings(
            objective_kind.Settings, recipe.objective_settings, where=f"objectives.{recipe.objective}"
        ),
        drop=recipe.drop,
        as_released=recipe.as_released,
        generator=generator,
        shortcuts=shortcuts_of(recipe.precision),
    )
    return Recommender(backbone, objective).to(graph.values.device)
