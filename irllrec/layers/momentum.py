"""Momentum teachers: exponential moving averages of a student module."""

from __future__ import annotations

import copy

import torch
from torch import nn


def teacher_of(student: nn.Module) -> nn.Module:
    """Return a frozen copy of ``student`` with the same weights."""
    teacher = copy.deepcopy(student)
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    return teacher


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move the teacher in place: ``teacher ← momentum · teacher + (1 − momentum) · student``.

    Args:
        momentum: In [0, 1]; 0 copies the student, 1 leaves the teacher as it is.
    """
    for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
        old.mul_(momentum).add_(new, alpha=1.0 - momentum)
