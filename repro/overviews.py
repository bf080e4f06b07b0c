"""What there is and what it cost: the tables of data sets and of training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from irllrec.data.storage import read_json
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Params
from repro.results import CellResult, seed_records
from repro.tables.datasets import Cost, datasets_table, efficiency_table
from repro.tables.model import Table


def datasets_table_of(layout: Layout, params: Params, names: Sequence[str] | None) -> Table:
    """Return the table of data sets from their cards.

    Raises:
        ReproError: If a data set is unknown, or a named one was not prepared yet.
    """
    cards: dict[str, Mapping[str, Any]] = {}
    texts: dict[str, str] = {}
    missing = []
    for name in names or params.datasets:
        if name not in params.datasets:
            raise ReproError(f"there is no data set {name!r}: choose {', '.join(params.datasets)}.")
        path = layout.prepared(name) / "card.json"
        if not path.is_file():
            missing.append(name)
            continue
        card = read_json(path)
        counts = {split: part["interactions"] for split, part in card["splits"].items()}
        cards[name] = {"users": card["users"], "items": card["items"], **counts}
        text = params.datasets[name].text
        texts[name] = "–" if text is None else f"{text.summarizer} + {text.embedder}"
    if missing and (names or not cards):
        raise ReproError(f"{', '.join(missing)}: not prepared yet: run `dvc repro prepare@{missing[0]}`.")
    table = datasets_table(cards, texts)
    if missing:
        note = f"Not prepared yet, so not shown: {', '.join(missing)}."
        return dataclasses.replace(table, notes=(*table.notes, note))
    return table


def efficiency_table_of(cells: Sequence[CellResult]) -> Table:
    """Return what the training of each cell cost, the mean over its seeds."""
    costs = [
        Cost(
            name=cell.name,
            seed_count=len(cell.seeds),
            seconds=_mean(map(_seconds, cell.timings.values()), "seconds"),
            epochs=_mean(seed_records(cell.run), "epochs"),
            peak_bytes=_mean(cell.timings.values(), "peak_bytes"),
            device=str(cell.run.get("device", "–")),
        )
        for cell in cells
    ]
    return efficiency_table(costs)


def _seconds(timing: Mapping[str, Any]) -> dict[str, Any]:
    """Return a seed's processor time, or its wall time where an accelerator or several threads worked."""
    return {"seconds": timing.get("processor_seconds") or timing.get("wall_seconds")}


def _mean(records: Iterable[Mapping[str, Any]], name: str) -> float | None:
    values = [record[name] for record in records if record.get(name) is not None]
    return float(np.mean(values)) if values else None
