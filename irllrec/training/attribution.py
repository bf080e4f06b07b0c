"""How hard each loss term pulls: norms of the gradients of the weighted terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from irllrec.recommender import Recommender
from irllrec.seeding import Draws
from irllrec.types import Batch

TOTAL = "total"
"""Stands among the terms for the whole loss."""

Norms = dict[str, dict[str, float]]
"""Scope (``all`` or ``backbone``) → term or ``total`` → norm."""


def gradient_norms(recommender: Recommender, batch: Batch, draws: Draws) -> Norms:
    """Return the Euclidean norm of the gradient of every weighted term, and of their sum.

    A term's share is its norm over the total's; shares need not add up to 1, and exceed it where
    terms pull against each other. A term that no parameter enters has norm 0.

    The recommender is left as it was: no gradient is stored, and teachers that one step moves are
    put back.

    Args:
        recommender: Measured with the weights it has.
        batch: The triples of one step.
        draws: Source of that step's random arrays; give it a stream of its own, so that training
            draws what it would draw anyway.

    Returns:
        Under ``all`` the norms over all trainable parameters, under ``backbone`` over those of the
        backbone, which alone make the rankings.
    """
    kept = {name: tensor.detach().clone() for name, tensor in recommender.state_dict().items()}
    trainable = [parameter for parameter in recommender.parameters() if parameter.requires_grad]
    own = {id(parameter) for parameter in recommender.backbone.parameters()}
    inside = [id(parameter) in own for parameter in trainable]
    recommender.backbone.start_epoch()
    terms = recommender.terms(batch, draws)
    total = [torch.zeros_like(parameter) for parameter in trainable]
    norms: Norms = {"all": {}, "backbone": {}}
    for name, term in terms.items():
        gradients = _gradients(term.weighted, trainable)
        _tell(norms, name, gradients, inside)
        total = [
            whole if part is None else whole + part for whole, part in zip(total, gradients, strict=True)
        ]
    _tell(norms, TOTAL, total, inside)
    recommender.load_state_dict(kept)
    recommender.backbone.start_epoch()
    return norms


def _gradients(value: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if not value.requires_grad or not parameters:
        return [None] * len(parameters)
    return torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)


def _tell(norms: Norms, name: str, gradients: Sequence[Tensor | None], inside: Sequence[bool]) -> None:
    norms["all"][name] = _norm(gradients)
    norms["backbone"][name] = _norm(part for part, own in zip(gradients, inside, strict=True) if own)


def _norm(gradients: Iterable[Tensor | None]) -> float:
    squares = [float(part.double().square().sum()) for part in gradients if part is not None]
    return float(sum(squares) ** 0.5)
