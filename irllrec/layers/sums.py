"""Sums of a propagation's layers."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor


def summed(layers: Iterable[Float[Tensor, "node dim"]]) -> Float[Tensor, "node dim"]:
    """Return ``Σ_l E^(l)``, added one after the other: no array of all layers is made."""
    return functools.reduce(torch.add, layers)
