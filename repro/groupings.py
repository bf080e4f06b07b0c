"""How test users, or their test items, are divided into groups whose gains are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from irllrec.data.storage import load_interactions
from irllrec.evaluation.metrics import METRICS
from irllrec.evaluation.strata import PUBLISHED_BOUNDS, Stratum, strata_of
from repro.errors import ReproError
from repro.metric_kinds import name_of
from repro.results import CellResult, FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

KINDS = ("users", "items", "cold")
COLD = 5
"""Most training items of a cold user, unless said otherwise."""

_USUAL_GROUPS = {"users": "published", "items": "quantiles"}


@dataclass(frozen=True)
class Group:
    """Users whose metric is compared, on all of their test items or on some.

    Attributes:
        label: The bounds in words: ``0-4``, ``≥20``.
        users: Who has a value here, shape (user,).
        degrees: Training interactions of each of these users or, in groups of items, of their test items in
            the group (geometric mean of 1 + popularity, less 1); NaN for others, shape (user,).
        items: Which test items count, shape (item,); None where all do.
        item_count: Distinct test items that count; None where all do.
    """

    label: str
    users: BoolArray
    degrees: FloatArray
    items: BoolArray | None = None
    item_count: int | None = None
    _values: dict[tuple[str, str], FloatArray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def user_count(self) -> int:
        return int(self.users.sum())

    @property
    def share(self) -> float:
        """The share of the test users who are here."""
        return float(self.users.mean())

    def values(self, cell: CellResult, metric: str) -> FloatArray:
        """Return the metric of every seed and user, shape (seed, user); NaN may stand for users not here."""
        if self.items is None:
            return cell.values(metric)
        key = (cell.key, metric)
        if key not in self._values:
            self._values[key] = cell.values_on(metric, self.items)
        return self._values[key]


@dataclass(frozen=True)
class Grouping:
    """All groups of one kind, sparsest first.

    Attributes:
        kind: ``users``, ``items`` or ``cold``.
        groups: With ``users`` and ``cold`` every user is in exactly one; with ``items`` every test
            interaction is, and a user in as many as the test items are in.
        column: What the groups go by, as the header of a table.
        axis: The same in full words, for figures.
        ends: What the sparsest and the densest groups hold.
        extremes: What the sparsest and the densest group are called.
        note: How the groups were made, in a sentence.
        name: The groups as part of a file's name; empty for the usual ones.
        option: What asks ``repro sparsity`` for them; empty for the usual ones.
    """

    kind: str
    groups: tuple[Group, ...]
    column: str
    axis: str
    ends: tuple[str, str]
    extremes: tuple[str, str]
    note: str
    name: str
    option: str

    @property
    def title(self) -> str:
        """What the table is called."""
        return {"users": "Sparsity", "items": "Item popularity", "cold": "Cold users"}[self.kind]


@dataclass(frozen=True)
class GroupingRequest:
    """Which groups to make; from :func:`read_grouping`, so that they can be made of any results.

    Attributes:
        kind: One of :data:`KINDS`.
        groups: As :func:`~irllrec.evaluation.strata.strata_of` reads it.
        cold: Most training items of a cold user.
    """

    kind: str
    groups: str
    cold: int = COLD

    def of(self, cell: CellResult) -> Grouping:
        """Return the groups of the users that a cell was tested on, all cells of its data set alike.

        Raises:
            ReproError: For cold users, if every user is cold or none is.
            DataError: For items, if the training or test interactions are missing.
        """
        if self.kind == "items":
            return self._of_items(cell)
        return self._of_cold_users(cell) if self.kind == "cold" else self._of_users(cell)

    def check_metrics(self, metrics: Sequence[str]) -> None:
        """Refuse metrics that do not count hits where only some test items count.

        Raises:
            ReproError: For items, if a metric is none of accuracy.
        """
        for metric in metrics:
            if self.kind == "items" and name_of(metric) not in METRICS:
                raise ReproError(
                    f"{metric} does not count hits, so it cannot be told by test items: choose from "
                    f"{', '.join(METRICS)}, or --by users."
                )

    def _of_users(self, cell: CellResult) -> Grouping:
        strata = strata_of(cell.train_degrees, self.groups)
        return Grouping(
            kind="users",
            groups=_user_groups(cell, self.groups),
            column="train items",
            axis="training items of a user",
            ends=("sparse users", "dense users"),
            extremes=("sparsest", "densest"),
            note=f"Groups by training items, lower bounds {_bounds(strata)} ({self._words('users shown')}).",
            name=self._name,
            option=self._option,
        )

    def _of_cold_users(self, cell: CellResult) -> Grouping:
        groups = _user_groups(cell, f"0,{self.cold + 1}")
        if not all(group.user_count for group in groups):
            fewest, most = int(cell.train_degrees.min()), int(cell.train_degrees.max())
            which = "no test user has" if not groups[0].user_count else "every test user has"
            raise ReproError(
                f"{cell.cell.dataset}: {which} at most {self.cold} training items: choose --cold from {fewest} "
                f"to {most - 1}."
                if fewest < most
                else f"{cell.cell.dataset}: every test user has {fewest} training items, so none is colder "
                "than the rest: choose another data set."
            )
        return Grouping(
            kind="cold",
            groups=groups,
            column="train items",
            axis="training items of a user",
            ends=("cold users", "the rest"),
            extremes=("cold", "rest"),
            note=f"Cold are users with at most {self.cold} training items; they are set against the rest.",
            name="" if self.cold == COLD else str(self.cold),
            option="" if self.cold == COLD else f"--cold {self.cold}",
        )

    def _of_items(self, cell: CellResult) -> Grouping:
        train, test = load_interactions(cell.prepared / "train.npz"), cell.test_pairs()
        popularity = train.item_degrees
        seen = np.isin(test.users, cell.users)
        users, items = np.searchsorted(cell.users, test.users[seen]), test.items[seen]
        strata = strata_of(popularity[items], self.groups)
        groups = []
        for stratum in strata:
            members = stratum.holds(popularity)
            counted = members[items]
            pairs = np.bincount(users[counted], minlength=len(cell.users))
            sizes = np.log2(1.0 + popularity[items[counted]])
            total = np.bincount(users[counted], weights=sizes, minlength=len(cell.users))
            with np.errstate(invalid="ignore"):
                degrees = np.exp2(total / pairs) - 1.0
            held = len(np.unique(items[counted]))
            groups.append(Group(stratum.label, pairs > 0, degrees, members, held))
        return Grouping(
            kind="items",
            groups=tuple(groups),
            column="popularity",
            axis="training interactions of an item",
            ends=("rare items", "popular items"),
            extremes=("rarest", "most popular"),
            note=f"Groups of test items by training interactions, lower bounds {_bounds(strata)} "
            f"({self._words('test interactions')}). A user counts in each group that holds a test item of "
            "theirs; only these test items count, in the ranking of all items.",
            name=self._name,
            option=self._option,
        )

    @property
    def _name(self) -> str:
        return "" if self.groups == _USUAL_GROUPS[self.kind] else self.groups.replace(",", "-")

    @property
    def _option(self) -> str:
        return "" if self.groups == _USUAL_GROUPS[self.kind] else f"--groups {self.groups}"

    def _words(self, members: str) -> str:
        if self.groups == "published":
            bounds = ",".join(str(bound) for bound in PUBLISHED_BOUNDS)
            whose = (
                "papers' sparsity figures" if self.kind == "users" else "papers' sparsity figures of users"
            )
            return f"'published': fixed counts as in the {whose}; {bounds} is our choice of counts"
        return f"quartiles of the {members}" if self.groups == "quantiles" else "as given"


def read_grouping(kind: str, groups: str | None = None, cold: int | None = None) -> GroupingRequest:
    """Return the wanted groups, checked before anything is run for them.

    Args:
        kind: One of :data:`KINDS`.
        groups: ``published``, ``quantiles`` or own bounds; None takes ``published`` for users and
            ``quantiles`` for items.
        cold: Most training items of a cold user; None takes :data:`COLD`.

    Raises:
        ReproError: If the kind is unknown, or an option belongs to another kind.
        ConfigurationError: If the groups cannot be read.
    """
    if kind not in KINDS:
        raise ReproError(f"groups by {kind!r} are unknown: choose --by {', '.join(KINDS)}.")
    if kind == "cold" and groups is not None:
        raise ReproError(
            f"--by cold has two groups and takes no --groups {groups}: set their bound with --cold N, or write "
            "--by users."
        )
    if kind != "cold" and cold is not None:
        raise ReproError(f"--cold {cold} goes with --by cold: add it, or give bounds such as --groups 0,6.")
    if cold is not None and cold < 0:
        raise ReproError(
            f"--cold {cold} is no number of training items: write 0 or more, for example --cold 5."
        )
    if kind == "cold":
        return GroupingRequest(kind, "", COLD if cold is None else cold)
    chosen = groups or _USUAL_GROUPS[kind]
    strata_of(np.zeros(0, dtype=np.int64), chosen)
    return GroupingRequest(kind, chosen)


def _user_groups(cell: CellResult, groups: str) -> tuple[Group, ...]:
    degrees = cell.train_degrees.astype(np.float64)
    found = [
        (stratum.label, stratum.holds(cell.train_degrees))
        for stratum in strata_of(cell.train_degrees, groups)
    ]
    return tuple(Group(label, inside, np.where(inside, degrees, np.nan)) for label, inside in found)


def _bounds(strata: list[Stratum]) -> str:
    return ",".join(str(stratum.lower) for stratum in strata)
