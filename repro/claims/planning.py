"""Which cells the claims compare, on which data sets and backbones, and what cannot be tested there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from repro.cell_requests import CellRequest, checked, named
from repro.claims.records import EVERY, Claim, Claims, Robustness, split_side
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Params

FIRST_BACKBONE = "lightgcn"
"""Where a claim is tested on a data set whose grid has no cell of its candidate yet."""


@dataclass(frozen=True)
class Quantity:
    """What one side of a test brings for every user: a cell's metric, or its change from a clean cell's.

    Attributes:
        cell: The cell.
        clean: The same cell without noise, whose metric is subtracted; None subtracts nothing.
    """

    cell: CellRequest
    clean: CellRequest | None = None

    @property
    def name(self) -> str:
        """``backbone/variant``, and what is subtracted."""
        clean = f" − {self.clean.variant}" if self.clean else ""
        return f"{self.cell.backbone}/{self.cell.variant}{clean}"

    @property
    def cells(self) -> tuple[CellRequest, ...]:
        return (self.cell,) if self.clean is None else (self.cell, self.clean)


@dataclass(frozen=True)
class PlannedTest:
    """One test to make: candidate − reference on a metric."""

    candidate: Quantity
    reference: Quantity
    metric: str

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the cells that it reads."""
        return tuple(cell.key for side in (self.candidate, self.reference) for cell in side.cells)


@dataclass(frozen=True)
class PlannedClaim:
    """A claim at one place.

    Attributes:
        name: C1, …
        claim: Its entry in claims.yaml.
        dataset, backbone: The place.
        tests: What is to be tested there; empty where ``reason`` says why nothing can be.
        reason: Empty where the cells can be made.
    """

    name: str
    claim: Claim
    dataset: str
    backbone: str
    tests: tuple[PlannedTest, ...] = ()
    reason: str = ""

    @property
    def requests(self) -> list[CellRequest]:
        """The cells that are read, each once."""
        sides = (side for test in self.tests for side in (test.candidate, test.reference))
        return list(dict.fromkeys(cell for side in sides for cell in side.cells))

    @property
    def command(self) -> str:
        """The command that makes what is missing and judges just this."""
        return f"repro claims --claim {self.name} --dataset {self.dataset} --backbone {self.backbone}"


def plan(
    claims: Claims,
    params: Params,
    *,
    names: Sequence[str] = (),
    datasets: Sequence[str] = (),
    backbones: Sequence[str] = (),
) -> list[PlannedClaim]:
    """Return the claims at every place where they are asked for, in the order of claims.yaml.

    Args:
        claims: The file.
        params: The grid.
        names: Claims; empty means all.
        datasets: Data sets; empty means those that each claim names, or all of the grid.
        backbones: Backbones; empty means those that each claim names, or that have its candidate's cell.

    Raises:
        ReproError: If a name is unknown, or no claim is about what was asked for.
    """
    for kind, asked, known in (
        ("data set", datasets, params.datasets),
        ("backbone", backbones, params.backbones),
    ):
        for name in asked:
            if name not in known:
                raise ReproError(f"There is no {kind} {name!r} in params.yaml: choose {', '.join(known)}.")
    chosen = claims.chosen(tuple(names))
    found = [
        _planned(name, claim, params, dataset, backbone)
        for name, claim in chosen.items()
        for dataset in _wanted(claim.datasets, datasets, list(params.datasets))
        for backbone in _wanted(claim.backbones, backbones, _backbones_of(claim, params, dataset))
    ]
    if not found:
        raise ReproError(f"{', '.join(chosen)} in claims.yaml: no such claim is about what was asked for.")
    return found


def _wanted(named_there: str | tuple[str, ...], asked: Sequence[str], usual: Sequence[str]) -> list[str]:
    if named_there == EVERY:
        return list(dict.fromkeys(asked or usual))
    return [name for name in dict.fromkeys(named_there) if not asked or name in asked]


def _backbones_of(claim: Claim, params: Params, dataset: str) -> list[str]:
    """Return the backbones on which the grid has the plain cell of a candidate's objective."""
    objectives = {named(params, dataset, "any", split_side(side)[1]).objective for side in claim.candidates}
    found = [
        cell.backbone
        for cell in params.cells.values()
        if cell.dataset == dataset and cell.objective in objectives and not cell.is_variation
    ]
    return list(dict.fromkeys(found)) or [FIRST_BACKBONE]


def _planned(name: str, claim: Claim, params: Params, dataset: str, backbone: str) -> PlannedClaim:
    place = PlannedClaim(name, claim, dataset, backbone)
    if dataset not in params.datasets:
        return replace(
            place, reason=f"the data set {dataset} is not here: bring it with `repro data fetch {dataset}`"
        )
    try:
        tests = dict.fromkeys(_tests(claim, params, dataset, backbone))
    except ReproError as error:
        return replace(place, reason=str(error).rstrip("."))
    return replace(place, tests=tuple(tests))


def _tests(claim: Claim, params: Params, dataset: str, backbone: str) -> Iterator[PlannedTest]:
    def cell(side: str) -> CellRequest:
        own, variant = split_side(side)
        return checked(params, named(params, dataset, own or backbone, variant))

    for one in claim.candidates:
        for other in claim.references:
            candidate, reference = cell(one), cell(other)
            if candidate == reference:
                continue
            for metric in claim.metrics:
                if not isinstance(claim, Robustness):
                    yield PlannedTest(Quantity(candidate), Quantity(reference), metric)
                    continue
                for noisy, other_noisy in zip(
                    _noisy(claim, candidate), _noisy(claim, reference), strict=True
                ):
                    kept = Quantity(checked(params, noisy), candidate)
                    yield PlannedTest(kept, Quantity(checked(params, other_noisy), reference), metric)


def _noisy(claim: Robustness, cell: CellRequest) -> list[CellRequest]:
    """Return the cell under every level of noise that the claim names."""
    clicks = [replace(cell, click_noise=level) for level in claim.click_noise]
    return clicks + [replace(cell, text_noise=level) for level in claim.text_noise]


def without_data(place: PlannedClaim, layout: Layout, params: Params) -> PlannedClaim:
    """Return the claim, not to be tested where the raw data that its cells are made from are missing."""
    from repro.engine import require_raw_data

    try:
        require_raw_data(layout, params, [place.dataset] if place.tests else [])
    except ReproError as error:
        return replace(place, tests=(), reason=str(error).rstrip("."))
    return place
