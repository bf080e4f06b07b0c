"""Matrix factorisation of implicit feedback by alternating least squares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.data.interactions import Interactions
from irllrec.seeding import torch_stream
from irllrec.simple import SimpleBaseline

# Entries of the largest array of one block: 16 MiB of float32.
BLOCK_ENTRIES = 1 << 22


@dataclass(frozen=True)
class ALSSettings:
    """Attributes:
    factors: Size of the factor vectors, ≥ 1.
    alpha: Weight of an observed pair beyond an unobserved one, > 0.
    regularization: λ of the squared factors, > 0.
    iterations: How often both sides are solved, ≥ 1.
    """

    factors: int
    alpha: float
    regularization: float
    iterations: int

    def __post_init__(self) -> None:
        for name, value in (("factors", self.factors), ("iterations", self.iterations)):
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        for name, number in (("alpha", self.alpha), ("regularization", self.regularization)):
            if not number > 0:
                raise ValueError(f"{name} is {number}; it must be above 0")


class ALS(SimpleBaseline):
    """``min Σ_{u,i} c_ui (x_ui − p_u·q_i)² + λ(‖P‖² + ‖Q‖²)``, ``c_ui = 1 + α x_ui``, over all pairs.

    One epoch solves ``p_u = (QᵀQ + λI + α Σ_{i∈I_u} q_i q_iᵀ)⁻¹ (1+α) Σ_{i∈I_u} q_i`` for all users,
    then likewise for all items. ``s(u, i) = p_u·q_i``. A user without training items is offered the
    popular ones.

    Source: Hu, Koren and Volinsky, ICDM 2008.
    *Randomness*: stream ``"weights"`` for the items' first factors.
    """

    Settings = ALSSettings
    deterministic = False

    def __init__(self, *, train: Interactions, settings: ALSSettings, seed: int, device: str = "cpu") -> None:
        super().__init__(train=train, settings=settings, seed=seed, device=device)
        self._mirrored = Interactions.from_pairs(train.items, train.users, train.item_count, train.user_count)
        start = torch.randn(train.item_count, settings.factors, generator=torch_stream(seed, "weights"))
        self.item_factors = (0.01 * start).to(device)
        self.user_factors = self.item_factors.new_zeros(train.user_count, settings.factors)

    @property
    def epoch_count(self) -> int:
        return int(self.settings.iterations)

    def fit_epoch(self, epoch: int) -> dict[str, float]:
        self.user_factors = self._solved(self.train, self.item_factors)
        self.item_factors = self._solved(self._mirrored, self.user_factors)
        return {}

    def _solved(
        self, rows: Interactions, fixed: Float[Tensor, "other factor"]
    ) -> Float[Tensor, "row factor"]:
        """Return the factors of each row's owner that are best for the fixed side."""
        size, alpha = self.settings.factors, self.settings.alpha
        shared = fixed.T @ fixed
        shared.diagonal().add_(self.settings.regularization)
        padded = torch.cat([fixed, fixed.new_zeros(1, size)])
        solved = fixed.new_zeros(rows.user_count, size)
        for owners, partners in _blocks(rows, size):
            taken = padded[torch.from_numpy(partners).to(fixed.device)]
            systems = torch.baddbmm(shared, taken.mT, taken, alpha=alpha)
            wanted = (1 + alpha) * taken.sum(dim=1)
            factor = torch.linalg.cholesky(systems)
            found = torch.cholesky_solve(wanted[:, :, None], factor)[:, :, 0]
            solved[torch.from_numpy(owners).to(fixed.device)] = found
        return solved

    def scores(self, users: npt.NDArray[np.int64]) -> Float[Tensor, "ranked item"]:
        chosen = self.user_factors[torch.from_numpy(users).to(self.user_factors.device)]
        return self.or_popular((chosen @ self.item_factors.T).cpu())

    @property
    def parameter_count(self) -> int:
        return self.user_factors.numel() + self.item_factors.numel()

    def state(self) -> dict[str, Tensor]:
        return {"users": self.user_factors, "items": self.item_factors}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.user_factors = state["users"].to(self.device)
        self.item_factors = state["items"].to(self.device)


def _blocks(rows: Interactions, size: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield owners of rows, few partners first, and their partners padded with the first index beyond.

    Shapes (owner,) and (owner, partner); owners without partners are left out.
    """
    degrees = rows.user_degrees
    order = np.argsort(degrees, kind="stable")
    order = order[degrees[order] > 0]
    position = 0
    while position < len(order):
        ahead = degrees[order[position:]]
        entries = np.arange(1, len(ahead) + 1) * np.maximum(ahead, size) * size
        count = max(1, int(np.searchsorted(entries, BLOCK_ENTRIES, side="right")))
        owners = order[position : position + count]
        counts = degrees[owners]
        partners = np.full((count, int(counts[-1])), rows.item_count, dtype=np.int64)
        filled = np.arange(partners.shape[1]) < counts[:, None]
        within = np.broadcast_to(np.arange(partners.shape[1]), partners.shape)
        partners[filled] = rows.items[(rows.user_offsets[owners][:, None] + within)[filled]]
        yield owners, partners
        position += count


BACKBONE = ALS
