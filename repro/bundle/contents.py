"""Chooses what goes into a bundle and brings it into a folder laid out like a checkout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.bundle.privacy import Machine
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Cell, Params

CELL_FILES = ("per_user.parquet", "top_items.npz", "metrics.json", "run.json", "history.csv")
SPLIT_FILES = ("train.npz", "valid.npz", "test.npz")
PREPARED_FILES = ("manifest.json", "card.json")
"""Hashes and counts; no interaction stands in them."""
TEXT_FILES = ("summaries.jsonl", "audit.json", "embedding.json")

_NUMBERS = (".npz", ".parquet")


@dataclass(frozen=True)
class Chosen:
    """The cells of a bundle.

    Attributes:
        cells: Those with results, by key, in the order of the grid.
        left_out: Keys of those without.
    """

    cells: dict[str, Cell]
    left_out: tuple[str, ...]

    @property
    def datasets(self) -> list[str]:
        """Their data sets."""
        return list(dict.fromkeys(cell.dataset for cell in self.cells.values()))


def choose(layout: Layout, params: Params, keys: Sequence[str]) -> Chosen:
    """Return which of the cells have results.

    Raises:
        ReproError: If none has.
    """
    wanted = {key: params.cells[key] for key in keys}
    there = {key: cell for key, cell in wanted.items() if _run(layout, cell, CELL_FILES[0]).is_file()}
    if not there:
        first = next(iter(wanted.values())).dataset
        raise ReproError(
            f"no cell of {', '.join(dict.fromkeys(cell.dataset for cell in wanted.values()))} has results: make "
            f"them with `repro table main --dataset {first}`, or leave out --no-run."
        )
    return Chosen(there, tuple(key for key in wanted if key not in there))


def is_included(params: Params, dataset: str) -> bool:
    """Return whether a data set may be passed on: only generated ones are ours to give."""
    return params.datasets[dataset].origin == "generated"


def bring(layout: Layout, params: Params, chosen: Chosen, folder: Path) -> list[str]:
    """Copy what belongs into the bundle into ``folder`` and return the files in which something was redacted.

    Raises:
        ReproError: If a file of numbers holds a path of this machine.
    """
    machine = machine_of(layout, params)
    redacted = []
    for source in _sources(layout, params, chosen):
        name = source.relative_to(layout.root).as_posix()
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = source.read_bytes()
        if source.suffix not in _NUMBERS:
            cleaned = _cleaned(machine, source, content)
            redacted += [name] if cleaned != content else []
            content = cleaned
        check_private(machine, name, content)
        target.write_bytes(content)
    return redacted


def machine_of(layout: Layout, params: Params) -> Machine:
    """Return what may not leave the machine that this checkout is on."""
    vocabulary = layout.params.read_text(encoding="utf-8")
    return Machine.of(layout.root, params.engine.ollama.hosts, vocabulary)


def check_private(machine: Machine, name: str, content: bytes) -> None:
    """Refuse a file that still tells of this machine.

    Raises:
        ReproError: Naming the file and the word.
    """
    word = machine.left_in(content)
    if word is not None:
        raise ReproError(
            f"{name} holds {word!r}, which tells of this machine, and cannot be cleaned by itself: take it out "
            "there, then run the same command again."
        )


def _cleaned(machine: Machine, source: Path, content: bytes) -> bytes:
    try:
        return machine.cleaned(content.decode("utf-8")).encode("utf-8")
    except UnicodeDecodeError:
        raise ReproError(f"{source} is not UTF-8: make it again with `dvc repro`.") from None


def _sources(layout: Layout, params: Params, chosen: Chosen) -> Iterator[Path]:
    """Yield the files that there are, in no order."""
    wanted = [layout.params, layout.pipeline, layout.root / "dvc.lock", layout.claims]
    wanted += [layout.deviations_page, layout.sources, layout.search_spaces]
    wanted += sorted(path for path in layout.published.rglob("*") if path.is_file())
    for key, cell in chosen.cells.items():
        wanted += [_run(layout, cell, name) for name in CELL_FILES]
        wanted.append(layout.timings(key))
    for dataset in chosen.datasets:
        included = is_included(params, dataset)
        wanted += [layout.prepared(dataset) / name for name in PREPARED_FILES]
        wanted += [layout.prepared(dataset) / name for name in SPLIT_FILES if included]
        wanted += sorted((layout.tuning / dataset).glob("*.csv"))
        texts = [name for name, text in params.text.items() if text.dataset == dataset]
        wanted += [layout.text(text) / name for text in texts for name in TEXT_FILES if included]
    yield from (path for path in dict.fromkeys(wanted) if path.is_file())


def _run(layout: Layout, cell: Cell, name: str) -> Path:
    return layout.run(cell.dataset, cell.backbone, cell.variant) / name
