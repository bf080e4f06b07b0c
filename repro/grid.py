"""The grid: which cells ``dvc repro`` runs. Edits params.yaml and keeps its comments."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from irllrec.data.storage import write_text
from repro.cell_entries import entry_of
from repro.cell_requests import TEXT_FREE, CellRequest, checked
from repro.errors import ReproError
from repro.layout import Layout, text_sources
from repro.params_file import ParamsFile, dump_yaml, read_yaml
from repro.presets import use_published
from repro.text_views import entry_name, in_order, made_entry, view_of

if TYPE_CHECKING:
    from repro.params import Params

__all__ = [
    "CellRequest",
    "add_dataset",
    "cell_inputs",
    "ensure_cells",
    "remove",
    "remove_dataset",
]

_FIRST_OBJECTIVES = ("base", "rlmrec-con", "rlmrec-gen", "irllrec")


def ensure_cells(layout: Layout, requests: Sequence[CellRequest], *, write: bool = True) -> list[str]:
    """Return the keys of the requested cells, adding those that params.yaml does not hold yet.

    A new variation takes over the settings of its objective's plain cell.

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
    wanted = [checked(params, request) for request in requests]
    missing = list({request.key: request for request in wanted if request.key not in params.cells}.values())
    if missing and write:
        file = ParamsFile(layout.params)
        cells = file.content["cells"]
        for request in missing:
            _add_text(file, params, request)
            inputs = cell_inputs(request)
            file.insert("cells", request.key, entry_of(request, cells, inputs))
        file.save()
    return list(dict.fromkeys(request.key for request in wanted))


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
    objectives = _FIRST_OBJECTIVES if text is not None else (TEXT_FREE,)
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


def remove_dataset(layout: Layout, name: str) -> bool:
    """Take a data set and its cells out of the grid; ``data/raw/NAME`` stays.

    Of a data set that the pipeline makes itself, such as the embedded one, only the cells are taken out.

    Returns:
        Whether the data set itself is out of the grid.

    Raises:
        ReproError: If the grid has no such data set.
    """
    from repro.params import load_params

    params = load_params(layout.params)
    if name not in params.datasets:
        raise ReproError(f"{layout.params}: no data set {name!r} ({', '.join(params.datasets)}).")
    remove(layout, [key for key, cell in params.cells.items() if cell.dataset == name])
    if name in params.generated:
        return False
    file = ParamsFile(layout.params)
    file.delete("datasets", name)
    entries = [entry for entry, text in params.text.items() if text.dataset == name]
    for entry in entries:
        file.delete("text", entry)
    file.save()
    stages = [f"{stage}@{name}" for stage in ("prepare", "compare", "tabulate")]
    stages += [f"{stage}@{entry}" for entry in entries for stage in ("summarize", "embed", "relate")]
    _forget_stages(layout, stages)
    return True


def _with_sources(name: str, text: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data set's entry of ``text`` with the paths that DVC watches."""
    made = text_sources(name, name, text.get("summarizer", ""), text.get("embedder", ""))
    return in_order({"dataset": name, **made, **text})


def _add_text(file: ParamsFile, params: Params, request: CellRequest) -> None:
    """Add the entry of ``text`` that a request reads and the file has not."""
    view = view_of(request.drop, request.text)
    made = made_entry(params, request.dataset, view) if view else None
    if made is not None:
        file.insert("text", *made)


def cell_inputs(request: CellRequest) -> str:
    """Return what a cell reads beside the interactions, relative to the root: a file or a folder.

    A cell that reads no text names the training interactions, which it reads anyway: new text never
    retrains it.
    """
    from irllrec.recommender import inputs_of

    read = inputs_of(request.backbone, request.objective)
    folder = f"data/text/{entry_name(request.dataset, view_of(request.drop, request.text))}"
    if "knowledge" in read:
        return folder if "text" in read else f"{folder}/knowledge.npz"
    return f"{folder}/vectors.npz" if "text" in read else f"data/prepared/{request.dataset}/train.npz"


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
