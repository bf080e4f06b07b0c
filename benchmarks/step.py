"""Times one kind of work on the plain side and on ours, in turns, in one process.

    python -m benchmarks.step --size 1 --text 1536 --backbone lightgcn --objective irllrec --repeats 5

Peak memory is that of two turns in a fresh process a side. Without --name the record goes to
benchmarks/results/latest-*.json, which git ignores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.components import COMPONENTS, operations
from benchmarks.machine import machine_record
from benchmarks.plain import OBJECTIVES
from benchmarks.plain_backbones import BACKBONES
from benchmarks.sides import KINDS, NAMES, plain_bytes
from benchmarks.turns import difference, in_turns, ratio, summary
from benchmarks.workload import Workload, load_workload, recipe_of
from irllrec.recommender import Recipe
from repro import provenance
from repro.memory import peak_bytes

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Turns whose peak is measured: the second one has the optimiser's state from its start.
MEMORY_TURNS = 2
# Share of the free memory that the plain side may be expected to need.
MEMORY_SHARE = 0.8


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what ``argv`` asks for, print a table and write a record."""
    options = _parser().parse_args(argv)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    workload = load_workload(options.size, options.text, options.seed)
    recipe = recipe_of(
        options.backbone,
        options.objective,
        options.fidelity,
        layers=options.layers,
        precision=options.precision,
    )
    if options.memory_of:
        print(json.dumps(_memory(options, workload, recipe)))
        return
    record = _measure(options, workload, recipe)
    path = options.json or RESULTS / f"{options.name or _unnamed(options)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    Console().print(_table(record))
    if options.json is None:
        print(f"Written to {path}.", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=__doc__.splitlines()[0])
    parser.add_argument("--what", choices=sorted(KINDS), default="step")
    parser.add_argument("--size", type=float, default=1.0, help="times Amazon-book's users, items and pairs")
    parser.add_argument("--text", type=int, default=1536, help="size of a text vector")
    parser.add_argument("--backbone", choices=sorted(BACKBONES), default="lightgcn")
    parser.add_argument("--objective", choices=OBJECTIVES, default="irllrec")
    parser.add_argument("--fidelity", choices=("paper", "code"), default="paper")
    parser.add_argument("--precision", choices=("exact", "fast"), default="exact", help="of our side")
    parser.add_argument("--layers", type=int, help="propagations (default: the backbone's in params.yaml)")
    parser.add_argument("--repeats", type=int, default=5, help="turns after the warm-up")
    parser.add_argument("--threads", type=int, help="of PyTorch (default: its own choice)")
    parser.add_argument("--seed", type=int, default=2023)
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--name", help="of the record in benchmarks/results/")
    parser.add_argument("--json", type=Path, help="path of the record instead")
    parser.add_argument("--memory-of", choices=NAMES, help=argparse.SUPPRESS)
    return parser


def _unnamed(options: argparse.Namespace) -> str:
    parts = [options.what, options.backbone, options.objective, options.fidelity, options.precision]
    parts = parts if options.what == "step" else parts[:1]
    return "-".join(["latest", *parts, f"size{options.size:g}", f"text{options.text}"])


def _measure(options: argparse.Namespace, workload: Workload, recipe: Recipe) -> dict[str, Any]:
    kind = KINDS[options.what]
    note, wanted = None, list(NAMES)
    if options.what == "step":
        needed, free = plain_bytes(workload, recipe), psutil.virtual_memory().available
        if needed > MEMORY_SHARE * free:
            note = f"plain needs about {needed / 2**30:.0f} GiB, free are {free / 2**30:.0f} GiB"
            wanted.remove("plain")
    # First, while this process is small: the children must fit beside it.
    memory: dict[str, Any] = {
        name: {} if options.no_memory else _memory_in_child(options, name) for name in wanted
    }
    seconds, numbers = in_turns(kind.make(workload, recipe, wanted), options.repeats)
    both = len(wanted) == len(NAMES)
    # What fast computes is another number on purpose.
    apart = difference(numbers) if both and recipe.precision == "exact" else None
    if apart is not None and not apart <= kind.agreement:
        sys.exit(f"The two sides differ by {apart:.1e}, more than {kind.agreement:.0e}: {numbers}.")
    sides = {name: {**summary(seconds[name]), **memory[name]} if name in wanted else None for name in NAMES}
    return {
        **_description(options, workload, recipe),
        **sides,
        "ratio": ratio(seconds) if both else None,
        "difference": apart,
        "note": note,
        "operations": _operations(options.what, workload),
        "machine": machine_record(),
        "versions": provenance.versions(("torch", "numpy")),
        "commit": provenance.commit(ROOT),
    }


def _description(options: argparse.Namespace, workload: Workload, recipe: Recipe) -> dict[str, Any]:
    plain_recipe = dataclasses.asdict(recipe) | {"drop": [], "turned": []}
    return {
        "what": options.what,
        "size": options.size,
        "text": options.text,
        "users": workload.train.user_count,
        "items": workload.train.item_count,
        "pairs": len(workload.train),
        "seed": options.seed,
        "recipe": plain_recipe if options.what == "step" else None,
    }


def _operations(what: str, workload: Workload) -> dict[str, float] | None:
    if what not in COMPONENTS:
        return None
    return dict(zip(("products", "exponentials"), operations(what, workload), strict=True))


def _memory(options: argparse.Namespace, workload: Workload, recipe: Recipe) -> dict[str, int]:
    """Return the peak of this process before and after two turns of one side."""
    name = options.memory_of
    turn = KINDS[options.what].make(workload, recipe, [name])[name]
    resting = peak_bytes()
    for number in range(MEMORY_TURNS):
        turn(number)
    return {"resting_bytes": resting, "peak_bytes": peak_bytes()}


def _memory_in_child(options: argparse.Namespace, name: str) -> dict[str, int]:
    given = (
        *("what", "size", "text", "backbone", "objective", "fidelity", "precision"),
        *("layers", "threads", "seed"),
    )
    values = {key: getattr(options, key) for key in given}
    command = [f"--{key}={value}" for key, value in values.items() if value is not None]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.step", *command, f"--memory-of={name}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def _table(record: dict[str, Any]) -> Table:
    of_a_model = (
        [record["recipe"][key] for key in ("backbone", "objective", "fidelity", "precision")]
        if record["recipe"]
        else []
    )
    title = ", ".join([record["what"], *of_a_model, f"size {record['size']:g}", f"text {record['text']}"])
    table = Table(title=title, caption=record["note"])
    for column in ("", "median s", "least s", "most s", "peak GiB"):
        table.add_column(column, justify="right" if column else "left")
    for name in NAMES:
        side = record[name]
        if side is None:
            continue
        seconds = [side["median_seconds"], min(side["seconds"]), max(side["seconds"])]
        peak = f"{side['peak_bytes'] / 2**30:.2f}" if "peak_bytes" in side else "–"
        table.add_row(name, *[f"{value:.4g}" for value in seconds], peak)
    if record["ratio"]:
        found = record["ratio"]
        table.add_row("plain / ours", *[f"{found[key]:.1f}×" for key in ("median", "least", "most")])
    return table


if __name__ == "__main__":
    main()
