"""EASE: a linear autoencoder of item × item weights with a zero diagonal, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.simple import SimpleBaseline


@dataclass(frozen=True)
class EASESettings:
    """Attributes:
    regularization: λ of the squared weights, > 0; larger for data sets with more users.
    """

    regularization: float

    def __post_init__(self) -> None:
        if not self.regularization > 0:
            raise ValueError(f"regularization is {self.regularization}; it must be above 0")


class EASE(SimpleBaseline):
    """``B = argmin ‖X − XB‖² + λ‖B‖²`` with ``diag(B) = 0``: ``B_ij = −P_ij / P_jj``, ``P = (XᵀX + λI)⁻¹``.

    ``s(u, ·) = X_u B``. A user without training items is offered the popular ones.

    Source: Steck, WWW 2019. The inverse is taken in float32: docs/decisions/model.md has the measurement.
    """

    Settings = EASESettings
    deterministic = True

    def fit_epoch(self, epoch: int) -> dict[str, float]:
        self._histories = self.train.matrix()
        gram = torch.from_numpy((self._histories.T @ self._histories).toarray())
        gram.diagonal().add_(self.settings.regularization)
        factor = torch.linalg.cholesky(gram)
        del gram
        # LAPACK answers column by column; the inverse is symmetric, and rows are what scores add up.
        weights = torch.cholesky_inverse(factor).mT.contiguous()
        del factor
        weights.div_(-weights.diagonal().clone())
        weights.fill_diagonal_(0.0)
        self._weights = weights.numpy()
        return {}

    def scores(self, users: npt.NDArray[np.int64]) -> Float[Tensor, "ranked item"]:
        return self.or_popular(torch.from_numpy(self._histories[users] @ self._weights))

    @property
    def parameter_count(self) -> int:
        return self.train.item_count * (self.train.item_count - 1)


BACKBONE = EASE
