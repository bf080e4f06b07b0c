"""Times the seeds of a cell side by side against one of them, start of the workers included.

    python -m benchmarks.seeds --size 0.25 --text 384 --seeds 5 --epochs 6 --repeats 3

Every seed trains a fixed number of epochs. One seed trains in this process, as the stage does it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine_record
from benchmarks.step import RESULTS, ROOT
from benchmarks.workload import Workload, load_workload, parameters, recipe_of
from irllrec.data.noise import Noise
from irllrec.data.storage import save_interactions
from irllrec.text.embeddings import save_text_vectors
from repro import provenance
from repro.memory_plan import workers_for
from repro.seed_training import SeedJob, train_seed
from repro.seeds import run_seeds


def main(argv: Sequence[str] | None = None) -> None:
    """Measure in turns, print the ratio and write a record."""
    options = _parser().parse_args(argv)
    workload = load_workload(options.size, options.text, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        jobs = _jobs(workload, options, Path(folder))
        workers = options.workers or workers_for(parameters().engine, "benchmark", jobs)
        seconds: dict[str, list[float]] = {"one": [], "together": []}
        for turn in range(options.repeats):
            sides = [("one", jobs[:1], 1), ("together", jobs, workers)]
            for name, chosen, count in sides if turn % 2 else reversed(sides):
                seconds[name].append(_run(chosen, count))
    ratios = [many / one for one, many in zip(seconds["one"], seconds["together"], strict=True)]
    record = {
        "what": "seeds",
        **{name: getattr(options, name) for name in ("size", "text", "backbone", "objective", "epochs")},
        "seeds": options.seeds,
        "workers": workers,
        "seconds": seconds,
        "ratio": {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)},
        "machine": machine_record(),
        "versions": provenance.versions(("torch", "numpy")),
        "commit": provenance.commit(ROOT),
    }
    path = RESULTS / f"{options.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    found = record["ratio"]
    print(
        f"{options.seeds} seeds by {workers} workers against one: {found['median']:.2f} times as long "
        f"({found['least']:.2f}–{found['most']:.2f}); written to {path}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=0.25, help="times Amazon-book's users, items and pairs")
    parser.add_argument("--text", type=int, default=384, help="size of a text vector")
    parser.add_argument("--backbone", default="lightgcn")
    parser.add_argument("--objective", default="irllrec")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, help="default: as many as the pipeline would start")
    parser.add_argument("--seed", type=int, default=2023)
    parser.add_argument("--name", default="latest-seeds", help="of the record in benchmarks/results/")
    return parser


def _jobs(workload: Workload, options: argparse.Namespace, folder: Path) -> list[SeedJob]:
    """Write the workload as the pipeline's files and return one job a seed."""
    save_interactions(folder / "train.npz", workload.train)
    save_interactions(folder / "valid.npz", workload.test)
    save_text_vectors(folder / "vectors.npz", workload.vectors)
    training: dict[str, Any] = parameters().training.model_dump()
    training |= {"max_epochs": options.epochs, "patience": options.epochs}
    return [
        SeedJob(
            recipe=recipe_of(options.backbone, options.objective, "paper"),
            training=training,
            seed=seed,
            control=None,
            prepared=folder,
            vectors=folder / "vectors.npz",
            knowledge=None,
            model=folder / "model" / f"{seed}.safetensors",
            checkpoint=folder / "state" / f"{seed}.safetensors",
            data_sha256="",
            identity="",
            device="cpu",
            checkpoint_seconds=1e9,
            noise=Noise("benchmark"),
        )
        for seed in range(options.seed, options.seed + options.seeds)
    ]


def _run(jobs: Sequence[SeedJob], workers: int) -> float:
    for job in jobs:
        job.checkpoint.unlink(missing_ok=True)
    started = time.perf_counter()
    run_seeds(train_seed, jobs, [job.seed for job in jobs], workers=workers, title="benchmark")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
