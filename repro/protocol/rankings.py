"""One cell judged under any protocol: from its stored lists, and from its models where those do not suffice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from irllrec.evaluation.metrics import per_user_metrics
from repro.metric_kinds import ACCURACY
from repro.protocol.models import LENGTH, Lists, Models, Splits
from repro.protocol.settings import CUTOFFS, Setting
from repro.results import CellResult

if TYPE_CHECKING:
    from irllrec.evaluation.sampled import Standings

FloatArray = npt.NDArray[np.float64]


@dataclass
class Rankings:
    """One cell under all protocols; what was computed once is kept.

    Attributes:
        cell: Its results.
        splits: Those of its data set.
        standing: The protocol that it was evaluated by.
    """

    cell: CellResult
    splits: Splits
    standing: Setting
    _metrics: dict[tuple[str, str], Mapping[str, FloatArray]] = field(default_factory=dict, repr=False)
    _lengths: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict, repr=False)
    _parted: npt.NDArray[np.bool_] | None = field(default=None, repr=False)

    @cached_property
    def models(self) -> Models:
        """The trained models, on disk or not."""
        return Models(self.cell, self.splits)

    def can(self, setting: Setting) -> bool:
        """Return whether what is here is enough for a protocol."""
        if setting.drawn is not None or setting.ties != "index":
            return self.models.score
        return setting.mask in (self.standing.mask, "train+valid") or self.models.are_here

    def values(self, setting: Setting) -> FloatArray:
        """Return a protocol's metric of all users, unweighted; shape (seed, user), one seed where one is set."""
        values = self._sampled(setting) if setting.drawn is not None else self._full(setting)
        if setting.counted == "reachable":
            relevant = self.splits.test.user_degrees[self.cell.users]
            values = values * relevant / np.minimum(relevant, setting.cutoff)
        if setting.seed is not None:
            values = values[np.flatnonzero(self.cell.seeds == setting.seed)]
        return values

    def complete(self, setting: Setting) -> npt.NDArray[np.bool_]:
        """Return whose lists are known to the cut-off in all seeds, shape (user,)."""
        if setting.drawn is not None:
            return np.ones(len(self.cell.users), dtype=bool)
        self._full(setting)
        return np.asarray((self._lengths[setting.mask] >= setting.cutoff).all(axis=0))

    def parted(self, cutoff: int) -> int:
        """Return how many users have, in any seed, equal scores on both sides of a cut after ``cutoff``."""
        if self._parted is None:
            self._tied()
        assert self._parted is not None
        return int(self._parted[:, cutoff - 1].sum())

    def _full(self, setting: Setting) -> FloatArray:
        lists = setting.mask, setting.ties
        if lists not in self._metrics:
            if setting.ties == "index":
                self._keep(*lists, self._lists(setting.mask))
            else:
                self._tied()
        return self._metrics[lists][setting.name]

    def _keep(self, mask: str, ties: str, lists: Lists) -> None:
        """Judge lists, shape (seed, user, 100), at every cut-off; by all metrics, which cost little more."""
        cutoffs = sorted({*CUTOFFS, self.standing.cutoff})
        names = [f"{metric}@{cutoff}" for metric in ACCURACY for cutoff in cutoffs]
        found = [per_user_metrics(items, self.splits.test, self.cell.users, names) for items in lists]
        self._metrics[mask, ties] = {name: np.stack([values[name] for values in found]) for name in names}

    def _lists(self, mask: str) -> Lists:
        """Return the lists under a mask, and note how far each is known."""
        users, stored = self.cell.users, self.cell.lists()
        if mask == self.standing.mask:
            self._lengths[mask] = np.full(stored.shape[:2], LENGTH)
            return stored
        if mask == "train":  # masked items come back, and only the models know where
            self._lengths[mask] = np.full(stored.shape[:2], LENGTH)
            return np.stack([self.models.ranked(int(seed), mask, users) for seed in self.cell.seeds])
        return self._shortened(stored)

    def _shortened(self, stored: Lists) -> Lists:
        """Return the stored lists without validation items; models, where there are some, fill up the ends.

        A list that ended before its last place held all the user's items, so it is known to any cut-off.
        """
        from irllrec.evaluation.ranking import without_masked

        users, masked = self.cell.users, [self.splits.valid]
        lists = np.stack([without_masked(row, users=users, masked=masked, length=LENGTH) for row in stored])
        everything = (stored < 0).any(axis=2) | (self.splits.test.item_count <= LENGTH)
        lengths = np.where(everything, LENGTH, (lists >= 0).sum(axis=2))
        if self.models.are_here:
            for row, seed in enumerate(self.cell.seeds):
                short = np.flatnonzero(lengths[row] < LENGTH)
                lists[row, short] = self.models.ranked(int(seed), "train+valid", users[short])
            lengths[:] = LENGTH
        self._lengths["train+valid"] = lengths
        return lists

    def _tied(self) -> None:
        """Judge both orders of equal scores, and note where a cut parts them."""
        mask = self.standing.mask
        found = [self.models.ties(int(seed), mask) for seed in self.cell.seeds]
        self._keep(mask, "first", np.stack([ties.first for ties in found]))
        self._keep(mask, "last", np.stack([ties.last for ties in found]))
        self._lengths[mask] = np.full((len(found), len(self.cell.users)), LENGTH)
        self._parted = np.any([ties.at_cut for ties in found], axis=0)

    def _sampled(self, setting: Setting) -> FloatArray:
        from irllrec.evaluation.sampled import expected_metrics

        assert setting.drawn is not None
        users = len(self.cell.users)
        found = [expected_metrics(one, users, setting.drawn, [setting.name])[0] for one in self._standings]
        return np.stack(found)

    @cached_property
    def _standings(self) -> list[Standings]:
        return [self.models.standings(int(seed)) for seed in self.cell.seeds]
