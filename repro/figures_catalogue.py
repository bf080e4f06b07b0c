"""Every figure there is of a data set: what can be drawn, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from irllrec.errors import IrllrecError
from repro.difference_view import ablation_figure, comparison_figure
from repro.errors import ReproError
from repro.figure_material import Material, materials_of
from repro.figures.model import Figure
from repro.gain_view import gain_figure
from repro.layout import Layout
from repro.params import Params
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


_OF_BACKBONE: dict[str, Callable[[Material], Figure]] = {
    "training": training_figure,
    "ablation": ablation_figure,
    "gains": gain_figure,
}

KINDS = ("comparison", *_OF_BACKBONE)
"""What ``repro figures`` can be asked for, in the order of a report."""


def figures_of(
    layout: Layout,
    params: Params,
    dataset: str,
    backbone: str | None = None,
    *,
    kinds: Sequence[str] | None = None,
) -> tuple[list[Figure], list[Absence]]:
    """Return every figure that the results on disk allow, and why the others are absent.

    Nothing is trained. A figure whose data are missing or unreadable never hides another.

    Args:
        layout: The checkout.
        params: Its params.yaml.
        dataset: Name of a data set of the grid.
        backbone: Only its figures; None draws those of every backbone.
        kinds: Some of :data:`KINDS`; None is all.

    Raises:
        ReproError: If a kind is unknown, or the grid has no such cells.
    """
    chosen = _checked(kinds)
    materials = materials_of(layout, params, dataset, backbone)
    composed = [material for material in materials if not _only_base(material)] or materials
    drawn: list[Figure] = []
    absent: list[Absence] = []
    for name, make in _makers(composed, chosen, dataset):
        try:
            drawn += make()
        except (ReproError, IrllrecError) as error:
            absent.append(Absence(name, str(error)))
    return drawn, absent


def _makers(
    materials: Sequence[Material], kinds: Sequence[str], dataset: str
) -> Iterator[tuple[str, Callable[[], list[Figure]]]]:
    """Yield the name of each figure and what makes it."""
    if "comparison" in kinds:
        yield f"comparison-{dataset}", lambda: [comparison_figure(materials)]
    for kind, make in _OF_BACKBONE.items():
        for material in materials if kind in kinds else ():
            yield f"{kind}-{material.place}", lambda make=make, material=material: [make(material)]  # type: ignore[misc]


def _only_base(material: Material) -> bool:
    """Return whether a backbone has nothing beside base to compare: a simple baseline, or one not filled."""
    return set(material.cells) | set(material.waiting) <= {"base"}


def _checked(kinds: Sequence[str] | None) -> tuple[str, ...]:
    for kind in kinds or ():
        if kind not in KINDS:
            raise ReproError(f"there is no figure {kind!r}: choose from {', '.join(KINDS)}.")
    return KINDS if not kinds else tuple(kind for kind in KINDS if kind in kinds)
