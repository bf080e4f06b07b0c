"""What has to run before some cells can be read, and about how long it takes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from repro.durations import spoken
from repro.kinship import expected_cost
from repro.layout import Layout
from repro.memory import free_bytes, gibibytes
from repro.memory_plan import advice, model_of, prepared_sizes, text_width, workers_fitting
from repro.predicted_memory import Sizes, training_need
from repro.shortened import first_few
from repro.text_views import text_entry

if TYPE_CHECKING:
    from repro.params import Cell, Params

_PER_CELL = ("train", "evaluate")
_CODE = "code-"


@dataclass(frozen=True)
class Work:
    """What has to run before the wanted cells can be read."""

    stages: tuple[str, ...]
    """Names of the stages, in the order of the pipeline."""
    seconds: float | None
    """Expected wall time from earlier runs, None where a cell has never been trained."""
    memory_bytes: int | None = None
    """Expected peak of the trainings among them, None where nothing is trained or sizes are not known."""

    def sentence(self) -> str:
        """Return what will run and about how long, for the user."""
        time = "the time is not known yet" if self.seconds is None else f"about {spoken(self.seconds)}"
        count = f"{len(self.stages)} stage{'s' if len(self.stages) != 1 else ''}"
        memory = "" if self.memory_bytes is None else f", about {gibibytes(self.memory_bytes)} of memory"
        return f"Running {count} through DVC ({first_few(self.stages, 6)}); {time}{memory}."


def estimate(
    layout: Layout, params: Params, cells: dict[str, Cell], stale: Sequence[str], *, tables: bool = False
) -> Work:
    """Return the work that ``stale`` stages cause for ``cells``, with the time earlier runs took.

    A stage whose input is made again counts as well, though DVC skips it if the input comes out equal.
    """
    datasets = list(dict.fromkeys(cell.dataset for cell in cells.values()))
    read = {stage for cell in cells.values() for stage in read_by(cell)}
    touched = set(stale)
    stages = [stage for stage in stale if stage.startswith(_CODE)]
    for name in datasets:
        entries = [entry for entry, text in params.text.items() if text.dataset == name]
        for stage, upstream in _data_stages(params, name, entries, read).items():
            renewed = is_stale(stage, touched) or any(one in stages for one in upstream)
            stages += [stage] if renewed else []
    for key, cell in cells.items():
        renewed = any(stage in stages for stage in read_by(cell))
        for stage in (f"{step}@{key}" for step in _PER_CELL):
            renewed = renewed or is_stale(stage, touched)
            stages += [stage] if renewed else []
    for name in datasets if tables else ():
        renewed = any(cells[s.partition("@")[2]].dataset == name for s in stages if s.startswith("evaluate@"))
        for stage in (f"compare@{name}", f"tabulate@{name}"):
            renewed = renewed or is_stale(stage, touched)
            stages += [stage] if renewed else []
    known = set(stages)
    stages += [stage for stage in stale if stage not in known]
    seconds = _training_seconds(layout, params, [key for key in cells if f"train@{key}" in stages])
    overhead = 3.0 + 1.5 * len(stages)
    return Work(tuple(stages), None if seconds is None else seconds + overhead)


def concerning(
    stale: Sequence[str], params: Params, cells: Mapping[str, Cell], *, tables: bool = False
) -> list[str]:
    """Return those of the whole pipeline's ``stale`` stages that DVC would run for ``cells``.

    Args:
        stale: Names of stages, and of DVC's files of raw data.
        params: The content of params.yaml.
        cells: The cells by key.
        tables: Whether the tables of their data sets are wanted too, which read all cells of those.
    """
    datasets = {cell.dataset for cell in cells.values()}
    entries = {name: [key for key, text in params.text.items() if text.dataset == name] for name in datasets}
    asked = params.cells if tables else cells
    read_cells = {key: cell for key, cell in asked.items() if cell.dataset in datasets}
    read = {stage for cell in read_cells.values() for stage in read_by(cell)}
    wanted = {f"{step}@{key}" for key in read_cells for step in _PER_CELL}
    if tables:
        read |= {f"relate@{entry}" for several in entries.values() for entry in several}
        wanted |= {f"{step}@{name}" for name in datasets for step in ("compare", "tabulate")}
    for name in datasets:
        wanted |= _data_stages(params, name, entries[name], read).keys()
    wanted |= {_CODE + stage.partition("@")[0] for stage in wanted}
    raw = {f"{name}.dvc" for name in datasets}
    return [stage for stage in stale if stage in wanted or Path(stage).name in raw]


def with_memory(layout: Layout, params: Params, cells: Mapping[str, Cell], work: Work) -> Work:
    """Return the work with its expected peak of memory, None where sizes are not known yet.

    Raises:
        ReproError: If a training would not fit, before anything has started.
    """
    from repro.stages.train import device_of, recipe_of

    trained = [key for key in cells if f"train@{key}" in work.stages]
    if not trained or device_of(params.engine.device) != "cpu":
        return work
    free = free_bytes(params.engine.memory_limit_gib)
    peaks = []
    for key in trained:
        cell = cells[key]
        sizes = known_sizes(layout, params, cell)
        if sizes is None:
            continue
        recipe, training = recipe_of(params, cell), params.training_of(cell).model_dump()
        dimension = cell.changed("text").get("dimension")
        model = model_of(recipe, training, None if dimension is None else int(dimension))
        need = training_need(sizes, model)
        seeds = len(params.datasets[cell.dataset].seeds)
        count = workers_fitting(params.engine, key, need, seeds, free, advice(model, sizes, free))
        chosen = count if params.engine.workers == "auto" else min(count, params.engine.workers)
        peaks.append(need.total(chosen))
    return replace(work, memory_bytes=max(peaks, default=None))


def known_sizes(layout: Layout, params: Params, cell: Cell) -> Sizes | None:
    """Return the sizes of a cell's data, from its prepared or raw files or from what will be generated.

    Returns:
        None where nothing is there yet, or the width of its text vectors is not known.
    """
    from irllrec.data.storage import read_json

    dataset = params.datasets[cell.dataset]
    share = dataset.split.ratio[0] / sum(dataset.split.ratio)
    raw = layout.raw(cell.dataset) / "manifest.json"
    if (layout.prepared(cell.dataset) / "train.npz").is_file():
        sizes = prepared_sizes(layout.prepared(cell.dataset))
    elif cell.dataset in params.generated:
        made = params.generated[cell.dataset]
        sizes = Sizes(made.users, made.items, round(share * made.interactions))
    elif raw.is_file():
        counts = read_json(raw).get("counts", {})
        if not {"users", "items", "interactions"} <= counts.keys():
            return None
        sizes = Sizes(counts["users"], counts["items"], round(share * counts["interactions"]))
    else:
        return None
    entry = text_entry(cell)
    if entry is None or not cell.inputs.endswith("vectors.npz"):
        return sizes
    if layout.vectors(entry).is_file():
        return replace(sizes, text=text_width(layout.vectors(entry)))
    text = params.text_of(entry)
    return replace(sizes, text=text.dimension) if text.embedder == "lsa" else None


def is_stale(stage: str, stale: Collection[str]) -> bool:
    """Return whether a stage is among the ``stale``, or the stage that hashes its kind's code is.

    DVC names the latter alone: until it ran, what the others watch is as it was.
    """
    return stage in stale or _CODE + stage.partition("@")[0] in stale


def _data_stages(
    params: Params, dataset: str, entries: Sequence[str], read: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the stages that make the data of a data set, those of text only where ``read`` needs them.

    Each is given with the stages that it reads, which stand before it.
    """
    generate, prepare = f"generate@{dataset}", f"prepare@{dataset}"
    stages: dict[str, tuple[str, ...]] = {generate: ()} if dataset in params.generated else {}
    stages[prepare] = (generate,)
    for entry in entries:
        summarize = f"summarize@{entry}"
        text = [stage for step in ("embed", "relate") if (stage := f"{step}@{entry}") in read]
        if text:
            stages[summarize] = (prepare,)
        stages |= dict.fromkeys(text, (prepare, summarize))
    return stages


def read_by(cell: Cell) -> list[str]:
    """Return the stages whose outputs a cell's training reads."""
    prepare, entry = f"prepare@{cell.dataset}", text_entry(cell)
    if entry is None:
        return [prepare]
    outputs = {"vectors.npz": ("embed",), "knowledge.npz": ("relate",), entry: ("embed", "relate")}
    return [prepare, *(f"{step}@{entry}" for step in outputs.get(cell.inputs.rpartition("/")[2], ()))]


def _training_seconds(layout: Layout, params: Params, keys: Sequence[str]) -> float | None:
    """Return about how long cells train one after the other, None where that of one is not known."""
    if not keys:
        return 0.0
    took = {key: _wall_seconds(layout.timings(key)) for key in params.cells}
    expected = [expected_cost(params.cells, key, took) for key in keys]
    known = [seconds for seconds in expected if seconds is not None]
    return sum(known) if len(known) == len(expected) else None


def _wall_seconds(path: Path) -> float | None:
    """Return how long all seeds took, trained side by side by as many workers as then."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        seconds = [float(seed["wall_seconds"]) for seed in record["per_seed"].values()]
        workers = min(int(record["workers"]), len(seconds))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return sum(seconds) / max(workers, 1) if seconds else None
