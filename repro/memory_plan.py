"""What a cell's training will take here: predicted before it starts, and refused where it cannot fit."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.memory import free_bytes, gibibytes, require_memory, workers_that_fit
from repro.predicted_memory import Model, Need, Sizes, training_need

if TYPE_CHECKING:
    from irllrec.recommender import Recipe
    from repro.params import Engine
    from repro.seed_training import SeedJob


def job_need(job: SeedJob) -> Need:
    """Return the expected peaks of a seed's training, from the prepared data that it reads."""
    model = model_of(job.recipe, job.training, job.text_dimension)
    longest = _longest_list(job.prepared) if model.simple else 0
    return training_need(_job_sizes(job), model, longest)


def _job_sizes(job: SeedJob) -> Sizes:
    text = text_width(job.vectors) if job.vectors is not None else 0
    return replace(prepared_sizes(job.prepared), text=text)


def model_of(recipe: Recipe, training: Mapping[str, Any], text_dimension: int | None) -> Model:
    """Return what of a recipe decides about memory."""
    from irllrec.recommender import is_simple

    settings = {f"backbone.{name}": value for name, value in recipe.backbone_settings.items()}
    settings |= {f"objective.{name}": value for name, value in recipe.objective_settings.items()}
    return Model(
        backbone=recipe.backbone,
        objective=recipe.objective,
        settings=settings,
        embedding_size=recipe.embedding_size,
        batch_size=int(training["batch_size"]),
        precision=recipe.precision,
        text_dimension=text_dimension,
        simple=is_simple(recipe.backbone),
        drop=recipe.drop,
    )


def workers_for(engine: Engine, title: str, jobs: Sequence[SeedJob]) -> int:
    """Return how many of the jobs run at once: as ``engine.workers`` says, fewer where memory holds fewer.

    Raises:
        ReproError: If not even one fits.
    """
    needs = [job_need(job) for job in jobs]
    need = Need(*(max(getattr(one, name) for one in needs) for name in ("start", "shared", "each")))
    free = free_bytes(engine.memory_limit_gib)
    model = model_of(jobs[0].recipe, jobs[0].training, jobs[0].text_dimension)
    fitting = workers_fitting(engine, title, need, len(jobs), free, advice(model, _job_sizes(jobs[0]), free))
    if engine.workers == "auto":
        return fitting
    if fitting < min(engine.workers, len(jobs)):
        print(
            f"{title}: engine.workers is {engine.workers}, and memory holds {fitting} at a time (about "
            f"{gibibytes(need.each)} each, {gibibytes(free)} free).",
            file=sys.stderr,
        )
        return fitting
    return engine.workers


def workers_fitting(engine: Engine, title: str, need: Need, seeds: int, free: int, advice: str) -> int:
    """Return how many seeds fit at once, refusing where none does."""
    require_memory(f"{title}: training one seed", need.total(1), free, engine.memory_limit_gib, advice)
    return max(1, workers_that_fit(seeds, need.each, free, need.shared))


def advice(model: Model, sizes: Sizes, free: int) -> str:
    """Return what would make a training smaller, in words."""
    if model.backbone in ("ease", "itemknn"):
        return "it keeps numbers for pairs of items; take als or mult-vae, or a larger machine"
    if model.simple:
        return "lower its sizes under `backbones` in params.yaml, or take a larger machine"
    ways = ["lower training.batch_size or training.embedding_size"]
    if sizes.text:
        ways.append("use narrower text vectors")
    if sizes.text and model.precision == "exact":
        fast = training_need(sizes, replace(model, precision="fast")).total(1)
        ways.insert(0, f"set precision: fast ({gibibytes(fast)}{'' if fast <= free else ', still too much'})")
    return ", ".join(ways) + ", or take a larger machine"


def prepared_sizes(prepared: Path) -> Sizes:
    """Return the sizes of a prepared data set, from the head of its training pairs."""
    from irllrec.data.storage import read_arrays
    from irllrec.data.untrusted import npz_shapes

    train = prepared / "train.npz"
    users, items = (int(count) for count in read_arrays(train, "shape")["shape"])
    return Sizes(users, items, npz_shapes(train, ["user"])["user"][0])


def _longest_list(prepared: Path) -> int:
    """Return how long the lists are that a simple baseline keeps: masking validation must leave enough."""
    from irllrec.data.prepared import load_split
    from repro.simple_training import stored_length

    return stored_length(load_split(prepared, "valid"))


def text_width(vectors: Path) -> int:
    """Return the wider of the columns of a file of text vectors."""
    from irllrec.data.untrusted import npz_shapes

    return max(shape[1] for shape in npz_shapes(vectors, ("user_profile", "user_intent")).values())
