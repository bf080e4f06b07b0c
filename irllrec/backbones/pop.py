"""Popularity: every user is offered what most users took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from irllrec.simple import SimpleBaseline


@dataclass(frozen=True)
class PopularitySettings:
    """Popularity has none."""


class Popularity(SimpleBaseline):
    """``s(u, i) = |users with i in training|``."""

    Settings = PopularitySettings
    deterministic = True

    def fit_epoch(self, epoch: int) -> dict[str, float]:
        self.counts = torch.from_numpy(self.train.item_degrees.astype(np.float32))
        return {}

    def scores(self, users: npt.NDArray[np.int64]) -> Float[Tensor, "ranked item"]:
        return self.counts.repeat(len(users), 1)

    @property
    def parameter_count(self) -> int:
        return self.train.item_count


BACKBONE = Popularity
