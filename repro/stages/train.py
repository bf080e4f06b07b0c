"""Stage train: all seeds of one cell, from prepared interactions (and text) to stored models.

Reads the training and validation splits only; the test split is not among its inputs.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import provenance
from repro.errors import ReproError
from repro.held_out import without_test
from repro.layout import FAKES, Layout
from repro.memory_plan import workers_for
from repro.params import Cell, Params, load_params
from repro.run_records import plain_recipe, run_record
from repro.seed_training import SeedJob, SeedResult, fakes_of, shared_text, train_seed
from repro.simple_training import train_seeds
from repro.stages.entry import read_name, run
from repro.text_views import control_of, text_entry

if TYPE_CHECKING:
    from irllrec.recommender import Recipe


def main(argv: list[str]) -> None:
    """Train the cell that ``argv`` names and write model/, history.csv and run.json."""
    key = read_name(argv, "train", "a key under `cells` in params.yaml")
    layout = Layout.find()
    train_cell(layout, load_params(layout.params), key)


def train_cell(layout: Layout, params: Params, key: str) -> None:
    """Train every seed of a cell, in workers, and write its folder below runs/.

    Finished seeds of an interrupted run are not trained again: their checkpoints are complete.
    """
    from irllrec.data.storage import save_interactions, write_json, write_text
    from irllrec.recommender import is_simple
    from repro.seeds import run_seeds

    cell = params.cell(key)
    folder = layout.run(cell.dataset, cell.backbone, cell.variant)
    seeds = params.datasets[cell.dataset].seeds
    jobs = plan(layout, params, key, cell, folder)
    workers = worker_count(params, jobs, key)
    text = shared_text(jobs[0])
    if is_simple(cell.backbone):
        results = train_seeds(jobs, workers=workers, title=key)
    else:
        results = run_seeds(train_seed, jobs, seeds, workers=workers, title=key)

    if jobs[0].noise.clicks:
        save_interactions(folder / "model" / FAKES, fakes_of(jobs[0]))
    write_text(folder / "history.csv", _history_table(results))
    write_json(folder / "run.json", run_record(layout, params, cell, jobs[0], results, text))
    timings = {str(job.seed): result.timing for job, result in zip(jobs, results, strict=True)}
    write_json(layout.timings(key), {"device": jobs[0].device, "workers": workers, "per_seed": timings})
    shutil.rmtree(jobs[0].checkpoint.parent, ignore_errors=True)


def plan(layout: Layout, params: Params, key: str, cell: Cell, folder: Path) -> list[SeedJob]:
    """Return the jobs of a cell, one a seed, after checking that they can be built."""
    from irllrec.data.noise import Noise
    from irllrec.native.building import kernels
    from irllrec.recommender import inputs_of

    recipe = recipe_of(params, cell)
    training = params.training_of(cell).model_dump()
    prepared = layout.prepared(cell.dataset)
    read = inputs_of(recipe.backbone, recipe.objective)
    entry = text_entry(cell) or cell.dataset
    vectors = layout.vectors(entry) if "text" in read else None
    knowledge = layout.knowledge(entry) if "knowledge" in read else None
    control = control_of(cell.drop, cell.text)
    inputs = [path for path in (prepared / "train.npz", prepared / "valid.npz", vectors, knowledge) if path]
    for path in inputs:
        if not path.is_file():
            raise ReproError(f"{path} is missing: make it, and then the model, with `dvc repro train@{key}`.")
    data = provenance.sha256_of_json([provenance.sha256_of_file(path) for path in inputs])
    dimension = cell.changed("text").get("dimension")
    varied: dict[str, Any] = {"noise": [cell.click_noise, cell.text_noise]} if cell.is_noisy else {}
    varied |= {"text_dimension": dimension} if dimension else {}
    identity = provenance.sha256_of_json(
        {
            "recipe": plain_recipe(recipe),
            "drop": sorted(cell.drop),
            "control": control,
            "training": training,
            "data": data,
            "code": _code_hash(layout),
            "kernels": kernels().name,
            **varied,  # a cell without any keeps its checkpoints
        }
    )
    return [
        SeedJob(
            recipe=recipe,
            training=training,
            seed=seed,
            control=control,
            prepared=prepared,
            vectors=vectors,
            knowledge=knowledge,
            model=folder / "model" / f"seed-{seed}.safetensors",
            checkpoint=layout.checkpoints / f"{key}-{identity[:16]}" / f"seed-{seed}.safetensors",
            data_sha256=data,
            identity=identity,
            device=device_of(params.engine.device),
            checkpoint_seconds=params.engine.checkpoint_seconds,
            noise=Noise(cell.dataset, cell.click_noise or 0, cell.text_noise or 0),
            text_dimension=None if dimension is None else int(dimension),
        )
        for seed in params.datasets[cell.dataset].seeds
    ]


def recipe_of(params: Params, cell: Cell) -> Recipe:
    """Return what a cell trains: sections of params.yaml, its overrides, what it changes, the release's."""
    from irllrec.recommender import Recipe

    return Recipe(
        backbone=cell.backbone,
        objective=cell.objective,
        backbone_settings={
            **params.backbones[cell.backbone],
            **cell.override.backbone,
            **cell.changed("backbone"),
        },
        objective_settings={
            **params.objectives[cell.objective],
            **cell.override.objective,
            **cell.changed("objective"),
        },
        # TEXT and COT change what the model is fed, not the model.
        drop=frozenset(cell.drop) - {"TEXT", "COT"},
        fidelity=cell.override.fidelity or params.fidelity,
        turned=frozenset(cell.override.turned),
        embedding_size=params.training_of(cell).embedding_size,
        precision=cell.override.precision or params.precision,
    ).resolved()


def _history_table(results: Sequence[SeedResult]) -> str:
    """Return all seeds' epochs as csv; the validation is empty where there was none."""
    buffer = io.StringIO()
    rows = [row for result in results for row in result.history]
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
    return buffer.getvalue()


def _code_hash(layout: Layout) -> str:
    """Return a hash of the library's sources: a checkpoint of other code is not gone on with."""
    import irllrec

    package = Path(str(irllrec.__file__)).parent
    sources = [path for pattern in ("*.py", "*.c", "*.h") for path in package.rglob(pattern)]
    return provenance.sha256_of_json(provenance.sha256_of_files(sources, package))


def device_of(wanted: str) -> str:
    """Return where ``engine.device`` trains: ``auto`` takes an accelerator where torch finds one."""
    from irllrec.errors import ConfigurationError

    if wanted == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda" if wanted == "auto" else wanted
    if wanted == "auto":
        return "cpu"
    raise ConfigurationError(
        f"params.yaml: `engine.device` is {wanted!r}, and torch finds no such device: set it to auto or cpu."
    )


def worker_count(params: Params, jobs: Sequence[SeedJob], title: str) -> int:
    """Return how many seeds are trained at once: one on an accelerator, else as many as memory holds.

    Raises:
        ReproError: If memory does not hold one.
    """
    return 1 if jobs[0].device != "cpu" else workers_for(params.engine, title, jobs)


if __name__ == "__main__":
    run(without_test(main))
