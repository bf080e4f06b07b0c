"""Writes the section "Growth of the data" of docs/scale.md and its plot from the records of data_scale.

    python -m benchmarks.data_scale_page two-cores

Replaces what stands between the page's markers ``<!-- measured: PART -->`` and ``<!-- end -->``, and writes
docs/scale.svg.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter

from benchmarks.data_scale_data import SIZES
from benchmarks.page import filled
from benchmarks.step import RESULTS, ROOT
from benchmarks.workload import ITEMS, USERS

PAGE, PLOT = ROOT / "docs" / "scale.md", ROOT / "docs" / "scale.svg"
# What a task is called, and the number that is shown as its seconds.
TASKS = {
    "prepare": ("prepare", "seconds"),
    "graph": ("graph", "seconds"),
    "sampling": ("sampling of an epoch", "seconds"),
    "training:lightgcn-base": ("step, lightgcn base", "step_seconds"),
    "training:lightgcn-irllrec-fast": ("step, lightgcn irllrec fast", "step_seconds"),
    "training:lightgcn-irllrec": ("step, lightgcn irllrec", "step_seconds"),
    "evaluation:lightgcn-base": ("evaluation", "seconds"),
    "statistics": ("statistics", "seconds"),
    "training:ease-base": ("ease, fitted", "seconds"),
    "training:itemknn-base": ("itemknn, fitted", "seconds"),
}
GIB = 2**30
# Okabe and Ito's colours, told apart by colour-blind readers; styles and marks differ as well.
LOOKS = {
    "prepare": ("#000000", "o", "-"),
    "graph": ("#56B4E9", "s", "--"),
    "training:lightgcn-base": ("#009E73", "^", "-"),
    "training:lightgcn-irllrec-fast": ("#D55E00", "D", "-"),
    "training:lightgcn-irllrec": ("#CC79A7", "v", "--"),
    "evaluation:lightgcn-base": ("#0072B2", "P", "-."),
    "statistics": ("#E69F00", "X", ":"),
}
Record = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Fill the section and draw its plot."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.data_scale_page", description=__doc__.splitlines()[0]
    )
    parser.add_argument("name", help="of the records in benchmarks/results/")
    found = json.loads((RESULTS / f"{parser.parse_args(argv).name}-growth.json").read_text(encoding="utf-8"))
    records = found["records"]
    parts = {
        "growth machine": _machine(found),
        "growth sizes": _sizes(records),
        "growth": growth_table(records),
        "predicted": prediction_table(records),
    }
    text = PAGE.read_text(encoding="utf-8")
    for part, content in parts.items():
        text = filled(text, part, content)
    PAGE.write_text(text, encoding="utf-8")
    _draw(records)


def growth_table(records: Sequence[Record]) -> str:
    """Return seconds and peak of every task at every size."""
    sizes = _in_order(records)
    lines = [
        "| | " + " | ".join(SIZES[name].label for name in sizes) + " |",
        "|---" + "|---:" * len(sizes) + "|",
    ]
    for task, (called, seconds) in TASKS.items():
        found = {record["size"]: record for record in records if record["task"] == task}
        if found:
            cells = [_cell(found.get(name), seconds) for name in sizes]
            lines.append("| " + " | ".join([called, *cells]) + " |")
    return "\n".join(lines)


def prediction_table(records: Sequence[Record]) -> str:
    """Return the predicted peak of every training and evaluation, and the measured one."""
    lines = ["| | size | predicted GiB | measured GiB | predicted / measured |", "|---|---|---:|---:|---:|"]
    for task, (called, _) in TASKS.items():
        for name in _in_order(records):
            record = next((one for one in records if (one["size"], one["task"]) == (name, task)), {})
            if "predicted_bytes" not in record:
                continue
            predicted, measured = record["predicted_bytes"], record.get("peak_bytes")
            cells = [called, SIZES[record["size"]].label, f"{predicted / GIB:.2f}"]
            cells += (
                [f"{measured / GIB:.2f}", f"{predicted / measured:.2f}"]
                if measured
                else [record["note"], "–"]
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(record: Record | None, seconds: str) -> str:
    if record is None:
        return "–"
    if record.get("peak_bytes") is None:
        return str(record.get("note", "–"))
    took = record.get(seconds)
    memory = f"{record['peak_bytes'] / GIB:.2f} GiB"
    return memory if took is None else f"{took:.3g} s, {memory}"


def _in_order(records: Sequence[Record]) -> list[str]:
    there = {record["size"] for record in records}
    return [name for name in SIZES if name in there]


def _sizes(records: Sequence[Record]) -> str:
    lines = [
        "| size | users | items | training pairs | user × item, dense float32 GiB |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in _in_order(records):
        size = SIZES[name]
        dense = 4 * size.users * size.items / GIB
        lines.append(f"| {size.label} | {size.users:,} | {size.items:,} | {size.pairs:,} | {dense:,.1f} |")
    return "\n".join(lines)


def _machine(found: Record) -> str:
    machine, records = found["machine"], found["records"]
    loads = sorted(record["load"] for record in records if "load" in record)
    busy = f"Others were at work on it: load {loads[0]:g} to {loads[-1]:g}, so seconds are upper bounds. "
    return (
        f"{machine['processor']}, {machine['cores']} cores, torch {found['versions']['torch']}, one thread a task. "
        + (busy if loads[-1] > 1.5 else "")
        + f"Memory is the peak of a fresh process. Commit {str(found['commit'])[:10]}."
    )


def _draw(records: Sequence[Record]) -> None:
    """Draw seconds and peaks over users and items; the dense set stands apart as hollow marks."""
    mpl.rcParams["svg.hashsalt"] = "irllrec-repro"
    figure, panels = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
    for task, (colour, mark, line) in LOOKS.items():
        called, seconds = TASKS[task]
        for axes, key, unit in zip(panels, (seconds, "peak_bytes"), (1, GIB), strict=True):
            values = {r["size"]: r[key] / unit for r in records if r["task"] == task and r.get(key)}
            grown = [(SIZES[n].users + SIZES[n].items, values[n]) for n in SIZES if n in values and "x" in n]
            if grown:
                axes.plot(*zip(*grown, strict=True), line, marker=mark, color=colour, label=called)
            if "movielens-32m" in values:
                size = SIZES["movielens-32m"]
                place = (size.users + size.items, values["movielens-32m"])
                axes.plot(*place, linestyle="", marker=mark, markerfacecolor="none", color=colour)
    smallest = USERS + ITEMS
    for axes, words in zip(panels, ("seconds", "peak of the process, GiB"), strict=True):
        axes.set(xscale="log", yscale="log", xlabel="users and items", ylabel=words)
        axes.set_xlim(0.7 * smallest, 100 * smallest)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(visible=True, which="major", alpha=0.25)
    panels[1].set_yscale("log", base=2)
    panels[1].yaxis.set_major_formatter("{x:g}")
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
