"""Search spaces: which settings are searched, and between what values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from repro.errors import ReproError
from repro.hyperparameters import Value, default_settings, find_setting, parse_value
from repro.params import Name, Params, Record
from repro.yaml_text import load_yaml, read_yaml_text


class Range(Record):
    """All numbers between two ends, both included; whole ones where both ends are whole."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ends_are_in_order(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low} and high {self.high}: low must be below high")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}: with log it must be above 0")
        return self

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def holds(self, value: Any) -> bool:
        """Return whether a value can be drawn from here."""
        kind = int if self.whole else (int, float)
        return isinstance(value, kind) and not isinstance(value, bool) and self.low <= value <= self.high


class Choices(Record):
    """Some values, in no order."""

    choices: tuple[int | float | str, ...] = Field(min_length=2)

    def holds(self, value: Any) -> bool:
        """Return whether a value can be drawn from here."""
        return value in self.choices


Dimension = Range | Choices
Space = dict[str, Dimension]
"""Setting, by section and name, → its values."""

_Entry = dict[Annotated[str, Field(pattern=r"^[a-z_0-9]+$")], Dimension]


class Spaces(Record):
    """A whole file: what is searched for each backbone, each objective, and for all."""

    training: _Entry = Field(default_factory=dict)
    backbones: dict[Name, _Entry]
    objectives: dict[Name, _Entry]


def read_spaces(path: Path) -> Spaces:
    """Return the checked content of a file such as data/search_spaces.yaml.

    Raises:
        ReproError: Naming the file, the key and what is allowed.
    """
    text = read_yaml_text(path, "name another file with --space, or restore data/search_spaces.yaml")
    content = load_yaml(text, path)
    try:
        return Spaces.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part not in ("Range", "Choices", "[key]"))
        told = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
        raise ReproError(
            f"{path}: `{key}`: {told}; a setting takes {{low, high}}, log if wanted, or {{choices: [...]}}."
        ) from None


def space_of(spaces: Spaces, backbone: str, objective: str) -> Space:
    """Return what is searched for one backbone under one objective.

    Raises:
        ReproError: If the file says nothing of one of them.
    """
    for kind, known, name in (
        ("backbones", spaces.backbones, backbone),
        ("objectives", spaces.objectives, objective),
    ):
        if name not in known:
            raise ReproError(
                f"The search spaces have no entry `{kind}.{name}`: add one to data/search_spaces.yaml, "
                "{} where it has nothing to search."
            )
    parts = {
        "backbone": spaces.backbones[backbone],
        "objective": spaces.objectives[objective],
        "training": spaces.training,
    }
    return {f"{section}.{name}": part for section, entry in parts.items() for name, part in entry.items()}


def parse_dimension(text: str) -> tuple[str, Dimension]:
    """Return the setting and its values that ``--set`` gives, as ``kd_weight=0.001..0.1,log`` or ``layers=1|3``.

    Raises:
        ReproError: If the text has another form.
    """
    name, _, values = text.partition("=")
    wrong = ReproError(f"--set {text}: write setting=low..high, setting=low..high,log or setting=a|b|c.")
    if not re.fullmatch(r"([a-z]+\.)?[a-z_0-9]+", name) or not values:
        raise wrong
    span = re.fullmatch(r"([^,|]+)\.\.([^,|]+?)(,log)?", values)
    try:
        if span:
            return name, Range(low=_number(span[1]), high=_number(span[2]), log=bool(span[3]))
        if "|" in values:
            return name, Choices(choices=tuple(parse_value(part) for part in values.split("|")))
    except ValidationError as error:
        first = error.errors()[0]
        raise ReproError(f"--set {text}: {first.get('ctx', {}).get('error', first['msg'])}.") from None
    except ValueError:
        raise wrong from None
    raise wrong


def with_dimensions(
    space: Space, given: Sequence[tuple[str, Dimension]], params: Params, backbone: str, objective: str
) -> Space:
    """Return the space with these settings in place of, or beside, its own.

    Args:
        space: What is searched without them.
        given: Settings, the section left out where only one has a setting of the name.
        params: Says which settings there are.
        backbone: Whose settings may be named.
        objective: Likewise.

    Raises:
        ReproError: If a setting is unknown, in the space or among the given.
    """
    defaults = default_settings(params, backbone, objective)
    added: Space = {}
    for name, dimension in given:
        method = f"{backbone} under {objective}"
        added[find_setting(list(defaults), name, f"--set {name}", method)] = dimension
    for key in space:
        if key not in defaults:
            raise ReproError(
                f"The search space names {key}, which {backbone} under {objective} has not: "
                f"choose from {', '.join(defaults)}."
            )
    return {**space, **added}


def override_of(settings: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Return searched settings as the override of a cell."""
    override: dict[str, dict[str, Value]] = {}
    for key, value in settings.items():
        section, _, name = key.partition(".")
        override.setdefault(section, {})[name] = value
    return override


def _number(text: str) -> int | float:
    value = parse_value(text)
    if isinstance(value, str):
        raise ValueError(text)
    return value
