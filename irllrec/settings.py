"""Typed settings from plain mappings, with errors that name the key, the value and what is allowed."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from irllrec.errors import ConfigurationError

SettingsType = TypeVar("SettingsType")


def read_settings(kind: type[SettingsType], given: Mapping[str, Any], *, where: str) -> SettingsType:
    """Return ``kind(**given)`` after checking every name and type.

    Args:
        kind: A frozen dataclass; fields without a default must be given.
        given: The mapping, for example ``backbones.lightgcn`` of params.yaml.
        where: How the mapping is called in messages.

    Raises:
        ConfigurationError: For an unknown or missing key, or a value of the wrong type or range.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigurationError(
                f"{where} has the unknown key {name!r}{hint}; it takes {', '.join(fields) or 'no keys'}."
            )
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in given:
            raise ConfigurationError(f"{where} lacks the key {name!r}: add it.")
    values = {name: _checked(given[name], hints[name], f"{where}.{name}") for name in given}
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}.") from None


def _checked(value: Any, hint: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        allowed = typing.get_args(hint)
        if value not in allowed:
            raise ConfigurationError(f"{where} is {value!r}; it takes {', '.join(map(repr, allowed))}.")
        return value
    if origin in (typing.Union, types.UnionType):
        return value
    if origin is frozenset:
        return frozenset(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, bool, str) and (
        not isinstance(value, hint) or (hint is not bool and isinstance(value, bool))
    ):
        extra = " (YAML reads 1e-6 as text: write 1.0e-6)" if hint is float else ""
        raise ConfigurationError(f"{where} is {value!r}; it must be {hint.__name__}{extra}.")
    return value
