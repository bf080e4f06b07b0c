"""The case study: one user, chosen by a rule, with what text and clicks say of her intents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from irllrec.data.prepared import load_titles
from irllrec.text.evidence import single_line
from irllrec.text.records import MOST_INTENTS, NodeIds, load_summaries
from repro.errors import ReproError
from repro.figure_material import Material, NotDrawableError, ours_and_base, plural
from repro.figures.case import Case, PrototypeUse, Recommended, case_height, draw_case
from repro.figures.model import COLUMN_WIDTH, Figure
from repro.results import CellResult
from repro.tables.model import Record, Scalar, figures
from repro.text_views import text_entry
from repro.trained import trained

if TYPE_CHECKING:
    from irllrec.layers.intents import IntentMixture
    from irllrec.text.records import Summary

PROTOTYPES, NEAREST_ITEMS, LISTED = 3, 3, 10
_NEIGHBOURHOOD = 10
"""Items nearest to a prototype whose text intents are counted."""


@dataclass(frozen=True)
class Choice:
    """The user of a case study.

    Attributes:
        place: Her row among the users of the results.
        gain: Her difference to base, averaged over seeds.
        rule: Why she and no other, as a clause.
    """

    place: int
    gain: float
    rule: str


def case_figure(material: Material, user: str | None = None) -> Figure:
    """Return the case study of one user.

    Args:
        material: Has irllrec and base, and irllrec's weights.
        user: Her id; None chooses by :func:`choose`.

    Raises:
        NotDrawableError: If weights, prototypes or results are missing, or the user has no test items.
        ReproError, IrllrecError: If they cannot be read.
    """
    ours, base = ours_and_base(material)
    entry = text_entry(ours.cell) or material.dataset
    ids = NodeIds.load(ours.prepared)
    summaries = load_summaries(material.layout.text(entry) / "summaries.jsonl", ids)
    of_users, of_items = summaries[: len(ids.users)], summaries[len(ids.users) :]
    metric = material.metrics[0]
    gains = ours.values(metric).mean(axis=0) - base.values(metric).mean(axis=0)
    gains = np.where(np.abs(gains) < 1e-12, 0.0, gains)
    if user is None:
        choice = choose(gains, np.array([len(of_users[one].intents) for one in ours.users]))
    else:
        choice = _named(ours, ids, user, gains)
    seed = int(ours.seeds[0])
    mixture = trained(material.layout, material.params, ours, seed).intent_mixture()
    if mixture is None:
        raise NotDrawableError(f"{ours.name} has no intent prototypes to set beside the text.")
    node = int(ours.users[choice.place])
    titles = _titles(ours, ids)
    case = Case(
        user=single_line(str(ids.users[node])),
        intents=_lines(of_users[node].intents),
        prototypes=_prototypes(mixture, node, titles, of_items),
        lists=tuple((cell.cell.variant, _list(cell, seed, node, titles)) for cell in (ours, base)),
    )
    return Figure(
        name=f"case-{material.place}" + (f"-user-{node}" if user is not None else ""),
        title=f"A user's intents in text and clicks: {material.backbone} on {material.dataset}",
        alt=_alt(case, choice, metric),
        caption=_caption(case, choice, metric, seed, mixture, node),
        command=material.command("case") + (f" --user {user}" if user is not None else ""),
        size=(COLUMN_WIDTH, case_height(case)),
        records=tuple(_records(case)),
        draw=lambda canvas: draw_case(canvas, case),
    )


def check_user(material: Material, user: str) -> None:
    """Refuse a user whom the data set does not have.

    Raises:
        ReproError: Naming the first ids there are.
    """
    known = NodeIds.load(material.layout.prepared(material.dataset)).users
    if user not in map(str, known):
        raise ReproError(
            f"{material.dataset} has no user {user!r} among its {len(known):,}; the first are "
            f"{', '.join(str(one) for one in known[:3])}."
        )


def choose(gains: npt.NDArray[np.float64], intents: npt.NDArray[np.int64]) -> Choice:
    """Return the user with the median gain among those with three text intents whose metric differs.

    Users whom both models serve alike show no difference, so they take no part, unless all do. Of an even
    number the lower middle one is taken, and of equal gains the first in the order of users.

    Args:
        gains: Differences to base, shape (user,).
        intents: Numbers of text intents, shape (user,).
    """
    wanted = min(MOST_INTENTS, int(intents.max(initial=0)))
    rich = np.flatnonzero(intents >= wanted)
    differing = rich[gains[rich] != 0]
    among, which = (differing, "whom the models serve differently") if len(differing) else (rich, "")
    order = among[np.argsort(gains[among], kind="stable")]
    place = int(order[(len(order) - 1) // 2])
    clause = f"the one with the median gain among the {plural(len(order), 'user')} with {plural(wanted, 'text intent')}"
    return Choice(place, float(gains[place]), f"{clause} {which}".strip())


def _named(ours: CellResult, ids: NodeIds, user: str, gains: npt.NDArray[np.float64]) -> Choice:
    node = [str(one) for one in ids.users].index(user)
    found = np.flatnonzero(ours.users == node)
    if not len(found):
        raise NotDrawableError(
            f"user {user} of {ours.cell.dataset} has no test items: name another with --user."
        )
    return Choice(int(found[0]), float(gains[found[0]]), "named by hand")


def _titles(cell: CellResult, ids: NodeIds) -> list[str]:
    """Return what to call each item: its title, or its id where it has none."""
    titles = load_titles(cell.prepared)
    return [single_line(title or "") or f"item {one}" for title, one in zip(titles, ids.items, strict=True)]


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, (single_line(text) for text in texts)))


def _prototypes(
    mixture: IntentMixture, node: int, titles: Sequence[str], of_items: Sequence[Summary]
) -> tuple[PrototypeUse, ...]:
    """Return the prototypes with the largest weight of a user, with the items whose vectors point alike."""
    from torch.nn.functional import normalize

    weights = mixture.user_weights[node].double().numpy()
    items = normalize(mixture.nodes[len(mixture.user_weights) :].double())
    uses = []
    for number in np.argsort(-weights, kind="stable")[:PROTOTYPES]:
        cosines = (items @ normalize(mixture.user_prototypes[int(number)].double(), dim=0)).numpy()
        nearest = np.argsort(-cosines, kind="stable")[:_NEIGHBOURHOOD]
        phrases = Counter(phrase for item in nearest for phrase in _lines(of_items[item].intents))
        uses.append(
            PrototypeUse(
                number=int(number),
                weight=float(weights[number]),
                times_even=float(weights[number] * len(weights)),
                items=tuple(titles[item] for item in nearest[:NEAREST_ITEMS]),
                phrases=tuple(phrase for phrase, _ in phrases.most_common(NEAREST_ITEMS)),
            )
        )
    return tuple(uses)


def _list(cell: CellResult, seed: int, node: int, titles: Sequence[str]) -> tuple[Recommended, ...]:
    if seed not in cell.seeds:
        raise NotDrawableError(f"{cell.name} has no list of the seed {seed}: run `dvc repro`.")
    row = int(np.flatnonzero(cell.seeds == seed)[0])
    items = cell.lists(LISTED)[row, int(np.flatnonzero(cell.users == node)[0])]
    test = cell.test_pairs()
    hits = set(test.items[test.users == node].tolist())
    return tuple(Recommended(titles[item], int(item) in hits) for item in items if item >= 0)


def _hits(items: Sequence[Recommended]) -> int:
    return sum(item.hit for item in items)


def _alt(case: Case, choice: Choice, metric: str) -> str:
    intents = "; ".join(case.intents) or "none"
    told = ", ".join(f"{name} {_hits(items)}" for name, items in case.lists)
    nearest = "; ".join(case.prototypes[0].items)
    return (
        f"User {case.user}, {metric} {choice.gain:+.4f} against base. Intents in the text: {intents}. The prototype "
        f"with the largest weight, {case.prototypes[0].times_even:.2f} times an even share, lies nearest to: "
        f"{nearest}. Test items among the first {LISTED}: {told}."
    )


def _caption(case: Case, choice: Choice, metric: str, seed: int, mixture: IntentMixture, node: int) -> str:
    weights = mixture.user_weights[node].double().numpy()
    effective = float(np.exp(-(weights * np.log(weights)).sum()))
    return (
        f"The user: {choice.rule} ({metric} {choice.gain:+.4f}, mean over seeds). Bars: weights of prototypes, "
        f"softmax(E C) of seed {seed}, averaged over layers; the line is an even share. Of {len(weights)} prototypes "
        f"{effective:.1f} are in use for this user (exponential of the entropy): the nearer to all, the less any "
        "stands out. Under each, the items whose vectors point most alike, and the text intents most frequent "
        f"among the {_NEIGHBOURHOOD} nearest. Lists: seed {seed}; ✓ marks test items. One user is an illustration, "
        "no evidence."
    )


def _records(case: Case) -> list[Record]:
    def record(part: str, rank: int, text: str, value: Scalar = None, hit: Scalar = None) -> Record:
        return {"part": part, "rank": rank, "text": text, "weight": value, "hit": hit}

    records = [record("text intent", rank, text) for rank, text in enumerate(case.intents, 1)]
    for rank, use in enumerate(case.prototypes, 1):
        records.append(record("prototype", rank, f"no. {use.number}", figures(use.weight)))
        records += [
            record(f"item near prototype {rank}", place, text) for place, text in enumerate(use.items, 1)
        ]
        records += [
            record(f"text near prototype {rank}", place, text) for place, text in enumerate(use.phrases, 1)
        ]
    for name, items in case.lists:
        records += [
            record(f"recommended by {name}", rank, item.title, hit=int(item.hit))
            for rank, item in enumerate(items, 1)
        ]
    return records
