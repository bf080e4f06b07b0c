"""The tasks that `benchmarks.data_scale` measures; each runs in a process of its own.

    python -m benchmarks.data_scale_tasks FOLDER TASK [--held-out-users N] [--address-space GIB]

Prints one JSON line: the seconds of the work itself, the peak of the process before and after it, and for a
training or an evaluation the peak that was predicted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.data_scale_data import (
    NAME,
    SEED,
    SIZES,
    TEST_USERS,
    VALID_USERS,
    Size,
    make_checkout,
    thin_held_out,
)
from irllrec.data.prepared import load_split
from irllrec.data.sampling import TripleSampler
from repro.layout import Layout
from repro.memory import peak_bytes
from repro.params import load_params
from repro.seed_training import SeedJob

# Steps of a training whose peak is measured: the second one has the optimiser's state from its start.
STEPS = 2
# Seeds and methods of the statistics; their values are drawn, which costs no model.
SEEDS, METHODS = 5, 4


class FewBatches(TripleSampler):
    """An epoch that ends after its first batches; what an epoch holds in memory is all there."""

    @property
    def batch_count(self) -> int:
        return min(STEPS, super().batch_count)

    def epoch(self, epoch: int) -> Iterator[Any]:
        return islice(super().epoch(epoch), STEPS)


Record = dict[str, float | None]


def generate(layout: Layout, size: Size) -> Record:
    """The raw data and the text vectors."""
    with _clock() as clock:
        make_checkout(layout.root, size)
    return clock


def prepare(layout: Layout, held_out_users: int | None = None) -> Record:
    """The stage prepare; then validation and test are cut, off the clock."""
    from repro.stages.prepare import prepare_dataset

    with _clock() as clock:
        prepare_dataset(layout, NAME)
    given = (VALID_USERS, TEST_USERS) if held_out_users is None else (held_out_users, held_out_users)
    thin_held_out(layout, *given)
    return clock


def graph(layout: Layout) -> Record:
    """Reading the training pairs and building the graph."""
    from irllrec.graph import BipartiteGraph

    with _clock() as clock:
        BipartiteGraph(load_split(layout.prepared(NAME), "train"))
    return clock


def sampling(layout: Layout) -> Record:
    """The triples of one epoch."""
    train = load_split(layout.prepared(NAME), "train")
    sampler = TripleSampler(train, batch_size=4096, seed=SEED)
    with _clock() as clock:
        for _ in sampler.epoch(1):
            pass
    return clock


def training(layout: Layout, key: str) -> Record:
    """One seed of a cell as the stage trains it, an epoch of a few steps, its validation included."""
    from irllrec.recommender import is_simple
    from repro.memory_plan import job_need
    from repro.seed_training import train_seed
    from repro.simple_training import fit_seed

    torch.set_num_threads(1)
    job = job_of(layout, key)
    steps: list[float] = []
    with (
        _clock() as clock,
        mock.patch("irllrec.data.sampling.TripleSampler", FewBatches),
        _timed_steps(steps),
    ):
        (fit_seed if is_simple(job.recipe.backbone) else train_seed)(job)
    predicted = job_need(job).total(1)
    return {**clock, "predicted_bytes": predicted, "step_seconds": min(steps, default=None)}


def job_of(layout: Layout, key: str) -> SeedJob:
    """Return the first seed of a cell, as the stage train plans it."""
    from repro.stages.train import plan

    params = load_params(layout.params)
    cell = params.cell(key)
    return plan(layout, params, key, cell, layout.run(cell.dataset, cell.backbone, cell.variant))[0]


@contextlib.contextmanager
def _timed_steps(steps: list[float]) -> Iterator[None]:
    """Record the seconds from one batch's loss to the end of its optimiser step."""
    from irllrec.recommender import Recommender

    terms, step = Recommender.terms, torch.optim.Adam.step
    begun = [0.0]

    def started(self: Recommender, *given: Any) -> Any:
        begun[0] = time.perf_counter()
        return terms(self, *given)

    def stepped(self: torch.optim.Adam, *given: Any) -> Any:
        result = step(self, *given)
        steps.append(time.perf_counter() - begun[0])
        return result

    with (
        mock.patch.object(Recommender, "terms", started),
        mock.patch.object(torch.optim.Adam, "step", stepped),
    ):
        yield


def evaluation(layout: Layout, key: str) -> Record:
    """The stage evaluate: full ranking with masking, lists of 100, metrics, files."""
    from repro.predicted_memory import evaluation_bytes
    from repro.stages.evaluate import evaluate_cell

    params = load_params(layout.params)
    cell = params.cell(key)
    with _clock() as clock:
        evaluate_cell(layout, params, key)
    splits = {name: load_split(layout.prepared(NAME), name) for name in ("train", "valid", "test")}
    ranked = int((splits["test"].user_degrees > 0).sum())
    model = layout.run(cell.dataset, cell.backbone, cell.variant) / "model" / f"seed-{SEED}.safetensors"
    predicted = evaluation_bytes(
        model_bytes=model.stat().st_size, pairs=sum(map(len, splits.values())), seeds=1, ranked=ranked
    )
    return {**clock, "predicted_bytes": predicted, "ranked_users": ranked}


def statistics(layout: Layout) -> Record:
    """The comparisons of a main table over all users: tests, bootstrap, corrections."""
    from repro.analysis import settings_of, streams_of
    from repro.statistics.comparison import Question, answer, correct_family

    params = load_params(layout.params)
    users = load_split(layout.prepared(NAME), "train").user_count
    generator = np.random.default_rng(SEED)
    metrics = ("recall@20", "ndcg@20")
    names = [f"method {number}" for number in range(METHODS)]
    values = {name: {m: generator.beta(0.3, 2.0, (SEEDS, users)) for m in metrics} for name in names}
    questions = [Question(name, names[0], m) for name in names[1:] for m in metrics]
    with _clock() as clock:
        found = answer(values, questions, settings_of(params), streams_of(params, NAME, "all users"))
        correct_family(found, params.statistics.correction)
    return {**clock, "users": users, "columns": SEEDS * METHODS * len(metrics)}


@contextlib.contextmanager
def _clock() -> Iterator[Record]:
    found: Record = {"resting_bytes": peak_bytes()}
    started = time.perf_counter()
    yield found
    found["seconds"] = time.perf_counter() - started
    found["peak_bytes"] = peak_bytes()


PLAIN: dict[str, Callable[[Layout], Record]] = {
    "graph": graph,
    "sampling": sampling,
    "statistics": statistics,
}
OF_A_CELL: dict[str, Callable[[Layout, str], Record]] = {
    "training": training,
    "evaluation": evaluation,
}


def main() -> None:
    """Run one task and print its record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_scale_tasks", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("task", help="generate:SIZE, prepare, graph, sampling, statistics, training:CELL, …")
    parser.add_argument("--held-out-users", type=int, help="with pairs in validation and test")
    parser.add_argument("--address-space", type=float, metavar="GIB", help="all this process may ever map")
    options = parser.parse_args()
    if options.address_space is not None:
        bound = int(options.address_space * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    layout = Layout(options.folder)
    kind, _, named = options.task.partition(":")
    if kind == "generate":
        record = generate(layout, SIZES[named])
    elif kind == "prepare":
        record = prepare(layout, options.held_out_users)
    else:
        record = OF_A_CELL[kind](layout, f"{NAME}-{named}") if named else PLAIN[kind](layout)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
