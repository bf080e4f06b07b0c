"""Stage train: all seeds of one cell, from prepared interactions (and text) to stored models.

Reads the training and validation splits only; the test split is not among its inputs.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import provenance
from repro.held_out import without_test
from repro.layout import Layout
from repro.memory import ACTIVATIONS, RESTING_BYTES, workers_that_fit
from repro.params import Cell, Params, load_params
from repro.seed_training import SeedJob, SeedResult, shared_text, train_seed
from repro.shared_text import SharedText
from repro.simple_training import train_seeds
from repro.stages.entry import read_name, run
from repro.text_views import control_of, text_entry, view_of

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
    from irllrec.data.storage import write_json, write_text
    from irllrec.recommender import is_simple
    from repro.seeds import run_seeds

    cell = params.cell(key)
    folder = layout.run(cell.dataset, cell.backbone, cell.variant)
    seeds = params.datasets[cell.dataset].seeds
    jobs = plan(layout, params, key, cell, folder)
    text = shared_text(jobs[0])
    workers = worker_count(params, jobs)
    if is_simple(cell.backbone):
        results = train_seeds(jobs, workers=workers, title=key)
    else:
        results = run_seeds(train_seed, jobs, seeds, workers=workers, title=key)

    write_text(folder / "history.csv", _history_table(results))
    write_json(folder / "run.json", _run_record(layout, params, cell, jobs[0], results, text))
    timings = {str(job.seed): result.timing for job, result in zip(jobs, results, strict=True)}
    write_json(layout.timings(key), {"device": jobs[0].device, "workers": workers, "per_seed": timings})
    shutil.rmtree(jobs[0].checkpoint.parent, ignore_errors=True)


def plan(layout: Layout, params: Params, key: str, cell: Cell, folder: Path) -> list[SeedJob]:
    """Return the jobs of a cell, one a seed, after checking that they can be built."""
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
    data = provenance.sha256_of_json([provenance.sha256_of_file(path) for path in inputs])
    identity = provenance.sha256_of_json(
        {
            "recipe": _plain(recipe),
            "drop": sorted(cell.drop),
            "control": control,
            "training": training,
            "data": data,
            "code": _code_hash(layout),
            "kernels": kernels().name,
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
            device=_device(params.engine.device),
            checkpoint_seconds=params.engine.checkpoint_seconds,
        )
        for seed in params.datasets[cell.dataset].seeds
    ]


def recipe_of(params: Params, cell: Cell) -> Recipe:
    """Return what a cell trains: sections of params.yaml, then its overrides, then the release's."""
    from irllrec.recommender import Recipe

    return Recipe(
        backbone=cell.backbone,
        objective=cell.objective,
        backbone_settings={**params.backbones[cell.backbone], **cell.override.backbone},
        objective_settings={**params.objectives[cell.objective], **cell.override.objective},
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


def _run_record(
    layout: Layout,
    params: Params,
    cell: Cell,
    job: SeedJob,
    results: Sequence[SeedResult],
    text: SharedText | None,
) -> dict[str, Any]:
    """Return run.json: all that made the numbers, nothing that differs between equal runs."""
    from irllrec.native.building import kernels

    recipe = _plain(job.recipe)
    of_the_cell = ("parameter_count", "tuning")
    per_seed = {
        str(seed): {name: value for name, value in result.record.items() if name not in of_the_cell}
        for seed, result in zip(params.datasets[cell.dataset].seeds, results, strict=True)
    }
    tuning = results[0].record.get("tuning")
    return {
        "dataset": cell.dataset,
        "backbone": cell.backbone,
        "objective": cell.objective,
        "variant": cell.variant,
        "drop": list(cell.drop),
        "text_view": view_of(cell.drop, cell.text),
        "fidelity": None if tuning else recipe["fidelity"],
        "precision": None if tuning else recipe["precision"],
        "turned": recipe["turned"],
        "itm": _itm_form(job.recipe),
        "released": None if tuning else _released(job.recipe),
        "settings": cell.settings,
        "tuning": tuning,
        "hyperparameters": _hyperparameters(job, tuning),
        "parameter_count": results[0].record["parameter_count"],
        "seeds": list(params.datasets[cell.dataset].seeds),
        "text": _text_provenance(job.vectors, text),
        "data_sha256": job.data_sha256,
        "params_sha256": provenance.sha256_of_json({"recipe": recipe, "training": dict(job.training)}),
        "commit": provenance.commit(layout.root),
        "versions": provenance.versions(),
        "device": job.device,
        "kernels": kernels().name,
        "per_seed": per_seed,
    }


def _hyperparameters(job: SeedJob, tuning: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings a model was trained with; for a simple baseline what it chose, and how."""
    if tuning is None:
        return {**job.recipe.backbone_settings, **job.recipe.objective_settings, **job.training}
    read = ("max_epochs", "validate_every", "patience", "stop_on")
    return {**tuning["chosen"], **{name: job.training[name] for name in read}}


def _itm_form(recipe: Recipe) -> str | None:
    if recipe.objective != "irllrec":
        return None
    form = recipe.objective_settings.get("itm", "auto")
    if form == "auto":
        return "code" if "D-04" in recipe.as_released else "reading"
    return str(form)


def _released(recipe: Recipe) -> dict[str, Any]:
    """Return what the released code has of a cell, for tables that build no model.

    ``components`` are the loss terms of irllrec that it computes on this backbone, ``followed`` the
    deviations in which the cell does as the release does, ``settings`` what it takes over for that.
    """
    from irllrec.recommender import backbone_class

    release = backbone_class(recipe.backbone).release
    has_irllrec = "irllrec" in release.objectives
    followed = recipe.as_released
    taken = {**release.backbone} if "D-09" in followed else {}
    taken |= release.objective if "D-02" in followed else {}
    return {
        "objective": recipe.objective in release.objectives,
        "components": sorted({"kd", *release.components}) if has_irllrec else [],
        "followed": sorted(followed),
        "settings": taken if recipe.objective == "irllrec" else {},
    }


def _text_provenance(vectors: Path | None, text: SharedText | None) -> dict[str, Any] | None:
    if vectors is None or text is None:
        return None
    from irllrec.text.embeddings import read_provenance

    found = read_provenance(vectors)
    return found | ({"reduction": dict(text.reduction)} if text.reduction else {})


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {
        "backbone": recipe.backbone,
        "objective": recipe.objective,
        "backbone_settings": dict(recipe.backbone_settings),
        "objective_settings": dict(recipe.objective_settings),
        "drop": sorted(recipe.drop),
        "fidelity": recipe.fidelity,
        "turned": sorted(recipe.turned),
        "embedding_size": recipe.embedding_size,
        "precision": recipe.precision,
    }


def _code_hash(layout: Layout) -> str:
    """Return a hash of the library's sources: a checkpoint of other code is not gone on with."""
    import irllrec

    package = Path(str(irllrec.__file__)).parent
    sources = [path for pattern in ("*.py", "*.c", "*.h") for path in package.rglob(pattern)]
    return provenance.sha256_of_json(provenance.sha256_of_files(sources, package))


def _device(wanted: str) -> str:
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


def worker_count(params: Params, jobs: Sequence[SeedJob]) -> int:
    """Return how many seeds are trained at once: one on an accelerator, else as many as memory holds."""
    if jobs[0].device != "cpu":
        return 1
    if params.engine.workers != "auto":
        return params.engine.workers
    return workers_that_fit(len(jobs), expected_bytes(jobs[0]))


def expected_bytes(job: SeedJob) -> int:
    """Return about how much memory one seed takes; the text itself is mapped, and shared."""
    text = shared_text(job)
    if text is None:
        return 2 * RESTING_BYTES
    nodes, width = text.shape
    return 2 * RESTING_BYTES + ACTIVATIONS * nodes * width * 4


if __name__ == "__main__":
    run(without_test(main))
