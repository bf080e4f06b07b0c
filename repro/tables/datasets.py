"""The table of data sets, and the table of what runs cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro.tables.model import Block, Entry, Group, Line, Record, Table, figures


def datasets_table(cards: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> Table:
    """Return users, items, interactions, density and text of each data set.

    Args:
        cards: Data set → users, items, train, valid, test (counts).
        texts: Data set → where its text comes from, for example ``extractive + lsa``.
    """
    lines, records = [], []
    for name, card in cards.items():
        counts = {split: int(card[split]) for split in ("train", "valid", "test")}
        users, items, total = int(card["users"]), int(card["items"]), sum(counts.values())
        density = total / (users * items)
        shown = [f"{count:,}" for count in (users, items, total, *counts.values())]
        lines.append(
            Line(
                tuple(
                    Entry(text)
                    for text in (name, *shown, f"{100 * density:.3f}%", f"{total / users:.1f}", texts[name])
                )
            )
        )
        record: dict[str, Any] = {"dataset": name, "users": users, "items": items, "interactions": total}
        record |= counts | {
            "density": figures(density),
            "per_user": figures(total / users),
            "text": texts[name],
        }
        records.append(record)
    return Table(
        title="Data sets",
        columns=(
            "dataset",
            "users",
            "items",
            "interactions",
            "train",
            "valid",
            "test",
            "density",
            "per user",
            "text",
        ),
        label_count=1,
        blocks=(Block("", (Group("", tuple(lines)),)),),
        notes=("Density: interactions of all splits over users × items.",),
        records=tuple(records),
    )


@dataclass(frozen=True)
class Cost:
    """What the seeds of one cell cost on average.

    Attributes:
        name: The cell.
        seed_count: How many seeds it has.
        seconds: Processor time of one seed; wall time where an accelerator did the work.
        epochs: Epochs of one seed.
        peak_bytes: Most memory one seed's process held.
        device: ``cpu`` or ``cuda``.
    """

    name: str
    seed_count: int
    seconds: float | None
    epochs: float | None
    peak_bytes: float | None
    device: str


def efficiency_table(costs: Sequence[Cost]) -> Table:
    """Return time, epochs and memory of each cell, the mean over its seeds."""
    lines: list[Line] = []
    records: list[Record] = []
    for cost in costs:
        per_epoch = cost.seconds / cost.epochs if cost.seconds and cost.epochs else None
        texts = (
            cost.name,
            str(cost.seed_count),
            _number(cost.seconds, "{:.1f}"),
            _number(cost.epochs, "{:.0f}"),
            _number(per_epoch, "{:.3f}"),
            _number(cost.peak_bytes and cost.peak_bytes / 2**20, "{:.0f}"),
            cost.device,
        )
        lines.append(Line(tuple(Entry(text) for text in texts)))
        records.append(
            {
                "cell": cost.name,
                "seeds": cost.seed_count,
                "seconds": figures(cost.seconds),
                "epochs": figures(cost.epochs),
                "seconds_per_epoch": figures(per_epoch),
                "peak_bytes": None if cost.peak_bytes is None else round(cost.peak_bytes),
                "device": cost.device,
            }
        )
    return Table(
        title="Cost of training",
        columns=("cell", "seeds", "seconds", "epochs", "s/epoch", "peak MiB", "device"),
        label_count=1,
        blocks=(Block("", (Group("", tuple(lines)),)),),
        notes=(
            "Means over seeds; seconds of processor time of one seed, which its siblings beside it do not "
            "lengthen; on an accelerator, wall time.",
        ),
        records=tuple(records),
    )


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
