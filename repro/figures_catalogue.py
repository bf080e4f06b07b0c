"""Every figure there is of a data set: what can be drawn, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from irllrec.errors import IrllrecError
from repro.case_view import case_figure, check_user
from repro.difference_view import ablation_figure, comparison_figure, comparison_name
from repro.embedding_view import embedding_figures
from repro.errors import ReproError
from repro.figure_material import Material, NotDrawableError, materials_of
from repro.figures.model import Figure
from repro.gain_view import gain_figure
from repro.layout import Layout
from repro.noise_view import noise_figures_of
from repro.params import Cell, Params
from repro.protocol_view import protocol_figures_of
from repro.sensitivity_view import sensitivity_figures_of
from repro.strata_view import strata_figures_of
from repro.tables.main import OURS
from repro.training_view import training_figure


@dataclass(frozen=True)
class Absence:
    """A figure that cannot be drawn.

    Attributes:
        figure: What its name would be.
        reason: One sentence with the fix.
    """

    figure: str
    reason: str

    def __str__(self) -> str:
        return f"{self.figure}: {self.reason}"


_OF_BACKBONE: dict[str, Callable[[Material], Figure | list[Figure]]] = {
    "training": training_figure,
    "ablation": ablation_figure,
    "gains": gain_figure,
    "embeddings": embedding_figures,
    "case": case_figure,
}

_OF_DATASET: dict[str, tuple[Callable[[Layout, Params, str], list[Figure]], str]] = {
    "sparsity": (
        strata_figures_of,
        "no backbone has results of base and of another variant: run `repro sparsity",
    ),
    "noise": (noise_figures_of, "no cell with noise is evaluated: run `repro noise"),
    "sensitivity": (
        sensitivity_figures_of,
        "no cell with a changed setting is evaluated: run `repro sensitivity",
    ),
    "protocol": (protocol_figures_of, "no backbone has results of irllrec and base: run `repro protocol"),
}
"""Kinds drawn for all backbones at once, each with what is missing where there is none, and the command."""

KINDS = ("comparison", *_OF_BACKBONE, *_OF_DATASET)
"""What ``repro figures`` can be asked for, in the order of a report."""


_TWO_MODELS = ("embeddings", "case")
"""Kinds that read irllrec and base only."""


def check_kinds(names: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds named, each once and in order; all where none is named.

    Raises:
        ReproError: If one is unknown.
    """
    for name in names:
        if name not in KINDS:
            raise ReproError(f"there is no figure {name!r}: choose from {', '.join(KINDS)}.")
    return tuple(kind for kind in KINDS if kind in names or not names)


def reads(cell: Cell, kinds: Sequence[str]) -> bool:
    """Return whether a figure of these kinds reads a cell."""
    return cell.variant in ("base", OURS) or not set(kinds) <= set(_TWO_MODELS)


def figures_of(
    layout: Layout,
    params: Params,
    dataset: str,
    backbone: str | Sequence[str] | None = None,
    *,
    kinds: Sequence[str] = KINDS,
    user: str | None = None,
) -> tuple[list[Figure], list[Absence]]:
    """Return every figure that the results on disk allow, and why the others are absent.

    Nothing is trained. A figure whose data are missing or unreadable never hides another.

    Args:
        layout: The checkout.
        params: Its params.yaml.
        dataset: Name of a data set of the grid.
        backbone: Only figures of this one, or of these; all by default.
        kinds: Some of :data:`KINDS`.
        user: Id of the user of the case study; None chooses one by a rule.

    Raises:
        ReproError: If a kind is unknown, the grid has no such cells, or stored results cannot be read.
    """
    chosen = check_kinds(kinds)
    named = [backbone] if isinstance(backbone, str) else list(backbone or ())
    materials = materials_of(layout, params, dataset, named)
    # A simple baseline has nothing beside base to compare; it is told of only where nothing else is there.
    composed = [one for one in materials if not {*one.cells, *one.waiting} <= {"base"}] or materials
    if user is not None:
        check_user(materials[0], user)
    drawn: list[Figure] = []
    absent: list[Absence] = []
    for name, make in _makers(composed, chosen, named, user):
        try:
            made = make()
        except (ReproError, IrllrecError) as error:
            absent.append(Absence(name, str(error)))
        else:
            drawn += made if isinstance(made, list) else [made]
    return drawn, absent


def _makers(
    materials: Sequence[Material], kinds: Sequence[str], named: Sequence[str], user: str | None
) -> Iterator[tuple[str, Callable[[], Figure | list[Figure]]]]:
    """Yield the name of each figure and what makes it."""
    for kind in kinds:
        if kind == "comparison":
            yield comparison_name(materials, named), partial(comparison_figure, materials, named)
        elif kind in _OF_DATASET:
            yield f"{kind}-{materials[0].dataset}", partial(_of_dataset, kind, materials, named)
        for material in materials if kind in _OF_BACKBONE else ():
            make = partial(case_figure, user=user) if kind == "case" else _OF_BACKBONE[kind]
            yield f"{kind}-{material.place}", partial(make, material)


def _of_dataset(kind: str, materials: Sequence[Material], named: Sequence[str]) -> list[Figure]:
    """Return the figures of a data set, of the named backbones where some are named.

    Raises:
        NotDrawableError: If there are none.
    """
    first = materials[0]
    make, missing = _OF_DATASET[kind]
    found = make(first.layout, first.params, first.dataset)
    if named:
        ends = tuple(material.place for material in materials)
        found = [figure for figure in found if figure.name.endswith(ends)]
    if not found:
        raise NotDrawableError(f"{missing} --dataset {first.dataset}`.")
    return found
