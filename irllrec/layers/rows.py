"""Rows of some nodes, found by node."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class NodeRows:
    """One row a node, for all nodes or for some.

    Attributes:
        values: The rows.
        nodes: Whose rows they are, ascending; None where all nodes have one.
    """

    values: Float[Tensor, "row dim"]
    nodes: Int[Tensor, "row"] | None = None

    def at(self, nodes: Int[Tensor, "wanted"] | None) -> Float[Tensor, "wanted dim"]:
        """Return the rows of ``nodes``, all of which must have one; None returns all rows."""
        if nodes is None:
            return self.values
        positions = nodes if self.nodes is None else torch.searchsorted(self.nodes, nodes)
        return self.values.index_select(0, positions)

    def first(self, count: int) -> Float[Tensor, "count dim"]:
        """Return the rows of the nodes ``0..count - 1``, all of which must have one."""
        return self.values[:count]
