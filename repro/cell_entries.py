"""The entries that wanted cells get in the grid, and the part of one that makes it a variation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro.cell_requests import CellRequest


def entry_of(request: CellRequest, cells: Mapping[str, Any], inputs: str) -> dict[str, Any]:
    """Return the entry of a checked request under ``cells``.

    Args:
        request: The wanted cell.
        cells: The entries there are; a variation takes over settings and override of its plain cell.
        inputs: What the cell reads beside the interactions.
    """
    cell: dict[str, Any] = {
        "dataset": request.dataset,
        "backbone": request.backbone,
        "objective": request.objective,
        "variant": request.variant,
        "inputs": inputs,
        "code": f"irllrec/objectives/{request.objective.replace('-', '_')}.py",
        "backbone_code": f"irllrec/backbones/{request.backbone.replace('-', '_')}.py",
    }
    if request.drop:
        cell["drop"] = list(request.drop)
    if request.text:
        cell["text"] = request.text
    for name in ("click_noise", "text_noise"):
        if getattr(request, name):
            cell[name] = getattr(request, name)
    if request.settings:
        cell["at"] = dict(request.settings)
    if request != request.plain:
        counterpart = cells.get(request.plain.key, {})
        if "settings" in counterpart:
            cell["settings"] = counterpart["settings"]
        override = _varied(counterpart.get("override", {}), request)
        if override:
            cell["override"] = override
    return cell


def variation_of(override: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an override that makes a variation; the rest are hyper-parameters."""
    kept: dict[str, Any] = {
        name: override[name] for name in ("fidelity", "turned", "precision") if name in override
    }
    objective = override.get("objective", {})
    chosen = {name: objective[name] for name in ("itm", "keep_coupled") if name in objective}
    return kept | ({"objective": chosen} if chosen else {})


def _varied(override: Mapping[str, Any], request: CellRequest) -> dict[str, Any]:
    varied = dict(override)
    if request.fidelity:
        varied["fidelity"] = request.fidelity
    if request.precision:
        varied["precision"] = request.precision
    if request.turned:
        varied["turned"] = sorted(set(override.get("turned", ())) ^ set(request.turned))
    chosen: dict[str, Any] = {"itm": request.itm} if request.itm else {}
    chosen |= {"keep_coupled": True} if request.keep_coupled else {}
    if chosen:
        varied["objective"] = {**override.get("objective", {}), **chosen}
    return varied
