"""How much models lose when their training data are polluted, and whether one loses less than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from repro.analysis import settings_of, streams_of
from repro.cell_requests import CellRequest, checked
from repro.errors import ReproError
from repro.params import Params
from repro.results import CellResult, FloatArray
from repro.statistics.comparison import Comparison, Question, answer, correct_family
from repro.statistics.paired import check_same_users
from repro.statistics.robustness import changes, relative_changes
from repro.tables.main import OURS

CLICKS, TEXT = "clicks", "text"
KINDS = {CLICKS: "click_noise", TEXT: "text_noise"}
"""What ``--kind`` takes, and the field of a cell that holds the share."""

TITLES = {CLICKS: "fake training interactions", TEXT: "nodes with another node's text"}
SHARES = (5, 10, 15, 20, 25)
ABSOLUTE, RELATIVE = "metric", "share of clean"


@dataclass(frozen=True)
class Curve:
    """One variant without noise, and with more and more.

    Attributes:
        clean: Without.
        noisy: By share in per cent, ascending; the clean cell itself where noise of the kind does not reach
            the variant.
    """

    clean: CellResult
    noisy: Mapping[int, CellResult]

    @property
    def variant(self) -> str:
        return self.clean.cell.variant

    @property
    def is_reached(self) -> bool:
        """Whether the noise changes what the variant is trained on."""
        return any(cell.key != self.clean.key for cell in self.noisy.values())


@dataclass(frozen=True)
class Change:
    """What one variant's metric is under a share of noise, against the clean cell."""

    variant: str
    share: int
    comparison: Comparison


@dataclass(frozen=True)
class Contrast:
    """Whether the first variant loses less than the second: the difference of their changes.

    Attributes:
        scale: ``metric`` for changes of the metric itself, ``share of clean`` for changes as shares of the
            variant's own clean mean.
        comparison: Candidate and reference means are the changes of the first and the second.
    """

    first: str
    second: str
    share: int
    scale: str
    comparison: Comparison


@dataclass(frozen=True)
class NoiseStudy:
    """The curves of one kind of noise at one place, with both families of tests, each corrected.

    Attributes:
        kind: ``clicks`` or ``text``.
        curves: At least one, their shares the same; the first in question is :attr:`favourite`.
        metrics: What was compared.
    """

    kind: str
    curves: Sequence[Curve]
    metrics: Sequence[str]
    changes: Sequence[Change]
    contrasts: Sequence[Contrast]

    @property
    def shares(self) -> list[int]:
        return sorted({share for curve in self.curves for share in curve.noisy})

    @property
    def favourite(self) -> str:
        """The variant of which it is asked whether it loses less: irllrec, or else the first."""
        return _favourite(self.curves).variant

    @property
    def dataset(self) -> str:
        return self.curves[0].clean.cell.dataset

    @property
    def backbone(self) -> str:
        return self.curves[0].clean.cell.backbone


def noisy_request(params: Params, clean: CellRequest, kind: str, share: int) -> CellRequest:
    """Return the cell of a share of noise; the clean one where the noise cannot reach it.

    Raises:
        ReproError: If the kind is unknown or the share impossible.
    """
    if kind not in KINDS:
        raise ReproError(f"there is no kind of noise {kind!r}: choose {' or '.join(KINDS)}.")
    return checked(params, replace(clean, **{KINDS[kind]: share}))  # type: ignore[arg-type]


def study(
    kind: str, curves: Sequence[Curve], metrics: Sequence[str], params: Params, correction: str
) -> NoiseStudy:
    """Return what the variants of one place lose under noise.

    Args:
        kind: ``clicks`` or ``text``.
        curves: Of one data set and backbone.
        metrics: What to compare.
        params: Holds level, sample counts, margin and seed.
        correction: ``holm`` or ``bh``; over all changes, and over all contrasts.

    Raises:
        ReproError: If cells to be paired differ in users or seeds.
    """
    values: dict[str, dict[str, FloatArray]] = {}
    lost = [
        (curve, share, metric)
        for curve in curves
        if curve.is_reached
        for share in curve.noisy
        for metric in metrics
    ]
    for curve, share, metric in lost:
        _check(curve.clean, curve.noisy[share])
        _add_sides(values, curve, share, metric)
    first = _favourite(curves)
    compared = [
        (other, share, scale, metric)
        for other in curves
        if other is not first and first.is_reached
        for share in sorted(set(first.noisy) & set(other.noisy))
        for metric in metrics
        for scale in (ABSOLUTE, RELATIVE)
        if _has_sides(values, first, other, share, scale, metric)
    ]
    questions = [Question(curve.noisy[share].name, curve.clean.name, metric) for curve, share, metric in lost]
    questions += [
        Question(_side(first, share, scale), _side(other, share, scale), metric)
        for other, share, scale, metric in compared
    ]
    streams = streams_of(params, first.clean.cell.dataset, f"{kind} noise")
    answers = answer(values, questions, settings_of(params), streams)
    families = (answers[: len(lost)], answers[len(lost) :])
    changed, contrasted = (correct_family(family, correction) for family in families)
    return NoiseStudy(
        kind,
        curves,
        metrics,
        [Change(curve.variant, share, c) for (curve, share, _), c in zip(lost, changed, strict=True)],
        [
            Contrast(first.variant, other.variant, share, scale, c)
            for (other, share, scale, _), c in zip(compared, contrasted, strict=True)
        ],
    )


def _favourite(curves: Sequence[Curve]) -> Curve:
    return next((curve for curve in curves if curve.variant == OURS), curves[0])


def _side(curve: Curve, share: int, scale: str) -> str:
    """Return what the change of a variant is called."""
    return f"{curve.clean.name} at {share}% noise, {scale}"


def _add_sides(values: dict[str, dict[str, FloatArray]], curve: Curve, share: int, metric: str) -> None:
    """Add the metric of a noisy cell and its clean one, and the changes between them."""
    clean, noisy = (cell.values(metric) for cell in (curve.clean, curve.noisy[share]))
    values.setdefault(curve.clean.name, {})[metric] = clean
    values.setdefault(curve.noisy[share].name, {})[metric] = noisy
    values.setdefault(_side(curve, share, ABSOLUTE), {})[metric] = changes(noisy, clean)
    shares = relative_changes(noisy, clean)
    if shares is not None:
        values.setdefault(_side(curve, share, RELATIVE), {})[metric] = shares


def _has_sides(
    values: dict[str, dict[str, FloatArray]], first: Curve, other: Curve, share: int, scale: str, metric: str
) -> bool:
    """Return whether both changes are there; those of a variant that the noise does not reach are 0."""
    if metric not in values.get(_side(first, share, scale), {}):
        return False
    theirs = values.setdefault(_side(other, share, scale), {})
    if not other.is_reached:
        theirs[metric] = np.zeros_like(other.clean.values(metric))
    return metric in theirs


def _check(clean: CellResult, noisy: CellResult) -> None:
    check_same_users(clean.users, noisy.users, (clean.name, noisy.name))
    if list(clean.seeds) != list(noisy.seeds):
        raise ReproError(
            f"{clean.name} was trained with the seeds {_listed(clean)} and {noisy.name} with {_listed(noisy)}: "
            "train both with the same with `dvc repro`."
        )


def _listed(cell: CellResult) -> str:
    return ", ".join(str(seed) for seed in cell.seeds)
