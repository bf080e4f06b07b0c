"""claims.yaml as typed records; every unknown key and name is refused in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError, field_validator

from irllrec.errors import ConfigurationError
from irllrec.evaluation.strata import strata_of
from repro.cell_requests import COMPONENTS, named
from repro.errors import ReproError
from repro.layout import Layout
from repro.metric_kinds import check_metrics
from repro.params import Params
from repro.sources import load_sources
from repro.text_params import Record
from repro.yaml_text import load_yaml, read_yaml_text

EVERY: Literal["every"] = "every"

Percent = Annotated[int, Field(ge=1, le=100)]


class Rule(Record):
    """How the tests of a claim become one verdict."""

    supported_if: Literal["every", "any"]
    contradicted_if: Literal["every", "any"]
    ties: Literal["contradict", "undecided"]
    power: float = Field(gt=0.5, lt=1)


class _Hypothesis(Record):
    """What all kinds of claims say."""

    title: str = Field(min_length=1, max_length=70)
    source: Literal["paper", "ours"]
    candidates: tuple[str, ...] = Field(min_length=1)
    references: tuple[str, ...] = Field(min_length=1)
    metrics: tuple[str, ...] = Field(min_length=1)
    direction: Literal["higher", "lower"]
    smallest_effect: float = Field(gt=0, lt=1)
    datasets: Literal["every"] | tuple[str, ...]
    backbones: Literal["every"] | tuple[str, ...]

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(check_metrics(metrics))
        except ReproError as error:
            raise ValueError(str(error).rstrip(".")) from None

    @property
    def sign(self) -> int:
        """+1 where the claim expects candidate − reference above 0, −1 where below."""
        return 1 if self.direction == "higher" else -1


class Difference(_Hypothesis):
    """Candidate − reference over all users."""

    test: Literal["difference"]


class Interaction(_Hypothesis):
    """Candidate − reference among sparse users against that among dense users."""

    test: Literal["interaction"]
    groups: str
    gain: Literal["absolute", "relative"]

    @field_validator("groups")
    @classmethod
    def _groups_are_readable(cls, groups: str) -> str:
        try:
            strata_of(np.zeros(0, dtype=np.int64), groups)
        except ConfigurationError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return groups


class Robustness(_Hypothesis):
    """What the candidate keeps of its metric under noise against what the reference keeps."""

    test: Literal["robustness"]
    click_noise: tuple[Percent, ...] = ()
    text_noise: tuple[Percent, ...] = ()


Claim = Annotated[Difference | Interaction | Robustness, Field(discriminator="test")]


class Claims(Record):
    """The whole file."""

    rule: Rule
    claims: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")], Claim] = Field(min_length=1)

    def chosen(self, names: tuple[str, ...]) -> dict[str, Claim]:
        """Return the named claims in the file's order, all where none is named.

        Raises:
            ReproError: If one is unknown.
        """
        wanted = {name.upper() for name in names}
        found = {name: claim for name, claim in self.claims.items() if not wanted or name.upper() in wanted}
        unknown = sorted(wanted - {name.upper() for name in found})
        if unknown:
            raise ReproError(
                f"There is no claim {unknown[0]!r} in claims.yaml: choose {', '.join(self.claims)}."
            )
        return found


def load_claims(layout: Layout, params: Params) -> Claims:
    """Return the checked content of claims.yaml.

    Raises:
        ReproError: Naming the file, the key, the value and what is allowed.
    """
    path = layout.claims
    content = load_yaml(read_yaml_text(path, f"restore it with `git checkout {path.name}`"), path)
    if not isinstance(content, dict):
        raise ReproError(f"{path} holds no sections: restore it with `git checkout {path.name}`.")
    try:
        claims = Claims.model_validate(content)
    except ValidationError as error:
        raise ReproError(_sentence(path, error)) from None
    _check_names(path, claims.claims, params, layout)
    return claims


def _sentence(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    kinds = ("difference", "interaction", "robustness", "[key]", "literal['every']", "tuple[str, ...]")
    key = ".".join(str(part) for part in first["loc"] if part not in kinds)
    if first["type"] == "extra_forbidden":
        return f"{path}: unknown key `{key}`: remove it, or check its spelling."
    if first["type"] in ("missing", "union_tag_not_found"):
        lacking = f"{key}.test" if first["type"] == "union_tag_not_found" else key
        return f"{path}: the key `{lacking}` is missing: add it."
    if first["type"] == "union_tag_invalid":
        given = first["ctx"]["tag"]
        return f"{path}: `{key}.test` is {given!r}: choose difference, interaction or robustness."
    if first["type"] == "value_error":
        return f"{path}: `{key}`: {first['ctx']['error']}."
    return f"{path}: `{key}` is {first['input']!r:.200}: {first['msg'][0].lower()}{first['msg'][1:]}."


def _check_names(path: Path, claims: Mapping[str, Claim], params: Params, layout: Layout) -> None:
    """Refuse names of data sets, backbones and variants that do not exist."""
    datasets: set[str] | None = None
    for name, claim in claims.items():
        where = f"{path}: `claims.{name}"
        if isinstance(claim, Robustness) and not (claim.click_noise or claim.text_noise):
            raise ReproError(
                f"{where}` names no noise: give click_noise or text_noise, for example [10, 20]."
            )
        if claim.datasets != EVERY:
            datasets = datasets or {*params.datasets, *load_sources(layout.sources).datasets}
            _refuse_unknown(f"{where}.datasets`", "data set", claim.datasets, datasets)
        if claim.backbones != EVERY:
            _refuse_unknown(f"{where}.backbones`", "backbone", claim.backbones, params.backbones)
        for field, sides in (("candidates", claim.candidates), ("references", claim.references)):
            for side in sides:
                _check_side(f"{where}.{field}`", side, params)
        if set(claim.candidates) & set(claim.references):
            both = sorted(set(claim.candidates) & set(claim.references))[0]
            raise ReproError(f"{where}` compares {both!r} with itself: take it out of one side.")


def _check_side(where: str, side: str, params: Params) -> None:
    backbone, variant = split_side(side)
    if backbone is not None:
        _refuse_unknown(where, "backbone", (backbone,), params.backbones)
    request = named(params, "any", backbone or "any", variant)
    _refuse_unknown(where, "variant", (request.objective,), params.objectives)
    _refuse_unknown(where, "component", request.drop, COMPONENTS)


def _refuse_unknown(
    where: str, kind: str, names: tuple[str, ...], known: Mapping[str, object] | set[str] | tuple[str, ...]
) -> None:
    for name in names:
        if name not in known:
            choices = sorted(known) if isinstance(known, set) else known
            raise ReproError(
                f"{where} names {name!r}, and there is no such {kind}: choose {', '.join(choices)}."
            )


def split_side(side: str) -> tuple[str | None, str]:
    """Return backbone and variant of a side; None stands for the backbone under test."""
    backbone, slash, variant = side.rpartition("/")
    return (backbone, variant) if slash else (None, side)
