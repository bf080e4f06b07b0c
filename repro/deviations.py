"""Which cells show what a deviation of the release costs: a table of pairs, and what of it can be run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from irllrec.fidelity import DEVIATIONS
from repro.cell_requests import CellRequest
from repro.errors import ReproError
from repro.params import Params

Kind = Literal["switch", "seeds", "broken"]


@dataclass(frozen=True)
class Price:
    """How one deviation is priced.

    Attributes:
        what: The deviation in a few words.
        objective: Objective of both cells; empty where no cell can show it.
        why: Why this pair shows it, one sentence.
        backbones: Where it shows, the default first; empty means on every backbone.
        kind: ``switch``: the cell against itself with the deviation turned. ``seeds``: the spread
            over seeds of the cell and of its base. ``broken``: nothing to run.
    """

    what: str
    objective: str
    why: str
    backbones: tuple[str, ...] = ()
    kind: Kind = "switch"

    def shows_on(self, backbone: str) -> bool:
        """Return whether turning it can change anything there."""
        return not self.backbones or backbone in self.backbones


PRICES: Mapping[str, Price] = {
    "D-01": Price(
        "tran and ITM on LightGCN only",
        "irllrec",
        "turned, this backbone computes neither term; the rest is the same",
        ("simgcl", "sgl", "dccf", "bigcf"),
    ),
    "D-02": Price(
        "λ2 = λ3 = 1e-7",
        "irllrec",
        "turned, only the two weights change, to the release's",
        ("lightgcn",),
    ),
    "D-03": Price(
        "tran inside ITM is scaled by λ2",
        "irllrec",
        "turned, L_tran enters ITM multiplied by λ2; it shows only where ITM has a weight",
    ),
    "D-04": Price(
        "ITM without interactions",
        "irllrec",
        "turned, ITM compares text intents with their own momentum copy",
    ),
    "D-05": Price(
        "teacher initialised anew",
        "irllrec",
        "turned, the momentum tower starts from other weights than its student; all other weights start alike",
    ),
    "D-06": Price(
        "dccf_int and AlphaRec do not run",
        "",
        "the release stops at an import and at one negative a pair, so there is no number to compare with",
        kind="broken",
    ),
    "D-07": Price(
        "noise at evaluation",
        "base",
        "turned, validation and test rank by embeddings with fresh noise; the training steps are the same",
        ("bigcf",),
    ),
    "D-08": Price(
        "mask after the forward pass",
        "rlmrec-gen",
        "turned, nodes are propagated unmasked, and the decoder is given what it should have to reconstruct",
        ("bigcf",),
    ),
    "D-09": Price(
        "all edges kept for IRLLRec",
        "irllrec",
        "turned, keep_rate is 1 as in the release's IRLLRec, else that of the LightGCN baseline",
        ("lightgcn",),
    ),
    "D-10": Price(
        "pair without negatives",
        "irllrec",
        "turned, the pair term covers users and positives only",
        ("simgcl",),
    ),
    "D-11": Price(
        "one seed repeated five times",
        "irllrec",
        "the standard deviation over seeds is what a repeated seed shows as 0",
        kind="seeds",
    ),
    "D-12": Price(
        "teacher's weights regularised",
        "irllrec",
        "turned, the loss grows by the norm of frozen weights, whose gradient is 0",
    ),
}
"""Deviation → the cells whose difference is its price."""

FIRST_BACKBONE = "lightgcn"
"""Where a deviation is priced that shows everywhere."""


@dataclass(frozen=True)
class Case:
    """One deviation on one data set and backbone.

    Attributes:
        cells: For a switch the plain cell and the turned one, for seeds base and objective; empty
            where ``missing`` says why there can be none.
        missing: What is missing, and the command that brings it; empty where nothing is.
    """

    deviation: str
    dataset: str
    backbone: str
    cells: tuple[CellRequest, ...] = ()
    missing: str = ""

    @property
    def price(self) -> Price:
        return PRICES[self.deviation]

    @property
    def place(self) -> str:
        """``backbone/objective``, – where nothing can be run."""
        return f"{self.backbone}/{self.price.objective}" if self.backbone else "–"

    @property
    def command(self) -> str:
        """The command that prices just this."""
        backbone = "" if self.backbone == _default_backbone(self.price) else f" --backbone {self.backbone}"
        return f"repro deviations --dataset {self.dataset} --only {self.deviation}{backbone}"


def check_deviations(names: Sequence[str]) -> list[str]:
    """Return the named deviations in their order, by default all.

    Raises:
        ReproError: If one does not exist.
    """
    asked = {name.upper() for name in names}
    unknown = sorted(asked - set(DEVIATIONS))
    if unknown:
        raise ReproError(
            f"there is no deviation {unknown[0]!r}: choose from {DEVIATIONS[0]} to {DEVIATIONS[-1]}."
        )
    return [name for name in DEVIATIONS if not asked or name in asked]


def plan(
    params: Params, deviations: Sequence[str], datasets: Sequence[str], backbones: Sequence[str]
) -> list[Case]:
    """Return every case to price, data set by data set; those that cannot be say what is missing.

    Args:
        params: The grid.
        deviations: Names, D-01 to D-12.
        datasets: Names under ``datasets``.
        backbones: Where to price; empty takes each deviation's default.

    Raises:
        ReproError: If a data set or a backbone is unknown.
    """
    for kind, names, known in (
        ("data set", datasets, params.datasets),
        ("backbone", backbones, params.backbones),
    ):
        for name in names:
            if name not in known:
                raise ReproError(f"There is no {kind} {name!r} in params.yaml: choose {', '.join(known)}.")
    return [
        case
        for dataset in datasets
        for deviation in deviations
        for case in _cases(params, deviation, dataset, backbones)
    ]


def _cases(params: Params, deviation: str, dataset: str, backbones: Sequence[str]) -> list[Case]:
    price = PRICES[deviation]
    if price.kind == "broken":
        return [Case(deviation, dataset, "", missing=price.why)]
    shown = [name for name in backbones if price.shows_on(name)]
    if backbones and not shown:
        where = ", ".join(price.backbones)
        return [Case(deviation, dataset, "", missing=f"it shows on {where} only: leave out --backbone")]
    return [_case(params, deviation, dataset, name) for name in shown or [_default_backbone(price)]]


def _case(params: Params, deviation: str, dataset: str, backbone: str) -> Case:
    price = PRICES[deviation]
    case = Case(deviation, dataset, backbone)
    if backbone not in params.backbones:
        return replace(
            case,
            missing=f"params.yaml has no backbone {backbone}: add its line under `backbones`, "
            f"then run `{case.command}`",
        )
    if price.objective != "base" and params.datasets[dataset].text is None:
        return replace(
            case,
            missing=f"{dataset} has no text, which {price.objective} reads: see "
            f"`repro data import {dataset} --help`, then run `{case.command}`",
        )
    if price.kind == "seeds":
        if len(params.datasets[dataset].seeds) < 2:
            return replace(
                case,
                missing=f"one seed has no spread: put more under datasets.{dataset}.seeds in params.yaml, "
                f"then run `{case.command}`",
            )
        return replace(
            case, cells=tuple(CellRequest(dataset, backbone, name) for name in ("base", price.objective))
        )
    plain = CellRequest(dataset, backbone, price.objective)
    return replace(case, cells=(plain, replace(plain, turned=(deviation,))))


def _default_backbone(price: Price) -> str:
    return price.backbones[0] if price.backbones else FIRST_BACKBONE


def without_runs(case: Case, ready: Collection[str]) -> Case:
    """Return the case, naming what is missing where a cell's results are not ready to be read."""
    absent = [request.key for request in case.cells if request.key not in ready]
    if not absent:
        return case
    what = "no run that is up to date of " + " and ".join(absent)
    return replace(case, cells=(), missing=f"{what}: run `{case.command}`")
