"""Trained recommenders as they were when training ended, put together again from their stored weights."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import ReproError
from repro.figure_material import NotDrawableError
from repro.layout import Layout
from repro.params import Params
from repro.results import CellResult
from repro.seed_training import shared_text
from repro.stages.train import plan

if TYPE_CHECKING:
    from torch import Tensor

    from irllrec.recommender import Recommender

_INFERENCE = "inference/"


def trained(layout: Layout, params: Params, cell: CellResult, seed: int) -> Recommender:
    """Return the recommender of one seed with the weights of its best epoch, on the processor.

    Raises:
        NotDrawableError: If the weights are not here.
        ReproError: If they do not fit the cell's settings.
    """
    recommender = untrained(layout, params, cell, seed)
    _take_over(recommender, _weights(cell, seed), cell)
    return recommender


def unaligned(layout: Layout, params: Params, cell: CellResult, base: CellResult, seed: int) -> Recommender:
    """Return a cell's recommender before any alignment: base's trained backbone, the rest as it started.

    Text towers and prototypes have the weights with which the cell's training began.

    Raises:
        NotDrawableError: If base's weights are not here.
        ReproError: If they do not fit the cell's backbone.
    """
    recommender = untrained(layout, params, cell, seed)
    start = {name: value for name, value in recommender.state_dict().items() if name.startswith("objective.")}
    backbone = {name: value for name, value in _weights(base, seed).items() if name.startswith("backbone.")}
    _take_over(recommender, {**start, **backbone}, base)
    return recommender


def untrained(layout: Layout, params: Params, cell: CellResult, seed: int) -> Recommender:
    """Return the recommender with which the training of one seed of a cell began, on the processor.

    Raises:
        ReproError, IrllrecError: If its data cannot be read, or it cannot be built.
    """
    from irllrec.data.prepared import load_split
    from irllrec.graph import BipartiteGraph
    from irllrec.recommender import build
    from irllrec.text.knowledge import load_knowledge

    _require_data(layout, cell)
    jobs = {job.seed: job for job in plan(layout, params, cell.key, cell.cell, cell.folder)}
    if seed not in jobs:
        raise ReproError(f"{cell.name}: the seed {seed} is not among those of params.yaml: run `dvc repro`.")
    with tempfile.TemporaryDirectory(prefix="repro-model-") as scratch:
        job = replace(jobs[seed], device="cpu", checkpoint=Path(scratch) / "none")
        shared = shared_text(job)
        return build(
            job.recipe,
            BipartiteGraph(load_split(job.prepared, "train"), job.device),
            None if shared is None else shared.open(job.control, job.seed, job.device),
            job.seed,
            knowledge=None if job.knowledge is None else load_knowledge(job.knowledge),
        )


def _require_data(layout: Layout, cell: CellResult) -> None:
    """Refuse where only results were copied: the model cannot be built without its data."""
    needed = [cell.prepared / "train.npz"]
    needed += [layout.root / cell.cell.inputs] if cell.cell.objective != "base" else []
    for path in needed:
        if not path.exists():
            raise NotDrawableError(
                f"{path} is missing: only results were copied; make the data with `dvc repro`."
            )


def _weights(cell: CellResult, seed: int) -> dict[str, Tensor]:
    from irllrec.training.checkpoint import load_tensors

    path = cell.folder / "model" / f"seed-{seed}.safetensors"
    if not path.is_file():
        raise NotDrawableError(
            f"{path} is missing: only results were copied; make the model with `dvc repro` or `dvc pull`."
        )
    tensors, _ = load_tensors(path)
    return {name: value for name, value in tensors.items() if not name.startswith(_INFERENCE)}


def _take_over(recommender: Recommender, weights: dict[str, Tensor], cell: CellResult) -> None:
    try:
        recommender.load_state_dict(weights)
    except RuntimeError:
        raise ReproError(
            f"{cell.folder / 'model'}: its weights do not fit the settings in params.yaml: train the cell again "
            "with `dvc repro`."
        ) from None
