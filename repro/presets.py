"""Where the settings of cells come from: published, default, or tuned; written into params.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro.cell_entries import variation_of
from repro.cell_requests import CellRequest
from repro.errors import ReproError
from repro.layout import Layout
from repro.params_file import ParamsFile, read_yaml


@dataclass(frozen=True)
class Preset:
    """What a preset did.

    Attributes:
        changed: Keys of the cells that have the settings now, whether or not they had them before.
        left: Keys of the cells for which nothing was published; they stay as they were.
    """

    changed: list[str]
    left: list[str]


def use_published(layout: Layout, datasets: Sequence[str] = (), *, like: str | None = None) -> Preset:
    """Give the grid's cells the hyper-parameters that were published for their method.

    A variation of a method (an ablation, another fidelity) takes those of its objective and stays the
    variation that it is.

    Args:
        layout: The checkout.
        datasets: Only these data sets; empty means all.
        like: Take what was published for this data set instead, for data that no paper used.

    Raises:
        ReproError: If nothing was published for ``like``.
    """
    published = read_yaml(layout.published / "settings.yaml")
    if like is not None and like not in published:
        raise ReproError(f"nothing was published for {like!r}: choose --like {', '.join(published)}.")
    label = "published" if like is None else f"published for {like}"
    file = ParamsFile(layout.params)
    changes: dict[str, dict[str, Any]] = {}
    left = []
    for key, cell in _cells(file, datasets).items():
        methods = published.get(like or cell["dataset"], {}).get(cell["backbone"], {})
        if cell["objective"] not in methods:
            left.append(key)
            continue
        changes[key] = _settings(label, methods[cell["objective"]], cell)
    if changes:
        file.update("cells", changes)
        file.save()
    return Preset(list(changes), left)


def use_default(layout: Layout, datasets: Sequence[str] = ()) -> Preset:
    """Give the grid's cells the settings that params.yaml has for all; variations stay what they are.

    Args:
        layout: The checkout.
        datasets: Only these data sets; empty means all.
    """
    file = ParamsFile(layout.params)
    changes = {key: _settings(None, {}, cell) for key, cell in _cells(file, datasets).items()}
    if changes:
        file.update("cells", changes)
        file.save()
    return Preset(list(changes), [])


def use_tuned(
    layout: Layout, request: CellRequest, override: Mapping[str, Mapping[str, Any]], trial_count: int
) -> list[str]:
    """Give a method's cell the settings that a sweep chose, and its variations as well.

    A variation is compared with its plain cell, so both have the same settings.

    Args:
        layout: The checkout.
        request: The method's plain cell; it must be in the grid.
        override: The chosen settings.
        trial_count: How many trials the choice took, as tables say.

    Returns:
        The keys of the cells.
    """
    label = f"tuned ({trial_count} trial{'s' * (trial_count != 1)})"
    method = (request.dataset, request.backbone, request.objective)
    file = ParamsFile(layout.params)
    changes = {
        key: _settings(label, override, cell)
        for key, cell in _cells(file, ()).items()
        if (cell["dataset"], cell["backbone"], cell["objective"]) == method
    }
    assert request.key in changes
    file.update("cells", changes)
    file.save()
    return list(changes)


def merged(settings: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyper-parameters as an override that keeps what makes the cell a variation."""
    override = {**settings, **kept}
    if "objective" in kept:
        override["objective"] = {**settings.get("objective", {}), **kept["objective"]}
    return override


def _cells(file: ParamsFile, datasets: Sequence[str]) -> dict[str, Any]:
    cells = file.content["cells"] or {}
    return {key: cell for key, cell in cells.items() if not datasets or cell["dataset"] in datasets}


def _settings(label: str | None, settings: Mapping[str, Any], cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a cell that say its settings; None for one that is not needed."""
    return {"settings": label, "override": merged(settings, variation_of(cell.get("override", {}))) or None}
