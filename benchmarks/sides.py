"""What is timed: for each kind of work the plain side and ours, ready to be run turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.components import COMPONENTS, turns
from benchmarks.plain import PlainRecommender
from benchmarks.plain_data import PlainSampler, evaluate
from benchmarks.workload import Workload, parameters
from irllrec.data.sampling import TripleSampler
from irllrec.evaluation.metrics import per_user_metrics
from irllrec.evaluation.ranking import rank_items
from irllrec.graph import BipartiteGraph
from irllrec.precision import shortcuts_of
from irllrec.recommender import Recipe, Recommender, build
from irllrec.seeding import Draws, torch_stream
from irllrec.types import Batch

Turn = Callable[[int], dict[str, float]]
"""Does the work of one numbered turn; returns numbers that both sides must agree in."""

NAMES = ("plain", "ours")


@dataclass(frozen=True)
class Kind:
    """One kind of work.

    Attributes:
        make: Returns the named sides' turns.
        agreement: Largest relative difference of the two sides' numbers in the first turn.
    """

    make: Callable[[Workload, Recipe, Collection[str]], dict[str, Turn]]
    agreement: float


def _training(workload: Workload, recipe: Recipe, wanted: Collection[str]) -> dict[str, Turn]:
    """Return steps: forward, backward and optimiser, on the same batches with the same draws."""
    training = parameters().training
    batches = [Batch.of(*triples) for triples in workload.batches(training.batch_size, workload.seed)]
    graph, shortcuts = BipartiteGraph(workload.train), shortcuts_of(recipe.precision)
    text = workload.text if shortcuts is None else workload.reduced(shortcuts.text_dimension)
    recommender = build(recipe, graph, text, workload.seed)
    exact = recommender
    if shortcuts is not None and "plain" in wanted:
        exact = build(replace(recipe, precision="exact"), graph, workload.text, workload.seed)

    def turns_of(side: Recommender | PlainRecommender, weights: Sequence[torch.Tensor]) -> Turn:
        optimizer = torch.optim.Adam(weights, lr=training.learning_rate, fused=True)

        def step(turn: int) -> dict[str, float]:
            draws = Draws(torch_stream(workload.seed, "draws", turn))
            terms = side.terms(batches[turn % len(batches)], draws)
            total = torch.stack([term.weighted for term in terms.values()]).sum()
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            optimizer.step()
            return {"loss": total.item()}

        return step

    turns: dict[str, Turn] = {}
    if "plain" in wanted:
        plain = PlainRecommender(exact, recipe.backbone, workload.train, workload.text)
        turns["plain"] = turns_of(plain, plain.trainable)
    if "ours" in wanted:
        trainable = [parameter for parameter in recommender.parameters() if parameter.requires_grad]
        turns["ours"] = turns_of(recommender, trainable)
    return turns


def _sampling(workload: Workload, recipe: Recipe, wanted: Collection[str]) -> dict[str, Turn]:
    """Return draws of one epoch; the sides draw from generators of their own."""
    size, train, seed = parameters().training.batch_size, workload.train, workload.seed
    plain_sampler = PlainSampler(train, batch_size=size, seed=seed) if "plain" in wanted else None
    sampler = TripleSampler(train, batch_size=size, seed=seed)

    def plain(turn: int) -> dict[str, float]:
        assert plain_sampler is not None
        return {"triples": sum(len(users) for users, _, _ in plain_sampler.epoch())}

    def ours(turn: int) -> dict[str, float]:
        return {"triples": sum(len(users) for users, _, _ in sampler.epoch(turn + 1))}

    return {name: turn for name, turn in (("plain", plain), ("ours", ours)) if name in wanted}


def _evaluation(workload: Workload, recipe: Recipe, wanted: Collection[str]) -> dict[str, Turn]:
    """Return evaluations of random embeddings with the protocol's metrics."""
    cutoffs = parameters().protocol.cutoffs
    users, items = workload.embeddings(recipe.embedding_size)
    judged = np.flatnonzero(workload.test.user_degrees > 0)
    metrics = [f"{metric}@{cutoff}" for metric in ("recall", "ndcg") for cutoff in cutoffs]

    def plain(turn: int) -> dict[str, float]:
        return evaluate(users, items, workload.train, workload.test, cutoffs)

    def ours(turn: int) -> dict[str, float]:
        masked, length = [workload.train], max(cutoffs)
        lists = rank_items(users, items, users=judged, masked=masked, length=length)
        found = per_user_metrics(lists, workload.test, judged, metrics)
        return {name: float(values.mean()) for name, values in found.items()}

    return {name: turn for name, turn in (("plain", plain), ("ours", ours)) if name in wanted}


def _component(name: str) -> Callable[[Workload, Recipe, Collection[str]], dict[str, Turn]]:
    return lambda workload, recipe, wanted: turns(name, workload, wanted)


# Float32 sums run in another order on the two sides; the two evaluations' scores differ in the last bit,
# which may swap two items of nearly equal score.
KINDS = {
    "step": Kind(_training, agreement=1e-4),
    "sampling": Kind(_sampling, agreement=0.0),
    "evaluation": Kind(_evaluation, agreement=1e-3),
    **{name: Kind(_component(name), agreement=1e-3) for name in COMPONENTS},
}


def plain_bytes(workload: Workload, recipe: Recipe) -> int:
    """Return about how much memory the plain step takes: its largest float32 similarity matrices."""
    batch = parameters().training.batch_size
    users, nodes = workload.train.user_count, workload.train.user_count + workload.train.item_count
    entries = 4 * batch * max(users, batch)
    if recipe.objective == "irllrec" and (recipe.fidelity == "paper" or recipe.backbone == "lightgcn"):
        # Translation alignment holds the similarities, their exponentials and a gradient.
        entries += 3 * nodes * nodes
    return 4 * entries
