"""Settings of a method by section and name, and single ones changed to see what they do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from repro.errors import ReproError
from repro.params import Training

if TYPE_CHECKING:
    from repro.cell_params import Override
    from repro.params import Params

Value = int | float | str
Number = int | float

SECTIONS = ("backbone", "objective", "training")
"""The parts of a cell's override; a setting is named ``objective.kd_weight``."""

TEXT_WIDTH = "text.dimension"
"""Columns of the text vectors, reduced to their principal components before training where they are wider."""

_OPTIONS = {"objective.itm": "--itm", "objective.keep_coupled": "--keep-coupled"}


def default_settings(params: Params, backbone: str, objective: str) -> dict[str, Any]:
    """Return every setting of a method, by section and name, with its value in params.yaml."""
    parts = {
        "backbone": params.backbones[backbone],
        "objective": params.objectives[objective],
        "training": {name: getattr(params.training, name) for name in Training.model_fields},
    }
    return {f"{section}.{name}": value for section, entry in parts.items() for name, value in entry.items()}


def settings_at(params: Params, dataset: str, backbone: str, objective: str) -> dict[str, Any]:
    """Return every setting of a method on one data set: as params.yaml has it, then its plain cell."""
    cell = params.cells.get(f"{dataset}-{backbone}-{objective}")
    found = default_settings(params, backbone, objective)
    found |= {f"training.{name}": value for name, value in params.datasets[dataset].training.items()}
    for section in SECTIONS if cell else ():
        own = getattr(cell.override, section)  # type: ignore[union-attr]
        found |= {f"{section}.{name}": value for name, value in own.items()}
    return found


def find_setting(known: Sequence[str], name: str, where: str, method: str) -> str:
    """Return the section and name of a setting, the section given or left out where only one has it.

    Args:
        known: Sections and names.
        name: As given.
        where: What names it, for the sentence: ``--set kd_weight``.
        method: Whose settings they are, for the sentence.

    Raises:
        ReproError: Listing what there is.
    """
    short = name.replace(".", "_") if name == TEXT_WIDTH else name
    found = [key for key in known if short in (key, key.partition(".")[2], key.replace(".", "_"))]
    if len(found) == 1:
        return found[0]
    if found:
        raise ReproError(f"{where}: {method} has more than one such setting: name one of {', '.join(found)}.")
    raise ReproError(f"{where}: {method} has no such setting: choose from {', '.join(known)}.")


def checked_changes(
    params: Params,
    dataset: str,
    backbone: str,
    objective: str,
    changes: Sequence[tuple[str, Number]],
    *,
    override: Override,
    reads_text: bool,
) -> tuple[tuple[str, Number], ...]:
    """Return changed settings by section and name, in order, those left out that hold anyway.

    Args:
        params: Says which settings there are.
        dataset: Where they hold.
        backbone: Whose settings may be named.
        objective: Likewise.
        changes: Names, the section left out where only one has a setting of the name, and values.
        override: That of the plain cell, with its fidelity as the changed cell has it.
        reads_text: Whether there are text vectors to make narrower.

    Raises:
        ReproError: Naming the setting, its value and what is allowed.
    """
    usual = settings_at(params, dataset, backbone, objective)
    if reads_text:
        usual[TEXT_WIDTH] = text_width(params, dataset)
    method = f"{backbone} under {objective}"
    changed: dict[str, Number] = {}
    for name, value in changes:
        key = find_setting(list(usual), name, f"The setting {name}", method)
        if key in changed:
            raise ReproError(f"The setting {name} is given twice: name it once.")
        changed[key] = _checked_number(params, backbone, objective, key, value)
    _refuse_fixed(params, backbone, objective, changed, override)
    width = usual.get(TEXT_WIDTH)
    if width is not None and changed.get(TEXT_WIDTH, 0) >= width:
        del changed[TEXT_WIDTH]
    return tuple(sorted((key, value) for key, value in changed.items() if usual[key] != value))


def text_width(params: Params, dataset: str) -> int | None:
    """Return the most columns that a data set's text vectors can have, None where only their file tells."""
    text = params.datasets[dataset].text
    return text.dimension if text is not None and text.embedder == "lsa" else None


def _checked_number(params: Params, backbone: str, objective: str, key: str, value: Number) -> Number:
    """Return a value in the type that its setting has."""
    from pydantic import ValidationError

    if key in _OPTIONS:
        raise ReproError(f"{key} has an option of its own: use {_OPTIONS[key]}.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ReproError(f"The setting {key} is {value!r}: only numbers from 0 up can be compared.")
    section, _, name = key.partition(".")
    if key == TEXT_WIDTH:
        if value < 1 or value != int(value):
            raise ReproError(f"The setting {key} is {value!r}: give a whole number of columns, at least 1.")
        return int(value)
    if section == "training":
        try:
            entries = params.training.model_dump() | {name: value}
            number: Number = getattr(Training.model_validate(entries), name)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise ReproError(f"The setting {key} is {value!r}: {message[0].lower()}{message[1:]}.") from None
        return number
    return _as_the_class_has_it(params, backbone, objective, key, value)


def _as_the_class_has_it(params: Params, backbone: str, objective: str, key: str, value: Number) -> Number:
    """Return a setting of a backbone or an objective as its settings class reads it; imports torch."""
    from irllrec.errors import ConfigurationError
    from irllrec.recommender import backbone_class, is_simple, objective_class, simple_class
    from irllrec.settings import read_settings

    section, _, name = key.partition(".")
    kind: Any
    if section == "objective":
        kind, given, where = (
            objective_class(objective),
            params.objectives[objective],
            f"objectives.{objective}",
        )
    else:
        kind = simple_class(backbone) if is_simple(backbone) else backbone_class(backbone)
        given, where = params.backbones[backbone], f"backbones.{backbone}"
    first = {n: one[0] if isinstance(one, list | tuple) and one else one for n, one in given.items()}
    try:
        return getattr(read_settings(kind.Settings, {**first, name: value}, where=where), name)  # type: ignore[no-any-return]
    except ConfigurationError as error:
        raise ReproError(str(error)) from None


def _refuse_fixed(
    params: Params, backbone: str, objective: str, changed: Mapping[str, Number], override: Override
) -> None:
    """Refuse settings that the release sets itself, where it is followed (D-02, D-09)."""
    if objective != "irllrec" or not changed:
        return
    from irllrec.fidelity import as_released
    from irllrec.recommender import backbone_class

    followed = as_released(override.fidelity or params.fidelity, frozenset(override.turned))
    release = backbone_class(backbone).release
    fixed = {f"backbone.{name}" for name in release.backbone} if "D-09" in followed else set()
    fixed |= {f"objective.{name}" for name in release.objective} if "D-02" in followed else set()
    for key in changed:
        if key in fixed:
            raise ReproError(
                f"The released code, which this cell follows, sets {key} itself (D-02, D-09): change another "
                "setting, or choose --fidelity paper."
            )


def parse_value(text: str) -> Value:
    """Return a whole number, a number or a word, whichever the text is."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
