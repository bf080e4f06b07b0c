"""The figure of gains: how the difference to base is spread over users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from repro.figure_material import Material, NotDrawableError, plural
from repro.figures.gains import Gain, cumulative, draw_gains, gain_height
from repro.figures.model import COLUMN_WIDTH, Figure
from repro.figures.style import look_of
from repro.results import CellResult
from repro.tables.main import OURS
from repro.tables.model import Record, figures

_TAIL = 0.005
"""Share of users left out of the axis at each end."""


def gain_figure(material: Material) -> Figure:
    """Return the distribution of per-user differences to base, with shares better, equal and worse.

    Raises:
        NotDrawableError: If base or every other variant has no results.
    """
    base = material.need("base")
    others = [cell for cell in material.plain if cell is not base]
    if not others:
        raise NotDrawableError(
            f"no variant but base is evaluated on {material.place}: there is nothing to gain."
        )
    metric = material.metrics[0]
    # irllrec first, then the others in the order of the grid.
    others.sort(key=lambda cell: cell.cell.variant != OURS)
    gains = [_gain(cell, base, metric, place) for place, cell in enumerate(others)]
    span = _span(gains)
    outside = max(float(((g.differences < span[0]) | (g.differences > span[1])).mean()) for g in gains)
    return Figure(
        name=f"gains-{material.place}",
        title=f"Gain of each user over base: {material.backbone} on {material.dataset}",
        alt=_alt(gains, metric),
        caption=_caption(gains, base, metric, outside),
        command=material.command("gains"),
        size=(COLUMN_WIDTH, gain_height(gains)),
        records=tuple(_records(gains, metric)),
        draw=lambda canvas: draw_gains(canvas, gains, span, metric),
    )


def _gain(cell: CellResult, base: CellResult, metric: str, place: int) -> Gain:
    ours, theirs = cell.values(metric), base.values(metric)
    seeds = [seed for seed in cell.seeds if seed in base.seeds] if place == 0 else []
    seeds = seeds if len(seeds) > 1 else []  # of one seed the mean is the seed
    by_seed = [ours[list(cell.seeds).index(seed)] - theirs[list(base.seeds).index(seed)] for seed in seeds]
    return Gain(
        cell.cell.variant,
        look_of(cell.cell.variant, place),
        _clean(ours.mean(axis=0) - theirs.mean(axis=0)),
        _clean(np.reshape(by_seed, (len(seeds), ours.shape[1]))),
    )


def _clean(differences: np.ndarray) -> np.ndarray:
    """Return the differences with what is left by rounding set to 0: a tie is a tie."""
    return np.where(np.abs(differences) < 1e-12, 0.0, differences)


def _span(gains: Sequence[Gain]) -> tuple[float, float]:
    """Return limits around 0 that hold all but the tails of every variant."""
    ends = [np.quantile(gain.differences, [_TAIL, 1 - _TAIL]) for gain in gains]
    reach = max(0.01, *(float(np.abs(end).max()) for end in ends))
    return -1.05 * reach, 1.05 * reach


def _alt(gains: Sequence[Gain], metric: str) -> str:
    told = [
        f"{gain.name} gives {100 * gain.shares[2]:.1f} % of {plural(len(gain.differences), 'user')} a higher "
        f"{metric}, {100 * gain.shares[1]:.1f} % the same and {100 * gain.shares[0]:.1f} % a lower one"
        for gain in gains
    ]
    return f"Against base: {'; '.join(told)}."


def _caption(gains: Sequence[Gain], base: CellResult, metric: str, outside: float) -> str:
    first = gains[0]
    seeds = f"Thin grey lines: {first.name} in each of {plural(len(first.by_seed), 'seed')}, against base in the same. "
    left_out = f" Up to {100 * outside:.1f} % of users lie beyond the axis." if outside else ""
    return (
        f"Above: the share of users whose {metric}, averaged over {plural(len(base.seeds), 'seed')}, differs from "
        f"base by at most so much. {seeds if len(first.by_seed) else ''}Below: shares of users who are worse, "
        f"equal and better off, {plural(len(first.differences), 'user')}; no test.{left_out}"
    )


def _records(gains: Sequence[Gain], metric: str) -> list[Record]:
    records: list[Record] = []
    for gain in gains:
        lines = [("mean over seeds", gain.differences)]
        lines += [(f"seed {place}", row) for place, row in enumerate(gain.by_seed, start=1)]
        for name, differences in lines:
            values, shares = cumulative(differences)
            records += [
                {
                    "variant": gain.name,
                    "metric": metric,
                    "line": name,
                    "difference": figures(float(value)),
                    "share_of_users_up_to_it": figures(float(share)),
                }
                for value, share in zip(values, shares, strict=True)
            ]
    return records
