"""run.json: all that made a cell's numbers, and nothing that differs between equal runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import provenance
from repro.layout import Layout
from repro.params import Cell, Params
from repro.seed_training import SeedJob, SeedResult, fakes_of
from repro.shared_text import SharedText
from repro.text_views import view_of

if TYPE_CHECKING:
    from irllrec.recommender import Recipe


def run_record(
    layout: Layout,
    params: Params,
    cell: Cell,
    job: SeedJob,
    results: Sequence[SeedResult],
    text: SharedText | None,
) -> dict[str, Any]:
    """Return run.json: all that made the numbers, nothing that differs between equal runs."""
    from irllrec.native.building import kernels

    recipe, varied = plain_recipe(job.recipe), _varied(cell, job)
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
        "params_sha256": provenance.sha256_of_json(
            {"recipe": recipe, "training": dict(job.training), **varied}
        ),
        "commit": provenance.commit(layout.root),
        "versions": provenance.versions(),
        "device": job.device,
        "kernels": kernels().name,
        "per_seed": per_seed,
        **varied,
    }


def _varied(cell: Cell, job: SeedJob) -> dict[str, Any]:
    """Return the noise and the changed settings of a cell; nothing for a cell that has none."""
    told: dict[str, Any] = {"changed": dict(cell.at)} if cell.at else {}
    if cell.is_noisy:
        count = len(fakes_of(job))
        told["noise"] = {"clicks": cell.click_noise, "fake_interactions": count, "text": cell.text_noise}
    return told


def _hyperparameters(job: SeedJob, tuning: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings a model was trained with; for a simple baseline what it chose, and how."""
    if tuning is None:
        width = {} if job.text_dimension is None else {"text_dimension": job.text_dimension}
        return {**job.recipe.backbone_settings, **job.recipe.objective_settings, **job.training, **width}
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


def plain_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as it is hashed and stored."""
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
