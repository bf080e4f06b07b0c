"""A data set split anew: the same interactions and texts under a name of their own, drawn with another seed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from irllrec.data.preparing import check_raw
from irllrec.data.raw import atomic_folder, read_manifest
from irllrec.data.storage import write_json
from repro.errors import ReproError
from repro.layout import Layout, text_sources
from repro.params import Params, load_params
from repro.params_file import ParamsFile
from repro.protocol.splits import split_name
from repro.text_views import in_order


def copy_raw(layout: Layout, dataset: str, seed: int) -> str:
    """Copy a data set's raw form to ``data/raw/<dataset>-split<seed>`` and return that name; all or nothing.

    Raises:
        ReproError: If there is no such data set, its raw form is missing, or it is split with this seed.
        DataError: If the copy exists already, or its interactions cannot be split so.
    """
    params = load_params(layout.params)
    if dataset not in params.datasets:
        raise ReproError(f"{layout.params} has no data set {dataset!r}: choose {', '.join(params.datasets)}.")
    if not layout.raw(dataset).is_dir():
        made = f"`dvc repro generate@{dataset}`" if dataset in params.generated else "`dvc pull`"
        raise ReproError(f"{layout.raw(dataset)} is missing: bring it with {made} first.")
    split, name = params.datasets[dataset].split, split_name(dataset, seed)
    if split.how == "ratio" and split.seed == seed:
        raise ReproError(f"{dataset} is split with seed {seed} already: choose another --seed.")
    if layout.raw(name).exists():
        raise ReproError(f"{layout.raw(name)} exists already: choose another --seed, or use {name} as it is.")
    with atomic_folder(layout.raw(name)) as folder:
        shutil.copytree(layout.raw(dataset), folder, dirs_exist_ok=True)
        manifest = read_manifest(layout.raw(dataset))
        write_json(folder / "manifest.json", {**manifest, "name": name, "split_anew_from": dataset})
        check_raw(folder, str(layout.raw(dataset)), "ratio", split.ratio, seed)
    return name


def join_grid(layout: Layout, dataset: str, seed: int, backbones: Sequence[str]) -> list[str]:
    """Put a copied data set into params.yaml, with the plain cells of the original and their settings.

    Args:
        layout: The checkout.
        dataset: The original.
        seed: Of the new split; its ratio is the original's, 3:1:1 where that was given.
        backbones: Whose cells come along.

    Returns:
        The keys of the new cells.

    Raises:
        ReproError: If the resulting params.yaml would not be valid; nothing is written then.
    """
    params, file = load_params(layout.params), ParamsFile(layout.params)
    name, original = split_name(dataset, seed), params.datasets[dataset]
    ratio = [int(share) if share == int(share) else share for share in original.split.ratio]
    entry: dict[str, Any] = {
        "origin": "imported",
        "split": {"how": "ratio", "ratio": ratio, "seed": seed},
        "seeds": list(original.seeds),
        "training": dict(original.training),
    }
    file.insert("datasets", name, entry, block=True)
    if dataset in params.text:
        file.insert("text", name, _text_entry(params, dataset, name))
    cells = {
        key: cell
        for key, cell in params.cells.items()
        if cell.dataset == dataset and cell.backbone in backbones and not cell.is_variation
    }
    added = []
    for cell in cells.values():
        written = cell.model_dump(mode="json", exclude_unset=True)
        inputs = written["inputs"].replace(f"/{dataset}/", f"/{name}/")
        key = f"{name}-{cell.backbone}-{cell.variant}"
        file.insert("cells", key, {**written, "dataset": name, "inputs": inputs})
        added.append(key)
    file.save()
    (layout.root / "runs" / name).mkdir(parents=True, exist_ok=True)
    return added


def text_warning(params: Params, dataset: str) -> str | None:
    """Return a sentence where a data set's texts or vectors are not made from the split's own training part."""
    text = params.text.get(dataset)
    foreign = text is not None and (text.summarizer in ("upstream", "pinned") or text.embedder == "vectors")
    if not foreign:
        return None
    return (
        f"Careful: the texts of {dataset} were written for its own split, so they may tell of what is held out "
        "here: a gain by text is an upper bound on this split."
    )


def _text_entry(params: Params, dataset: str, name: str) -> dict[str, Any]:
    """Return the original's entry of ``text`` with the new name, and the paths that follow from it."""
    text = params.text[dataset]
    written = text.model_dump(mode="json", exclude_unset=True)
    made = text_sources(name, name, text.summarizer, text.embedder)
    return in_order({**written, **made, "dataset": name})
