"""The grid: which cells ``dvc repro`` runs. Edits params.yaml and keeps its comments."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irllrec.data.storage import write_text
from repro.errors import ReproError
from repro.layout import Layout, text_sources
from repro.params_file import ParamsFile, dump_yaml, read_yaml

if TYPE_CHECKING:
    from repro.params import Params

COMPONENTS = ("IA", "PAIR", "TRAN", "ITM", "PROFILE", "GSL", "MOMENTUM", "NOISE", "TEXT", "COT")
"""What ``--drop`` takes, in the order in which names of variants list them."""

_DROPPABLE = {"base": (), "rlmrec-con": ("TEXT",), "rlmrec-gen": ("TEXT",), "irllrec": COMPONENTS}
_TEXT_FREE = "base"
_FIRST_OBJECTIVES = ("base", "rlmrec-con", "rlmrec-gen", "irllrec")


@dataclass(frozen=True)
class CellRequest:
    """One wanted cell: a backbone under an objective on a data set, with components left out."""

    dataset: str
    backbone: str
    objective: str
    drop: tuple[str, ...] = ()

    @property
    def variant(self) -> str:
        """The row's name in a table: the objective, then what was dropped."""
        dropped = [name.lower() for name in COMPONENTS if name in self.drop]
        return "-".join([self.objective, "no", *dropped]) if dropped else self.objective

    @property
    def key(self) -> str:
        """The cell's key in params.yaml and in the names of its stages."""
        return f"{self.dataset}-{self.backbone}-{self.variant}"


def ensure_cells(layout: Layout, requests: Sequence[CellRequest], *, write: bool = True) -> list[str]:
    """Return the keys of the requested cells, adding those that params.yaml does not hold yet.

    A new ablation takes over the settings of its full counterpart.

    Args:
        layout: The checkout.
        requests: The wanted cells.
        write: False only checks the requests and names the keys; the file stays as it is.

    Raises:
        ReproError: For a name that does not exist (listing those that do), an unknown or
            impossible component, or an objective that reads text on a data set without text.
    """
    from repro.params import load_params

    params = load_params(layout.params)
    checked = [_check(params, request) for request in requests]
    missing = list({request.key: request for request in checked if request.key not in params.cells}.values())
    if missing and write:
        file = ParamsFile(layout.params)
        cells = file.content["cells"]
        for request in missing:
            file.insert("cells", request.key, _new_cell(cells, request))
        file.save()
    return list(dict.fromkeys(request.key for request in checked))


def add_dataset(
    layout: Layout, name: str, dataset: Mapping[str, Any], *, published: bool = False
) -> list[str]:
    """Put a data set and its first cells into the grid and return the keys of these cells.

    The cells are lightgcn with ``base`` and, when ``dataset`` has ``text``, with every objective
    that reads it. A data set already there is replaced; its cells stay.

    Args:
        layout: The checkout.
        name: The data set's name.
        dataset: ``origin``, ``split``, ``seeds`` and optionally ``text`` and ``training``, as in
            params.yaml; the paths that a text's stages read are added where they follow from it.
        published: Give the cells the published hyper-parameters, where there are some.

    Raises:
        ReproError: If the resulting params.yaml would not be valid; nothing is written then.
    """
    entry = {**dataset, "training": dataset.get("training", {})}
    text = entry.pop("text", None)
    file = ParamsFile(layout.params)
    file.insert("datasets", name, entry, block=True)
    if text is None:
        file.delete("text", name)
    else:
        file.insert("text", name, _with_sources(name, text))
    file.save()
    (layout.root / "runs" / name).mkdir(parents=True, exist_ok=True)
    objectives = _FIRST_OBJECTIVES if text is not None else (_TEXT_FREE,)
    keys = ensure_cells(layout, [CellRequest(name, "lightgcn", objective) for objective in objectives])
    if published:
        use_published(layout, [name])
    return keys


def remove(layout: Layout, keys: Sequence[str]) -> None:
    """Take cells out of the grid, with their runs and their entries in dvc.lock.

    DVC's cache keeps the removed runs until ``dvc gc``: adding the cell again restores them.

    Raises:
        ReproError: If a key is not in the grid; nothing is removed then.
    """
    from repro.params import load_params

    cells = load_params(layout.params).cells
    for key in keys:
        if key not in cells:
            raise ReproError(f"{layout.params}: no cell {key!r} in the grid ({', '.join(cells)}).")
    file = ParamsFile(layout.params)
    for key in keys:
        file.delete("cells", key)
    file.save()
    _forget_stages(layout, [f"{stage}@{key}" for key in keys for stage in ("train", "evaluate")])
    for key in keys:
        cell = cells[key]
        shutil.rmtree(layout.run(cell.dataset, cell.backbone, cell.variant), ignore_errors=True)


def remove_dataset(layout: Layout, name: str) -> None:
    """Take a data set and its cells out of the grid; ``data/raw/NAME`` stays.

    Raises:
        ReproError: If the grid has no such data set, or it is the embedded one.
    """
    from repro.params import load_params

    params = load_params(layout.params)
    if name not in params.datasets:
        raise ReproError(f"{layout.params}: no data set {name!r} ({', '.join(params.datasets)}).")
    if name in params.generated:
        raise ReproError(f"{name} is made by the pipeline itself and stays; remove its cells one by one.")
    remove(layout, [key for key, cell in params.cells.items() if cell.dataset == name])
    file = ParamsFile(layout.params)
    file.delete("datasets", name)
    file.delete("text", name)
    file.save()
    stages = ("prepare", "summarize", "embed", "compare", "tabulate")
    _forget_stages(layout, [f"{stage}@{name}" for stage in stages])


def use_published(layout: Layout, datasets: Sequence[str] = ()) -> list[str]:
    """Give the grid's cells the published hyper-parameters and return the keys of those changed.

    Args:
        layout: The checkout.
        datasets: Only these data sets; empty means all.
    """
    published = read_yaml(layout.published / "settings.yaml")
    file = ParamsFile(layout.params)
    changed: list[str] = []
    for key, cell in file.content["cells"].items():
        if datasets and cell["dataset"] not in datasets:
            continue
        objectives = published.get(cell["dataset"], {}).get(cell["backbone"], {})
        if cell["objective"] in objectives:
            override = objectives[cell["objective"]]
            file.update("cells", key, {"settings": "published", "override": override})
            changed.append(key)
    if changed:
        file.save()
    return changed


def _check(params: Params, request: CellRequest) -> CellRequest:
    known: dict[str, Sequence[str]] = {
        "data set": list(params.datasets),
        "backbone": list(params.backbones),
        "objective": list(params.objectives),
    }
    names = {"data set": request.dataset, "backbone": request.backbone, "objective": request.objective}
    for kind, name in names.items():
        if name not in known[kind]:
            fix = "; `repro data fetch` or `repro data import` adds one" if kind == "data set" else ""
            raise ReproError(
                f"There is no {kind} {name!r} in params.yaml: choose {_listed(known[kind])}{fix}."
            )
    text = params.datasets[request.dataset].text
    if request.objective != _TEXT_FREE and text is None:
        raise ReproError(
            f"{request.objective} reads text and the data set {request.dataset} has none: import it with "
            f"text or text vectors (`repro data import {request.dataset} --help`), or choose base."
        )
    drop = tuple(name.upper() for name in request.drop)
    allowed = _DROPPABLE.get(request.objective, ())
    for name in drop:
        if name not in COMPONENTS:
            raise ReproError(f"There is no component {name!r} to drop: choose {_listed(COMPONENTS)}.")
        if name not in allowed:
            what = f"only {_listed(allowed)}" if allowed else "no component"
            raise ReproError(f"{request.objective} has {what} to drop, not {name}: use --objective irllrec.")
    if "COT" in drop and text is not None:
        raise ReproError(
            "COT stands for the reasoning step of an LLM's summaries, and the summarizer "
            f"{text.summarizer!r} of {request.dataset} writes none: drop another component."
        )
    ordered = tuple(name for name in COMPONENTS if name in drop)
    return CellRequest(request.dataset, request.backbone, request.objective, ordered)


def _listed(names: Any) -> str:
    return ", ".join(names) or "(none)"


def _new_cell(cells: Mapping[str, Any], request: CellRequest) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "dataset": request.dataset,
        "backbone": request.backbone,
        "objective": request.objective,
        "variant": request.variant,
        "inputs": cell_inputs(request.dataset, request.backbone, request.objective),
        "code": f"irllrec/objectives/{request.objective.replace('-', '_')}.py",
    }
    if request.drop:
        cell["drop"] = list(request.drop)
        full = CellRequest(request.dataset, request.backbone, request.objective)
        counterpart = cells.get(full.key, {})
        for field in ("settings", "override"):
            if field in counterpart:
                cell[field] = counterpart[field]
    return cell


def _with_sources(name: str, text: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of ``text`` with the paths that DVC watches, each behind what chooses it."""
    made = text_sources(name, text.get("summarizer", ""), text.get("embedder", ""))
    order = ("summarizer", "summaries_from", "embedder", "vectors_from")
    entry = {**made, **text}
    return {field: entry.pop(field) for field in order if field in entry} | entry


def cell_inputs(dataset: str, backbone: str, objective: str) -> str:
    """Return what a cell reads beside the interactions, relative to the root: a file or a folder.

    A cell that reads no text names the training interactions, which it reads anyway: new text never
    retrains it.
    """
    from irllrec.recommender import inputs_of

    read = inputs_of(backbone, objective)
    if "knowledge" in read:
        return f"data/text/{dataset}"
    return f"data/text/{dataset}/vectors.npz" if "text" in read else f"data/prepared/{dataset}/train.npz"


def _forget_stages(layout: Layout, stages: Sequence[str]) -> None:
    """Take the entries of ``stages`` out of dvc.lock, where DVC would keep them for ever."""
    lock = layout.root / "dvc.lock"
    if not lock.is_file():
        return
    content = read_yaml(lock)
    known = content.get("stages") or {}
    if not any(name in known for name in stages):
        return
    for name in stages:
        known.pop(name, None)
    write_text(lock, dump_yaml(content))
