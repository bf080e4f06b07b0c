"""What protocols need of trained models: rankings under another mask, equal scores, places among candidates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import Interactions
from irllrec.data.prepared import load_split
from irllrec.data.storage import load_interactions
from repro.layout import FAKES
from repro.results import CellResult

if TYPE_CHECKING:
    from torch import Tensor

    from irllrec.evaluation.equal_scores import Ties
    from irllrec.evaluation.sampled import Standings

LENGTH = 100
"""Items of each list, as the stage evaluate stores them."""

Lists = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Splits:
    """The parts of a data set that a protocol reads."""

    train: Interactions
    valid: Interactions
    test: Interactions

    @classmethod
    def read(cls, prepared: Path) -> Splits:
        """Return the splits of a prepared folder."""
        return cls(*(load_split(prepared, name) for name in ("train", "valid", "test")))

    def hidden(self, mask: str) -> list[Interactions]:
        """Return the tables whose pairs a mask takes out of the ranking."""
        return [self.train] if mask == "train" else [self.train, self.valid]

    def least_candidates(self, users: npt.NDArray[np.integer]) -> int:
        """Return how many items the user who met most of them has not met."""
        met = self.train.user_degrees + self.valid.user_degrees + self.test.user_degrees
        return int(self.test.item_count - met[users].max(initial=0))


@dataclass(frozen=True)
class Models:
    """The trained models of one cell; each is read when it is asked.

    Attributes:
        cell: The cell's results.
        splits: Those of its data set.
    """

    cell: CellResult
    splits: Splits

    @property
    def are_here(self) -> bool:
        """Whether the model of every seed is on disk."""
        return all(self._path(seed).is_file() for seed in self.cell.seeds)

    @property
    def score(self) -> bool:
        """Whether they score all items; a simple baseline keeps ranked lists instead."""
        return self.are_here and "inference/users" in self._tensors(int(self.cell.seeds[0]))

    def ranked(self, seed: int, mask: str, users: npt.NDArray[np.integer]) -> Lists:
        """Return the lists of these users under a mask, shape (ranked, 100), -1 past their end."""
        from irllrec.evaluation.ranking import rank_items, without_masked

        tensors, masked = self._tensors(seed), self._hidden(mask)
        if "inference/ranked" in tensors:
            lists = tensors["inference/ranked"].numpy()[users]
            return without_masked(lists, users=users, masked=masked, length=LENGTH)
        return rank_items(*_embeddings(tensors), users=users, masked=masked, length=LENGTH)

    def ties(self, seed: int, mask: str) -> Ties:
        """Return the lists of all users with test items first and last among equal scores."""
        from irllrec.evaluation.equal_scores import rank_with_ties

        return rank_with_ties(
            *_embeddings(self._tensors(seed)),
            users=self.cell.users,
            masked=self._hidden(mask),
            test=self.splits.test,
            length=LENGTH,
        )

    def standings(self, seed: int) -> Standings:
        """Return where each test item stands among the items that its user never met."""
        from irllrec.evaluation.sampled import standings

        return standings(
            *_embeddings(self._tensors(seed)),
            users=self.cell.users,
            met=[self.splits.train, self.splits.valid],
            test=self.splits.test,
        )

    def _hidden(self, mask: str) -> list[Interactions]:
        """Return what the evaluation hides under a mask: fake training items, too, as the stage does."""
        fakes = self.cell.folder / "model" / FAKES
        return self.splits.hidden(mask) + ([load_interactions(fakes)] if fakes.is_file() else [])

    def _path(self, seed: int) -> Path:
        return self.cell.folder / "model" / f"seed-{seed}.safetensors"

    def _tensors(self, seed: int) -> dict[str, Tensor]:
        from irllrec.training.checkpoint import load_tensors

        return load_tensors(self._path(seed))[0]


def _embeddings(tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    return tensors["inference/users"], tensors["inference/items"]
