"""What a method's metric does when one setting, or two, are changed: each point a cell of its own."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from repro.analysis import Pair, compare
from repro.cell_requests import CellRequest, checked
from repro.errors import ReproError
from repro.hyperparameters import TEXT_WIDTH, find_setting, settings_at, text_width
from repro.params import Params
from repro.results import CellResult
from repro.statistics.comparison import Comparison, correct_family
from repro.tables.model import Mark, ranks

Number = int | float
MOST_CELLS = 60
"""Points of one request: beyond that, somebody mistyped."""


@dataclass(frozen=True)
class Point:
    """One combination of values.

    Attributes:
        values: Of each setting, in the order of :attr:`Sensitivity.settings`.
        cell: Its results; the plain cell's where these are the values that it has.
    """

    values: tuple[Number, ...]
    cell: CellResult


@dataclass(frozen=True)
class Sensitivity:
    """One line over a setting, or a grid over two, around a cell.

    Attributes:
        settings: One or two, by section and name.
        plain: The cell whose settings are changed.
        usual: Its values of the settings; None for text that is not reduced and whose width is not told.
        points: In the order of their values, that of the plain cell among them where it is on the line or grid.
        metrics: What was compared.
        comparisons: By values and metric, each point against the plain cell; not for the plain cell itself.
    """

    settings: tuple[str, ...]
    plain: CellResult
    usual: tuple[Number | None, ...]
    points: Sequence[Point]
    metrics: Sequence[str]
    comparisons: Mapping[tuple[tuple[Number, ...], str], Comparison]

    def mean(self, point: Point, metric: str) -> float:
        """Return a point's mean over seeds and users."""
        return float(point.cell.values(metric).mean())

    def marks(self, metric: str) -> list[Mark]:
        """Return the rank of each point, as tables mark it."""
        return ranks([self.mean(point, metric) for point in self.points])

    def is_plain(self, point: Point) -> bool:
        return point.cell.key == self.plain.key


Line = tuple[tuple[str, ...], CellResult, tuple[Number | None, ...], Sequence[Point]]
"""Settings, the cell whose they are, its values of them, and the points."""


def read_change(text: str) -> tuple[str, tuple[Number, ...]]:
    """Return the setting and the values of ``--set intents=32,64``, in ascending order.

    Raises:
        ReproError: If the text has another form.
    """
    name, _, listed = text.partition("=")
    wrong = ReproError(f"--set {text}: write a setting and its values, for example intents=32,64,128.")
    values: list[Number] = []
    for word in listed.split(","):
        try:
            values.append(int(word) if word.strip().isdigit() else float(word))
        except ValueError:
            raise wrong from None
    if not name:
        raise wrong
    return name.strip(), tuple(sorted(dict.fromkeys(values)))


def points_of(
    params: Params, base: CellRequest, changes: Sequence[tuple[str, tuple[Number, ...]]]
) -> tuple[tuple[str, ...], dict[tuple[Number, ...], CellRequest]]:
    """Return the settings by section and name, and the cell of each combination of their values.

    The combination that the cell has anyway is that cell.

    Args:
        params: The grid.
        base: The cell whose settings are changed.
        changes: One setting with its values, or two.

    Raises:
        ReproError: If a setting is unknown or a value impossible, or there are too many combinations.
    """
    method = f"{base.backbone} under {base.objective}"
    known = [*settings_at(params, base.dataset, base.backbone, base.objective), TEXT_WIDTH]
    names = tuple(find_setting(known, name, f"--set {name}", method) for name, _ in changes)
    if len(set(names)) < len(names):
        raise ReproError(f"--set {names[0]} is given twice: name each setting once, with all of its values.")
    combinations = list(itertools.product(*(values for _, values in changes)))
    if len(combinations) > MOST_CELLS:
        raise ReproError(
            f"{' × '.join(names)} makes {len(combinations)} combinations, more than {MOST_CELLS}: name fewer values."
        )
    requests = {
        values: checked(params, replace(base, settings=tuple(zip(names, values, strict=True))))
        for values in combinations
    }
    if all(request == base for request in requests.values()):
        raise ReproError(f"{base.variant} has these values of {', '.join(names)} anyway: name others.")
    usual = usual_of(params, base, names)
    if len(names) == 1 and usual[0] is not None:  # a line shows what the cell has, named or not
        requests.setdefault((usual[0],), base)
    return names, dict(sorted(requests.items()))


def usual_of(params: Params, base: CellRequest, names: Sequence[str]) -> tuple[Number | None, ...]:
    """Return the values that a cell has of some settings; None where they are not single numbers."""
    known = settings_at(params, base.dataset, base.backbone, base.objective)
    known[TEXT_WIDTH] = text_width(params, base.dataset)
    found = (known.get(name) for name in names)
    return tuple(value if isinstance(value, int | float) else None for value in found)


def sensitivities(
    lines: Sequence[Line],
    metrics: Sequence[str],
    params: Params,
    correction: str,
) -> list[Sensitivity]:
    """Return lines and grids with each point compared with the plain cell.

    Args:
        lines: Around cells of one data set.
        metrics: What to compare.
        params: Holds level, sample counts, margin and seed.
        correction: ``holm`` or ``bh``, over all points of all of them; one on several counts once.
    """
    asked = [
        (index, point, metric)
        for index, (_, plain, _, points) in enumerate(lines)
        for point in points
        if point.cell.key != plain.key
        for metric in metrics
    ]
    pairs = [(Pair(point.cell, lines[index][1]), metric) for index, point, metric in asked]
    distinct = {(pair.candidate.key, pair.reference.key, metric): (pair, metric) for pair, metric in pairs}
    answers = correct_family(compare(list(distinct.values()), params, purpose="sensitivity"), correction)
    found = {(c.candidate, c.reference, c.metric): c for c in answers}
    told: list[dict[tuple[tuple[Number, ...], str], Comparison]] = [{} for _ in lines]
    for (index, point, metric), (pair, _) in zip(asked, pairs, strict=True):
        told[index][point.values, metric] = found[pair.candidate.name, pair.reference.name, metric]
    return [
        Sensitivity(settings, plain, usual, points, metrics, comparisons)
        for (settings, plain, usual, points), comparisons in zip(lines, told, strict=True)
    ]
