"""Checkpoints of a run in progress: safetensors with a JSON header, never pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from irllrec.data.storage import atomic_path
from irllrec.data.untrusted import parse_json
from irllrec.errors import TrainingError


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header as one safetensors file, atomically."""
    contiguous = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(contiguous, temporary, metadata={"header": json.dumps(header)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the header of a safetensors file.

    Raises:
        TrainingError: If the file cannot be read; the sentence says to delete it.
    """
    try:
        with safe_open(path, framework="pt") as archive:
            header = parse_json((archive.metadata() or {}).get("header", "{}"))
            if not isinstance(header, dict):
                raise ValueError("its header is no JSON object")
            return {name: archive.get_tensor(name) for name in archive.keys()}, header  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise TrainingError(f"{path} cannot be read ({error}): delete it and train again.") from None


def optimizer_tensors(optimizer: torch.optim.Adam, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """Return Adam's moments and step counts under ``adam/<parameter>/<what>``."""
    found: dict[str, Tensor] = {}
    for parameter, state in optimizer.state.items():
        for what, value in state.items():
            found[f"adam/{names[parameter]}/{what}"] = torch.as_tensor(value)
    return found


def restore_optimizer(
    optimizer: torch.optim.Adam, tensors: Mapping[str, Tensor], names: Mapping[Tensor, str]
) -> None:
    """Put back what :func:`optimizer_tensors` returned."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = {}
            for what in ("step", "exp_avg", "exp_avg_sq"):
                stored = tensors.get(f"adam/{names[parameter]}/{what}")
                if stored is not None:
                    # A CPU step counter is what Adam keeps unless it is fused on a GPU.
                    state[what] = stored.clone() if what == "step" else stored.to(parameter.device)
            if state:
                optimizer.state[parameter] = state
