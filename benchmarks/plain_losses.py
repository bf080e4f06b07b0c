"""The loss terms as their formulas read: every similarity matrix whole, duplicates left in."""

from __future__ import annotations

import torch
from torch import Tensor

from irllrec.types import Batch


def unit(rows: Tensor) -> Tensor:
    return rows / torch.sqrt(1e-8 + rows.square().sum(dim=1, keepdim=True))


def info_nce(anchors: Tensor, positives: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    a, b, c = unit(anchors), unit(positives), unit(candidates)
    matched = (a * b).sum(dim=1) / temperature
    return (torch.logsumexp(a @ c.T / temperature, dim=1) - matched).mean()


def floored_contrast(anchors: Tensor, positives: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    a, b, c = unit(anchors), unit(positives), unit(candidates)
    matched = torch.exp((a * b).sum(dim=1) / temperature)
    everything = torch.exp(a @ c.T / temperature).sum(dim=1)
    return -torch.log(matched / (everything + 1e-8) + 1e-8).mean()


def bpr(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    margin = (users * negatives).sum(dim=1) - (users * positives).sum(dim=1)
    return torch.nn.functional.softplus(margin).mean()


def aligned(
    first: Tensor, second: Tensor, batch: Batch, users: int, temperature: float, *, negatives: bool = True
) -> Tensor:
    """Return InfoNCE of the batch's users among all users, of its items among the batch's items."""
    total = info_nce(first[batch.users], second[batch.users], second[:users], temperature)
    sides = [batch.positive_items, batch.negative_items] if negatives else [batch.positive_items]
    for items in sides:
        rows = users + items
        total = total + info_nce(first[rows], second[rows], second[rows], temperature)
    return total


def viewed(
    first: Tensor, second: Tensor, batch: Batch, users: int, temperature: float, *, negatives: bool
) -> Tensor:
    """Return InfoNCE of two views, among all users and all items."""
    total = info_nce(first[batch.users], second[batch.users], second[:users], temperature)
    sides = [batch.positive_items, batch.negative_items] if negatives else [batch.positive_items]
    for items in sides:
        rows = users + items
        total = total + info_nce(first[rows], second[rows], second[users:], temperature)
    return total


def cross_entropy(teacher: Tensor, student: Tensor) -> Tensor:
    """Return the mean cross-entropy of the rows' softmax; arguments are logits."""
    return -(torch.softmax(teacher, dim=1) * torch.log_softmax(student, dim=1)).sum(dim=1).mean()
