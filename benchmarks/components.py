"""The hot spots of a step by themselves, forward and backward, as in one batch of the workload."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from benchmarks.plain_graph import PlainGraph
from benchmarks.plain_losses import cross_entropy, floored_contrast, info_nce
from benchmarks.workload import Workload, parameters
from irllrec.graph import BipartiteGraph, similarity_aggregation
from irllrec.losses.alignment import translation_alignment
from irllrec.losses.contrastive import info_nce as our_info_nce
from irllrec.losses.contrastive import unit_rows
from irllrec.losses.matching import distilled_matching
from irllrec.seeding import torch_stream

Losses = dict[str, Callable[..., Tensor]]
"""``plain`` and ``ours``, of the same leaf tensors."""

TEMPERATURE, LAYERS = 0.2, 3
COMPONENTS = ("contrast", "translation", "matching", "propagation", "aggregation", "tower")


def problem(name: str, workload: Workload) -> tuple[Losses, list[Tensor]]:
    """Return both sides' losses of a component and the leaf tensors that they read.

    ``contrast`` is InfoNCE of a batch's users against all users, ``translation`` the alignment of all
    nodes with all nodes, ``matching`` the distillation over a batch's users, ``propagation`` three layers,
    ``aggregation`` one layer over reweighted edges; ``tower`` is one text tower over all nodes, which is the
    same on both sides.
    """
    width = parameters().training.embedding_size
    users, nodes = workload.train.user_count, workload.train.user_count + workload.train.item_count
    batch = torch.from_numpy(workload.batches(parameters().training.batch_size, workload.seed)[0][0])
    distinct, counts = torch.unique(batch, return_counts=True)

    def leaves(*rows: int) -> list[Tensor]:
        generator = torch_stream(workload.seed, "benchmark component", name)
        return [torch.randn(count, width, generator=generator).requires_grad_() for count in rows]

    if name == "contrast":
        return {
            "plain": lambda a, b: info_nce(a[batch], b[batch], b, TEMPERATURE),
            "ours": lambda a, b: _our_contrast(a, b, distinct, counts),
        }, leaves(users, users)
    if name == "translation":
        return {
            "plain": lambda a, b: floored_contrast(a, b, b, 1.0),
            "ours": lambda a, b: translation_alignment(a, b, None, None),
        }, leaves(nodes, nodes)
    if name == "matching":
        return {"plain": _plain_matching, "ours": _our_matching}, leaves(len(distinct), len(distinct))
    if name == "tower":
        return _tower(workload)
    graph, plain_graph = BipartiteGraph(workload.train), PlainGraph(workload.train)
    weights = torch.linspace(-1, 1, width)
    if name == "propagation":
        return {
            "plain": lambda a: (sum(plain_graph.layers(a, LAYERS)) * weights).mean(),
            "ours": lambda a: (graph.summed_layers(a, LAYERS)[1] * weights).mean(),
        }, leaves(nodes)
    return {
        "plain": lambda a, b: (plain_graph.reweighted(unit_rows(a), b) * weights).mean(),
        "ours": lambda a, b: (similarity_aggregation(graph, unit_rows(a), b) * weights).mean(),
    }, leaves(nodes, nodes)


def _our_contrast(a: Tensor, b: Tensor, distinct: Tensor, counts: Tensor) -> Tensor:
    table = unit_rows(b)
    return our_info_nce(unit_rows(a[distinct]), table[distinct], table, TEMPERATURE, row_counts=counts)


def _plain_matching(a: Tensor, b: Tensor) -> Tensor:
    a, b = unit_rows(a), unit_rows(b)
    teacher = (a.detach() @ b.detach().T) / TEMPERATURE
    return cross_entropy(teacher.roll(1, dims=1), a @ b.T / TEMPERATURE)


def _our_matching(a: Tensor, b: Tensor) -> Tensor:
    a, b = unit_rows(a), unit_rows(b)
    # The teacher's keys are the student's, one place on: roll(1) moves column j - 1 to column j.
    return distilled_matching(a, b, a.detach(), b.detach().roll(1, dims=0), TEMPERATURE)


def _tower(workload: Workload) -> tuple[Losses, list[Tensor]]:
    text = workload.text.intent
    width = parameters().training.embedding_size
    hidden = (text.shape[1] + width) // 2
    generator = torch_stream(workload.seed, "benchmark component", "tower")
    shapes = ((text.shape[1], hidden), (hidden, width))
    leaves = [(0.02 * torch.randn(*shape, generator=generator)).requires_grad_() for shape in shapes]

    def tower(first: Tensor, second: Tensor) -> Tensor:
        return (torch.nn.functional.leaky_relu(text @ first, 0.01) @ second).square().mean()

    return {"plain": tower, "ours": tower}, leaves


def operations(name: str, workload: Workload) -> tuple[float, float]:
    """Return the least float operations in products, and exponentials, of a component's step."""
    width = parameters().training.embedding_size
    users, nodes = workload.train.user_count, workload.train.user_count + workload.train.item_count
    batch = workload.batches(parameters().training.batch_size, workload.seed)[0][0]
    rows = len(set(batch.tolist()))
    pairs = {"contrast": rows * users, "translation": nodes * nodes, "matching": 2 * rows * rows}
    if name in pairs:
        # One product forward and two backward, an exponential an entry.
        return 6.0 * width * pairs[name], float(pairs[name])
    if name == "tower":
        text = workload.text.intent.shape[1]
        hidden = (text + width) // 2
        return 2.0 * nodes * hidden * (2 * text + 3 * width), 0.0
    layers = LAYERS if name == "propagation" else 1
    return 2.0 * 2 * 2 * len(workload.train) * width * layers, 0.0


def turns(
    name: str, workload: Workload, wanted: Collection[str]
) -> dict[str, Callable[[int], dict[str, float]]]:
    """Return both sides' turns: one forward and backward pass."""
    losses, leaves = problem(name, workload)

    def turn_of(loss: Callable[..., Tensor]) -> Callable[[int], dict[str, float]]:
        def turn(number: int) -> dict[str, float]:
            value = loss(*leaves)
            gradients = torch.autograd.grad(value, leaves)
            return {
                "loss": value.item(),
                **{f"gradient {i}": g.norm().item() for i, g in enumerate(gradients)},
            }

        return turn

    return {side: turn_of(losses[side]) for side in wanted}
